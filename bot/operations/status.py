"""The state of a running bot at one moment, for `/engine`, /metrics and /health."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bot.errors import StoreError
from bot.operations.metrics import Metrics
from bot.operations.process import resident_bytes
from bot.policy.limits import has_room
from bot.storage import Store
from engine.client.local import Engine, Pulse
from engine.protocol.messages import Ready


@dataclass(frozen=True, slots=True)
class Shards:
    """Shard id → its state. Empty before the gateway was asked how many there are."""

    live: Mapping[int, bool]
    """Whether it has a session."""
    latencies: Mapping[int, float]
    """Seconds from heartbeat to answer, of shards that have one."""
    servers: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Status:
    """All values that are read at a moment."""

    metrics: Metrics
    ready: Ready | None
    """What the engine can do; None while it is down."""
    pulse: Pulse
    connected: bool
    """Whether every shard is connected to Discord's gateway."""
    shards: Shards
    database: bool
    """Whether the database can be read."""
    unwritable: str
    """Why the database cannot be written or trusted; empty if it can."""
    has_room: bool
    """Whether the disk has room for new jobs."""
    waiting: int
    running: int
    owed: int
    """Results and pings that were not sent yet."""
    kept_bytes: int
    """Disk that pictures, attachments and previews take."""
    free_bytes: int
    memory: Mapping[str, int]
    """Process → resident bytes."""

    @property
    def can_write(self) -> bool:
        return self.database and not self.unwritable

    @property
    def engine_state(self) -> Literal["up", "down", "stalled", "unusable"]:
        """An engine that is just restarting is "down"."""
        if self.ready is None:
            return "down"
        if "engine" in self.ready.unavailable:
            return "unusable"
        return "stalled" if self.pulse.stalled else "up"

    @property
    def trouble(self) -> str:
        """Why the bot cannot do its work now; empty if it can. A restart of the engine is no trouble."""
        if not self.connected:
            down = ", ".join(str(shard) for shard, live in self.shards.live.items() if not live)
            named = f" (shard {down})" if len(self.shards.live) > 1 else ""
            return f"not connected to Discord{named}"
        if not self.database:
            return "the database cannot be read"
        if self.unwritable:
            return self.unwritable
        if not self.has_room:
            return (
                "the disk is nearly full and no new jobs are taken: free space or lower [retention] pictures_megabytes"
            )
        if self.engine_state == "stalled":
            return "the engine is stalled: it has work and makes no progress"
        return self.ready.unavailable.get("engine", "") if self.ready else ""


async def look(
    store: Store,
    engine: Engine,
    metrics: Metrics,
    shards: Shards,
    *,
    connected: bool,
    ready: Ready | None,
    waiting: int,
    running: int,
    free_megabytes: int,
) -> Status:
    """Read the rest. A database that does not answer is reported, not raised.

    *free_megabytes*: free disk space below which no new jobs are accepted.
    """
    owed, kept = 0, 0
    try:
        owed, kept = len(await store.deliveries.pending()), await store.used_bytes()
        database = True
    except StoreError:
        database = False
    return Status(
        metrics=metrics,
        ready=ready,
        pulse=engine.pulse,
        connected=connected,
        shards=shards,
        database=database,
        unwritable=store.database.trouble,
        has_room=has_room(store.folder, free_megabytes),
        waiting=waiting,
        running=running,
        owed=owed,
        kept_bytes=kept,
        free_bytes=shutil.disk_usage(store.folder).free,
        memory={"bot": resident_bytes(), **_engine_memory(engine.ready)},
    )


def _engine_memory(ready: Ready | None) -> dict[str, int]:
    """Process → resident bytes: the engine, or the router and its workers, as remote workers report them."""
    if ready is None or ready.pid in (0, os.getpid()):
        return {}
    own = resident_bytes(ready.pid)
    if len(ready.workers) < 2:
        return {"engine": own}
    return {"router": own, **{worker.name: worker.memory for worker in ready.workers if worker.memory}}
