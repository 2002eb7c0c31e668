"""`/dream`: paints a picture from a prompt; with autocomplete."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import discord
from discord import app_commands

from bot.community.defaults import Settled, Typed
from bot.errors import Refused
from bot.interactions.commands import NEGATIVE, SIZE, Choices, More, Seed, Words, choices, everywhere, typed_option
from bot.interactions.context import Invocation
from bot.interactions.responder import AnyInteraction, begin
from bot.models.comparison import Comparison, changed
from bot.models.job import new_seed
from bot.pictures.attachments import AttachmentReader
from bot.pictures.mask import ALONE, make_mask
from bot.policy.server_rules import NO_PROFILE, PaintChoice, preferred
from bot.requests import autocomplete as completion
from bot.requests.experiment import plan_dream
from bot.services import BotCog
from bot.text import duration, units
from engine.errors import DreamError
from engine.images.icons.spec import MAX_TEXT
from engine.requests.icons import draw_icons
from engine.requests.request import (
    MAX_COUNT,
    UNDRAWN,
    DreamRequest,
    adapted_model,
    build_request,
    parse_settings,
)


class DreamCog(BotCog):
    @app_commands.command(name="dream", description="Paint a picture from a prompt.")
    @app_commands.describe(
        prompt="What to paint: castle:2 | fog | people:-0.5. {red|blue} paints one picture for each.",
        negative=NEGATIVE,
        image="A picture to start from.",
        icon="A figure to start from in place of a picture, for example owl size=0.6",
        target_icon="A figure to approach.",
        mask="White (or transparent) areas are repainted; black areas stay.",
        target="A picture to resemble. more:target_weight=0.5 makes it count half as much as a part of the prompt.",
        method="The method.",
        model="The model.",
        adapter="A trained style of the model, for example mine:0.6",
        profile="A named set of options, for example draft.",
        style="A style of this server, for example ink.",
        size=SIZE,
        steps="More steps are slower and cleaner.",
        seed="The same seed and prompt give the same picture.",
        count="How many pictures. Large batches run in the background.",
        more="More options, for example eta=0.5 cutouts=8",
    )
    @everywhere
    async def dream(
        self,
        interaction: AnyInteraction,
        prompt: Words,
        negative: Words | None = None,
        image: discord.Attachment | None = None,
        mask: discord.Attachment | None = None,
        target: discord.Attachment | None = None,
        icon: app_commands.Range[str, 1, MAX_TEXT] | None = None,
        target_icon: app_commands.Range[str, 1, MAX_TEXT] | None = None,
        method: str | None = None,
        model: str | None = None,
        adapter: app_commands.Range[str, 1, 200] | None = None,
        profile: str | None = None,
        style: str | None = None,
        size: str | None = None,
        steps: app_commands.Range[int, 1, 2000] | None = None,
        seed: Seed | None = None,
        count: app_commands.Range[int, 1, MAX_COUNT] | None = None,
        more: More | None = None,
    ) -> None:
        """Make every check that needs no attachment, then fetch and decode the attachments, then queue the job."""
        responder, caller = begin(interaction)
        await self.services.job_actions.check_place(caller)
        if mask and not image:
            raise Refused(ALONE)
        if target and target_icon:
            raise Refused("Choose target or target_icon to paint towards, not both.")
        if icon and image:
            raise Refused("Choose image or icon to start from, not both.")
        typed = Typed(
            prompt,
            negative or "",
            style or "",
            PaintChoice(model or adapted_model(adapter or ""), method or "", size or "", profile or ""),
            ({"adapter": adapter} if adapter else {})
            | parse_settings(more or "")
            | ({} if steps is None else {"steps": str(steps)}),
        )
        if count and count > 1 and len(plan_dream(prompt)) > 1:
            raise Refused("A prompt with {…|…} paints one picture per text. Leave count out.")
        drawn_seed = new_seed() if seed is None else seed

        def build(settled: Settled) -> DreamRequest:
            """The request with placeholders for attachments. Raises PromptError and InvalidRequest."""
            return settled.request(
                seed=drawn_seed,
                count=count or 1,
                init_image=UNDRAWN if image else "",
                mask_image=UNDRAWN if mask else "",
                target_image=UNDRAWN if target else "",
                init_icon=icon or "",
                target_icon=target_icon or "",
            )

        made = await self.services.experiments.texts(typed, caller, build)
        request, attached = made.request, _Attached()
        if image or target or icon or target_icon:
            await self.services.job_actions.check(request, caller)
            attached = await _fetched(self.services.attachments, caller.user_id, image, mask, target)
            request = await asyncio.to_thread(changed, request, attached.attach)
            if image and not mask:  # a mask is fitted already
                first = request.ways[0].request if isinstance(request, Comparison) else request
                attached.notes.append(first.init_note(*attached.size))
        asks, notes = isinstance(request, Comparison), (*made.notes, *attached.notes)
        origin = caller.origin(applied=made.applied)
        await self.services.job_actions.dream(
            request, caller, responder, attached.images, origin=origin, notes=notes, asks=asks
        )

    @dream.autocomplete("prompt")
    async def _prompts(self, interaction: AnyInteraction, typed: str) -> Choices:
        return choices(completion.prompts(typed, typed_option(interaction, "model")))

    @dream.autocomplete("icon")
    @dream.autocomplete("target_icon")
    async def _icons(self, interaction: AnyInteraction, typed: str) -> Choices:
        return choices(await asyncio.to_thread(completion.icons, typed))

    @dream.autocomplete("method")
    async def _methods(self, interaction: AnyInteraction, typed: str) -> Choices:
        return choices(completion.methods(typed, typed_option(interaction, "model"), self.services.jobs.unavailable()))

    @dream.autocomplete("model")
    async def _models(self, interaction: AnyInteraction, typed: str) -> Choices:
        return choices(completion.models(typed, typed_option(interaction, "method"), self.services.jobs.unavailable()))

    @dream.autocomplete("adapter")
    async def _adapters(self, interaction: AnyInteraction, typed: str) -> Choices:
        return choices(completion.adapters(typed, typed_option(interaction, "model"), self.services.jobs.unavailable()))

    @dream.autocomplete("profile")
    async def _profiles(self, interaction: AnyInteraction, typed: str) -> Choices:
        ways = await self._ways_so_far(interaction)
        offered = completion.profiles(
            typed, ways.model, ways.method, lambda name: self._price(interaction, ways._replace(profile=name))
        )
        return choices([*offered, (f"{NO_PROFILE} – no profile", NO_PROFILE)])

    @dream.autocomplete("size")
    async def _sizes(self, interaction: AnyInteraction, typed: str) -> Choices:
        most, ways = self.services.config.limits.max_size, await self._ways_so_far(interaction)
        return choices(
            completion.sizes(
                typed, ways.model, most, lambda w, h: self._price(interaction, ways._replace(size=f"{w}x{h}"))
            )
        )

    async def _ways_so_far(self, interaction: AnyInteraction) -> PaintChoice:
        """The options typed so far, completed by the defaults."""
        typed = PaintChoice(*(typed_option(interaction, name) for name in PaintChoice._fields))
        with contextlib.suppress(DreamError):  # an adapter that is not typed to its end
            typed = typed._replace(model=typed.model or adapted_model(typed_option(interaction, "adapter")))
        levels = await self.services.defaults.levels(
            interaction.user.id, Invocation.of_interaction(interaction).location
        )
        return preferred(typed, [level.values for level in levels], self.services.jobs.unavailable())

    @dream.autocomplete("style")
    async def _styles(self, interaction: AnyInteraction, typed: str) -> Choices:
        return choices(completion.styles(typed, await self.services.styles.all(interaction.guild_id)))

    def _price(self, interaction: AnyInteraction, ways: PaintChoice) -> str:
        """`` · 1.64 units, about 5 s``: cost and duration of the options typed so far; empty if they are invalid."""
        steps, count = typed_option(interaction, "steps"), typed_option(interaction, "count")
        try:
            request = build_request(
                "a",
                model=ways.model,
                method=ways.method,
                size=ways.size,
                steps=int(steps) if steps else None,
                count=int(count) if count else 1,
                settings=ways.settings | parse_settings(typed_option(interaction, "more")),
            )
        except (DreamError, ValueError):
            return ""
        return f" · {units(request.cost)}, about {duration(self.services.jobs.registry.expect(request).likely)}"

    @dream.autocomplete("more")
    async def _more(self, interaction: AnyInteraction, typed: str) -> Choices:
        ways = await self._ways_so_far(interaction)
        return choices(completion.more(typed, ways.method, ways.model))


@dataclass(slots=True)
class _Attached:
    """SHA-256 of the attachments, and their bytes by hash; *notes* say how they were changed."""

    image: str = ""
    mask: str = ""
    target: str = ""
    images: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    size: tuple[int, int] = (1, 1)
    """Width and height of the image as sent."""

    def add(self, sha256: str, png: bytes, note: str) -> str:
        self.images[sha256] = png
        self.notes.append(note)
        return sha256

    def attach(self, request: DreamRequest) -> DreamRequest:
        """*request* with the hashes in place of placeholders. Icons are drawn into `images`."""
        named = {"init_image": self.image, "mask_image": self.mask, "target_image": self.target}
        return draw_icons(request.model_copy(update=named), self.images)


async def _fetched(
    reader: AttachmentReader,
    user_id: int,
    image: discord.Attachment | None,
    mask: discord.Attachment | None,
    target: discord.Attachment | None,
) -> _Attached:
    """Raises UnreadablePicture for an attachment that is no image, Refused for an all-black mask."""
    attached = _Attached()
    if image is not None:
        picture = await reader.read(image, user_id)
        attached.image, attached.size = attached.add(picture.sha256, picture.png, picture.note), picture.size
        if mask is not None:
            made = await make_mask(await reader.read(mask, user_id, alpha=True), picture)
            attached.mask = attached.add(made.sha256, made.png, made.note)
    if target is not None:
        aim = await reader.read(target, user_id)
        attached.target = attached.add(aim.sha256, aim.png, aim.note)
    return attached
