"""Embeds of gallery pages and of one opened picture."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from bot.embeds.job import COLOURS
from bot.models.gallery import IndexedPicture
from bot.models.job import JobState
from bot.text import link, mention, mention_channel, plain, relative, shorten

_LINE = 90
_WORDS = 1200
_LABEL = 100
"""Most characters of a menu option."""
NO_WORDS = "(no words)"
UNTOLD = "(hidden until its blind vote ends)"
GOLD = 0xFABE3C


def list_embed(title: str, pictures: Sequence[IndexedPicture], notes: Sequence[str] = ()) -> discord.Embed:
    """The pictures of a page, one line each, with links to their messages. *notes*: one remark per picture, or none."""
    lines = [_line(place, picture, notes[place - 1] if notes else "") for place, picture in enumerate(pictures, 1)]
    return discord.Embed(title=title, colour=COLOURS[JobState.DONE], description="\n".join(lines))


def picture_embed(picture: IndexedPicture) -> discord.Embed:
    """One picture: its words, its author, its stars, and where it is shown."""
    facts = [*_author(picture), relative(picture.created_at), *_facts(picture), f"job {picture.job_id}"]
    words = _words(picture, _WORDS)
    return discord.Embed(colour=COLOURS[JobState.DONE], description=f"**{words}**\n-# {' · '.join(facts)}")


def starboard_embed(picture: IndexedPicture, file: str) -> discord.Embed:
    """A picture on the starboard. *file*: the name of its copy, or empty for a spoiler."""
    facts = [*_author(picture), mention_channel(picture.channel_id)]
    facts += [link("message", picture.link)] if picture.link else []
    words = _words(picture, _WORDS)
    embed = discord.Embed(colour=GOLD, description=f"⭐ **{picture.stars}** · {words}\n-# {' · '.join(facts)}")
    return embed.set_image(url=f"attachment://{file}") if file else embed


def option_of(picture: IndexedPicture, place: int) -> tuple[str, str]:
    """A menu option: (value, label)."""
    return f"{picture.job_id}:{picture.index}", shorten(
        f"{place}. {UNTOLD if picture.hidden else picture.words or NO_WORDS}", _LABEL
    )


def _line(place: int, picture: IndexedPicture, note: str) -> str:
    words = _words(picture, _LINE)
    facts = [*_author(picture), *_facts(picture), relative(picture.created_at), *([note] if note else [])]
    return f"**{place}** · {words}\n-# {' · '.join(facts)}"


def _words(picture: IndexedPicture, most: int) -> str:
    return UNTOLD if picture.hidden else plain(shorten(picture.words, most)) or NO_WORDS


def _author(picture: IndexedPicture) -> list[str]:
    return [] if picture.hidden else [f"by {mention(picture.owner)}"]


def _facts(picture: IndexedPicture) -> list[str]:
    stars = [f"⭐ {picture.stars}"] if picture.stars else []
    return stars + ([link("message", picture.link)] if picture.link else [])
