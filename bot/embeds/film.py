"""The embed of `/help films`."""

from __future__ import annotations

import discord

from bot.embeds.job import COLOURS
from bot.models.job import JobState

_FIELDS = (
    (
        "Scenes",
        "`an owl ^ a castle ^ a ship` gives each scene an equal part of the film. `0: an owl | 30: a castle` names the "
        "frames at which they begin. `fade` is the number of frames in which one turns into the next.",
    ),
    (
        "Camera",
        "`zoom:1.02` enlarges each frame by 2 %, `angle:1` turns it by one degree, `x:2` moves it by 2 % of its width. "
        "Key frames change them on the way: `zoom:0:1, 24:1.05`. The camera moves in two dimensions.",
    ),
    ("Likeness", "`keep:0.6` skips 60 % of a frame's steps. More keeps more of the frame before it and costs less."),
)


def films_help(most_frames: int) -> discord.Embed:
    """How a film is asked for. *most_frames*: the host's limit."""
    embed = discord.Embed(
        colour=COLOURS[JobState.DONE],
        description="**Films**\n`/film prompt:an owl ^ a castle` paints 48 frames. Each starts from the one before it, "
        "moved by the camera.",
    )
    for name, value in _FIELDS:
        embed.add_field(name=name, value=value, inline=False)
    limit = f"At most {most_frames} frames" if most_frames else "This bot paints no films"
    embed.add_field(
        name="Cost",
        value=f"{limit}. The bot names the cost before it starts. A film runs in the background, after all other jobs. "
        "Cancel ends it with the frames so far, and you only pay for those.",
        inline=False,
    )
    return embed
