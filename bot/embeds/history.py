"""The embeds of a history page: each job with thumbnail, state and cost."""

from __future__ import annotations

from collections.abc import Collection

import discord

from bot.embeds.job import COLOURS, show_request
from bot.models.film import FilmRequest
from bot.models.history import HistoryLine, HistoryPage
from bot.models.job import JobRow, JobState, share_of
from bot.text import count, link, message_link, number, plain, relative, shorten
from engine.requests.request import UpscaleRequest

_WORDS = 200
_WHY = 120
_LABEL = 100
"""Most characters of a menu option."""
NOTHING = "You have not painted anything yet. `/help start` shows the first steps."
STAR = "⭐"


def title(page: HistoryPage) -> str:
    """``Your 23 jobs, newest first.``"""
    if not page.lines:
        return NOTHING
    stars = f"{page.stars} of {count(page.most_stars, 'star')} used; /favorites shows the pictures."
    also = f"\n{STAR} {stars}" if page.stars else ""
    return f"Your {count(page.total, 'job')}, newest first. Only you can see this.{also}"


def embed_of(line: HistoryLine, thumbnails: Collection[str]) -> discord.Embed:
    """The embed of one job; *thumbnails*: names of the files in the message."""
    job = line.job
    head = f"**{shorten(_asked(line), _WORDS)}**"
    embed = discord.Embed(colour=COLOURS[job.state], description=f"{head}\n{_state(line)}\n-# {_facts(line)}")
    if (name := f"{job.id}.webp") in thumbnails:
        embed.set_thumbnail(url=f"attachment://{name}")
    return embed


def option_of(line: HistoryLine, place: int) -> tuple[str, str, str]:
    """A menu option: (value, label, description)."""
    label = f"{place}. {_bare(_asked(line))}"
    return line.job.id, shorten(label, _LABEL), shorten(_bare(_state(line)), _LABEL)


def _asked(line: HistoryLine) -> str:
    request = line.job.request
    if line.words and isinstance(request, UpscaleRequest):
        return f"{plain(shorten(line.words, _WORDS - 20))}, upscaled {request.scale}×"
    return show_request(request)


def _state(line: HistoryLine) -> str:
    job = line.job
    match job.state:
        case JobState.QUEUED:
            return "Queued"
        case JobState.RUNNING:
            return "Running"
        case JobState.FAILED:
            return f"Failed: {plain(shorten(job.error_text, _WHY)) or 'unknown error.'}"
        case JobState.CANCELLED:
            return "Cancelled"
    if line.kept is None:
        return "Done; the files have expired"
    what = "frame" if isinstance(job.request, FilmRequest) else "picture"
    painted = f"Done: {count(len(job.pictures), what)}{f' · {STAR} {line.stars}' if line.stars else ''}"
    if line.undelivered:
        return f"{painted}, but I could not post it in its channel. Open it below."
    return painted


def _facts(line: HistoryLine) -> str:
    job = line.job
    facts = [relative(job.created_at), _cost(job)]
    if job.message_id:
        where = message_link(job.origin.guild_id, job.origin.channel_id, job.message_id)
        facts.append(link("message", where))
    return " · ".join((*facts, f"job {job.id}"))


def _cost(job: JobRow) -> str:
    if job.state is JobState.DONE:
        share = share_of(job.request, {picture.index for picture in job.pictures})
        return f"{number(round(job.cost * share, 2))} units"
    return "nothing charged" if job.state.over else f"{number(round(job.cost, 2))} units held"


def _bare(text: str) -> str:
    """*text* without escapes, because menus do not format."""
    return text.replace("\\", "")
