"""Responds to the person who acted: in public with the message that will hold the picture, or privately with text.

An interaction must be answered within three seconds, and only once. The responder defers by itself if the work or the
upload takes long. Discord makes the first followup of a public deferral public, so a private text is sent after the
“thinking …” message was deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

import discord

from bot.interactions.context import Invocation
from bot.interactions.message_api import (
    FAILURES,
    EphemeralPayload,
    MessagePayload,
    is_transient,
)
from bot.interactions.unreadable import UnreadableAnswer, readable
from bot.text import mention, message_link, shorten

log = logging.getLogger(__name__)

PATIENCE = 1.6
"""Seconds before an interaction is deferred; Discord's limit is three, network included."""
LIGHT = 256 * 1024
"""Most bytes of files in the first response, so that a slow uplink sends them within three seconds."""
CONTENT = 2000
"""Most characters of a message's text."""
LAST_MOMENT = 2.3
"""Seconds after which even a press that should open a modal is deferred; then only text can follow."""
PRESS_AGAIN = "That took too long. Please press again."
ERASE_SECONDS = 5.0
"""Longest deletion by a press; discord.py would wait for webhook rate limits without end."""
VANISHES = 20.0
"""Seconds until a public reply to one person is deleted."""
TOO_LATE = frozenset({10062, 10015, 50027, 40060})
"""Discord's error codes for an interaction that can no longer be answered."""
NO_DIRECT_MESSAGES = frozenset({50007, 50278, 40003})

AnyInteraction: TypeAlias = discord.Interaction[discord.Client]

UNSAID = (*FAILURES, RuntimeError)
"""Errors of a failed response: refused, too late, no network; RuntimeError while the bot shuts down."""


@contextmanager
def unsaid() -> Iterator[None]:
    """A request that may fail: its failure is left out."""
    with contextlib.suppress(*UNSAID), readable():
        yield


class Poster(Protocol):
    """Posts the message of a job in public, or where its owner wants it."""

    @property
    def upload_limit(self) -> int:
        """Bytes that one file of the message may have."""
        ...

    async def send_public(self, face: MessagePayload) -> int | None:
        """Post *face*; returns the message id, or None if it is unknown. Raises what Discord raises."""
        ...


class Responder(Poster, Protocol):
    """Responds to one person."""

    @property
    def can_ask(self) -> bool:
        """Whether `send_private_payload` can send buttons."""
        ...

    async def announce(self, words: str) -> None:
        """Post *words* in public without pings; never raises."""
        ...

    async def send_private(self, words: str) -> None:
        """Send *words* to the person alone; never raises."""
        ...

    async def send_private_payload(self, sheet: EphemeralPayload) -> None:
        """Send embeds, files and buttons to the person alone, or only the text where that is all; never raises."""
        ...


