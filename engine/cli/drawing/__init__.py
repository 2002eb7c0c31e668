"""Commands that draw icons and paint the pictures of the documentation."""
