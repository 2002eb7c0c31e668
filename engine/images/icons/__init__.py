"""Icons as pictures to start from: their text form, the two sets of glyphs, and how they are drawn."""
