"""Sends results to a thread by the bot's own token, so that nothing on Discord names the person who asked."""

from __future__ import annotations

from bot.interactions.message_api import EphemeralPayload, MessagePayload, Post
from bot.interactions.responder import ElsewhereResponder, Responder


class ThreadResponder(ElsewhereResponder):
    """Posts the job's message by *post* under the nonce *key*, after *answer* has sent *confirmation* to the person."""

    def __init__(self, post: Post, key: str, answer: Responder, confirmation: EphemeralPayload) -> None:
        super().__init__(answer)
        self._post = post
        self._key = key
        self._confirmation = confirmation

    @property
    def upload_limit(self) -> int:
        """Most bytes of one file in the thread."""
        return self._post.upload_limit

    async def send_public(self, face: MessagePayload) -> int | None:
        """Confirm to the person, then post in the thread. Raises what Discord raises."""
        await self._answer.send_private_payload(self._confirmation)
        return await self._post.send(face, self._key)
