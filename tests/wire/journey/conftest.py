"""The stage on which every journey plays. Its end is a check of its own: Discord's schemas have nothing to say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.playground.server.local import LocalDiscord
from tests.wire.journey.stage import Stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A local Discord without a bot; the test starts one."""
    async with LocalDiscord() as site:
        play = Stage(site, tmp_path)
        yield play
        await play.stop()
        assert [] == site.record.findings()
