"""`python -m engine train …` and `primer …`."""
