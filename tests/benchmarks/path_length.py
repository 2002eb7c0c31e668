"""How many files and functions one action runs through: the measure of how far a reader has to go.

A profile hook counts every Python function of `bot/` (without the playground) and `engine/` that runs in the bot's
process while the action is served over the wire, with the fake engine as child process. The bot's timers and its debug
log rest, because they run whether anything is asked or not. The engine's own share is counted in a `InProcessEngine`
that renders three steps with the primer; `/dream` as a whole is the union of both.

`python -m tests.benchmarks.path_length [--list]` runs without torch's benchmarks; `--list` prints every file.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

from bot.community import rounds
from bot.community.rounds import kinds_due
from bot.operations import process
from bot.playground.server.tls import Authority
from engine.requests.request import build_request
from engine.worker.in_process import InProcessEngine
from tests.benchmarks.measure import Figure
from tests.wire.conftest import dreambot_maker, opened
from tests.wire.looks import begun, dreamt, is_enlarged, is_over, is_result
from tests.wire.world import World

ROOT = Path(__file__).parent.parent.parent
CONNECTOR = "bot/interactions/connector.py"
"""Finds the local Discord only."""
SETTLED_SECONDS = 1.0
"""Pause after work that is not counted."""
AIMS = {
    "/dream, both processes": "≤ 90 files, ≤ 550 functions",
    "a cancel press": "≤ 30 files",
    "an upscale press": "≤ 45 files",
}


@dataclass
class Trace:
    """What has run: function (file and qualified name) → calls."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def files(self) -> Counter[str]:
        """File → calls of its functions."""
        counted: Counter[str] = Counter()
        for (name, _), calls in self.calls.items():
            counted[name] += calls
        return counted

    def __or__(self, other: Trace) -> Trace:
        return Trace(self.calls + other.calls)


@contextmanager
def traced() -> Iterator[Trace]:
    """Count the calls of bot and engine functions in this thread and in threads that are started meanwhile.

    The event loop gets new threads for blocking work, because those that it has already would not be counted.
    """
    trace, known, active = Trace(), dict[CodeType, tuple[str, str] | None](), True
    with suppress(RuntimeError):  # no event loop
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and active:  # threads keep the hook after the trace has ended
            code = frame.f_code
            if code not in known:
                known[code] = _function(code)
            if (function := known[code]) is not None:
                trace.calls[function] += 1

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield trace
    finally:
        active = False
        sys.setprofile(None)
        threading.setprofile(None)


def _function(code: CodeType) -> tuple[str, str] | None:
    """(file, qualified name), or None for foreign code, class bodies, module bodies and comprehensions."""
    if not code.co_flags & inspect.CO_OPTIMIZED:  # the body of a class or module
        return None
    try:
        path = Path(code.co_filename).relative_to(ROOT).as_posix()
    except ValueError:
        return None
    outside = not path.startswith(("bot/", "engine/")) or path.startswith(("bot/playground/", CONNECTOR))
    if outside or code.co_name in ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>"):
        return None
    return path, code.co_qualname


def run() -> list[Figure]:
    """The figures of every path."""
    return [
        figure
        for name, trace in asyncio.run(traces()).items()
        for figure in (
            Figure(f"{name}: files", len(trace.files), "", AIMS.get(name, "")),
            Figure(f"{name}: functions", len(trace.calls), ""),
            Figure(f"{name}: calls", trace.calls.total(), ""),
        )
    ]


async def traces() -> dict[str, Trace]:
    """Name of the path → what ran."""
    found = {
        "/dream, the bot": await _in_world(_dream),
        "a cancel press": await _in_world(_cancel),
        "an upscale press": await _in_world(_upscale),
        "stop, start, recover, finish": await _in_world(_recover),
    }
    engine = _paint()
    return {"/dream, both processes": found["/dream, the bot"] | engine, "/dream, the engine": engine} | found


async def _in_world(path: Callable[[World], Awaitable[Trace]]) -> Trace:
    async with _world() as world:
        return await path(world)


@asynccontextmanager
async def _world() -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        rounds.POLL_SECONDS = process.TICK = 3600.0
        async with opened(Authority(), Path(folder), dreambot_maker({})) as world:
            logging.getLogger("bot").setLevel(logging.INFO)  # tests log everything
            await world.until(lambda: world.bot.engine.ready and world.bot.at_work, what="the engine and the gateway")
            works = world.services.rounds._works.values()
            await world.until(lambda: all(one.begin_at and not one.task for one in works), what="the first rounds")
            await asyncio.sleep(SETTLED_SECONDS)
            yield world


async def _dream(world: World) -> Trace:
    with traced() as trace:
        await dreamt(world.max, "an owl")
        await _outbox_empty(world)
    return trace


async def _cancel(world: World) -> Trace:
    message = await begun(world.max, "hang an owl")
    with traced() as trace:
        await world.max.click(message, "Cancel")
        await world.max.wait_for(message, is_over)
    return trace


async def _upscale(world: World) -> Trace:
    parent = await dreamt(world.max, "an owl")
    await _nothing_due(world)
    with traced() as trace:
        answer = await world.max.click(parent, "Upscale")
        await world.max.wait_for(answer.message, is_enlarged)
        await _outbox_empty(world)
    return trace


async def _recover(world: World) -> Trace:
    message = await begun(world.max, "slowly an owl")
    with traced() as trace:
        await world.restart_bot()
        await world.max.wait_for(message, is_result, 60.0)
        await _outbox_empty(world)
    return trace


async def _nothing_due(world: World) -> None:
    async with asyncio.timeout(10):
        while await kinds_due(world.bot.store.database, world.bot.clock()):
            world.services.rounds.wake()
            await asyncio.sleep(0.1)
    await asyncio.sleep(SETTLED_SECONDS)


async def _outbox_empty(world: World) -> None:
    while await world.bot.store.deliveries.pending():
        await asyncio.sleep(0.01)


def _paint() -> Trace:
    studio = InProcessEngine(device="cpu", threads="1")
    try:
        with traced() as trace:
            studio.paint(build_request("a red circle", model="primer", steps=3, seed=7))
    finally:
        studio.close()
    return trace


def main() -> None:
    """Print files and functions of every path."""
    found = asyncio.run(traces())
    for name, trace in found.items():
        aim = f"   (aim: {AIMS[name]})" if name in AIMS else ""
        print(f"{name}: {len(trace.files)} files, {len(trace.calls)} functions, {trace.calls.total()} calls{aim}")
        if "--list" in sys.argv:
            for file in sorted(trace.files):
                names = sorted(name for path, name in trace.calls if path == file)
                print(f"    {file} ({len(names)}): {', '.join(names)}")


if __name__ == "__main__":
    main()
