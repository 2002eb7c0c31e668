"""The embed of `/insights`: one line per pair of options or prompt parts."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from bot.embeds.job import COLOURS
from bot.models.job import JobState
from bot.models.vote import PROMPT, Duel
from bot.text import count, plain, shorten

LINES = 20
VALUE = 40
"""Most characters of a value; all lines fit into an embed even if every character is escaped."""
SILENT = (PROMPT, "style", "way")
"""Axes whose values explain themselves."""
NOTHING = (
    "No votes have been counted yet. Paint several pictures with /compare or count:4, then press **Vote** under them."
)


def insight_embed(duels: Sequence[Duel], about: str) -> discord.Embed:
    """The most decided pairs; with *about* those in which one value contains it."""
    word = about.casefold().strip()
    found = [one for one in duels if word in one.winner.casefold() or word in one.loser.casefold()]
    embed = discord.Embed(title="What wins votes in this server", colour=COLOURS[JobState.DONE])
    if found:
        embed.description = "\n".join(map(_line, found[:LINES]))
        hidden = len(found) - LINES
        more = f" · {count(hidden, 'more pair')}; narrow it down with about:" if hidden > 0 else ""
        embed.set_footer(text=f"Only votes on pictures that differ in nothing else{more}")
    else:
        embed.description = f"No vote has compared “{plain(shorten(about, VALUE))}” yet." if duels else NOTHING
    return embed


def _line(duel: Duel) -> str:
    axis = "" if duel.axis in SILENT else f"{plain(shorten(duel.axis, VALUE))} "
    winner, loser = (f"{axis}**{plain(shorten(value, VALUE))}**" for value in (duel.winner, duel.loser))
    verb = "beats" if duel.wins > duel.losses else "and"
    return f"{winner} {verb} {loser} {duel.wins} : {duel.losses}"
