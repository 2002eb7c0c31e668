"""Inspects the database file while the bot runs, so that a file that is gone or damaged does not go unnoticed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from bot.storage.database import Database

log = logging.getLogger(__name__)

INSPECT_SECONDS = 60.0
"""Between two looks at the file."""
CHECK_SECONDS = 86_400.0
"""Between two checks of its content, which read the whole file."""


async def watch_database(database: Database, ticks: Callable[[], float] = time.monotonic) -> None:
    """Runs until it is cancelled. Logs each new finding; `Database.trouble` keeps it for /health and new jobs."""
    found, checked = "", float("-inf")
    while True:
        content = ticks() - checked >= CHECK_SECONDS
        if content:
            checked = ticks()
        before, found = found, await database.inspect(content=content)
        if found and found != before:
            log.critical("%s", found)
        await asyncio.sleep(INSPECT_SECONDS)
