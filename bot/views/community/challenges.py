"""The buttons of challenges: paint an entry, enter a result, withdraw it, show the leaderboard."""

from __future__ import annotations

from functools import partial

from discord import ButtonStyle, ui

from bot.actions.enter import EntryPlace
from bot.community.challenges.message import board_embed
from bot.community.defaults import Typed
from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import Responder
from bot.models.challenge import Challenge
from bot.models.job import Applied, JobRow
from bot.services import Services
from bot.text import clock_date, mention_channel, plain, shorten
from bot.views.base import MOST_OPTIONS, IdButton, JobButton, Press, view_of
from bot.views.forms import Modal, modal_values, submits

_PER_ROW = 5


class PaintEntryButton(
    IdButton, action="challenge", label="Enter …", style=ButtonStyle.primary, private=True, modal=True
):
    """Asks for a prompt and paints an entry. The custom id holds the id of the challenge in place of a job id."""

    async def act(self, press: Press) -> None:
        challenge = await open_challenge(press.services, press.caller, self.job_id)
        await press.services.job_actions.check_place(press.caller)
        form = Modal(shorten(f"Challenge: {challenge.theme}", 45), "entryform", challenge.id)
        form.add_text("prompt", "Prompt", "Does not use your quota.", required=True, long=True)
        await press.responder.open_modal(form)


@submits("entryform")
async def submit_entry(press: Press, challenge_id: str, index: int | None) -> None:
    challenge = await open_challenge(press.services, press.caller, challenge_id)
    prompt = modal_values(press.data).get("prompt", "")
    await paint_entry(press.services, challenge, Typed(prompt), press.caller, press.responder)


class EnterButton(JobButton, action="enter", label="Enter challenge", numbered="Enter ", private=True):
    """Enters a result of the presser's into the challenge of this server."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        """Ask which picture, if there are several and none is named."""
        challenges = press.services.challenges
        if self.index is None and len(job.pictures) > 1:
            await challenges.open_to(press.caller)
            payload = EphemeralPayload("Which picture would you like to enter?", buttons=partial(_choice, job))
            await press.responder.send_private_payload(payload)
            return
        index = _index(self.index, job)
        challenge = await challenges.enter(job, index, press.caller)
        text = (
            f"Your picture is entered in the challenge “{plain(challenge.theme)}”. The blind vote begins "
            f"{clock_date(challenge.deadline)}. Until it ends, the picture's message hides your prompt. Members who "
            "have seen it already may recognise it."
        )
        await press.responder.send_private_payload(EphemeralPayload(text, buttons=partial(_withdraw, job.id, index)))


class WithdrawButton(
    JobButton, action="withdraw", label="Withdraw", numbered="Withdraw ", private=True, access=Access.OPEN
):
    """Takes an entry out of the challenge."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        await press.services.challenges.withdraw(job, _index(self.index, job), press.caller)
        await press.responder.send_private("Your picture is no longer entered.")


class BoardButton(IdButton, action="leaders", label="Leaderboard", private=True, access=Access.OPEN):
    """Shows the leaderboard of this server to the presser."""

    async def act(self, press: Press) -> None:
        if press.caller.guild_id is None:
            raise Refused("Leaderboards only exist in servers.")
        await press.responder.send_private_payload(
            await board_payload(press.services, press.caller.guild_id, press.caller.user_id)
        )


async def open_challenge(services: Services, caller: Invocation, challenge_id: str) -> Challenge:
    """The challenge of a button while it takes entries. Raises Refused."""
    challenge = await services.challenges.open_to(caller)
    if challenge.id != challenge_id:
        raise Refused("The entries of this challenge are closed.")
    return challenge


async def paint_entry(
    services: Services, challenge: Challenge, typed: Typed, caller: Invocation, responder: Responder
) -> None:
    """Complete what was typed by the defaults of the place, and paint it outside of the person's quota."""
    settled = await services.defaults.settle(typed, caller.user_id, caller.location)
    applied = (*settled.applied, Applied("challenge", challenge.theme, ""))
    place = EntryPlace(
        challenge.thread_id or challenge.channel_id,
        challenge.channel_id if challenge.thread_id else None,
        services.challenges.entering(challenge, caller),
        partial(_confirmation, challenge),
    )
    await services.entry_actions.paint(settled.request(), caller, responder, place, applied)
    if settled.notes:
        await responder.send_private(" ".join(settled.notes))


async def board_payload(services: Services, server_id: int, user_id: int) -> EphemeralPayload:
    ranks = await services.challenges.board(server_id)
    here = await services.store.challenges.is_listed(server_id, user_id)
    return EphemeralPayload("", (board_embed(ranks, here),))


async def entry_button(services: Services, job: JobRow, caller: Invocation) -> type[JobButton] | None:
    """The button that enters or withdraws a result of the caller's, if a challenge of its server takes entries."""
    server = job.origin.guild_id
    if server is None or server != caller.guild_id or not job.owned_by(caller.user_id):
        return None
    challenge = await services.challenges.seen_by(caller)
    if challenge is None:
        return None
    entered = {one.job_id for one in await services.store.challenges.entries(challenge.id)}
    return WithdrawButton if job.id in entered and len(job.pictures) == 1 else EnterButton


def challenge_buttons(challenge_id: str) -> ui.View:
    return view_of(PaintEntryButton(challenge_id))


def result_buttons(challenge_id: str) -> ui.View:
    return view_of(BoardButton(challenge_id))


def _index(index: int | None, job: JobRow) -> int:
    """The picture of a button; without an index the first one."""
    if index is not None:
        return index
    return job.pictures[0].index if job.pictures else 0


def _confirmation(challenge: Challenge, job: JobRow) -> EphemeralPayload:
    """What the author alone is told about an entry that is painted in the thread."""
    place = mention_channel(challenge.thread_id or challenge.channel_id)
    text = (
        f"Your entry appears in {place}. Your name and your prompt stay hidden until the vote ends. It does not "
        "use your quota."
    )
    return EphemeralPayload(text, buttons=partial(_withdraw, job.id, 0))


def _choice(job: JobRow) -> ui.View:
    shown = enumerate(job.pictures[:MOST_OPTIONS])
    return view_of(*(EnterButton(job.id, picture.index, place // _PER_ROW) for place, picture in shown))


def _withdraw(job_id: str, index: int) -> ui.View:
    return view_of(WithdrawButton(job_id, index, label=WithdrawButton.label))
