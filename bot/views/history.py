"""What one can do with one's history and with what one keeps: turn pages, look at something again, post it again."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, ClassVar, Self, cast

import discord
from discord import ui

from bot.embeds.history import embed_of, option_of, title
from bot.errors import NotAllowed
from bot.interactions.context import Invocation
from bot.interactions.payload import EphemeralPayload
from bot.interactions.responder import InteractionResponder
from bot.models.history import Line, Page
from bot.models.job import JobRow, Update
from bot.pictures.uploads import Upload, thumbnail
from bot.services import Services
from bot.views.base import AnyInteraction, IdButton, PressButton, find_job, guarded, services_of, template
from engine.errors import UnreadablePicture


class OlderButton(IdButton, template=template("older")):
    """The page after the job that it names."""

    action = "older"
    label = "Older"
    older: ClassVar[bool] = True
    only_kept: ClassVar[bool] = False

    async def act(self, interaction: AnyInteraction, responder: InteractionResponder) -> None:
        """Turn the page; the job beside it need not be there any more."""
        await responder.defer()
        sheet = await history_sheet(interaction, self.job_id, older=self.older, only_kept=self.only_kept)
        await responder.replace(sheet)


class NewerButton(OlderButton, template=template("newer")):
    """The page before it."""

    action = "newer"
    label = "Newer"
    older = False


class KeptOlderButton(OlderButton, template=template("keptolder")):
    """The same among what one keeps."""

    action = "keptolder"
    only_kept = True


class KeptNewerButton(NewerButton, template=template("keptnewer")):
    """The page before it."""

    action = "keptnewer"
    only_kept = True


class HistoryMenu(ui.DynamicItem[ui.Select[ui.View]], template="dream:history"):
    """Show one job of the page again."""

    def __init__(self, lines: tuple[Line, ...] = ()) -> None:
        options = [
            discord.SelectOption(value=value, label=label, description=words)
            for value, label, words in (option_of(line, place) for place, line in enumerate(lines, 1))
        ]
        menu: ui.Select[ui.View] = ui.Select(
            custom_id="dream:history", placeholder="Show one of them again …", options=options, row=0
        )
        super().__init__(menu)

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        """What was chosen stands in the interaction."""
        return cls()

    async def callback(self, interaction: AnyInteraction) -> None:
        """Show it to its owner alone, with buttons that work."""
        chosen = cast(dict[str, Any], interaction.data or {}).get("values") or [""]

        async def show(responder: InteractionResponder) -> None:
            job = await find_job(interaction, str(chosen[0]))
            await show_again(interaction, responder, job)

        await guarded(interaction, show, doing="a choice from a history")


class PostButton(PressButton, template=template("post")):
    """Post a picture of one's own history where one is now."""

    action = "post"
    label = "Post here"
    style = discord.ButtonStyle.success

    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Post it, for everybody to see."""
        await services_of(interaction).job_actions.post_again(job, caller, responder)


async def history_sheet(
    interaction: AnyInteraction, beside: str = "", *, older: bool = True, only_kept: bool = False
) -> EphemeralPayload:
    """A page of the history of whoever asks, or of what they keep."""
    services = services_of(interaction)
    page = await services.archive.page(interaction.user.id, beside, older=older, only_kept=only_kept)
    uploads = [upload for line in page.lines if (upload := await _thumbnail(interaction, line))]
    files = tuple((upload.name, upload.data) for upload in uploads)
    embeds = tuple(embed_of(line, {name for name, _ in files}) for line in page.lines)
    return EphemeralPayload(title(page), embeds, files, partial(_buttons, page))


async def show_again(interaction: AnyInteraction, responder: InteractionResponder, job: JobRow) -> None:
    """Hand a job to its owner, or to whoever keeps it: picture, facts, buttons. Raises NotAllowed."""
    await responder.send_private_payload(await _sheet(interaction, responder, job))
    await _seen(interaction, job)


async def show_as_it_is_now(interaction: AnyInteraction, responder: InteractionResponder, job: JobRow) -> None:
    """Bring the sheet whose button was pressed up to date, which nothing but a press can. Raises NotAllowed."""
    sheet = await _sheet(interaction, responder, job)
    await responder.defer()
    await responder.replace(sheet)
    await _seen(interaction, job)


async def bring_up_to_date(interaction: AnyInteraction, responder: InteractionResponder, job: JobRow) -> None:
    """Make the message whose button was pressed show the current state of *job*."""
    await responder.defer()
    services = services_of(interaction)
    face = await services.renderer.render(_now(services, job), responder.upload_limit)
    await responder.replace(EphemeralPayload("", (face.embed,), face.files, face.buttons))


def _now(services: Services, job: JobRow) -> Update:
    return Update(job, services.jobs.registry.progress(job.id), services.jobs.registry.place(job.id))


async def is_sheet(interaction: AnyInteraction, job: JobRow) -> bool:
    """Whether the message that was pressed is seen by one person alone, and is not the job's own message.

    That is so, too, where a person has the bot for themselves and may not show it to others.
    """
    shown = interaction.message
    if shown is None or not shown.flags.ephemeral:
        return False
    return await services_of(interaction).store.messages.job_id(shown.channel.id, shown.id) != job.id


async def _sheet(interaction: AnyInteraction, responder: InteractionResponder, job: JobRow) -> EphemeralPayload:
    services, user_id = services_of(interaction), interaction.user.id
    kept = user_id in await services.archive.keepers(job)
    if not (kept or job.owned_by(user_id)):
        raise NotAllowed("This is in somebody else's history.")
    face = await services.renderer.render(_now(services, job), responder.upload_limit)
    buttons = partial(services.buttons.private, job, job.owned_by(user_id), kept)
    return EphemeralPayload("", (face.embed,), face.files, buttons)


async def _seen(interaction: AnyInteraction, job: JobRow) -> None:
    if job.owned_by(interaction.user.id):
        await services_of(interaction).archive.shown(job)


def _buttons(page: Page) -> ui.View:
    view = ui.View(timeout=None)
    if page.lines:
        view.add_item(HistoryMenu(page.lines))
    newer, older = (KeptNewerButton, KeptOlderButton) if page.only_kept else (NewerButton, OlderButton)
    if page.newer:
        view.add_item(newer(page.lines[0].job.id, row=1))
    if page.older:
        view.add_item(older(page.lines[-1].job.id, row=1))
    return view


async def _thumbnail(interaction: AnyInteraction, line: Line) -> Upload | None:
    png = await services_of(interaction).archive.png(line.kept) if line.kept and not line.job.origin.spoiler else None
    try:
        return await thumbnail(line.job.id, png) if png else None
    except UnreadablePicture:  # damaged on disk: the line stands without it
        return None
