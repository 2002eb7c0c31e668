"""Bot and engine as the page sees them: running or not, restarted or killed on request."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from bot.playground import write_block
from bot.playground.child_process import Child
from bot.playground.server.actions.people import NotPossibleError
from bot.playground.server.fault_switches import Trouble
from bot.playground.server.gateway.gateway import Gateway
from bot.playground.server.world.json_types import Json

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before a bot that ended by itself is started again; doubled each time, anew after a long life."""
LONG_LIFE = 60.0
LOOK_EVERY = 0.25


class BotAndEngine:
    """Keeps the bot running; looks at the engine through the files that its keeper writes."""

    def __init__(self, start: Callable[[], Awaitable[Child]], gateway: Gateway, data: Path) -> None:
        self._start = start
        self._gateway = gateway
        self._data = data
        self._child: Child | None = None
        self._wanted = asyncio.Event()
        self._told: Json = {}
        self._disk_full = False
        self.changed: Callable[[], None] = lambda: None
        gateway.listeners.append(lambda _online: self._look())

    def state(self) -> Json:
        return {"online": self._gateway.online, "engine": self._engine()}

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What can be made hard for the process itself, on this system."""
        words = "The bot can write no file, its database included."
        full = Trouble("disk", "Disk full", words, lambda _, on: self._fill_disk(on))
        return (full,) if write_block.possible() else ()

    async def control(self, wish: str) -> None:
        """restart_bot, kill_bot or kill_engine; raises NotPossibleError."""
        wishes = {"restart_bot": self._restart, "kill_bot": self._kill_bot, "kill_engine": self._kill_engine}
        if wish not in wishes:
            raise NotPossibleError(f"{wish!r} is not known here; there are {sorted(wishes)}")
        await wishes[wish]()

    async def keep(self) -> None:
        """For ever: start the bot, and start it again when it has ended."""
        pause = FIRST_PAUSE
        while True:
            began = asyncio.get_running_loop().time()
            self._wanted.clear()
            self._child = await self._start()
            self._fill_disk(self._disk_full)
            status = await self._child.wait()
            if self._wanted.is_set():
                continue  # somebody asked for the restart: no pause
            pause = FIRST_PAUSE if asyncio.get_running_loop().time() - began > LONG_LIFE else pause
            print(f"The bot ended with status {status}; it is started again in {pause:.0f} s.", file=sys.stderr)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wanted.wait()
            pause = min(pause * 2, LONGEST_PAUSE)

    async def watch(self) -> None:
        """For ever: notice changes of the engine."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self._look()

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop()

    def _fill_disk(self, full: bool) -> None:
        """Also for the lives to come."""
        self._disk_full = full
        if self._child is not None and self._child.running:
            with contextlib.suppress(ProcessLookupError):
                write_block.fill(self._child.pid, full)

    def _look(self) -> None:
        state = self.state()
        if state != self._told:
            self._told = state
            self.changed()

    def _engine(self) -> Json:
        pid = self._pid("engine.pid")
        if pid is None:
            return {"state": "gone"}
        ready = self._pid("engine.ready") == pid
        return {"state": "ready" if ready else "starting", "note": f"process {pid}"}

    def _pid(self, name: str) -> int | None:
        try:
            return int((self._data / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    async def _restart(self) -> None:
        self._wanted.set()
        if self._child is not None:
            await self._child.stop()

    async def _kill_bot(self) -> None:
        if self._child is None or not self._child.running:
            raise NotPossibleError("the bot is not running")
        self._child.kill()

    async def _kill_engine(self) -> None:
        pid = self._pid("engine.pid")
        if pid is None:
            raise NotPossibleError("the engine is not running")
        if self._child is None or await asyncio.to_thread(parent_of, pid) != self._child.pid:
            raise NotPossibleError(f"process {pid} is not the engine of this bot")
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def parent_of(pid: int) -> int | None:
    """The process that started *pid*: a file may name a process that has long been another one's."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("PPid:")), None)
    if sys.platform == "win32":
        query = f"(Get-CimInstance Win32_Process -Filter 'ProcessId={pid}').ParentProcessId"
        command = ["powershell", "-NoProfile", "-Command", query]
    else:
        command = ["ps", "-o", "ppid=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    return int(answer) if answer.isdigit() else None
