"""Named places at which a test may kill the bot, to prove that nothing is lost or paid twice wherever it dies.

They stand after each commit and between a file and its row. Nothing happens at them unless somebody installs a handler.
"""

from __future__ import annotations

from collections.abc import Callable

Handler = Callable[[str], None]
_handler: Handler | None = None


def crashpoint(name: str) -> None:
    """The journey of a job has come to *name*."""
    if _handler is not None:
        _handler(name)


def install(handler: Handler | None) -> None:
    """Call *handler* at every crash point from now on; None takes it away."""
    global _handler
    _handler = handler
