"""The message of a vote: letters and no labels while it is open, labels and counts at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import discord

from bot.community.winner_pings import WinnerNews
from bot.embeds.job import COLOURS
from bot.models.job import JobState
from bot.models.vote import Candidate, Vote
from bot.pictures.contact_sheet import lettered_sheet
from bot.pictures.uploads import ImageUpload, fitted
from bot.text import bar, count, listed, mention, plain, relative, shorten

TITLE, LABEL, LABEL_BY = 300, 50, 34
"""Most characters in the message, the last beside an author; 25 labels fit into an embed if all are escaped."""
QUESTION = "Which picture is best?"


def vote_embed(vote: Vote, picture: str = "") -> discord.Embed:
    """The embed of *vote*; *picture* is the name of the sheet sent with it, or empty."""
    lines = _open(vote) if vote.is_open else _closed(vote)
    colour = COLOURS[JobState.RUNNING if vote.is_open else JobState.DONE]
    embed = discord.Embed(colour=colour, description="\n".join(lines))
    if picture:
        embed.set_image(url=f"attachment://{picture}")
    return embed


def vote_sheet(vote: Vote, thumbnails: Sequence[bytes | None], limit: int) -> ImageUpload:
    """The sheet of *vote* within *limit* bytes. Blocks; call it in a thread."""
    letters, winners = [one.letter for one in vote.candidates], vote.winners
    if vote.is_open:
        png = lettered_sheet(thumbnails, letters)
    else:
        captions = [f"{vote.counts.get(one.place, 0)} · {one.label}" for one in vote.candidates]
        framed = [place for place, one in enumerate(vote.candidates) if one in winners]
        png = lettered_sheet(thumbnails, letters, captions, framed)
    return fitted(f"vote-{vote.id}", png, limit)


def winner_news(vote: Vote) -> dict[int, WinnerNews]:
    """What the author of each winning picture is told."""
    winners, cast = vote.winners, sum(vote.counts.values())
    how = "won this vote" if len(winners) == 1 else "tied for first place in this vote"
    return {
        one.author_id: WinnerNews(
            one.job_id, f"your picture {one.letter} {how}, with {vote.counts[one.place]} of {count(cast, 'vote')}."
        )
        for one in reversed(winners)
    }


def _open(vote: Vote) -> Iterator[str]:
    yield f"**{_title(vote)}**"
    yield f"Press a letter to vote. You can change your vote until it ends {relative(vote.ends_at)}."
    own = " You cannot vote for your own picture." if vote.others_only else ""
    yield f"-# Blind vote: labels and counts stay hidden until then.{own}"


def _closed(vote: Vote) -> Iterator[str]:
    yield f"**{_title(vote)}**"
    winners, cast = vote.winners, sum(vote.counts.values())
    if not winners:
        yield "The vote has ended. No votes were cast."
    elif len(winners) == 1:
        yield f"Winner: **{_named(winners[0], vote)}**"
    else:
        yield f"Tie between {listed([f'**{one.letter}**' for one in winners])}"
    yield ""
    for one in sorted(vote.candidates, key=lambda one: (-vote.counts.get(one.place, 0), one.place)):
        number = vote.counts.get(one.place, 0)
        yield f"{bar(number / cast if cast else 0.0)} **{number}** · {_named(one, vote)}"
    yield f"-# {count(cast, 'vote')} · ended {relative(vote.ends_at)}"


def _named(one: Candidate, vote: Vote) -> str:
    if len(vote.authors) > 1:
        return f"{one.letter} · {plain(shorten(one.label, LABEL_BY))} by {mention(one.author_id)}"
    return f"{one.letter} · {plain(shorten(one.label, LABEL))}"


def _title(vote: Vote) -> str:
    return plain(shorten(vote.title, TITLE)) or QUESTION
