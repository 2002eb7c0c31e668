"""Commands that make pictures beside `dream`: icons, and the pictures of the documentation."""
