"""`python -m engine COMMAND …`, and the console script `dream "a prompt"`."""

from __future__ import annotations

import sys

from engine.cli.main import commands, main


def dream() -> None:
    """The console script: `dream "a red circle"` paints; `dream upscale FILE` and the like run that command."""
    if len(sys.argv) > 1 and sys.argv[1] not in {*commands(), "--help"}:
        sys.argv.insert(1, "dream")
    main()


if __name__ == "__main__":
    main()
