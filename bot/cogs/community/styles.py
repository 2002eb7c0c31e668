"""`/style save|list|use|delete`: templates for prompts, shared by a server."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from discord import app_commands

from bot.community.defaults import Typed, check_negative
from bot.community.styles.library import MAX_NAME, MAX_OPTIONS, MAX_TEMPLATE
from bot.errors import Refused
from bot.interactions.commands import Choices, Words, choices, everywhere
from bot.interactions.context import Invocation
from bot.interactions.responder import AnyInteraction, begin
from bot.policy.server_rules import ServerRules
from bot.requests import autocomplete as completion
from bot.services import BotCog
from bot.text import mention, plain
from bot.views.community.styles import list_payload, paint_styled, style_payload

Name = app_commands.Range[str, 1, MAX_NAME]


class StylesCog(BotCog):
    group = everywhere(app_commands.Group(name="style", description="Styles: templates for prompts."))

    @group.command(name="save", description="Save a style for everyone in this server.")
    @app_commands.describe(
        name="Its name, for example ink wash.",
        template="Words around {prompt}, for example: {prompt}, oil on canvas | frame:-0.5",
        negative="What the style avoids.",
        options="Options of /dream, for example: method=pixels steps=40 size=3:2",
    )
    async def save(
        self,
        interaction: AnyInteraction,
        name: Name,
        template: app_commands.Range[str, 1, MAX_TEMPLATE],
        negative: app_commands.Range[str, 1, MAX_TEMPLATE] | None = None,
        options: app_commands.Range[str, 1, MAX_OPTIONS] | None = None,
    ) -> None:
        """Check place, blocks and blocked words, as for an unrestricted channel; then store and announce the style."""
        responder, caller = begin(interaction)
        server_id = self._server(caller)
        if negative:
            check_negative(negative)
        rules = await ServerRules.of(self.services.store, server_id)
        rules.check_place(caller.location)
        style = await self.services.styles.save(
            server_id,
            caller.user_id,
            name,
            template,
            negative or "",
            options or "",
            partial(rules.check_words, location=replace(caller.location, restricted=False)),  # shown in all channels
        )
        await responder.announce(
            f"{mention(caller.user_id)} saved the style “{plain(style.name)}”: {plain(style.template)}\n"
            f"Use it with `/dream style:` or `/style use`."
        )

    @group.command(name="list", description="Show the styles of this server and those that come with the bot.")
    @app_commands.describe(name="Show one style.")
    async def list_(self, interaction: AnyInteraction, name: str | None = None) -> None:
        responder, caller = begin(interaction, private=True)
        if name is None:
            await responder.send_private_payload(await list_payload(self.services, caller.guild_id, 0))
            return
        style = await self.services.styles.find(caller.guild_id, name)
        await responder.send_private_payload(await style_payload(style, caller))

    @group.command(name="use", description="Paint a prompt with a style.")
    @app_commands.describe(name="The style.", prompt="What to paint.")
    async def use(self, interaction: AnyInteraction, name: str, prompt: Words) -> None:
        responder, caller = begin(interaction)
        await self.services.job_actions.check_place(caller)
        await paint_styled(self.services, Typed(prompt, style=name), caller, responder)

    @group.command(name="delete", description="Delete one of your styles. Moderators can delete any style.")
    @app_commands.describe(name="The style.")
    async def delete(self, interaction: AnyInteraction, name: str) -> None:
        responder, caller = begin(interaction, private=True)
        style = await self.services.styles.delete(
            self._server(caller), name, caller.user_id, moderator=caller.moderator
        )
        await responder.send_private(
            f"The style “{plain(style.name)}” is deleted. Pictures that were painted with it keep all their buttons."
        )

    @list_.autocomplete("name")
    @use.autocomplete("name")
    async def _known(self, interaction: AnyInteraction, typed: str) -> Choices:
        known = await self.services.styles.all(interaction.guild_id)
        return choices(completion.styles(typed, known, none=False))

    @delete.autocomplete("name")
    async def _deletable(self, interaction: AnyInteraction, typed: str) -> Choices:
        caller = Invocation.of_interaction(interaction)
        known = await self.services.styles.all(interaction.guild_id)
        mine = [one for one in known if not one.starter and (caller.moderator or one.author == caller.user_id)]
        return choices(completion.styles(typed, mine, none=False))

    def _server(self, caller: Invocation) -> int:
        if caller.guild_id is None or not caller.resident:
            raise Refused("Styles are saved in servers where I am a member.")
        return caller.guild_id
