"""Runs the bot until a signal or a failure, and turns failures into a log line and an exit status."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path

import discord

from bot.bot import DreamBot
from bot.config.settings import Config
from bot.errors import EXIT_FAILED, EXIT_UNUSABLE, ConfigError
from bot.interactions.connector import connector_from_file, read_link
from bot.interactions.handlers import failure_text
from bot.interactions.message_api import FAILURES
from bot.operations.doctor_discord import PORTAL
from bot.operations.process import freeze_memory
from engine.errors import DreamError

log = logging.getLogger(__name__)

_NETWORK = (*FAILURES, discord.GatewayNotFound, discord.ConnectionClosed)
_BAD_TOKEN = 4004
_BAD_INTENTS = (4013, 4014)


def launch(config: Config, link: str | None) -> int:
    """Run the bot on Discord, or on the local Discord that the file *link* names. Returns the exit status."""
    token = read_link(Path(link)).token if link else config.discord.token.get_secret_value()
    return asyncio.run(_run(config, token, link))


async def _run(config: Config, token: str, link: str | None) -> int:
    """The cause of a failure is logged before anything is closed. Ctrl-C on Windows cancels this; it closes too."""
    stop = asyncio.create_task(_stopped())
    bot = DreamBot(config, connector=connector_from_file(link) if link else None)
    work = asyncio.create_task(_work(bot, token))
    status = 0
    try:
        await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
        status = _report(work.exception()) if work.done() else 0
    finally:
        try:
            if not bot.opened:  # a login that hangs would go on until its own timeout
                work.cancel()
                await asyncio.wait((work,))
            status = max(status, await _close(bot))
        finally:
            work.cancel()
            stop.cancel()
            await asyncio.gather(work, stop, return_exceptions=True)
    return status


async def _work(bot: DreamBot, token: str) -> None:
    """Returns after `bot.close`. Raises whatever ended the start-up, the connection or the job service."""
    await bot.login(token)
    freeze_memory()
    tasks = (asyncio.create_task(_stay_connected(bot)), asyncio.create_task(bot.services.jobs.wait()))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _stay_connected(bot: DreamBot) -> None:
    await bot.connect()
    if not bot.is_closed():
        raise ConnectionError("Discord closed the connection.")


async def _close(bot: DreamBot) -> int:
    try:
        await bot.close()
    except (DreamError, *FAILURES) as error:
        log.error("The bot did not close cleanly: %s", failure_text(error))
        return EXIT_FAILED
    return 0


def _report(error: BaseException | None) -> int:
    code = error.code if isinstance(error, discord.ConnectionClosed) else 0
    if error is None:
        return 0
    if isinstance(error, discord.LoginFailure) or code == _BAD_TOKEN:
        log.critical("Discord does not accept this token. Reset it at %s (Bot) and set DISCORD_TOKEN.", PORTAL)
        return EXIT_UNUSABLE
    if isinstance(error, discord.PrivilegedIntentsRequired) or code in _BAD_INTENTS:
        log.critical("Discord refuses the intents of this bot. Look at %s (Bot, Privileged Gateway Intents).", PORTAL)
        return EXIT_UNUSABLE
    if isinstance(error, ConfigError):
        log.critical("%s", error)
        return EXIT_UNUSABLE
    if isinstance(error, DreamError):
        log.critical("%s", error)
    elif isinstance(error, OSError) and error.filename:
        log.critical("%s cannot be used: %s.", error.filename, error.strerror)
    elif isinstance(error, _NETWORK):
        log.critical("Discord cannot be reached: %s.", failure_text(error))
    else:
        log.critical("The bot ends because of an unexpected error.", exc_info=error)
    return EXIT_FAILED


async def _stopped() -> None:
    """Returns at SIGTERM, at Ctrl-C, or when the terminal closes, unless nohup says otherwise.

    The handlers are removed then, so that a second signal ends the process at once.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    numbers = [signal.SIGTERM, signal.SIGINT]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    try:
        for number in numbers:
            loop.add_signal_handler(number, stop.set)
        await stop.wait()
    except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
        await asyncio.Event().wait()
    finally:
        for number in numbers:
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)
