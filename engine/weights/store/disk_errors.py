"""Error messages for failed writes: read-only, full, no permission, a file in place of a folder. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import WeightsError


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """An OSError becomes a WeightsError: *what*, as in “net.pt cannot be written”, and the reason."""
    try:
        yield
    except FileExistsError as error:  # of a file in the place of a folder, the system only says that it exists
        raise WeightsError(f"{what}: a part of its path is a file.") from error
    except OSError as error:
        raise WeightsError(f"{what}: {error.strerror or error}.") from error
