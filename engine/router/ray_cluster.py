"""Workers on several machines through Ray: one actor per worker starts the worker's process on its machine.

The router is Ray's driver; the client, which may hold secrets, never is, because Ray unpickles what actors return. An
actor forwards bytes between the router and `engine.worker.main` without parsing them. Every worker process gets a new
actor, which Ray never restarts, so that no answer of an earlier process can arrive.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.client.supervisor import EXIT_SECONDS, EngineProcess, StartEngine, start_child
from engine.client.transport import BUFFER
from engine.environment import WORKER_VARIABLE, child_environment
from engine.errors import EngineUnusable, printable
from engine.protocol.framing import Budget, Message, encode, read_message
from engine.protocol.messages import Command
from engine.router.settings import RaySettings

USUAL = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}
"""Defaults of Ray's environment variables, set before its import: no usage statistics are sent."""
OF_THE_MACHINE = ("DREAMBOT_WEIGHTS",)
"""Variables for which the worker's own machine has priority."""
NAMESPACE = "dreambot"
PLACE_SECONDS = 60.0
"""Time limit for the cluster to place a worker; the supervisor retries later."""
CHUNK = 2**20
WAITING_CHUNKS = 16
"""Maximum number of chunks that the router has not read yet."""

log = logging.getLogger(__name__)


class WorkerActor:
    """A Ray actor that starts one worker's process and forwards bytes in both directions."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str]) -> None:
        self._command, self._variables = tuple(command), dict(variables)
        self._child: EngineProcess | None = None
        self._early: dict[int, bytes] = {}
        self._next = 0

    async def start(self) -> int:
        """Start the process with this machine's environment; returns its pid. Raises OSError, TimeoutError."""
        python = shutil.which(self._command[0]) or sys.executable
        here = child_environment(os.environ, device="auto", threads="auto")
        environ = here | self._variables | {name: here[name] for name in OF_THE_MACHINE if name in here}
        self._child = await start_child((python, *self._command[1:]), environ)
        return self._child.pid

    async def take(self, number: int, data: bytes) -> None:
        """Write *data* to the process, in the order of *number*, because Ray may deliver calls out of order."""
        assert self._child is not None
        self._early[number] = data
        while (piece := self._early.pop(self._next, None)) is not None:
            self._child.streams[1].write(piece)
            self._next += 1
        await self._child.streams[1].drain()

    async def output(self) -> AsyncIterator[bytes]:
        """The bytes of the process until its connection ends."""
        assert self._child is not None
        while data := await self._child.streams[0].read(CHUNK):
            yield data

    async def end(self) -> tuple[int, list[str]]:
        """Close the connection and wait for the process; returns its exit status and last printed lines."""
        assert self._child is not None
        status = await self._child.end()
        return status, list(self._child.last_words)


@dataclass(slots=True)
class RayEngine:
    """`EngineConnection` of a worker in the cluster."""

    ray: Any
    actor: Any
    output: Any
    pid: int
    reader: asyncio.StreamReader
    last_words: deque[str] = field(default_factory=lambda: deque(maxlen=30))
    _pump: asyncio.Task[None] | None = None
    _sent: int = 0
    _gone: bool = False

    async def read(self, budget: Budget) -> Message | None:
        return await read_message(self.reader, budget)

    def write(self, command: Command) -> None:
        if self._gone:
            raise ConnectionResetError("the worker has ended")
        self.actor.take.remote(self._sent, b"".join(encode(command)))
        self._sent += 1

    def kill(self) -> None:
        self._gone = True
        self.ray.kill(self.actor)

    async def end(self) -> int:
        status = -1
        if not self._gone:
            with contextlib.suppress(self.ray.exceptions.RayError, TimeoutError):
                status, words = await asyncio.wait_for(self.actor.end.remote(), EXIT_SECONDS + 1)
                self.last_words.extend(words)
        if self._pump is not None:
            self._pump.cancel()
        self.kill()
        return status

    def follow(self) -> None:
        self._pump = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        try:
            async for reference in self.output:
                self.reader.feed_data(await reference)
        except self.ray.exceptions.RayError as error:  # the worker's machine, its raylet or the actor has died
            self.last_words.append(printable(str(error).strip().splitlines()[0])[:300])
        self._gone = True
        self.reader.feed_eof()


async def join_cluster(settings: RaySettings) -> StartEngine:
    """Join the cluster; returns what starts a worker there. Raises EngineUnusable without Ray or a cluster."""
    for name, value in USUAL.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise EngineUnusable('[engine] workers = "ray" needs Ray: pip install dreambot[ray].') from error
    options: dict[str, Any] = {"address": settings.address, "namespace": NAMESPACE, "logging_level": logging.WARNING}
    if settings.address == "local":
        options |= {"include_dashboard": False, "num_cpus": settings.workers}
    try:
        await asyncio.to_thread(ray.init, log_to_driver=False, **options)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise EngineUnusable(f"The Ray cluster “{settings.address}” cannot be joined: {error}") from error
    remote = ray.remote(
        num_cpus=1,
        num_gpus=settings.gpus_per_worker,
        resources=dict(settings.resources) or None,
        max_restarts=0,
        max_task_retries=0,
    )(WorkerActor)

    async def start(command: Sequence[str], environ: Mapping[str, str]) -> RayEngine:
        """Waits for a free place. Raises TimeoutError after `PLACE_SECONDS`, OSError if Ray fails."""
        variables = {name: value for name, value in environ.items() if name.startswith("DREAMBOT_")}
        variables["DREAMBOT_DEVICE"] = "auto" if settings.gpus_per_worker else "cpu"  # Ray shows an actor its own GPUs
        actor = remote.remote(command, variables)
        try:
            pid = await asyncio.wait_for(actor.start.remote(), PLACE_SECONDS)
        except TimeoutError:
            ray.kill(actor)
            raise TimeoutError(
                f"Ray has found no machine with {settings.gpus_per_worker:g} free GPUs"
                f"{f' and {dict(settings.resources)}' if settings.resources else ''} for it"
            ) from None
        except ray.exceptions.RayError as error:
            raise OSError(f"Ray could not start it: {str(error).strip().splitlines()[-1]}") from error
        log.info("Worker %s runs in the cluster as process %d.", environ.get(WORKER_VARIABLE, ""), pid)
        output = actor.output.options(_generator_backpressure_num_objects=WAITING_CHUNKS).remote()
        engine = RayEngine(ray, actor, output, pid, asyncio.StreamReader(limit=BUFFER))
        engine.follow()
        return engine

    return start


async def leave_cluster() -> None:
    """End all actors, and the cluster if `join_cluster` started it."""
    import ray

    await asyncio.to_thread(ray.shutdown)
