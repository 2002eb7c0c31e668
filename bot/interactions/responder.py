"""How the bot answers whoever asked: once in public with the message that will hold the picture, or privately in words.

An interaction must be answered within three seconds and can be answered once. If the work takes long, or the files that
go along would take long to upload, the answer defers by itself; words that only one person may read are then sent after
the public “thinking …” has been removed, because Discord makes the first follow-up of a public deferral public,
whatever it asks for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import discord

from bot.interactions.message_api import FAILURES
from bot.interactions.payload import EphemeralPayload, MessagePayload
from bot.text import mention, message_link

log = logging.getLogger(__name__)

PATIENCE = 1.6
"""Seconds of silence before an interaction is deferred; Discord gives up after three, network included."""
LIGHT = 256 * 1024
"""Bytes of files that may go with the first answer: as much passes the slowest uplink well within the three seconds."""
LAST_MOMENT = 2.3
"""Seconds after which even what should open a form is deferred: no form can follow any more, but words can."""
PRESS_AGAIN = "That took too long. Please press again."
ERASE_SECONDS = 5.0
"""How long a press may take to delete its message; discord.py waits for the limits of webhooks without end."""
VANISHES = 20.0
"""Seconds that a word in public, meant for one person, stays."""
TOO_LATE = frozenset({10062, 10015, 50027, 40060})
"""Discord's codes for an interaction that nobody can answer any more."""
NO_DIRECT_MESSAGES = frozenset({50007, 50278, 40003})

AnyInteraction: TypeAlias = discord.Interaction[discord.Client]

UNSAID = (*FAILURES, RuntimeError)
"""Why an answer may not reach anybody: refused, too late, no network; or (a RuntimeError) we are leaving just now."""


class Responder(Protocol):
    """One answer to one person; at most one of these."""

    @property
    def upload_limit(self) -> int:
        """Bytes that one file of the answer may have."""
        ...

    @property
    def can_ask(self) -> bool:
        """Whether a question with buttons can be put to the person alone, by `hand`."""
        ...

    async def send_public(self, face: MessagePayload) -> int | None:
        """Post *face* for everybody; the id of the message, or None where it is unknown."""
        ...

    async def announce(self, words: str) -> None:
        """Say *words* to everybody, pinging nobody; never raises."""
        ...

    async def send_private(self, words: str) -> None:
        """Say *words* to the person alone; never raises."""
        ...

    async def send_private_payload(self, sheet: EphemeralPayload) -> None:
        """Hand more than words to the person alone, where that is possible, else the words; never raises."""
        ...


