"""`/film`: paints a film, each frame from the one before it, moved."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.community.defaults import Settled, Typed
from bot.errors import Refused
from bot.interactions.commands import NEGATIVE, SIZE, Choices, More, Seed, Words, choices, everywhere, typed_option
from bot.interactions.responder import AnyInteraction, begin
from bot.models.film import FilmKind
from bot.models.job import new_seed
from bot.policy.server_rules import PaintChoice
from bot.requests import autocomplete as completion
from bot.services import BotCog
from engine.errors import InvalidRequest
from engine.film.camera import EDGES
from engine.film.plan import FilmSettings
from engine.images.timelapse import FILM_FPS, MOST_FPS, has_video
from engine.requests.request import UNDRAWN, DreamRequest, parse_settings

KeyFrameText = app_commands.Range[str, 1, 200]
USUAL = FilmSettings()
METHODS = ("clip_diffusion", "vqgan_clip")


class FilmCog(BotCog):
    @app_commands.command(name="film", description="Paint a film that moves through scenes. It runs in the background.")
    @app_commands.describe(
        prompt="Scenes: an owl ^ a castle, or with frames: 0: an owl | 30: a castle",
        frames="How many frames.",
        zoom="Zoom per frame: 1.02, or key frames: 0:1, 24:1.05",
        angle="Rotation per frame in degrees, counter-clockwise: 1, or key frames.",
        x="Movement to the right per frame, in percent of the width.",
        y="Movement downwards per frame, in percent of the height.",
        edges="What appears at the edge.",
        fade="Frames in which one scene turns into the next.",
        keep="How much of the frame before stays: 0.6; more is calmer, less changes faster.",
        fps="Frames per second.",
        file="The kind of file.",
        image="A picture to start from.",
        negative=NEGATIVE,
        method="The method.",
        model="The model.",
        profile="A named set of options, for example draft.",
        style="A style of this server, for example ink.",
        size=SIZE,
        steps="Steps of the first frame.",
        seed="The same seed and settings give the same film.",
        more="More options, for example eta=0.5 hold=500",
    )
    @app_commands.choices(
        edges=[app_commands.Choice(name=name, value=name) for name in EDGES],
        file=[app_commands.Choice(name=name[1:].upper(), value=name) for name in (".mp4", ".webp", ".gif")],
        method=[app_commands.Choice(name=name, value=name) for name in METHODS],
    )
    @everywhere
    async def film(
        self,
        interaction: AnyInteraction,
        prompt: Words,
        frames: app_commands.Range[int, 2, 2000] = USUAL.frames,
        zoom: KeyFrameText = USUAL.zoom,
        angle: KeyFrameText = USUAL.angle,
        x: KeyFrameText = USUAL.x,
        y: KeyFrameText = USUAL.y,
        edges: str = USUAL.edges,
        fade: app_commands.Range[int, 0, 1000] = USUAL.fade,
        keep: app_commands.Range[float, 0.0, 0.99] = USUAL.keep,
        fps: app_commands.Range[int, 1, MOST_FPS] = FILM_FPS,
        file: str = "",
        image: discord.Attachment | None = None,
        negative: Words | None = None,
        method: str | None = None,
        model: str | None = None,
        profile: str | None = None,
        style: str | None = None,
        size: str | None = None,
        steps: app_commands.Range[int, 1, 2000] | None = None,
        seed: Seed | None = None,
        more: More | None = None,
    ) -> None:
        """Make every check that needs no attachment, then fetch it, then ask about the cost."""
        responder, caller = begin(interaction)
        await self.services.job_actions.check_place(caller)
        options = dict(parse_settings(more or ""))
        rare: dict[str, Any] = {
            name: _typed(name, options.pop(name)) for name in ("frame_steps", "hold", "hold_by") if name in options
        }
        settings = FilmSettings(frames, zoom, angle, x, y, edges, fade, keep, **rare)
        typed = Typed(
            prompt,
            negative or "",
            style or "",
            PaintChoice(model or "", method or "", size or "", profile or ""),
            options | ({} if steps is None else {"steps": str(steps)}),
        )
        drawn_seed = new_seed() if seed is None else seed

        def build(settled: Settled) -> DreamRequest:
            return settled.request(seed=drawn_seed, init_image=UNDRAWN if image else "")

        made = await self.services.films.plan(typed, settings, fps, _kind(file), caller, build)
        request, images, notes = made.request, dict[str, bytes](), list(made.notes)
        if image is not None:
            await self.services.job_actions.check(request, caller)
            picture = await self.services.attachments.read(image, caller.user_id)
            images[picture.sha256] = picture.png
            first = request.first.model_copy(update={"init_image": picture.sha256})
            request = request.with_first(first)
            notes += [picture.note, first.init_note(*picture.size)]
        await self.services.job_actions.dream(
            request, caller, responder, images, origin=caller.origin(applied=made.applied), notes=notes, asks=True
        )

    @film.autocomplete("prompt")
    async def _prompts(self, interaction: AnyInteraction, typed: str) -> Choices:
        return choices(completion.prompts(typed, typed_option(interaction, "model")))

    @film.autocomplete("model")
    async def _models(self, interaction: AnyInteraction, typed: str) -> Choices:
        method = str(getattr(interaction.namespace, "method", "") or METHODS[0])
        return choices(completion.models(typed, method, self.services.jobs.unavailable()))

    @film.autocomplete("more")
    async def _more(self, interaction: AnyInteraction, typed: str) -> Choices:
        method, model = (typed_option(interaction, name) for name in ("method", "model"))
        return choices(completion.more(typed, method or METHODS[0], model))

    @film.autocomplete("style")
    async def _styles(self, interaction: AnyInteraction, typed: str) -> Choices:
        return choices(completion.styles(typed, await self.services.styles.all(interaction.guild_id)))


def _typed(name: str, text: str) -> Any:
    """A setting of a film that is typed into `more`. Raises InvalidRequest."""
    try:
        return type(getattr(USUAL, name))(text)
    except ValueError as error:
        raise InvalidRequest(f"{name}={text[:20]} is not a number.") from error


def _kind(file: str) -> FilmKind:
    """The typed kind of file, else the one that plays everywhere and can be written here."""
    usual: FilmKind = ".mp4" if has_video() else ".gif"
    kinds: tuple[FilmKind, ...] = (".mp4", ".webp", ".gif")
    if file and file not in kinds:
        raise Refused(f"Unknown kind of file “{file[:20]}”. Available: mp4, webp, gif.")
    return next((kind for kind in kinds if kind == file), usual)
