"""A style: a template for prompts with options, known to one server or shipped with the bot."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

PLACE = "{prompt}"
"""Where a template takes the words of a prompt."""
NO_STYLE = "none"
"""Typed instead of a style to use none, even if the channel has a default."""


@dataclass(frozen=True, slots=True)
class Style:
    id: str
    """Ten characters, or the short key of a style that ships with the bot."""
    name: str
    template: str
    """``{prompt}, oil on canvas | frame:-0.5``"""
    negative: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    """Settings of `/dream` by name: model, method, profile, size, steps, and options of the method."""
    author: int | None = None
    """User id; None for a style that ships with the bot, and after its author was forgotten."""
    uses: int = 0
    stars: int = 0
    created_at: float = 0.0
    """Unix seconds."""
    starter: bool = False
    """Whether it ships with the bot."""
    large: bool = False
    """Whether only models larger than the shipped one paint it."""

    @property
    def key(self) -> str:
        """The name by which it is found."""
        return folded(self.name)


def folded(name: str) -> str:
    """*name* without differences of case, width and blanks."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
