"""Prompts that newcomers are offered first. No numpy, no Pillow: the bot imports this module."""

from __future__ import annotations

WELCOME_PROMPTS = (
    "a red dragon in the mountains at sunset",
    "a penguin in the snow",
    "a pizza on a blue background",
    "a purple octopus in the sea",
    "a fox in the forest in the morning",
    "a yellow car beside a red house",
    "a rocket in space",
    "a sunflower in a meadow with a sun",
    "a blue guitar on an orange background",
    "three strawberries on a white background",
)
"""Chosen of 24 by the mean and the least mark of the grader over eight seeds, and by eye."""
