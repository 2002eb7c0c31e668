"""The processes of the bot and of its engine as the page sees them: running, restarted or killed on request."""

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
from bot.playground.server.fault_switches import FaultSwitch
from bot.playground.server.gateway.gateway import Gateway
from bot.playground.server.world.json_types import Json

FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
"""Seconds before a bot that has exited is started again. The delay doubles each time."""
STABLE_SECONDS = 60.0
"""After a run of this length the delay is FIRST_DELAY again."""
POLL_SECONDS = 0.25


class BotAndEngine:
    """Keeps the bot running. Reads the engine's state from the files that the bot writes into *data*."""

    def __init__(self, start: Callable[[], Awaitable[Child]], gateway: Gateway, data: Path) -> None:
        self._start = start
        self._gateway = gateway
        self._data = data
        self._child: Child | None = None
        self._restart_wanted = asyncio.Event()
        self._last_state: Json = {}
        self._disk_full = False
        self.changed: Callable[[], None] = lambda: None
        gateway.listeners.append(lambda _online: self._check_state())

    def state(self) -> Json:
        return {"online": self._gateway.online, "engine": self._engine()}

    @property
    def faults(self) -> tuple[FaultSwitch, ...]:
        """The switches that this system supports."""
        text = "The bot can write no file, its database included."
        disk_full = FaultSwitch("disk", "Disk full", text, lambda _, on: self._block_writes(on))
        return (disk_full,) if write_block.possible() else ()

    async def control(self, wanted: str) -> None:
        """restart_bot, kill_bot or kill_engine; raises NotPossibleError."""
        actions = {"restart_bot": self._restart, "kill_bot": self._kill_bot, "kill_engine": self._kill_engine}
        if wanted not in actions:
            raise NotPossibleError(f"{wanted!r} is not known here; there are {sorted(actions)}")
        await actions[wanted]()

    async def keep_running(self) -> None:
        """Start the bot, and start it again whenever it has exited; runs until cancelled."""
        delay = FIRST_DELAY
        while True:
            started = asyncio.get_running_loop().time()
            self._restart_wanted.clear()
            self._child = await self._start()
            self._block_writes(self._disk_full)
            status = await self._child.wait()
            if self._restart_wanted.is_set():
                continue
            delay = FIRST_DELAY if asyncio.get_running_loop().time() - started > STABLE_SECONDS else delay
            print(f"The bot exited with status {status}. It starts again in {delay:.0f} s.", file=sys.stderr)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._restart_wanted.wait()
            delay = min(delay * 2, LONGEST_DELAY)

    async def watch(self) -> None:
        """Poll the engine's state; runs until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self._check_state()

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop()

    def _block_writes(self, block: bool) -> None:
        """Apply to the current process and to later ones."""
        self._disk_full = block
        if self._child is not None and self._child.running:
            with contextlib.suppress(ProcessLookupError):
                write_block.block(self._child.pid, block)

    def _check_state(self) -> None:
        state = self.state()
        if state != self._last_state:
            self._last_state = state
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
        self._restart_wanted.set()
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
    """The parent of process *pid*. A pid file may be stale, and its number may belong to a foreign process."""
    if sys.platform == "linux":
        try:
            lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:  # no such process
            return None
        return next((int(line.split()[1]) for line in lines if line.startswith("PPid:")), None)
    if sys.platform == "win32":
        query = f"(Get-CimInstance Win32_Process -Filter 'ProcessId={pid}').ParentProcessId"
        command = ["powershell", "-NoProfile", "-Command", query]
    else:
        command = ["ps", "-o", "ppid=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    return int(answer) if answer.isdigit() else None
