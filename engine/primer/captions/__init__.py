"""Captions of the primer's training pictures: generation, parsing, contradictions."""
