"""Everything that is known about one result, for the one who asks: commands to copy, seeds, scores, timings."""

from __future__ import annotations

from collections.abc import Iterator

import discord

from bot.derived import shell_command, slash_command
from bot.embeds import COLOURS, headline, score
from bot.jobs import JobRow, PictureRow
from bot.wording import duration, mention, shorten
from engine.requests import DreamRequest, UpscaleRequest

_FIELD = 1000
"""Characters that a field takes, code block included."""
_PHASES = 6
_WORTH_SAYING = 0.05
"""Seconds."""


def info_embed(job: JobRow) -> discord.Embed:
    """The facts of *job* as one embed; command lines stand in code blocks, to be copied."""
    embed = discord.Embed(colour=COLOURS[job.state], description=f"**{headline(job, None)}**")
    request = job.request
    if isinstance(request, DreamRequest):
        embed.add_field(name="The same again, here", value=_code(slash_command(request)), inline=False)
        embed.add_field(name="The same from a shell", value=_code(shell_command(request)), inline=False)
        if request.images:
            what = "It was painted over a picture; the commands need that too (image:)."
            embed.add_field(name="Started from", value=what, inline=False)
    else:
        text = f"{request.width}×{request.height}, {request.scale} times, by {_upscaler(job, request)}"
        embed.add_field(name="Enlarged", value=text, inline=False)
    if job.pictures:
        lines = "\n".join(_picture(picture, len(job.pictures)) for picture in job.pictures)
        embed.add_field(name="Pictures", value=shorten(lines, _FIELD), inline=False)
    embed.add_field(name="Time", value=_times(job), inline=True)
    embed.add_field(name="Cost", value=f"{job.cost:.2f} units", inline=True)
    embed.add_field(name="By", value=mention(job.origin.user_id), inline=True)
    embed.set_footer(text=f"job {job.id}")
    return embed


def _upscaler(job: JobRow, request: UpscaleRequest) -> str:
    """The one that was really used; the request may have left the choice to the engine."""
    for picture in job.pictures:
        match picture.facts.get("replay"):
            case {"resolved": {"upscaler": str(name)}}:
                return name
    return request.upscaler


def _code(text: str) -> str:
    """A code block that nothing in *text* can end."""
    return f"```\n{shorten(text.replace('```', 'ˋˋˋ'), _FIELD)}\n```"


def _picture(picture: PictureRow, of: int) -> str:
    facts = [f"{picture.width}×{picture.height}", *_facts(picture)]
    return (f"{picture.index + 1} · " if of > 1 else "") + " · ".join(facts)


def _facts(picture: PictureRow) -> Iterator[str]:
    seed, value = picture.facts.get("seed"), score(picture)
    if seed is not None:
        yield f"seed {seed}"
    if value is not None:
        yield f"CLIP {value:.3f}"
    yield f"{picture.size / 1024:.0f} kB"
    if isinstance(pixels := picture.facts.get("sha256"), str) and pixels:
        yield f"pixels `{pixels[:12]}`"


def _times(job: JobRow) -> str:
    long = {name: seconds for name, seconds in job.seconds.items() if seconds >= _WORTH_SAYING and name != "total"}
    phases = [f"{name} {duration(seconds)}" for name, seconds in list(long.items())[:_PHASES]]
    if job.started_at is not None and job.finished_at is not None:
        phases.append(f"in all {duration(job.finished_at - job.started_at)}")
    return ", ".join(phases) or "not measured"
