"""Named points at which a test kills the bot, to show that no crash loses a job or charges it twice.

They follow each commit, and lie between a file and its row. They do nothing unless a handler is installed.
"""

from __future__ import annotations

from collections.abc import Callable

Handler = Callable[[str], None]
_handler: Handler | None = None


def failpoint(name: str) -> None:
    if _handler is not None:
        _handler(name)


def install(handler: Handler | None) -> None:
    """Call *handler* at every failpoint from now on; None removes it."""
    global _handler
    _handler = handler
