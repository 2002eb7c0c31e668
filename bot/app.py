"""One life of the bot: log in, stay until a signal or a disaster, leave in good order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import aiohttp
import discord

from bot.bot import make_bot
from bot.config.settings import Config
from bot.interactions.connector import connector_from_file, read_link
from bot.operations.doctor_discord import PORTAL


def launch(config: Config, link: str | None) -> int:
    """Join Discord, or the local one that the file *link* leads to; 0 for a clean end, 1 with a sentence otherwise."""
    token = read_link(Path(link)).token if link else config.discord.token.get_secret_value()
    try:
        asyncio.run(_live(config, token, link))
    except discord.LoginFailure:
        print(f"Discord does not accept this token. Reset it at {PORTAL} (Bot).", file=sys.stderr)
        return 1
    except (discord.HTTPException, aiohttp.ClientError) as error:
        print(f"Discord cannot be reached: {error}.", file=sys.stderr)
        return 1
    return 0


async def _live(config: Config, token: str, link: str | None) -> None:
    """Until told to stop; raises what broke the connection or the job service."""
    connector = connector_from_file(link) if link else None
    async with make_bot(config, connector=connector) as bot:
        stop = _stop_event()
        await bot.login(token)
        tasks = [asyncio.create_task(work) for work in (bot.connect(), bot.services.jobs.wait(), stop.wait())]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


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
