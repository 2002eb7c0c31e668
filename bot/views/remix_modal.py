"""The Remix modal: prompt and settings of a result, to be edited."""

from __future__ import annotations

from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import InteractionResponder
from bot.models.job import JobRow
from bot.requests.derive import dream_of
from bot.requests.format import form_of
from bot.requests.parse import parse_remix
from bot.views.base import Press
from bot.views.forms import Modal, modal_values, submits

SHOWN = 1000
"""Characters of a prompt that fit into a message with an error."""


class RemixModal(Modal):
    """Prompt, negative prompt and settings, of one image of a comparison by its *index*.

    Raises Refused for an upscaled image.
    """

    def __init__(self, job: JobRow, index: int | None = None) -> None:
        prompt, negative, settings = form_of(dream_of(job, index))
        super().__init__("Remix", "form", job.id, index)
        parts = "Separate parts with |. A part may end in a weight: castle:2 | fog | people:-0.5"
        # a blend of pictures needs no words
        self.add_text("prompt", "Prompt", parts, prompt, required=bool(prompt), long=True)
        self.add_text("negative", "Negative prompt", "What the picture should avoid.", negative)
        same = "The same seed shows what your edit changes. Remove it for a random one."
        self.add_text("settings", "Settings", same, settings, long=True)


@submits("form", private=False)
async def submit_remix(press: Press, job_id: str, index: int | None) -> None:
    """Submit what was typed. Anyone may remix, at their own cost."""
    values = modal_values(press.data)
    job = await press.job(job_id)
    prompt, settings = values.get("prompt", ""), values.get("settings", "")
    request = parse_remix(job, prompt, values.get("negative", ""), settings, index)
    await press.services.job_actions.remix(job, request, press.caller, press.responder, index or 0)


class PromptReturner:
    """Sends error messages followed by the typed prompt, because a submitted modal cannot be reopened."""

    def __init__(self, responder: InteractionResponder, typed: str) -> None:
        self._responder = responder
        self._typed = typed

    async def send_private(self, words: str) -> None:
        """Send *words*; a prompt that does not fit into the message follows as a file."""
        if len(self._typed) > SHOWN or "```" in self._typed:
            file = ("prompt.txt", self._typed.encode())
            await self._responder.send_private_payload(
                EphemeralPayload(f"{words}\nYour prompt is in the file.", files=(file,))
            )
        elif self._typed:
            await self._responder.send_private(f"{words}\nYour prompt, to copy:\n```\n{self._typed}\n```")
        else:
            await self._responder.send_private(words)
