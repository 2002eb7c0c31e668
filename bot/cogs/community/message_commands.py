"""Message commands: what can be done with a picture in any message, from the message's own menu."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import discord
from discord import app_commands

from bot.community.held_pictures import attached_picture
from bot.community.picture_requests import FormText
from bot.community.votes import candidates_of
from bot.community.words.actions import Asked
from bot.errors import PictureGone, Refused
from bot.interactions.commands import everywhere
from bot.interactions.responder import AnyInteraction
from bot.models.film import FilmRequest
from bot.models.job import JobRow, JobState, new_job_id
from bot.operations.command_sync import add_menu
from bot.pictures.attachments import check_attachment
from bot.requests.derive import upscale_attached
from bot.services import BotClient, BotCog
from bot.views.base import JobButton, Press
from bot.views.community.picture_lists import search_payload, similar_payload
from bot.views.community.stars import StarButton, StarOneButton
from bot.views.community.use_picture import REMIX, START, TARGET, PictureForm, PictureUse
from bot.views.community.votes import VoteButton
from bot.views.community.words import ExplainForm, answer_describe
from bot.views.result import RemixModal, has_choice, upscale
from engine.images.opening import stored_size
from engine.requests.request import UNDRAWN, DreamRequest

ANYTHING = FormText("a")
"""The prompt of the admission check before the real one is typed."""
Handler = Callable[[AnyInteraction, discord.Message], Awaitable[None]]


class MessageCommands(BotCog):
    def __init__(self, bot: BotClient) -> None:
        super().__init__(bot)
        self._menus = [
            _menu("Use as start", self.start),
            _menu("Use as target", self.target),
            _menu("Describe", self.describe),
            _menu("Explain", self.explain),
            _menu("Upscale", self.upscale),
            _menu("Remix", self.remix),
            _menu("Star", self.star),
            _menu("Vote", self.vote),
            _menu("More like this", self.more_like_this),
        ]

    async def cog_load(self) -> None:
        """Add the commands to the tree; discord.py has no decorator for them in a cog."""
        for menu in self._menus:
            add_menu(self.bot.tree, menu)

    async def cog_unload(self) -> None:
        for menu in self._menus:
            self.bot.tree.remove_command(menu.name, type=menu.type)

    async def start(self, interaction: AnyInteraction, message: discord.Message) -> None:
        await self._open_form(interaction, message, START)

    async def target(self, interaction: AnyInteraction, message: discord.Message) -> None:
        await self._open_form(interaction, message, TARGET)

    async def remix(self, interaction: AnyInteraction, message: discord.Message) -> None:
        """Open a result's prompt and settings; of a picture without a prompt, the form of a start."""
        press = Press.of(interaction, private=True, form=True)
        job = await self._result(press, message)
        if job is None or not isinstance(job.request, DreamRequest):
            await self._open_form(interaction, message, REMIX)
            return
        await press.services.job_actions.check_place(press.caller)
        await press.responder.open_modal(RemixModal(job))

    async def upscale(self, interaction: AnyInteraction, message: discord.Message) -> None:
        """Upscale a result as its button does, or an attached picture by the best upscaler."""
        form = has_choice(interaction)
        press = Press.of(interaction, private=form, form=form)
        if (job := await self._result(press, message)) is not None:
            await upscale(press, job, None)
            return
        attachment, actions = attached_picture(message), self.services.job_actions
        check_attachment(attachment)
        upscaled = partial(upscale_attached, upscalers=actions.upscalers, most=self.services.config.limits.max_upscaled)
        await actions.check(upscaled(UNDRAWN, attachment.width or 1, attachment.height or 1), press.caller)
        picture = await self.services.attachments.read(attachment, press.caller.user_id)
        request = upscaled(picture.sha256, *stored_size(picture.png))
        origin, images = press.caller.origin("upscale"), {picture.sha256: picture.png}
        await actions.dream(request, press.caller, press.responder, images, origin=origin)

    async def describe(self, interaction: AnyInteraction, message: discord.Message) -> None:
        press = Press.of(interaction, private=True)
        if (job := await self._result(press, message)) is not None:
            await answer_describe(press, await self.services.picture_words.of_result(job))
            return
        attachment = await self._checked(press, message)
        assert attachment is not None
        picture = await self.services.attachments.read(attachment, press.caller.user_id)
        await answer_describe(press, Asked(picture.png))

    async def explain(self, interaction: AnyInteraction, message: discord.Message) -> None:
        await self._open(Press.of(interaction, private=True, form=True), message, ExplainForm)

    async def star(self, interaction: AnyInteraction, message: discord.Message) -> None:
        """Star a result; of several pictures ask for one."""
        press = Press.of(interaction, private=True)
        job = await self._posted(press, message)
        film = isinstance(job.request, FilmRequest)
        button: type[JobButton] = StarOneButton if len(job.pictures) > 1 and not film else StarButton
        await button(job.id).pressed(press, job)

    async def vote(self, interaction: AnyInteraction, message: discord.Message) -> None:
        """Offer a blind vote on a result of several pictures. Raises Refused for fewer than two."""
        press = Press.of(interaction, private=True)
        job = await self._posted(press, message)
        candidates_of(job)
        await VoteButton(job.id).pressed(press, job)

    async def more_like_this(self, interaction: AnyInteraction, message: discord.Message) -> None:
        press, store = Press.of(interaction, private=True), self.services.store
        if entry := await store.starboard.find_message(message.channel.id, message.id):
            payload = await similar_payload(press, await press.job(entry[0]), entry[1])
        elif job_id := await store.messages.job_id(message.channel.id, message.id):
            payload = await similar_payload(press, await press.job(job_id), None)
        else:
            payload = await search_payload(self.services, "", "all", press.caller, attached_picture(message))
        await press.responder.send_private_payload(payload)

    async def _open_form(self, interaction: AnyInteraction, message: discord.Message, use: PictureUse) -> None:
        await self._open(Press.of(interaction, private=True, form=True), message, partial(PictureForm, use))

    async def _open(
        self, press: Press, message: discord.Message, form: Callable[[JobRow | str], discord.ui.Modal]
    ) -> None:
        """Check what `/dream` would, open the form, then read an attachment while the form is filled in."""
        job = await self._result(press, message)
        attachment = await self._checked(press, message, job)
        if job is not None:
            await press.responder.open_modal(form(job))
        elif attachment is not None:
            held_id = new_job_id()
            await press.responder.open_modal(form(held_id))
            await self.services.held_pictures.hold(held_id, attachment, press.caller.user_id)

    async def _checked(
        self, press: Press, message: discord.Message, job: JobRow | None = None
    ) -> discord.Attachment | None:
        """The picture attached to a message of another author. Raises the errors of `/dream`."""
        attachment = None if job else attached_picture(message)
        if attachment is not None:
            check_attachment(attachment)
        built = await self.services.picture_requests.towards(ANYTHING, (), press.caller)
        await self.services.job_actions.check(built.request, press.caller)
        return attachment

    async def _posted(self, press: Press, message: discord.Message) -> JobRow:
        """The result that the message shows, for acts that work during a blind vote. Raises Refused, PictureGone."""
        if (job := await self._result(press, message, blind=True)) is None:
            raise Refused("That works on results of this bot only.")
        return job

    async def _result(self, press: Press, message: discord.Message, *, blind: bool = False) -> JobRow | None:
        """The job that the message shows, or None. Raises PictureGone if it has no picture."""
        found = await self.services.jobs.find_by_message(message.channel.id, message.id)
        if found is None:
            return None
        job = await press.job(found.id, blind=blind)
        if job.state is not JobState.DONE or not job.pictures:
            raise PictureGone("This job has no finished picture.")
        return job


def _menu(name: str, handler: Handler) -> app_commands.ContextMenu:
    return everywhere(app_commands.ContextMenu(name=name, callback=handler))  # type: ignore[arg-type]
