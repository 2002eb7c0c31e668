"""The messages of a challenge: the announcement in its channel, and the result in its thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import discord

from bot.community.winner_pings import WinnerNews
from bot.embeds.job import COLOURS
from bot.models.challenge import Challenge, ChallengeState, Rank, Winner
from bot.models.job import JobState
from bot.policy.word_filter import is_mature
from bot.text import clock_date, count, link, mention, mention_channel, message_link, plain, relative, shorten, units

THEME = 200
"""Most characters of a theme."""
_COLOURS = {
    ChallengeState.OPEN: COLOURS[JobState.RUNNING],
    ChallengeState.VOTING: COLOURS[JobState.RUNNING],
    ChallengeState.ENDED: COLOURS[JobState.DONE],
    ChallengeState.CANCELLED: COLOURS[JobState.CANCELLED],
}
MEDALS = ("🥇", "🥈", "🥉")


def challenge_embed(challenge: Challenge, winners: Sequence[Winner] = ()) -> discord.Embed:
    """The announcement in the present state."""
    lines = [f"**Challenge: {plain(challenge.theme)}**", *_state(challenge, winners)]
    return discord.Embed(colour=_COLOURS[challenge.state], description="\n".join(lines))


def result_embed(challenge: Challenge, winners: Sequence[Winner], picture: str = "") -> discord.Embed:
    """The result; *picture* is the name of the file sent with it, or empty."""
    lines = [f"**Challenge: {plain(challenge.theme)}**"]
    lines += [_won(one) for one in winners] or [challenge.reason or "The challenge ended without a winner."]
    embed = discord.Embed(colour=_COLOURS[challenge.state], description="\n".join(lines))
    if picture:
        embed.set_image(url=f"attachment://{picture}")
    return embed


def winner_news(winners: Sequence[Winner]) -> dict[int, WinnerNews]:
    """What each winner is told. The theme is left out: the result above names it."""
    how = "won this challenge" if len(winners) == 1 else "tied for first place in this challenge"
    return {
        one.user_id: WinnerNews(
            one.job_id,
            f"you {how} with {count(one.votes, 'vote')}." + (f" Your prize: {units(one.units)}." if one.units else ""),
        )
        for one in winners
    }


def list_embed(challenges: Sequence[Challenge], winners: Sequence[Sequence[Winner]]) -> discord.Embed:
    """Challenges of a server, newest first, with the winners of each."""
    blocks = [
        "\n".join((f"**{_linked(one)}**", *_state(one, won))) for one, won in zip(challenges, winners, strict=True)
    ]
    text = "\n\n".join(blocks) or "No challenges yet. Moderators start one with `/challenge start`."
    return discord.Embed(title="Challenges", colour=COLOURS[JobState.QUEUED], description=shorten(text, 4000))


def board_embed(ranks: Sequence[Rank], listed_here: bool) -> discord.Embed:
    """A leaderboard: wins, stars and entries, the most wins first."""
    lines = [
        f"{MEDALS[place] if place < len(MEDALS) else f'{place + 1}.'} {mention(one.user_id)} · "
        f"{count(one.wins, 'win')} · {count(one.stars, 'star')} · {count(one.entries, 'entry', 'entries')}"
        for place, one in enumerate(ranks)
    ]
    text = "\n".join(lines) or "The list is empty. `/leaderboard join:True` puts you on it."
    embed = discord.Embed(title="Leaderboard", colour=COLOURS[JobState.QUEUED], description=text)
    how = "join:False takes you off the list." if listed_here else "Only people who join with join:True are listed."
    return embed.set_footer(text=how)


def trophy(theme: str) -> str:
    """The mark of a picture that won the challenge of that *theme*; empty for an empty theme."""
    if not theme or is_mature((theme,)):  # a gallery may be shown outside of 18+ channels
        return "🏆" * bool(theme)
    return f"🏆 {plain(shorten(theme, 60))}"


def _state(challenge: Challenge, winners: Sequence[Winner]) -> Iterator[str]:
    prize = f" Prize: {units(challenge.prize)}." if challenge.prize else ""
    match challenge.state:
        case ChallengeState.OPEN:
            each = count(challenge.entries_each, "entry", "entries")
            yield f"Enter until {clock_date(challenge.deadline)} ({relative(challenge.deadline)}), {each} each.{prize}"
            yield (
                "Press **Enter …** to paint an entry, which does not use your quota. Or press **Enter challenge** "
                "under a picture of yours, or in its **Info**."
            )
            yield "-# A blind vote follows. You cannot vote for your own picture."
        case ChallengeState.VOTING:
            where = f" in {mention_channel(challenge.thread_id)}" if challenge.thread_id else ""
            yield f"The entries are closed. Vote{where}!{prize}"
        case ChallengeState.CANCELLED:
            yield f"Cancelled{': ' + plain(challenge.reason) if challenge.reason else '.'}"
        case _ if winners:
            yield from map(_won, winners)
        case _:
            yield challenge.reason or "It ended without a winner."


def _won(one: Winner) -> str:
    prize = f" · {units(one.units)}" if one.units else ""
    return f"🏆 {mention(one.user_id)} · {count(one.votes, 'vote')}{prize}"


def _linked(challenge: Challenge) -> str:
    """The theme as a link to the announcement."""
    theme = plain(shorten(challenge.theme, 80))
    return link(theme, message_link(challenge.server_id, challenge.channel_id, challenge.message_id))
