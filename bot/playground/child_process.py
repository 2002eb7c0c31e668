"""The bot as a child process: started, stopped, killed. Its log goes to a file, its warnings to the terminal too."""

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

STOP_SECONDS = 12.0
_WARNING = re.compile(r" (WARNING|ERROR|CRITICAL) ")


class Child:
    """One run of the bot's process."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._reader = asyncio.create_task(self._copy_log(log))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        """Wait for the exit; returns the status."""
        status = await self._process.wait()
        await self._reader
        return status

    async def stop(self) -> None:
        """Send SIGTERM, and SIGKILL after STOP_SECONDS."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except TimeoutError:
                self.kill()
        await self.wait()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    async def _copy_log(self, log: Path) -> None:
        """Copy all lines to *log*; copy warnings with their tracebacks to the terminal too."""
        assert self._process.stdout is not None
        shown = False
        with log.open("a", encoding="utf-8") as file:
            async for raw in self._process.stdout:
                line = raw.decode(errors="replace")
                file.write(line)
                file.flush()
                # Lines of a traceback have no date; they belong to the line before.
                shown = bool(_WARNING.search(line)) if re.match(r"\d{4}-\d\d-\d\d ", line) else shown
                if shown:
                    sys.stderr.write(line)


async def start_bot(environ: Mapping[str, str], log: Path, config: Path | None) -> Child:
    """Start `python -m bot run` in its own session, so that Ctrl-C reaches it only through `Child.stop`.

    It ends when this process ends.
    """
    arguments = ["run", "--exit-with-parent", *(["--config", str(config)] if config else [])]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot.__main__",
        *arguments,
        env=dict(environ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    return Child(process, log)
