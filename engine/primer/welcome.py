"""Prompts that newcomers are offered first. No numpy, no Pillow: the bot imports this module."""

from __future__ import annotations

WELCOME_PROMPTS = (
    "a rocket in space",
    "a castle on a hill at sunset",
    "a dolphin in the sea at sunset",
    "a sailboat on the sea at sunset with clouds",
    "an owl at night with a moon",
    "a penguin in the snow",
    "three strawberries on a white background",
    "a red balloon in the sky with clouds",
    "a parrot in the forest",
    "a blue guitar on an orange background",
)
"""Chosen of 30 by the grader and by eye: the worst of at least 32 seeds of each shows what it names."""