class InteractionResponder:
    """The answer to a command, a button or a form."""

    can_ask = True

    def __init__(self, interaction: AnyInteraction, *, private: bool = False, form: bool = False) -> None:
        self._interaction = interaction
        self._private = private
        self._lock = asyncio.Lock()
        self._deferred = False
        self._apart = False
        """The first answer is gone, and was another message than the one whose button was pressed."""
        self._timer = asyncio.create_task(self._defer_after(LAST_MOMENT if form else PATIENCE))

    @classmethod
    def of(cls, interaction: AnyInteraction, *, private: bool = False, form: bool = False) -> InteractionResponder:
        """The one answer of *interaction*; it starts to watch the clock when it is first asked for.

        *private*: nobody else will see the answer, so the “thinking …” need not be seen either. *form*: a form is meant
        to open, which can only be the first answer.
        """
        responder = interaction.extras.get("answer")
        if not isinstance(responder, cls):
            responder = interaction.extras["answer"] = cls(interaction, private=private, form=form)
        return responder

    async def send_public(self, face: MessagePayload) -> int | None:
        """Answer in public. Raises what Discord raises: too late, no permission."""
        async with self._lock:
            self._timer.cancel()
            if _is_heavy(face.files):
                await self._defer(private=False)
            files, view = face.new_files(), face.new_view()
            if self._deferred:
                edited = await self._interaction.edit_original_response(embed=face.embed, attachments=files, view=view)
                self._deferred = False  # it is no “thinking …” any more, which whispered words would have to remove
                return edited.id
            response = await self._interaction.response.send_message(
                embed=face.embed, files=files, view=view or discord.utils.MISSING
            )
            return response.message_id

    async def announce(self, words: str) -> None:
        """Answer for everybody to read."""
        async with self._lock:
            self._timer.cancel()
            with contextlib.suppress(*UNSAID):
                if not self._interaction.response.is_done():
                    await self._interaction.response.send_message(words)
                    return
                if self._deferred:
                    await self._interaction.delete_original_response()
                    self._deferred = False
                await self._interaction.followup.send(words)

    @property
    def upload_limit(self) -> int:
        """Bytes that one file of the answer may have."""
        return self._interaction.filesize_limit

    async def send_private(self, words: str, embed: discord.Embed | None = None) -> None:
        """Answer privately, whatever has been said in public before."""
        await self.send_private_payload(EphemeralPayload(words, (embed,) if embed else ()))

    async def send_private_payload(self, sheet: EphemeralPayload) -> None:
        """Answer privately with more than words; never raises."""
        async with self._lock:
            self._timer.cancel()
            try:
                await self._whisper(sheet)
            except UNSAID as error:
                log.info("an answer came too late or was refused: %s", error)

    async def replace(self, sheet: EphemeralPayload) -> None:
        """Put *sheet* in the place of the message whose button was pressed. `nod` first: what is slow comes between."""
        async with self._lock:
            with contextlib.suppress(*UNSAID):
                await self._edit_pressed(
                    content=sheet.words, embeds=sheet.embeds, attachments=sheet.new_files(), view=sheet.new_view()
                )

    async def set_view(self, view: discord.ui.View) -> None:
        """Give the message whose button was pressed other buttons, and leave the rest of it as it is. `nod` first."""
        async with self._lock:
            with contextlib.suppress(*UNSAID):
                await self._edit_pressed(view=view)

    async def delete_ephemeral(self) -> None:
        """Delete the message whose button was pressed, which one person alone sees. The press is answered by now."""
        async with self._lock:
            if self._interaction.message is not None:
                with contextlib.suppress(*UNSAID):
                    await self._interaction.followup.delete_message(self._interaction.message.id)

    async def delete(self) -> None:
        """Delete the message whose button was pressed, wherever it is. Raises what Discord raises."""
        async with self._lock:
            self._timer.cancel()
            async with asyncio.timeout(ERASE_SECONDS):
                if not self._interaction.response.is_done():
                    await self._interaction.response.defer()
                    await self._interaction.delete_original_response()
                elif self._interaction.message is not None:
                    await self._interaction.followup.delete_message(self._interaction.message.id)

    async def defer(self) -> None:
        """Take note of a button without a word: the message that it belongs to will change by itself."""
        async with self._lock:
            self._timer.cancel()
            with contextlib.suppress(*UNSAID):
                if self._deferred:
                    await self._interaction.delete_original_response()
                    self._deferred, self._apart = False, True
                elif not self._interaction.response.is_done():
                    await self._interaction.response.defer()

    async def open_modal(self, form: discord.ui.Modal) -> None:
        """Open a form; where it is too late for one, say so."""
        async with self._lock:
            self._timer.cancel()
            if not self._interaction.response.is_done():
                await self._interaction.response.send_modal(form)
                return
        await self.send_private(PRESS_AGAIN)

    async def _edit_pressed(self, **changes: Any) -> None:
        if self._apart and self._interaction.message is not None:
            await self._interaction.followup.edit_message(self._interaction.message.id, **changes)
        else:
            await self._interaction.edit_original_response(**changes)

    async def _whisper(self, sheet: EphemeralPayload) -> None:
        if _is_heavy(sheet.files):
            await self._defer(private=True)
        embeds, files, view = list(sheet.embeds), sheet.new_files(), sheet.new_view() or discord.utils.MISSING
        if not self._interaction.response.is_done():
            await self._interaction.response.send_message(
                sheet.words, embeds=embeds, files=files, view=view, ephemeral=True
            )
            return
        if self._deferred and not self._private:
            await self._interaction.delete_original_response()
        self._deferred = False
        await self._interaction.followup.send(sheet.words, embeds=embeds, files=files, view=view, ephemeral=True)

    async def _defer_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        async with self._lock:
            try:
                await self._defer(private=self._private)
            except UNSAID as error:
                log.info("an interaction could not be deferred: %s", error)

    async def _defer(self, *, private: bool) -> None:
        """Show “thinking …”, where nothing has been answered yet."""
        if not self._interaction.response.is_done():
            await self._interaction.response.defer(thinking=True, ephemeral=private)
            self._deferred, self._private = True, private


def _is_heavy(files: Sequence[tuple[str, bytes]]) -> bool:
    return sum(len(data) for _, data in files) > LIGHT


class ReactionResponder:
    """The answer to a reaction: a reply to the message, or a direct message to the one who reacted."""

    can_ask = False

    def __init__(self, client: discord.Client, channel_id: int, message_id: int, guild_id: int | None, user_id: int):
        self._client = client
        self._channel = client.get_partial_messageable(channel_id, guild_id=guild_id)
        self._reference = discord.MessageReference(
            message_id=message_id, channel_id=channel_id, fail_if_not_exists=False
        )
        self._user_id = user_id
        self._link = message_link(guild_id, channel_id, message_id)

    @property
    def upload_limit(self) -> int:
        """What Discord takes from everybody."""
        return discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES

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
        """A message of its own: the one that was reacted to may be gone."""
        with contextlib.suppress(*UNSAID):
            await self._channel.send(words)

    async def send_private(self, words: str) -> None:
        """A direct message; where those are closed, a short reply that removes itself."""
        try:
            await self._direct(f"{words}\n-# This is about {self._link}")
        except UNSAID as error:
            if getattr(error, "code", 0) not in NO_DIRECT_MESSAGES:
                log.info("a direct message was refused: %s", error)
            with contextlib.suppress(*UNSAID):
                await self._reply(words)

    async def send_private_payload(self, sheet: EphemeralPayload) -> None:
        """The words alone: buttons would lead from a direct message to nowhere."""
        await self.send_private(sheet.words)

    async def _direct(self, words: str) -> None:
        direct = await self._client.create_dm(discord.Object(self._user_id))
        await direct.send(words)

    async def _reply(self, words: str) -> None:
        await self._channel.send(
            f"{mention(self._user_id)} {words}",
            reference=self._reference,
            delete_after=VANISHES,
            allowed_mentions=discord.AllowedMentions(users=[discord.Object(self._user_id)], replied_user=False),
        )
