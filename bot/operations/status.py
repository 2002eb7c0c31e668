"""One look at a running bot: what people see under `/engine`, Prometheus under /metrics and watchdogs under /health."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.errors import StoreError
from bot.operations.memory import resident_bytes
from bot.operations.metrics import Measures
from bot.policy.limits import has_room
from bot.storage import Store
from engine.client.local import Engine, Pulse
from engine.protocol.messages import Ready


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


@dataclass(frozen=True, slots=True)
class Sources:
    """Where `look` reads its figures."""

    store: Store
    engine: Engine
    measures: Measures
    ready: Callable[[], Ready | None]
    connected: Callable[[], bool]
    waiting: Callable[[], int]
    running: Callable[[], int]
    free_megabytes: int
    """Free disk space below which no new jobs are accepted."""


async def look(sources: Sources) -> Figures:
    """Read all figures. A store that does not answer is reported, not raised."""
    store, owed, kept = sources.store, 0, 0
    try:
        owed, kept = len(await store.deliveries.pending()), await store.used_bytes()
        database = True
    except StoreError:
        database = False
    pid = sources.engine.ready.pid if sources.engine.ready else 0
    memory = {"bot": resident_bytes(), **({"engine": resident_bytes(pid)} if pid and pid != os.getpid() else {})}
    return Figures(
        measures=sources.measures,
        ready=sources.ready(),
        pulse=sources.engine.pulse,
        connected=sources.connected(),
        database=database,
        unwritable=store.database.trouble,
        has_room=has_room(store.folder, sources.free_megabytes),
        waiting=sources.waiting(),
        running=sources.running(),
        owed=owed,
        kept_bytes=kept,
        free_bytes=shutil.disk_usage(store.folder).free,
        memory=memory,
    )
