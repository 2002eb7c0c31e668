"""`python -m bot [run|playground|doctor] [--config PATH]`: read the config, then do it. Never imports torch."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import discord

from bot.bot import make_bot
from bot.config import Config, load_config
from bot.logs import setup_logging
from bot.playground.connector import connector_from_file, read_link
from engine.errors import DreamError

PORTAL = "https://discord.com/developers/applications"
HOW_TO_START = f"""\
DISCORD_TOKEN is not set. You get a token at {PORTAL} (New Application, then Bot).
To try everything without one: python -m bot playground"""
COMMANDS = {
    "run": "join Discord (the default); needs DISCORD_TOKEN",
    "playground": "a small Discord on this machine, to try everything without a token",
    "doctor": "check token, permissions, database, engine, device and weights, and say what to do",
}
PLAYGROUND_VARIABLE = "DREAMBOT_PLAYGROUND"


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point; the exit code is 0 for a clean end, 1 for a mistake in words, 2 for a wrong command line."""
    options = _parser().parse_args(arguments)
    if options.command == "playground":
        from bot.playground.supervisor import main as play  # its dependencies are an extra

        return play(options.config)
    setup_logging(logging.ERROR if options.command == "doctor" else logging.INFO)
    try:
        config = load_config(options.config, os.environ)
        if options.command == "doctor":
            from bot.doctor import examine  # not needed to run

            return asyncio.run(examine(config))
        return _run(config)
    except DreamError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--config", type=Path, metavar="PATH", help="the settings; without it ./config.toml, if there")
    parser = argparse.ArgumentParser(prog="python -m bot", description="A Discord bot that paints.", parents=[common])
    parser.set_defaults(config=None, command="run")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, text in COMMANDS.items():
        commands.add_parser(name, help=text, description=text, parents=[common])
    return parser


def _run(config: Config) -> int:
    """Join Discord, or the playground that the environment names, and stay until told to stop."""
    token = config.discord.token.get_secret_value()
    link = os.environ.get(PLAYGROUND_VARIABLE)
    if link:
        token = read_link(Path(link)).token
    if not token:
        print(HOW_TO_START, file=sys.stderr)
        return 1
    try:
        return asyncio.run(_stay(config, token, link))
    except discord.LoginFailure:
        print(f"Discord does not accept this token. Reset it at {PORTAL} (Bot).", file=sys.stderr)
    except (discord.HTTPException, aiohttp.ClientError) as error:
        print(f"Discord cannot be reached: {error}.", file=sys.stderr)
    return 1


async def _stay(config: Config, token: str, link: str | None) -> int:
    connector = connector_from_file(link) if link else None
    async with make_bot(config, connector=connector) as bot:
        stop = _stop_event()
        await bot.login(token)
        tasks = [asyncio.create_task(work) for work in (bot.connect(), bot.dispatcher.wait(), stop.wait())]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
    return 0


def _stop_event() -> asyncio.Event:
    """Set by SIGTERM and Ctrl-C, so that the bot can finish what it is doing; a second signal ends it at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def hear(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
            loop.add_signal_handler(number, hear, number)
    return stop


if __name__ == "__main__":
    sys.exit(main())
