"""The words that a picture is described with: things, colours, places, times, and styles of the field."""

from __future__ import annotations

from bot.community.styles.starters import FOR_LARGE_MODELS
from bot.pictures.ranking import SMALL
from engine.primer.vocabulary import KNOWN, PLURALS

COLOURS = KNOWN["colours"]
THINGS = tuple(name for topic in ("things", "shapes", "nature", "food", "travel", "activities", "objects")
               for name in KNOWN[topic])  # fmt: skip
PLACES = (
    "in a meadow", "on the sea", "on a beach", "in the snow", "in a desert", "in a forest", "in a city", "in the sky",
    "in space", "in the mountains",
)  # fmt: skip
TIMES = ("in the morning", "at sunset", "at night", "in fog")
STYLES = ("a watercolour of {}", "an ink drawing of {}", "pixel art of {}", "a neon picture of {}")
"""Styles that the small models know."""
MODIFIERS = tuple(style.template.replace("{prompt}", "{}") for style in FOR_LARGE_MODELS)
"""More styles, for CLIPs that were trained on the web."""


_SINGULAR = ("ss", "us", "is")
"""Ends of words in s that name one thing."""


def styles_for(perceptor: str) -> tuple[str, ...]:
    """Patterns with a place for the subject."""
    return STYLES if perceptor.startswith(SMALL) else (*STYLES, *MODIFIERS)


def with_article(words: str) -> str:
    """``an owl``; words that name several things, such as ``dolls``, get no article."""
    if words in PLURALS or (words.endswith("s") and not words.endswith(_SINGULAR)):
        return words
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
