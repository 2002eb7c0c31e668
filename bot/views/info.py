"""The Info button, and what can be done from there: watch the timelapse, save or unsave the picture."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import ClassVar
from urllib.parse import urlsplit

from discord import ui

from bot.embeds.info import THE_FILE, THE_LINES, about_file, info_embed, long_lines
from bot.interactions.message_api import EphemeralPayload
from bot.models.job import JobRow
from bot.views.base import PREFIX, JobButton, Press, template


class InfoButton(JobButton, template=template("info")):
    """Shows all facts about a result."""

    action = "info"
    label = "Info"
    private = True

    async def pressed(self, press: Press, job: JobRow) -> None:
        await press.responder.send_private_payload(await info_payload(press, job))


class WatchButton(JobButton, template=template("watch")):
    """Shows the timelapse of a picture."""

    action = "watch"
    label = "Timelapse"
    private = True

    async def pressed(self, press: Press, job: JobRow) -> None:
        film = await press.services.timelapses.film(job, press.responder.upload_limit)
        await press.responder.send_private_payload(EphemeralPayload("", files=((film.name, film.data),)))


class SaveButton(JobButton, template=template("keep")):
    """Saves a picture for the presser: it is not deleted when space is needed."""

    action = "keep"
    label = "Save"
    private = True
    saves: ClassVar[bool] = True

    async def pressed(self, press: Press, job: JobRow) -> None:
        """Save or unsave it, and swap the button."""
        services, user_id = press.services, press.caller.user_id
        text = await (services.history.save if self.saves else services.history.unsave)(job, user_id)
        await press.responder.defer()
        if _has_info(press):
            await press.responder.set_view(services.buttons.private(job, job.owned_by(user_id), self.saves))
        else:
            await press.responder.replace(await info_payload(press, job))
        await press.responder.send_private(text)


class UnsaveButton(SaveButton, template=template("letgo")):
    """Makes a saved picture expire normally again."""

    action = "letgo"
    label = "Unsave"
    saves = False


async def info_payload(press: Press, job: JobRow) -> EphemeralPayload:
    """The facts about a job, with the presser's buttons."""
    services, user_id = press.services, press.caller.user_id
    watchable, savers = await services.timelapses.has(job), await services.history.keepers(job)

    def buttons() -> ui.View:
        view = ui.View(timeout=None)
        if watchable:
            view.add_item(WatchButton(job.id))
        if user_id in savers:
            view.add_item(UnsaveButton(job.id))
        elif job.on_disk:
            view.add_item(SaveButton(job.id))
        return view

    embed = info_embed(job, savers, user_id, _file(press, job))
    return EphemeralPayload("", (embed,), long_lines(job), buttons)


def _file(press: Press, job: JobRow) -> str:
    """A remark on the file in the pressed message. If that message is Info itself, its own remark is repeated."""
    message = press.message
    if message is None:
        return ""
    # A file that an embed shows is not among the attachments of the message.
    addresses = [*(file.url for file in message.attachments), *(embed.image.url for embed in message.embeds)]
    names = [PurePosixPath(urlsplit(address).path).name for address in addresses if address]
    for name in names:
        if name != THE_LINES:
            return about_file(job, name)
    said = [field.value or "" for embed in message.embeds for field in embed.fields if field.name == THE_FILE]
    return said[0] if said else ""


def _has_info(press: Press) -> bool:
    """Whether the pressed message has an Info button; then it shows the picture and is not Info itself."""
    rows = press.message.components if press.message else []
    ids = [getattr(item, "custom_id", None) or "" for row in rows for item in getattr(row, "children", ())]
    return any(one.startswith(f"{PREFIX}:{InfoButton.action}:") for one in ids)
