"""Prompts that newcomers are offered first. No numpy, no Pillow: the bot imports this module."""

from __future__ import annotations

WELCOME_PROMPTS = (
    "a rocket in space",
    "a castle on a hill at sunset",
    "a purple octopus in the sea",
    "a red dragon in the mountains at sunset",
    "an owl at night with a moon",
    "a penguin in the snow",
    "three strawberries on a white background",
    "a red balloon in the sky with clouds",
    "a whale in the sea",
    "a blue guitar on an orange background",
)
"""Chosen of 24 by the mean and the least mark of the grader over six seeds, and by eye."""
