"""`python -m bot [COMMAND] [--config PATH]`: read the config, then do it. Never imports torch."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bot.config.logging import setup_logging
from bot.config.settings import Config, load_config
from engine.errors import DreamError
from engine.weights.store.custom_models import share_own

HOW_TO_START = """\
DISCORD_TOKEN is not set. You get a token at https://discord.com/developers/applications (New Application, then Bot).
To try everything without one: python -m bot playground"""
COMMANDS = {
    "run": "join Discord (the default); needs DISCORD_TOKEN",
    "playground": "a small Discord on this machine, to try everything without a token",
    "doctor": "check token, permissions, database, engine, device and weights, and say what to do",
    "backup": "copy database and pictures into one file, also while the bot runs",
    "restore": "put a backup back; the bot must not run meanwhile",
}
PLAYGROUND_VARIABLE = "DREAMBOT_PLAYGROUND"


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point; the exit code is 0 for a clean end, 1 for a mistake in words, 2 for a wrong command line."""
    options = _parser().parse_args(arguments)
    if options.exit_with_parent:
        from bot.playground.parent_watch import watch_parent

        watch_parent()
    if options.command == "playground":
        from bot.playground.supervisor import main as play

        return play(options.config)
    setup_logging(logging.INFO if options.command == "run" else logging.ERROR)
    try:
        config = load_config(options.config, os.environ)
        if options.command == "run":
            setup_logging(logging.getLevelNamesMapping()[config.log.level.upper()], config.log.format)
        share_own(config.models, os.environ)
        if options.command == "doctor":
            from bot.operations.doctor import examine

            return asyncio.run(examine(config))
        if options.command in ("backup", "restore"):
            print(_copied(config, options))
            return 0
        return _run(config)
    except DreamError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--config", type=Path, metavar="PATH", help="the settings; without it ./config.toml, if there")
    parser = argparse.ArgumentParser(prog="python -m bot", description="A Discord bot that paints.", parents=[common])
    parser.set_defaults(config=None, command="run", exit_with_parent=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    made = {
        name: commands.add_parser(name, help=text, description=text, parents=[common])
        for name, text in COMMANDS.items()
    }
    made["run"].add_argument("--exit-with-parent", action="store_true", help=argparse.SUPPRESS)
    made["backup"].add_argument("file", type=Path, metavar="FILE", help="where to put it; replaced if it is there")
    made["restore"].add_argument("file", type=Path, metavar="FILE", help="a file that `backup` has made")
    made["restore"].add_argument("--replace", action="store_true", help="move aside what is there already")
    return parser


def _copied(config: Config, options: argparse.Namespace) -> str:
    """Make a backup or put one back; what was done."""
    if options.command == "backup":
        from bot.operations.backup import make_backup

        return make_backup(config.folder, options.file)
    from bot.operations.restore import restore

    return restore(config.folder, options.file, replace=options.replace)


def _run(config: Config) -> int:
    """Join Discord, or the playground that the environment names. Without a token nothing heavy is imported."""
    link = os.environ.get(PLAYGROUND_VARIABLE)
    if not link and not config.discord.token.get_secret_value():
        print(HOW_TO_START, file=sys.stderr)
        return 1
    from bot.app import launch

    return launch(config, link)


if __name__ == "__main__":
    sys.exit(main())
