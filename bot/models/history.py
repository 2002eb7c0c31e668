"""A person's pages of history, and counts of what is stored about them."""

from __future__ import annotations

from dataclasses import dataclass

from bot.models.job import JobRow, PictureRow


@dataclass(frozen=True, slots=True)
class HistoryLine:
    job: JobRow
    undelivered: str = ""
    """Why Discord did not show the result; empty if it did."""
    stars: int = 0
    """Number of its pictures that the reader starred."""
    kept: PictureRow | None = None
    """The best picture that is still on disk."""
    words: str = ""
    """The prompt of an upscaled picture, once it is indexed; the request of an upscale has none."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Part of a person's jobs, newest first."""

    lines: tuple[HistoryLine, ...] = ()
    total: int = 0
    """Jobs on all pages together."""
    newer: bool = False
    """A newer page exists."""
    older: bool = False
    """An older page exists."""
    stars: int = 0
    """Pictures that the person has starred."""
    most_stars: int = 0
    """Pictures that the person may star."""


@dataclass(frozen=True, slots=True)
class StoredCounts:
    jobs: int
    pictures: int
    unfinished: int
