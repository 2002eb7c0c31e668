"""Message commands: what can be done with a picture in anybody's message, from the message's own menu."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import discord
from discord import app_commands
from discord.ext import commands

from bot.community.held_pictures import attached_picture
from bot.errors import PictureGone
from bot.interactions.context import Invocation
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.models.job import JobRequest, JobRow, JobState, new_job_id
from bot.pictures.attachments import check_attachment
from bot.policy.server_rules import PaintChoice
from bot.services import BotClient, Services
from bot.views.base import Press
from bot.views.community.use_picture import REMIX, START, TARGET, PictureForm, PictureUse, settler
from bot.views.remix_modal import RemixModal
from bot.views.result import has_choice, upscale
from engine.images.opening import stored_size
from engine.requests.request import DreamRequest, build_request

ANYTHING = "a"
"""The prompt of the admission check before the real one is typed."""
NOT_YET = "0" * 64
"""Placeholder for the hash of an attachment that is not fetched yet."""
Handler = Callable[[AnyInteraction, discord.Message], Awaitable[None]]


class MessageCommands(commands.Cog):
    def __init__(self, bot: BotClient) -> None:
        self.bot = bot
        self.services: Services = bot.services
        self._menus = [
            _menu("Use as start", self.start),
            _menu("Use as target", self.target),
            _menu("Upscale", self.upscale),
            _menu("Remix", self.remix),
        ]

    async def cog_load(self) -> None:
        """Add the commands to the tree; discord.py has no decorator for them in a cog."""
        for menu in self._menus:
            self.bot.tree.add_command(menu)

    async def cog_unload(self) -> None:
        for menu in self._menus:
            self.bot.tree.remove_command(menu.name, type=menu.type)

    async def start(self, interaction: AnyInteraction, message: discord.Message) -> None:
        """Open the form that paints from the picture."""
        await self._open_form(interaction, message, START)

    async def target(self, interaction: AnyInteraction, message: discord.Message) -> None:
        """Open the form that paints towards the picture."""
        await self._open_form(interaction, message, TARGET)

    async def remix(self, interaction: AnyInteraction, message: discord.Message) -> None:
        """Open a result's prompt and settings; of a picture without a prompt, the form of a start."""
        press = self._press(interaction)
        job = await self._result(press, message)
        if job is None or not isinstance(job.request, DreamRequest):
            await self._open_form(interaction, message, REMIX)
            return
        press.caller.check_place()
        await press.responder.open_modal(RemixModal(job))

    async def upscale(self, interaction: AnyInteraction, message: discord.Message) -> None:
        """Upscale a result as its button does, or an attached picture by the best upscaler."""
        press = self._press(interaction, form=has_choice(interaction))
        if (job := await self._result(press, message)) is not None:
            await upscale(press, job, None)
            return
        attachment, actions = attached_picture(message), self.services.job_actions
        check_attachment(attachment)
        await actions.check(
            actions.attached_upscale(NOT_YET, attachment.width or 1, attachment.height or 1), press.caller
        )
        picture = await self.services.attachments.read(attachment, press.caller.user_id)
        request = actions.attached_upscale(picture.sha256, *stored_size(picture.png))
        await actions.dream(request, press.caller, press.responder, {picture.sha256: picture.png}, kind="upscale")

    async def _open_form(self, interaction: AnyInteraction, message: discord.Message, use: PictureUse) -> None:
        """Check what `/dream` would, open the form, then read an attachment while the form is filled in."""
        press = self._press(interaction)
        job = await self._result(press, message)
        attachment = None if job else attached_picture(message)
        if attachment is not None:
            check_attachment(attachment)
        await self.services.job_actions.check(await self._anything(press.caller), press.caller)
        if job is not None:
            await press.responder.open_modal(PictureForm(use, job))
        elif attachment is not None:
            held_id = new_job_id()
            await press.responder.open_modal(PictureForm(use, held_id))
            await self.services.held_pictures.hold(held_id, attachment, press.caller.user_id)

    async def _anything(self, caller: Invocation) -> JobRequest:
        ways = (await settler(self.services, caller))(PaintChoice())
        return build_request(ANYTHING, model=ways.model, method=ways.method, size=ways.size, settings=ways.settings)

    async def _result(self, press: Press, message: discord.Message) -> JobRow | None:
        """The job that the message shows, or None. Raises PictureGone if it has no picture."""
        found = await self.services.jobs.find_by_message(message.channel.id, message.id)
        if found is None:
            return None
        job = await press.job(found.id)
        if job.state is not JobState.DONE or not job.pictures:
            raise PictureGone("This job has no finished picture.")
        return job

    def _press(self, interaction: AnyInteraction, *, form: bool = True) -> Press:
        responder = InteractionResponder.of(interaction, private=form, form=form)
        return Press(interaction, responder, Invocation.of_interaction(interaction), self.services)


def _menu(name: str, handler: Handler) -> app_commands.ContextMenu:
    return app_commands.ContextMenu(
        name=name,
        callback=handler,  # type: ignore[arg-type]
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
        allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
    )


async def setup(bot: BotClient) -> None:
    await bot.add_cog(MessageCommands(bot))
