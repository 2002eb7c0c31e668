"""Progress reports of a run: a bar on a terminal, lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO


class Meter:
    """Pictures per second over the last minute or so, and the time that is left."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter, window: float = 60.0) -> None:
        self._clock, self._window = clock, window
        self._marks: list[tuple[float, int]] = []

    def count(self, pictures: int) -> float:
        """Record the total of *pictures* and return pictures per second."""
        now = self._clock()
        self._marks.append((now, pictures))
        while len(self._marks) > 2 and now - self._marks[1][0] > self._window:
            self._marks.pop(0)
        (_, before), elapsed = self._marks[0], now - self._marks[0][0]
        return (pictures - before) / elapsed if elapsed > 0 else 0.0


class Reporter:
    """Writes one line over itself on a terminal, and a plain line every *seconds* anywhere else."""

    def __init__(
        self,
        name: str,
        stream: TextIO | None = None,
        seconds: float = 30.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name, self.seconds = name, seconds
        self._stream = sys.stderr if stream is None else stream
        self._clock, self._last = clock, -float("inf")
        self._live = self._stream.isatty()

    def progress(self, done: float, pictures: int, rate: float, eta: float, facts: Mapping[str, float]) -> None:
        """*done*: 0 … 1 of the run; *eta*: seconds left."""
        now = self._clock()
        if now - self._last < (0.2 if self._live else self.seconds):
            return
        self._last = now
        told = "  ".join(f"{key} {value:.4g}" for key, value in facts.items())
        line = (
            f"{self.name} {bar(done)} {done:4.0%}  {pictures:,} pictures  {rate:.3g}/s  {clock_time(eta)} left  {told}"
        )
        self._write(f"\r\x1b[K{line}" if self._live else f"{line}\n")

    def note(self, text: str) -> None:
        """Write a line that the progress bar does not replace."""
        self._write(f"\r\x1b[K{text}\n" if self._live else f"{text}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def bar(done: float, width: int = 20) -> str:
    """A bar of *width* characters, filled by eighths."""
    eighths = round(min(max(done, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width, "·")


def clock_time(seconds: float) -> str:
    """95 → "1:35", 4000 → "1:06:40"."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
