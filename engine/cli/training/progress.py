"""The progress of a training run: a rich bar on a terminal, lines in a log."""

from __future__ import annotations

from collections.abc import Mapping

from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from engine.cli.console import errors
from engine.training.progress import Reporter, clock_time


class TrainBar(Reporter):
    """Context manager: shows progress, images per second, time left, loss and GPU memory."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[told]}", markup=False),
            console=errors,
            transient=True,
            disable=not errors.is_terminal,
        )
        self._task = self._bar.add_task(name, total=1.0, told="")

    def __enter__(self) -> TrainBar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def reading(self, done: int, of: int) -> None:
        """Show that *done* of *of* files are read."""
        self._bar.update(self._task, completed=done / of, told=f"reading {done:,} of {of:,} files")

    def progress(self, done: float, pictures: int, rate: float, eta: float, facts: Mapping[str, float]) -> None:
        if self._bar.disable:
            super().progress(done, pictures, rate, eta, facts)
            return
        told = "  ".join(f"{key} {value:.4g}" for key, value in facts.items())
        self._bar.update(self._task, completed=done, told=f"{rate:.1f}/s  {clock_time(eta)} left  {told}")

    def note(self, text: str) -> None:
        errors.print(escape(text), soft_wrap=True)
