"""The models that a test registers in this process are forgotten after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from engine.catalogue import models, registry

T = TypeVar("T")


@contextmanager
def registrations_undone() -> Iterator[None]:
    """Afterwards the catalogue is as it was before."""
    now, own, entries, trained = models._known.now, dict(models._own), dict(registry._own), dict(registry._trained)
    try:
        yield
    finally:
        models._known.now = now
        _restore(models._own, own)
        _restore(registry._own, entries)
        _restore(registry._trained, trained)


def _restore(table: dict[str, T], before: dict[str, T]) -> None:
    table.clear()
    table.update(before)
