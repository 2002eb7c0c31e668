"""Pictures as words: what CLIP sees in a picture, and how well texts fit it."""