class InteractionResponder:
    """The response to a command, a button or a modal."""

    can_ask = True

    def __init__(self, interaction: AnyInteraction, *, private: bool = False, form: bool = False) -> None:
        self._interaction = interaction
        self._private = private
        self._lock = asyncio.Lock()
        self._deferred = False
        self._apart = False
        """The deferred response was deleted, so the pressed message is edited by a followup."""
        self._timer = asyncio.create_task(self._defer_after(LAST_MOMENT if form else PATIENCE))

    @classmethod
    def of(cls, interaction: AnyInteraction, *, private: bool = False, form: bool = False) -> InteractionResponder:
        """The one responder of *interaction*; its timer starts with the first call.

        *private*: the response, and so “thinking …”, is ephemeral. *form*: a modal may open, which must be the first
        response.
        """
        responder = interaction.extras.get("answer")
        if not isinstance(responder, cls):
            responder = interaction.extras["answer"] = cls(interaction, private=private, form=form)
        return responder

    async def send_public(self, face: MessagePayload) -> int | None:
        """Respond in public. Raises what Discord raises: too late, no permission."""
        async with self._lock:
            self._timer.cancel()
            with readable():
                if _is_heavy(face.files):
                    await self._defer(private=False)
                embed, files, view = face.embed, face.new_files(), face.new_view()
                if self._deferred:
                    edited = await self._interaction.edit_original_response(embed=embed, attachments=files, view=view)
                    self._deferred = False  # “thinking …” is replaced, so a private response need not delete it
                    return edited.id
                shown = view or discord.utils.MISSING
                return (await self._interaction.response.send_message(embed=embed, files=files, view=shown)).message_id

    async def announce(self, words: str) -> None:
        async with self._lock:
            self._timer.cancel()
            with unsaid():
                if not self._interaction.response.is_done():
                    await self._interaction.response.send_message(shorten(words, CONTENT))
                    return
                if self._deferred:
                    await self._interaction.delete_original_response()
                    self._deferred = False
                await self._interaction.followup.send(shorten(words, CONTENT))

    @property
    def upload_limit(self) -> int:
        return self._interaction.filesize_limit

    async def send_private(self, words: str, embed: discord.Embed | None = None) -> None:
        """Respond privately, even after a public response."""
        await self.send_private_payload(EphemeralPayload(words, (embed,) if embed else ()))

    async def send_private_payload(self, sheet: EphemeralPayload) -> None:
        """Respond privately with embeds, files and buttons; never raises."""
        async with self._lock:
            self._timer.cancel()
            try:
                with readable():
                    await self._respond_privately(sheet)
            except UNSAID as error:
                log.info("a response was too late or refused: %s", error)

    async def replace(self, sheet: EphemeralPayload) -> None:
        """Replace the pressed message by *sheet*. Call `defer` before work that takes seconds."""
        await self.defer()
        async with self._lock:
            with unsaid():
                words, view = shorten(sheet.words, CONTENT), sheet.new_view()
                await self._edit_pressed(content=words, embeds=sheet.embeds, attachments=sheet.new_files(), view=view)

    async def delete_ephemeral(self) -> None:
        """Delete the pressed ephemeral message, after the press was answered."""
        async with self._lock:
            if self._interaction.message is not None:
                with unsaid():
                    await self._interaction.followup.delete_message(self._interaction.message.id)

    async def delete(self) -> None:
        """Delete the pressed message, also where the bot is a guest. Raises what Discord raises."""
        async with self._lock:
            self._timer.cancel()
            async with asyncio.timeout(ERASE_SECONDS):
                if not self._interaction.response.is_done():
                    await self._acknowledge()
                    await self._interaction.delete_original_response()
                elif self._interaction.message is not None:
                    await self._interaction.followup.delete_message(self._interaction.message.id)

    async def defer(self) -> None:
        """Acknowledge a press without a reply; the pressed message changes later."""
        async with self._lock:
            self._timer.cancel()
            with unsaid():
                if self._deferred:
                    await self._interaction.delete_original_response()
                    self._deferred, self._apart = False, True
                elif not self._interaction.response.is_done():
                    await self._acknowledge()

    async def open_modal(self, form: discord.ui.Modal) -> None:
        """Open a modal, or reply that it is too late. Raises HTTPException for a form that Discord refuses."""
        async with self._lock:
            self._timer.cancel()
            if not self._interaction.response.is_done():
                try:
                    with readable():
                        await self._interaction.response.send_modal(form)
                except FAILURES as error:
                    if not is_transient(error) and getattr(error, "code", 0) not in TOO_LATE:
                        raise
                    log.info("a form could not be opened: %s", error)
                return
        await self.send_private(PRESS_AGAIN)

    async def _edit_pressed(self, **changes: Any) -> None:
        if self._apart and self._interaction.message is not None:
            await self._interaction.followup.edit_message(self._interaction.message.id, **changes)
        else:
            await self._interaction.edit_original_response(**changes)

    async def _respond_privately(self, sheet: EphemeralPayload) -> None:
        if _is_heavy(sheet.files):
            await self._defer(private=True)
        embeds, files, view = list(sheet.embeds), sheet.new_files(), sheet.new_view() or discord.utils.MISSING
        words = shorten(sheet.words, CONTENT)
        if not self._interaction.response.is_done():
            await self._interaction.response.send_message(words, embeds=embeds, files=files, view=view, ephemeral=True)
            return
        if self._deferred and not self._private:
            await self._interaction.delete_original_response()
        self._deferred = False
        await self._interaction.followup.send(words, embeds=embeds, files=files, view=view, ephemeral=True)

    async def _defer_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        async with self._lock:
            try:
                await self._defer(private=self._private)
            except UNSAID as error:
                log.info("an interaction could not be deferred: %s", error)

    async def _defer(self, *, private: bool) -> None:
        """Show “thinking …” if no response was sent yet."""
        if not self._interaction.response.is_done():
            await self._acknowledge(thinking=True, ephemeral=private)
            self._deferred, self._private = True, private

    async def _acknowledge(self, *, thinking: bool = False, ephemeral: bool = False) -> None:
        """Defer. Nothing of Discord's answer is needed."""
        with contextlib.suppress(UnreadableAnswer), readable():
            await self._interaction.response.defer(thinking=thinking, ephemeral=ephemeral)


