"""`/blend`: paints towards two to four pictures and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import discord
from discord import app_commands

from bot.actions.create import picture_of
from bot.community.defaults import Prepared
from bot.community.picture_requests import FormText, weight_of
from bot.errors import PictureGone, Refused
from bot.interactions.commands import NEGATIVE, SIZE, More, Seed, Words, everywhere
from bot.interactions.context import Invocation
from bot.interactions.responder import AnyInteraction, begin
from bot.pictures.attachments import check_attachment
from bot.services import BotCog
from engine.requests.prompts import Prompt
from engine.requests.request import DreamRequest

MOST = 4
NOT_YET = "0" * 63
"""With a digit, the placeholder for the hash of an attachment that is not fetched yet."""
TOO_FEW = "A blend needs two pictures, or one picture and a prompt: attach them, or give links to my messages."


@dataclass(slots=True)
class _Blended:
    """Hashes of the pictures in order, the bytes of attached ones, the first result among them."""

    hashes: list[str] = field(default_factory=list)
    images: dict[str, bytes] = field(default_factory=dict)
    parent: tuple[str, int] = ("", 0)
    """Job and index of that result."""


class BlendCog(BotCog):
    @app_commands.command(name="blend", description="Paint a blend of two to four pictures and words.")
    @app_commands.describe(
        first="A picture.",
        second="Another picture.",
        third="Another picture.",
        fourth="Another picture.",
        links="Links to my messages with pictures, separated by spaces.",
        prompt="Words to blend in. Parts and weights: castle:2 | fog",
        weights="How much each picture counts, in order, for example: 2 1",
        negative=NEGATIVE,
        size=SIZE,
        seed="The same seed and pictures give the same blend.",
        more="More options, for example steps=50 count=2 model=primer",
    )
    @everywhere
    async def blend(
        self,
        interaction: AnyInteraction,
        first: discord.Attachment | None = None,
        second: discord.Attachment | None = None,
        third: discord.Attachment | None = None,
        fourth: discord.Attachment | None = None,
        links: app_commands.Range[str, 1, 1000] | None = None,
        prompt: Words | None = None,
        weights: app_commands.Range[str, 1, 100] | None = None,
        negative: Words | None = None,
        size: str | None = None,
        seed: Seed | None = None,
        more: More | None = None,
    ) -> None:
        """Make every check that needs no attachment, then fetch the attachments, then queue the job."""
        responder, caller = begin(interaction)
        attached = [one for one in (first, second, third, fourth) if one]
        linked = (links or "").split()
        if not 1 <= len(attached) + len(linked) <= MOST or (len(attached) + len(linked) == 1 and not prompt):
            raise Refused(TOO_FEW if len(attached) + len(linked) < MOST else f"{MOST} pictures are the limit.")
        for attachment in attached:
            check_attachment(attachment)
        parts = _weights(weights or "", len(attached) + len(linked))
        settings = " ".join(filter(None, (more, f"size={size.replace(' ', '')}" if size else "")))
        form = FormText(prompt or "", f"{settings} seed={seed}" if seed is not None else settings, negative or "")

        placeholders = [f"{NOT_YET}{number}" for number in range(len(parts))]
        await self.services.job_actions.check((await self._built(form, placeholders, parts, caller)).request, caller)
        blended = await self._read(attached, linked, caller)
        built = await self._built(form, blended.hashes, parts, caller)
        await self.services.job_actions.dream(
            built.request,
            caller,
            responder,
            blended.images,
            origin=caller.origin("blend", *blended.parent, built.applied),
            notes=built.notes,
        )

    async def _built(
        self, form: FormText, hashes: Sequence[str], weights: Sequence[float], caller: Invocation
    ) -> Prepared[DreamRequest]:
        pictures = [Prompt(image=sha256, weight=weight) for sha256, weight in zip(hashes, weights, strict=True)]
        return await self.services.picture_requests.towards(form, pictures, caller)

    async def _read(
        self, attached: Sequence[discord.Attachment], linked: Sequence[str], caller: Invocation
    ) -> _Blended:
        blended = _Blended()
        results = [await self.services.access.named(link, caller) for link in linked]
        for attachment in attached:
            picture = await self.services.attachments.read(attachment, caller.user_id)
            blended.hashes.append(picture.sha256)
            blended.images[picture.sha256] = picture.png
        for job in results:
            if not job.on_disk:
                raise PictureGone(f"The picture of job {job.id} is not finished or has expired.")
            best = picture_of(job, None)
            blended.hashes.append(best.sha256)
            if not blended.parent[0]:
                blended.parent = job.id, best.index
        return blended


def _weights(text: str, pictures: int) -> list[float]:
    """One weight per picture, 1 for those without. Raises Refused."""
    typed = [weight_of(word) for word in text.replace(",", " ").split()]
    if len(typed) > pictures:
        raise Refused(f"There are {len(typed)} weights for {pictures} pictures.")
    return [*typed, *[1.0] * (pictures - len(typed))]
