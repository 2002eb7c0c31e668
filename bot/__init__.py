"""Dreambot's Discord side: everything that knows Discord, and nothing that knows torch."""
