"""Pictures of other people's messages, held between the opening and the submission of a form.

A form must open within three seconds, so the attachment is read while it is being filled in. It is stored as a question
about a request, so that it survives a restart, expires, and is covered by `/mydata` and `/forget`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import discord

from bot.errors import Lapsed, NotAllowed, Refused
from bot.models.job import owner_of
from bot.pictures.attachments import AttachmentReader
from bot.storage import Store
from bot.storage.confirmations import VALID_SECONDS, Confirmation
from bot.storage.database import unbroken
from engine.errors import DreamError
from engine.images.decoder import CleanPicture
from engine.requests.prompts import Prompt
from engine.requests.request import DreamRequest

GONE = "This form was opened more than ten minutes ago. Use the command on the message again."
NO_PICTURE = "This message has no picture. Use this on one of my pictures, or on a message with an attachment."


def attached_picture(message: discord.Message) -> discord.Attachment:
    """The first attached picture of a message or of what it forwards. Raises Refused."""
    forwarded = [file for one in message.message_snapshots for file in one.attachments]
    for file in (*message.attachments, *forwarded):
        if (file.content_type or "").startswith("image/"):
            return file
    raise Refused(NO_PICTURE)


class HeldPictures:
    """One per bot. *clock* is unix seconds."""

    def __init__(self, store: Store, attachments: AttachmentReader, clock: Callable[[], float]) -> None:
        self._store = store
        self._attachments = attachments
        self._clock = clock
        self._reading: dict[str, asyncio.Future[DreamError | None]] = {}
        """Id → the reading in progress, or why it failed."""

    async def hold(self, held_id: str, attachment: discord.Attachment, user_id: int) -> None:
        """Read and store an attachment under an id. Raises as `AttachmentReader.read` does."""
        done: asyncio.Future[DreamError | None] = asyncio.get_running_loop().create_future()
        self._reading[held_id] = done
        try:
            picture = await self._attachments.read(attachment, user_id)
            await unbroken(self._remember(held_id, picture, user_id))
            done.set_result(None)
        except DreamError as error:
            done.set_result(error)
            raise
        finally:
            if not done.done():
                done.cancel()
            asyncio.get_running_loop().call_later(VALID_SECONDS, self._reading.pop, held_id, None)

    async def take(self, held_id: str, user_id: int) -> str:
        """The SHA-256 of a held picture; waits while it is being read.

        Raises Lapsed for an expired picture, NotAllowed for another person's, or what `hold` has raised.
        """
        reading = self._reading.get(held_id)
        if reading is not None and not reading.cancelled() and (error := await asyncio.shield(reading)) is not None:
            raise error
        held = await self._store.confirmations.find(held_id)
        if held is not None and held.owner != owner_of(user_id):
            raise NotAllowed("Only the person who opened this form can send it.")
        if held is None or self._clock() - held.asked_at > VALID_SECONDS or not held.request.images:
            raise Lapsed(GONE)
        return held.request.images[0]

    async def _remember(self, held_id: str, picture: CleanPicture, user_id: int) -> None:
        now = self._clock()
        request = DreamRequest(prompts=(Prompt(image=picture.sha256),))
        async with self._store.transaction() as session:
            await self._store.confirmations.ask(
                session, Confirmation(held_id, owner_of(user_id), "target", "", 0, request, now)
            )
            await self._store.attachments.hold(session, held_id, picture.sha256, picture.png, now)
        await self._store.attachments.drop_unneeded()
