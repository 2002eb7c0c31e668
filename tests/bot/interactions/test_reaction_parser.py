"""What a reaction asks for."""

from __future__ import annotations

import pytest

from bot.interactions.reaction_parser import Reaction, ReactionAction, read_reaction


@pytest.mark.parametrize(
    ("meaning", "emoji"),
    [
        (Reaction(ReactionAction.UPSCALE), "⬆️"),
        (Reaction(ReactionAction.UPSCALE), "⬆"),
        (Reaction(ReactionAction.UPSCALE, 0), "1️⃣"),
        (Reaction(ReactionAction.UPSCALE, 3), "4⃣"),
        (Reaction(ReactionAction.UPSCALE, 9), "🔟"),
        (Reaction(ReactionAction.AGAIN), "🔁"),
        (Reaction(ReactionAction.AWAY), "❌"),
    ],
)
def test_some_emoji_ask_for_something(meaning: Reaction, emoji: str) -> None:
    assert meaning == read_reaction(emoji)


@pytest.mark.parametrize("emoji", ["👍", "0️⃣", "#️⃣", "⬇️", "", "up", "12"])
def test_most_ask_for_nothing(emoji: str) -> None:
    assert read_reaction(emoji) is None
