"""Sends results by direct message. The message is opened before the job is queued, so a closed inbox costs nothing."""

from __future__ import annotations

import contextlib

import discord

from bot.errors import Refused
from bot.interactions.message_api import FAILURES, MessagePayload
from bot.interactions.responder import NO_DIRECT_MESSAGES, Responder
from bot.text import message_link

CLOSED = (
    "Your settings say that results come by direct message, but I cannot send you any. Allow direct messages in this "
    "server's privacy settings, or use /settings mine private:False. Nothing was queued."
)


class DirectMessagePoster:
    """Puts the job into *message*, a direct message, and tells the person so as *responder*."""

    upload_limit = discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES

    def __init__(self, message: discord.Message, responder: Responder) -> None:
        self._message = message
        self._responder = responder

    @classmethod
    async def open(cls, client: discord.Client, user_id: int, responder: Responder) -> DirectMessagePoster:
        """Send the message that will hold the picture. Raises Refused if direct messages are closed."""
        try:
            channel = await client.create_dm(discord.Object(user_id))
            return cls(await channel.send("Your picture will appear here …"), responder)
        except discord.HTTPException as error:
            if error.code in NO_DIRECT_MESSAGES:
                raise Refused(CLOSED) from error
            raise

    @property
    def channel_id(self) -> int:
        return self._message.channel.id

    async def withdraw(self) -> None:
        with contextlib.suppress(*FAILURES):
            await self._message.delete()

    async def send_public(self, face: MessagePayload) -> int | None:
        """Edit the direct message to *face*, and reply with a link to it. Raises what Discord raises."""
        await self._message.edit(content=None, embed=face.embed, attachments=face.new_files(), view=face.new_view())
        link = message_link(None, self.channel_id, self._message.id)
        await self._responder.send_private(f"Only you can see it: {link}")
        return self._message.id