def begin(interaction: AnyInteraction, *, private: bool = False) -> tuple[InteractionResponder, Invocation]:
    """The responder and the person of a command. *private*: the response is ephemeral."""
    return InteractionResponder.of(interaction, private=private), Invocation.of_interaction(interaction)


def _is_heavy(files: Sequence[tuple[str, bytes]]) -> bool:
    return sum(len(data) for _, data in files) > LIGHT


class ReactionResponder:
    """Responds to a reaction: by a reply to the message, or by a direct message to the person."""

    can_ask = False
    upload_limit = discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES

    def __init__(self, client: discord.Client, channel_id: int, message_id: int, guild_id: int | None, user_id: int):
        self._client = client
        self._channel = client.get_partial_messageable(channel_id, guild_id=guild_id)
        self._reference = discord.MessageReference(
            message_id=message_id, channel_id=channel_id, fail_if_not_exists=False
        )
        self._user_id = user_id
        self._link = message_link(guild_id, channel_id, message_id)

    async def send_public(self, face: MessagePayload) -> int | None:
        """Reply in public. Raises what Discord raises."""
        sent = await self._channel.send(
            embed=face.embed,
            files=face.new_files(),
            view=face.new_view() or discord.utils.MISSING,
            reference=self._reference,
        )
        return sent.id

    async def announce(self, words: str) -> None:
        """Post without a reference, because the message with the reaction may be deleted."""
        with unsaid():
            await self._channel.send(shorten(words, CONTENT))

    async def send_private(self, words: str) -> None:
        """Send a direct message; if those are closed, a short reply that is deleted after `VANISHES` seconds."""
        about = f"\n-# This is about {self._link}"
        try:
            direct = await self._client.create_dm(discord.Object(self._user_id))
            await direct.send(f"{shorten(words, CONTENT - len(about))}{about}")
        except UNSAID as error:
            if getattr(error, "code", 0) not in NO_DIRECT_MESSAGES:
                log.info("a direct message was refused: %s", error)
            with unsaid():
                await self._reply(words)

    async def send_private_payload(self, sheet: EphemeralPayload) -> None:
        """Send the text only, because the buttons do not work in a direct message."""
        await self.send_private(sheet.words)

    async def _reply(self, words: str) -> None:
        await self._channel.send(
            shorten(f"{mention(self._user_id)} {words}", CONTENT),
            reference=self._reference,
            delete_after=VANISHES,
            allowed_mentions=discord.AllowedMentions(users=[discord.Object(self._user_id)], replied_user=False),
        )
