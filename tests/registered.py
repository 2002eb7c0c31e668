"""The models that a test registers in this process are forgotten after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.catalogue import models, registry


@contextmanager
def registrations_undone() -> Iterator[None]:
    """Afterwards the catalogue is as it was before."""
    now, own, entries, trained = models._known.now, dict(models._own), dict(registry._own), dict(registry._trained)
    try:
        yield
    finally:
        models._known.now = now
        for table, before in ((models._own, own), (registry._own, entries), (registry._trained, trained)):
            table.clear()  # type: ignore[attr-defined]
            table.update(before)  # type: ignore[attr-defined]
