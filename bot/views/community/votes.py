"""Blind votes: the button that offers one, the choice of its length, and a button for each picture."""

from __future__ import annotations

from discord import ui

from bot.errors import Refused
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.models.job import JobRow
from bot.models.vote import Vote
from bot.text import message_link, relative
from bot.views.base import IdButton, JobButton, Press, view_of

LENGTHS = (("10 minutes", 600), ("1 hour", 3600), ("24 hours", 86_400))
"""Label and seconds."""
PER_ROW = 5


class VoteButton(JobButton, action="vote", label="Vote", private=True, access=Access.BLIND):
    """Offers to start a blind vote over the pictures of a result."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        text = (
            "Start a blind vote on these pictures? Members choose a letter; labels and counts stay hidden until the "
            "end. It costs nothing. How long should it last?"
        )
        lengths = range(len(LENGTHS))
        payload = EphemeralPayload(text, buttons=lambda: view_of(*(StartVoteButton(job.id, one) for one in lengths)))
        await press.responder.send_private_payload(payload)


class StartVoteButton(JobButton, action="votefor", label="Start", private=True, access=Access.BLIND):
    """Starts the vote; the index says for how long."""

    def text(self) -> str:
        return LENGTHS[(self.index or 0) % len(LENGTHS)][0]

    async def pressed(self, press: Press, job: JobRow) -> None:
        """Post the vote and replace the question by a link to it."""
        if self.index is None or self.index >= len(LENGTHS):
            raise Refused("This button no longer works. Press Vote again.")
        await press.responder.defer()
        vote = await press.services.votes.start_over(job, press.caller, LENGTHS[self.index][1])
        where = vote.where
        text = f"The vote will be posted in a moment and ends {relative(vote.ends_at)}."
        if vote.message_id is not None:
            link = message_link(where.server_id, where.channel_id, vote.message_id)
            text = f"The vote is open and ends {relative(vote.ends_at)}: {link}"
        await press.responder.replace(EphemeralPayload(text))


class BallotButton(IdButton, action="ballot", label="Vote", private=True):
    """Votes for a picture. The custom id holds the id of the vote in place of a job id, and the picture's letter."""

    def text(self) -> str:
        return chr(ord("A") + (self.index or 0) % 26)

    async def act(self, press: Press) -> None:
        vote = await press.services.votes.cast(self.job_id, self.index or 0, press.caller)
        await press.responder.send_private(
            f"You voted for **{self.text()}**. You can change your vote until it ends {relative(vote.ends_at)}."
        )


def ballot_buttons(vote: Vote) -> ui.View:
    placed = enumerate(vote.candidates)
    return view_of(*(BallotButton(vote.id, one.place, position // PER_ROW) for position, one in placed))
