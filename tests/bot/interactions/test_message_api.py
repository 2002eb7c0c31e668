"""What each refusal of Discord means for the next attempt."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.interactions.message_api import DeletionResult, Trouble, removal_of, trouble_of


@pytest.mark.parametrize("kind", [discord.HTTPException, discord.DiscordServerError, discord.NotFound])
@pytest.mark.parametrize("status", [500, 503, 520, 599])
def test_every_status_from_500_on_passes_by_itself(kind: type[discord.HTTPException], status: int) -> None:
    response: Any = SimpleNamespace(status=status, reason="no reason")
    error = kind(response, {"message": "broken", "code": 0})

    assert (Trouble.LATER, DeletionResult.LATER) == (trouble_of(error), removal_of(error))


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, 0, "401: Unauthorized"),
        (403, 0, "<html><title>Access denied</title></html>"),
        (404, 0, "<!DOCTYPE html>\n<title>Not found</title>"),
        (405, 0, "  <html>"),
        (400, 130000, "API resource is currently overloaded. Try again a little later"),
    ],
)
def test_what_says_nothing_about_the_message_passes_by_itself(status: int, code: int, said: str) -> None:
    response: Any = SimpleNamespace(status=status, reason="no reason")
    kind = {403: discord.Forbidden, 404: discord.NotFound}.get(status, discord.HTTPException)
    error = kind(response, {"message": said, "code": code} if code or not said.strip().startswith("<") else said)

    assert (Trouble.LATER, DeletionResult.LATER) == (trouble_of(error), removal_of(error))


def test_a_page_for_a_file_that_is_too_large_asks_for_a_smaller_one() -> None:
    response: Any = SimpleNamespace(status=413, reason="no reason")

    assert trouble_of(discord.HTTPException(response, "<html>413</html>")) is Trouble.TOO_LARGE
