"""One look at a running bot: what people see under `/engine`, Prometheus under /metrics and watchdogs under /health."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.errors import StoreError
from bot.operations.memory import resident_bytes
from bot.operations.metrics import Measures
from bot.policy.limits import has_room
from engine.client.local import Pulse
from engine.protocol.messages import Ready

if TYPE_CHECKING:
    from bot.bot import DreamBot


@dataclass(frozen=True, slots=True)
class Figures:
    """The state of things at one moment."""

    measures: Measures
    ready: Ready | None
    """What the engine can do; None while it is down."""
    pulse: Pulse
    connected: bool
    """Discord's gateway is there."""
    database: bool
    """The store answers."""
    unwritable: str
    """Why the last thing could not be written down, in words; empty if it could."""
    has_room: bool
    """The disk has so much left that new jobs are taken."""
    waiting: int
    running: int
    owed: int
    """Ends and pings that were not told yet."""
    kept_bytes: int
    """Disk that pictures take, attachments and the ways to pictures included."""
    free_bytes: int
    """Disk that is left."""
    memory: Mapping[str, int]
    """Process → resident bytes."""

    @property
    def can_write(self) -> bool:
        """The store answers, and took the last thing that was to be written down."""
        return self.database and not self.unwritable

    @property
    def trouble(self) -> str:
        """Why the bot cannot do its work now; empty if it can. An engine that is just restarting is no trouble."""
        if not self.connected:
            return "not connected to Discord"
        if not self.database:
            return "the database cannot be read"
        if self.unwritable:
            return self.unwritable
        if not self.has_room:
            return (
                "the disk is nearly full, so nothing new is taken: make room, or lower [retention] pictures_megabytes"
            )
        return self.ready.unavailable.get("engine", "") if self.ready else ""


async def look(bot: DreamBot) -> Figures:
    """Look now. Never raises because the store does not answer: that is one of the findings."""
    owed = kept = 0
    try:
        owed, kept = len(await bot.store.deliveries.pending()), await bot.store.used_bytes()
        database = True
    except StoreError:
        database = False
    pid = bot.engine.ready.pid if bot.engine.ready else 0
    memory = {"bot": resident_bytes(), **({"engine": resident_bytes(pid)} if pid and pid != os.getpid() else {})}
    return Figures(
        measures=bot.measures,
        ready=bot.jobs.engine_ready,
        pulse=bot.engine.pulse,
        connected=bot.online and not bot.is_closed(),
        database=database,
        unwritable=bot.store.database.trouble,
        has_room=has_room(bot.store.folder, bot.config.retention.free_megabytes),
        waiting=len(bot.jobs.queue()),
        running=len(bot.jobs.running()),
        owed=owed,
        kept_bytes=kept,
        free_bytes=shutil.disk_usage(bot.store.folder).free,
        memory=memory,
    )
