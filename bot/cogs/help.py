"""`/help start`, `words`, `styles`, `films`: the first steps, known words, what styles do, how to ask for a film."""

from __future__ import annotations

import discord
from discord import app_commands

from bot.embeds.job import COLOURS
from bot.interactions.commands import everywhere
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.models.job import JobState
from bot.services import BotCog
from bot.views.community.styles import help_payload
from bot.views.words import words_page
from engine.primer.vocabulary import GROUPS

_CHOICES = [app_commands.Choice(name=group, value=group) for group in GROUPS]
_STEPS = (
    (
        "Prompts",
        "A bar separates parts, a number weights them: `castle:2 | fog | people:-0.5`. A negative weight pushes away; "
        "so does the option `negative`. `/help words` shows the words that the small model knows, `/help styles` the "
        "styles.",
    ),
    (
        "Change a picture",
        "**Again** paints the same prompt from a new seed, **Variation** starts from the picture. **Remix** opens the "
        "prompt and keeps the seed: add “at night” to see the same picture at night. **Upscale** makes it larger.",
    ),
    (
        "Paint from pictures",
        "`/dream image:` starts from a picture, `mask:` repaints a part of it, `target:` makes the result resemble "
        "one, and `/blend` mixes several. Right-click a message (on a phone, press it long) and open Apps to use the "
        "picture in it.",
    ),
    (
        "Choose together",
        "`/dream count:4` paints four pictures, `/compare a [red|blue] fox` one for each word. **Vote** below them "
        "starts a blind vote. Of a batch, such as `count:24`, the best come first.",
    ),
    (
        "Find it again",
        "`/find words:owl` searches prompts and pictures. `/gallery` shows this server's pictures, `/history` your "
        "own, `/favorites` those that you starred.",
    ),
    (
        "Cost",
        "`/quota` shows what you have left. You only pay for finished pictures. `/settings mine` sets your defaults.",
    ),
)


def start_help() -> discord.Embed:
    """The first steps, from a prompt to finding its picture again."""
    embed = discord.Embed(
        colour=COLOURS[JobState.DONE],
        description="**First steps**\n`/dream a watercolor owl` paints an owl. Press the buttons under it to go on.",
    )
    for name, value in _STEPS:
        embed.add_field(name=name, value=value, inline=False)
    return embed


_FIELDS = (
    (
        "Scenes",
        "`an owl ^ a castle ^ a ship` gives each scene an equal part of the film. `0: an owl | 30: a castle` names the "
        "frames at which they begin. `fade` is the number of frames in which one turns into the next.",
    ),
    (
        "Camera",
        "`zoom:1.02` enlarges each frame by 2%, `angle:1` turns it by one degree, `x:2` moves it by 2% of its width. "
        "Key frames change them during the film: `zoom:0:1, 24:1.05`. The camera moves in two dimensions.",
    ),
    ("Likeness", "`keep:0.6` skips 60% of a frame's steps. More keeps more of the frame before it and costs less."),
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


class Help(BotCog):
    topics = everywhere(app_commands.Group(name="help", description="How to paint."))

    @topics.command(name="start", description="The first steps: prompts, buttons, votes, and finding pictures again.")
    async def start(self, interaction: AnyInteraction) -> None:
        responder = InteractionResponder.of(interaction, private=True)
        await responder.send_private_payload(EphemeralPayload("", (start_help(),)))

    @topics.command(name="words", description="What the small model can paint, with pictures.")
    @app_commands.describe(group="The group of words to show.")
    @app_commands.choices(group=_CHOICES)
    async def words(self, interaction: AnyInteraction, group: app_commands.Choice[str] | None = None) -> None:
        responder = InteractionResponder.of(interaction, private=True)
        await responder.send_private_payload(await words_page(group.value if group else GROUPS[0], 0))

    @topics.command(name="styles", description="What the styles that come with the bot do, with pictures.")
    async def styles(self, interaction: AnyInteraction) -> None:
        responder = InteractionResponder.of(interaction, private=True)
        await responder.send_private_payload(await help_payload())

    @topics.command(name="films", description="How to ask for a film: scenes, camera and cost.")
    async def films(self, interaction: AnyInteraction) -> None:
        responder = InteractionResponder.of(interaction, private=True)
        embed = films_help(self.services.config.limits.max_film)
        await responder.send_private_payload(EphemeralPayload("", (embed,)))
