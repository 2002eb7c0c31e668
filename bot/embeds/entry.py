"""The message of an entry before its challenge's vote has ended: a number and the picture, no author and no prompt."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from bot.embeds.job import COLOURS, status_line
from bot.models.job import JobState, Update
from bot.text import listed, plain

_LOST = {
    JobState.FAILED: "This entry could not be painted. Its author finds the reason in `/history`.",
    JobState.CANCELLED: "This entry was cancelled.",
}


def entry_embed(update: Update, theme: str, numbers: Sequence[int], now: float, picture: str = "") -> discord.Embed:
    """*numbers*: those of the entries that the message shows. *picture*: the name of the file sent with it, or none."""
    job = update.job
    what = "Entry" if len(numbers) == 1 else "Entries"
    lines = [f"**{what} {listed([str(number) for number in numbers])}**"]
    lines.append(f"-# Challenge “{plain(theme)}”. Author and prompt stay hidden until the vote ends.")
    status = _LOST.get(job.state, "") if job.state.over else status_line(update, now)
    if status:
        lines += ["", status]
    embed = discord.Embed(colour=COLOURS[job.state], description="\n".join(lines))
    return embed.set_image(url=f"attachment://{picture}") if picture else embed
