"""What a reaction on one of our messages asks for. Pure.

⬆️        enlarge; on a grid the picture that CLIP likes best
1️⃣ … 🔟   enlarge that picture
🔁        the same words with another seed
❌        delete a result, cancel what is not finished; for the owner and moderators
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

_VARIATION_SELECTOR = "\ufe0f"
_KEYCAP = "\u20e3"


class Wish(Enum):
    """What somebody wants."""

    UPSCALE = "upscale"
    AGAIN = "again"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Reaction:
    """A wish, and the picture it is about (None: the best, or all)."""

    wish: Wish
    index: int | None = None


_PLAIN = {"⬆": Wish.UPSCALE, "🔼": Wish.UPSCALE, "🔁": Wish.AGAIN, "❌": Wish.AWAY}


def read_reaction(emoji: str) -> Reaction | None:
    """The meaning of a standard emoji, with or without its variation selector; None if it has none here."""
    bare = emoji.replace(_VARIATION_SELECTOR, "")
    if bare in _PLAIN:
        return Reaction(_PLAIN[bare])
    if bare == "🔟":
        return Reaction(Wish.UPSCALE, 9)
    if len(bare) == 2 and bare[1] == _KEYCAP and bare[0] in "123456789":
        return Reaction(Wish.UPSCALE, int(bare[0]) - 1)
    return None
