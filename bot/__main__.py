"""The command line: `dreambot [COMMAND] [--config PATH]`, or `python -m bot`. Never imports torch."""

from __future__ import annotations

import argparse
import asyncio
import io
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bot.config.logging import setup_logging
from bot.config.messages import render_example
from bot.config.settings import TOKEN_VARIABLE, Config, load_config
from bot.errors import EXIT_FAILED, EXIT_UNUSABLE, ConfigError
from engine.environment import provide_home
from engine.errors import DreamError
from engine.weights.store.trained_models import share_custom_models

HOW_TO_START = """\
DISCORD_TOKEN is not set. Create a token at https://discord.com/developers/applications (New Application, then Bot).
To try everything without a token: python -m bot playground"""
COMMANDS = {
    "run": "join Discord (the default); needs DISCORD_TOKEN",
    "playground": "run a small Discord on this machine, to try everything without a token",
    "doctor": "check token, permissions, database, engine, device and weights, and suggest fixes",
    "config": "print config.toml with every setting, its meaning and its default: dreambot config > config.toml",
    "health": "check that the running bot is healthy; needs [monitor] port",
    "backup": "copy database and pictures into one file; works while the bot runs",
    "restore": "restore a backup; stop the bot first",
}
EXIT_INTERRUPTED = 130
PLAYGROUND_VARIABLE = "DREAMBOT_PLAYGROUND"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status.

    0: success. 1: a failure that a retry may cure. 2: a wrong command line. 78: token or configuration are wrong.
    130: Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    provide_home()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what the terminal's encoding lacks becomes “?”
    if options.exit_with_parent:
        from bot.playground.parent_watch import watch_parent

        watch_parent()
    if options.command == "playground":
        from bot.playground.supervisor import main as play

        return play(options.config)
    if options.command == "config":
        return _print_config()
    setup_logging(logging.INFO if options.command == "run" else logging.ERROR)
    try:
        config = load_config(options.config, os.environ)
        share_custom_models(config.models, os.environ)
        return _COMMANDS[options.command](config, options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_UNUSABLE
    except DreamError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    except BrokenPipeError:  # `dreambot doctor | head`: who read the output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return EXIT_INTERRUPTED


def _common() -> argparse.ArgumentParser:
    """What may precede or follow the command. Each parser needs its own: a default of one would overwrite the other."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument(
        "--config", type=Path, metavar="PATH", help="the settings file; by default ./config.toml if it exists"
    )
    return common


def _parser() -> argparse.ArgumentParser:
    prog = "dreambot" if Path(sys.argv[0]).stem == "dreambot" else "python -m bot"
    parser = argparse.ArgumentParser(prog=prog, description="A Discord bot that paints.", parents=[_common()])
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    parser.set_defaults(config=None, command="run", exit_with_parent=False)  # before `add_subparsers` it has no effect
    made = {
        name: commands.add_parser(name, help=text, description=text, parents=[_common()])
        for name, text in COMMANDS.items()
    }
    made["run"].add_argument("--exit-with-parent", action="store_true", help=argparse.SUPPRESS)
    made["backup"].add_argument(
        "file", type=Path, metavar="FILE", help="the file to write; an earlier backup is replaced"
    )
    made["restore"].add_argument("file", type=Path, metavar="FILE", help="a file that `backup` wrote")
    made["restore"].add_argument("--replace", action="store_true", help="move existing data into a subfolder first")
    return parser


def _print_config() -> int:
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")  # as the file is read
    try:
        print(render_example(Config), end="", flush=True)
    except OSError as error:
        print(f"The settings cannot be written: {error.strerror}.", file=sys.stderr)
        return EXIT_FAILED
    return 0


def _run(config: Config, options: argparse.Namespace) -> int:
    """Join Discord, or the local Discord that the environment names. Nothing heavy is imported without a token."""
    setup_logging(logging.getLevelNamesMapping()[config.log.level.upper()], config.log.format)
    os.environ.pop(TOKEN_VARIABLE, None)  # children inherit the environment
    link = os.environ.get(PLAYGROUND_VARIABLE)
    if not link and not config.discord.token.get_secret_value():
        print(HOW_TO_START, file=sys.stderr)
        return EXIT_UNUSABLE
    from bot.app import launch
    from bot.operations.process import hide_memory

    hide_memory()
    return launch(config, link)


def _doctor(config: Config, options: argparse.Namespace) -> int:
    from bot.operations.doctor import examine

    return asyncio.run(examine(config))


def _health(config: Config, options: argparse.Namespace) -> int:
    from bot.operations.health import ask_health

    healthy, text = ask_health(config.monitor)
    print(text)
    return 0 if healthy else EXIT_FAILED


def _backup(config: Config, options: argparse.Namespace) -> int:
    from bot.operations.backup import make_backup

    print(make_backup(config.folder, options.file))
    return 0


def _restore(config: Config, options: argparse.Namespace) -> int:
    from bot.operations.restore import restore

    print(restore(config.folder, options.file, replace=options.replace))
    return 0


_COMMANDS: Mapping[str, Callable[[Config, argparse.Namespace], int]] = {
    "run": _run, "doctor": _doctor, "health": _health, "backup": _backup, "restore": _restore,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
