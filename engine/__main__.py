"""`python -m engine COMMAND …`, and the console script `dream "a prompt"`."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""Exit status after Ctrl-C."""


def main() -> None:
    """Run a command of the shell."""
    _run(is_dream=False)


def dream() -> None:
    """The console script: `dream "a red circle"` paints; `dream upscale FILE` and the like run that command."""
    _run(is_dream=True)


def _run(*, is_dream: bool) -> None:
    try:
        from engine.cli.main import commands, main
        from engine.environment import provide_home

        provide_home()
        if is_dream and len(sys.argv) > 1 and sys.argv[1] not in {*commands(), "--help"}:
            sys.argv.insert(1, "dream")
        main()
    except KeyboardInterrupt:  # while the commands are imported
        print("Stopped.", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
