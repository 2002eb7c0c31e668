"""What Discord's refusals mean for the next try."""

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
