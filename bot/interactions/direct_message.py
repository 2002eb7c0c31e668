"""Results that go to one person: by direct message, opened before anything is queued, so that nobody paints in vain."""

from __future__ import annotations

import contextlib

import discord

from bot.errors import Refused
from bot.interactions.message_api import FAILURES
from bot.interactions.payload import EphemeralPayload, MessagePayload
from bot.interactions.responder import NO_DIRECT_MESSAGES, Responder
from bot.text import message_link

CLOSED = (
    "Your settings say that results come by direct message, but I cannot send you any. Allow direct messages in this "
    "server's privacy settings, or use /settings mine private:False. Nothing was queued."
)


class DirectMessageResponder:
    """An answer whose message is in the person's direct messages; words still go where they asked."""

    def __init__(self, message: discord.Message, responder: Responder) -> None:
        self._message = message
        self._answer = responder

    @classmethod
    async def open(cls, client: discord.Client, user_id: int, responder: Responder) -> DirectMessageResponder:
        """Write the message that will hold the picture. Raises Refused where direct messages are closed."""
        try:
            channel = await client.create_dm(discord.Object(user_id))
            return cls(await channel.send("Your picture will appear here …"), responder)
        except discord.HTTPException as error:
            if error.code in NO_DIRECT_MESSAGES:
                raise Refused(CLOSED) from error
            raise

    @property
    def channel_id(self) -> int:
        """The direct message."""
        return self._message.channel.id

    @property
    def can_ask(self) -> bool:
        """As where the person asked."""
        return self._answer.can_ask

    @property
    def upload_limit(self) -> int:
        """What Discord takes from everybody."""
        return discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES

    async def withdraw(self) -> None:
        """Nothing will be painted after all."""
        with contextlib.suppress(*FAILURES):
            await self._message.delete()

    async def send_public(self, face: MessagePayload) -> int | None:
        """Show *face* there, and say here where it is. Raises what Discord raises."""
        await self._message.edit(content=None, embed=face.embed, attachments=face.new_files(), view=face.new_view())
        link = message_link(None, self.channel_id, self._message.id)
        await self._answer.send_private(f"Only you can see it: {link}")
        return self._message.id

    async def announce(self, words: str) -> None:
        """Where the person asked."""
        await self._answer.announce(words)

    async def send_private(self, words: str) -> None:
        """Where the person asked."""
        await self._answer.send_private(words)

    async def send_private_payload(self, sheet: EphemeralPayload) -> None:
        """Where the person asked."""
        await self._answer.send_private_payload(sheet)
