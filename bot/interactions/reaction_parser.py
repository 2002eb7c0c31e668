"""Maps reactions on the bot's messages to actions.

⬆️        upscale; on a grid the picture with the best CLIP score
1️⃣ … 🔟   upscale that picture
🔁        same prompt, new seed
⭐        star it; on a grid the picture with the best CLIP score. Removing the reaction removes the star
🗳️        start a blind vote of an hour on the pictures of a grid, batch or comparison
❌        delete a result, or cancel an unfinished job; for the owner and moderators
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

_VARIATION_SELECTOR = "\ufe0f"
_KEYCAP = "\u20e3"


class ReactionAction(Enum):
    UPSCALE = "upscale"
    AGAIN = "again"
    AWAY = "away"
    STAR = "star"
    VOTE = "vote"


@dataclass(frozen=True, slots=True)
class Reaction:
    """An action and its picture (None: the best, or all)."""

    wish: ReactionAction
    index: int | None = None


_PLAIN = {
    "⬆": ReactionAction.UPSCALE,
    "🔼": ReactionAction.UPSCALE,
    "🔁": ReactionAction.AGAIN,
    "❌": ReactionAction.AWAY,
    "⭐": ReactionAction.STAR,
    "🗳": ReactionAction.VOTE,
}


def read_reaction(emoji: str) -> Reaction | None:
    """The action of an emoji, with or without its variation selector; None for any other emoji."""
    bare = emoji.replace(_VARIATION_SELECTOR, "")
    if bare in _PLAIN:
        return Reaction(_PLAIN[bare])
    if bare == "🔟":
        return Reaction(ReactionAction.UPSCALE, 9)
    if len(bare) == 2 and bare[1] == _KEYCAP and bare[0] in "123456789":
        return Reaction(ReactionAction.UPSCALE, int(bare[0]) - 1)
    return None
