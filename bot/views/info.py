"""What the Info button tells, and what can be done from there: watch how it came to be, keep it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import ClassVar
from urllib.parse import urlsplit

from discord import ui

from bot.embeds.info import THE_FILE, THE_LINES, about_file, info_embed, long_lines
from bot.interactions.context import Invocation
from bot.interactions.payload import EphemeralPayload
from bot.interactions.responder import InteractionResponder
from bot.models.job import JobRow
from bot.views.base import PREFIX, AnyInteraction, PressButton, services_of, template


class InfoButton(PressButton, template=template("info")):
    """Everything that is known about the picture, for the one who asks."""

    action = "info"
    label = "Info"
    private = True

    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Tell it."""
        await responder.send_private_payload(await info_sheet(interaction, job))


class WatchButton(PressButton, template=template("watch")):
    """How the picture came to be, for the one who asks."""

    action = "watch"
    label = "Watch it form"
    private = True

    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Show the film."""
        film = await services_of(interaction).evolutions.film(job, responder.upload_limit)
        await responder.send_private_payload(EphemeralPayload("", files=((film.name, film.data),)))


class KeepButton(PressButton, template=template("keep")):
    """From now on retention passes the picture over. Anybody may, for themselves."""

    action = "keep"
    label = "Keep"
    private = True
    keeps: ClassVar[bool] = True

    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Do it, let the message show the other button, and say what it means."""
        services = services_of(interaction)
        keep = services.archive.keep if self.keeps else services.archive.keep_no_longer
        words = await keep(job, caller.user_id)
        await responder.defer()
        if _has_info(interaction):
            await responder.set_view(services.buttons.private(job, job.owned_by(caller.user_id), self.keeps))
        else:
            await responder.replace(await info_sheet(interaction, job))
        await responder.send_private(words)


class LetGoButton(KeepButton, template=template("letgo")):
    """It goes when its time has come, like others."""

    action = "letgo"
    label = "Keep no longer"
    keeps = False


async def info_sheet(interaction: AnyInteraction, job: JobRow) -> EphemeralPayload:
    """The facts about a job, with what whoever asks can do."""
    services, user_id = services_of(interaction), interaction.user.id
    watchable, keepers = await services.evolutions.has(job), await services.archive.keepers(job)

    def buttons() -> ui.View:
        view = ui.View(timeout=None)
        if watchable:
            view.add_item(WatchButton(job.id))
        if user_id in keepers:
            view.add_item(LetGoButton(job.id))
        elif job.on_disk:
            view.add_item(KeepButton(job.id))
        return view

    embed = info_embed(job, keepers, user_id, _file(interaction, job))
    return EphemeralPayload("", (embed,), long_lines(job), buttons)


def _file(interaction: AnyInteraction, job: JobRow) -> str:
    """About the file in the message that was pressed; where that is Info itself, what stands there already."""
    message = interaction.message
    if message is None:
        return ""
    # A file that an embed shows is none of the message's attachments.
    addresses = [*(file.url for file in message.attachments), *(embed.image.url for embed in message.embeds)]
    names = [PurePosixPath(urlsplit(address).path).name for address in addresses if address]
    for name in names:
        if name != THE_LINES:
            return about_file(job, name)
    said = [field.value or "" for embed in message.embeds for field in embed.fields if field.name == THE_FILE]
    return said[0] if said else ""


def _has_info(interaction: AnyInteraction) -> bool:
    """Whether the message that was pressed has an Info button: then it shows the picture, and is not Info itself."""
    rows = interaction.message.components if interaction.message else []
    ids = [getattr(item, "custom_id", None) or "" for row in rows for item in getattr(row, "children", ())]
    return any(one.startswith(f"{PREFIX}:{InfoButton.action}:") for one in ids)
