"""Paints the primer's training pictures with Pillow."""
