"""`/settings mine`, `channel` and `server`: preferences of a person, defaults of a channel, rules of a server."""

from __future__ import annotations

from typing import TypeVar

import discord
from discord import app_commands

from bot.actions.moderate import tell_moderators
from bot.community.defaults import check_negative
from bot.embeds.moderation import USUAL, changes_words, channel_embed, choices_embed, rules_embed
from bot.errors import Refused
from bot.interactions.commands import Choices, choices, everywhere, typed_option
from bot.interactions.context import Invocation
from bot.interactions.responder import AnyInteraction, InteractionResponder, begin
from bot.models.style import NO_STYLE
from bot.policy.days import UTC_NAME, check_zone, zones
from bot.policy.server_rules import NO_PROFILE, ChannelDefaults, PaintChoice, PaintDefaults, ServerRules
from bot.policy.word_filter import MAX_ENFORCED, check_enforced
from bot.requests import autocomplete as completion
from bot.services import BotCog
from bot.text import clock_date, listed, mention, mention_channel, mention_role
from engine.catalogue.models import DEFAULT_MODEL, MODELS
from engine.errors import InvalidRequest
from engine.requests.request import build_options, find_model, find_size, painter_by, parse_shape, parse_size

MAX_NEGATIVE = 500
Name = app_commands.Range[str, 1, 60]
Negative = app_commands.Range[str, 1, MAX_NEGATIVE]
T = TypeVar("T")
_NEEDED = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
}


def _usual_options(text: str) -> dict[str, str]:
    """Descriptions of the options that `_usual` reads. *text* has places for the option's name and an example."""
    examples = {"size": ", for example 384x256 or 3:2", "profile": ", or “none” for no profile"}
    return {name: text.format(name, examples.get(name, "")) for name in ("model", "method", "size", "profile")}


class SettingsCog(BotCog):
    settings = everywhere(app_commands.Group(name="settings", description="Your settings and the server's settings."))

    @settings.command(name="mine", description="Show or change your settings.")
    @app_commands.describe(
        **_usual_options("Your default {}{}; “usual” resets it."),
        pings="Ping you when a picture that took long is ready.",
        private="Send your results by direct message, so that only you see them.",
    )
    async def mine(
        self,
        interaction: AnyInteraction,
        model: Name | None = None,
        method: Name | None = None,
        size: Name | None = None,
        profile: Name | None = None,
        pings: bool | None = None,
        private: bool | None = None,
    ) -> None:
        responder, caller = begin(interaction, private=True)
        changes = _usual(model, method, size, profile)
        changes |= _given(pings=pings, private=private)
        choices = await self.services.moderation.choose(caller.user_id, changes)
        balance = await self.services.jobs.quota.balance(caller.user_id, caller.roles, caller.guild_id)
        await responder.send_private(_size_note(choices), choices_embed(choices, balance))

    @settings.command(
        name="server", description="Show the server's settings. People who can manage the server can change them."
    )
    @app_commands.describe(
        add_channel="Allow this channel or category. Once any is listed, all others are off.",
        remove_channel="Remove this channel or category from the list.",
        add_role="Allow this role. Once any is listed, all others are off.",
        remove_role="Remove this role from the list.",
        **_usual_options("The default {}{}; “usual” resets it."),
        style="The default style; “usual” resets it.",
        negative="The negative prompt of people who type none; “usual” resets it.",
        enforced="A negative prompt that is added to every request; “usual” resets it.",
        timezone="The time zone of the quota's day and of deadlines; “usual” means UTC.",
        max_size="Longest side of a picture in pixels; 0 = the host's limit.",
        max_steps="Steps per picture; 0 = the host's limit.",
        max_count="Pictures per job; 0 = the host's limit.",
        mature="Where adult content is allowed.",
        spoilers="Which pictures are hidden behind a spoiler.",
        report_channel="The channel for reports and moderation notices.",
        no_reports="Stop accepting reports.",
        starboard="The channel for copies of starred pictures; make it 18+ to include adult content.",
        stars="Stars of other people that a picture needs for the starboard.",
        no_starboard="Stop adding pictures to the starboard.",
        challenge_role="Members with this role may start challenges, besides moderators.",
        no_challenge_role="Only moderators may start challenges.",
    )
    @app_commands.choices(
        mature=choices([("in age-restricted (18+) channels", "restricted"), ("nowhere", "never")]),
        spoilers=choices([("none", "never"), ("adult content", "mature"), ("all", "always")]),
    )
    async def server(
        self,
        interaction: AnyInteraction,
        add_channel: app_commands.AppCommandChannel | None = None,
        remove_channel: app_commands.AppCommandChannel | None = None,
        add_role: discord.Role | None = None,
        remove_role: discord.Role | None = None,
        model: Name | None = None,
        method: Name | None = None,
        size: Name | None = None,
        profile: Name | None = None,
        style: Name | None = None,
        negative: Negative | None = None,
        enforced: app_commands.Range[str, 1, MAX_ENFORCED] | None = None,
        timezone: Name | None = None,
        max_size: app_commands.Range[int, 0, 4096] | None = None,
        max_steps: app_commands.Range[int, 0, 2000] | None = None,
        max_count: app_commands.Range[int, 0, 10] | None = None,
        mature: str | None = None,
        spoilers: str | None = None,
        report_channel: app_commands.AppCommandChannel | None = None,
        no_reports: bool | None = None,
        starboard: app_commands.AppCommandChannel | None = None,
        stars: app_commands.Range[int, 1, 100] | None = None,
        no_starboard: bool | None = None,
        challenge_role: discord.Role | None = None,
        no_challenge_role: bool | None = None,
    ) -> None:
        """Show the rules privately, or change them and announce the changes."""
        responder, caller = begin(interaction)
        server_id = self._server_of(caller)
        changes = _usual(model, method, size, profile)
        changes |= await self._words(server_id, style, negative)
        if enforced is not None:
            if enforced != USUAL:
                check_enforced(enforced)
            changes["enforced"] = None if enforced == USUAL else enforced
        zone = None if timezone is None else UTC_NAME if timezone == USUAL else check_zone(timezone)
        limits = _given(max_size=max_size, max_steps=max_steps, max_count=max_count)
        changes |= {key: value or None for key, value in limits.items()}
        changes |= _given(mature=mature, spoilers=spoilers, stars=stars)
        for key, channel, none, what in (
            ("report_channel", report_channel, no_reports, "reports"),
            ("starboard", starboard, no_starboard, "starred pictures"),
        ):
            if channel is not None or none:
                changes[key] = self._postable(server_id, channel.id, what) if channel else None
        if challenge_role is not None or no_challenge_role:
            changes["challenge_role"] = challenge_role.id if challenge_role else None
        added = _given(channels=add_channel, roles=add_role)
        removed = _given(channels=remove_channel, roles=remove_role)
        members = [(key, one.id, given is added) for given in (added, removed) for key, one in given.items()]
        if not changes and not members and zone is None:
            await responder.send_private("", rules_embed(await ServerRules.of(self.services.store, server_id)))
            return
        caller.check_manager(self.services.config.discord.owner_ids)
        await self._change(responder, caller, server_id, changes, members, zone)

    async def _change(
        self,
        responder: InteractionResponder,
        caller: Invocation,
        server_id: int,
        changes: dict[str, object],
        members: list[tuple[str, int, bool]],
        zone: str | None,
    ) -> None:
        moderation, said = self.services.moderation, []
        if zone is not None:
            since = await moderation.set_time_zone(server_id, caller.user_id, zone)
            days = self.services.config.quota.window == "day"
            said.append(f"the time zone is {zone}" + days * f"; the first quota day in it begins {clock_date(since)}")
        if changes:
            await moderation.change_rules(server_id, caller.user_id, changes)
            said.append(changes_words(changes))
        for key, member, present in members:
            await moderation.add_member(server_id, caller.user_id, key, member, present=present)
            what = mention_channel(member) if key == "channels" else mention_role(member)
            said.append(f"{what} {'was added to' if present else 'was removed from'} the allowed {key}")
        words = f"{mention(caller.user_id)} changed the server settings: {listed(said)}."
        rules = await ServerRules.of(self.services.store, server_id)
        words = f"{words}\n{_size_note(rules)}".strip()
        await responder.announce(words)
        if rules.report_channel != caller.channel_id:
            await tell_moderators(self.bot, server_id, rules, words)

    @settings.command(
        name="channel",
        description="Show the defaults of this channel or thread. Moderators can change them.",
    )
    @app_commands.describe(
        **_usual_options("The default {} here{}; “usual” inherits it."),
        style="The default style here; “none” for no style, “usual” inherits it.",
        negative="The negative prompt of people who type none; “usual” inherits it.",
    )
    async def channel(
        self,
        interaction: AnyInteraction,
        model: Name | None = None,
        method: Name | None = None,
        size: Name | None = None,
        profile: Name | None = None,
        style: Name | None = None,
        negative: Negative | None = None,
    ) -> None:
        """Show the defaults privately, or change them and announce the changes."""
        responder, caller = begin(interaction)
        server_id, defaults = self._server_of(caller), self.services.defaults
        changes = _usual(model, method, size, profile) | await self._words(server_id, style, negative)
        if not changes:
            levels = await defaults.levels(caller.user_id, caller.location)
            await responder.send_private("", channel_embed(levels[1:]))
            return
        caller.check_moderator(self.services.config.discord.owner_ids)
        await self.services.moderation.change_channel(server_id, caller.channel_id, caller.user_id, changes)
        here = await ChannelDefaults.of(self.services.store, caller.channel_id)
        words = f"{mention(caller.user_id)} changed the defaults of {mention_channel(caller.channel_id)}: "
        await responder.announce(f"{words}{changes_words(changes)}.\n{_size_note(here)}".strip())

    async def _words(self, server_id: int, style: str | None, negative: str | None) -> dict[str, object]:
        """The changed default style and negative prompt to store. Raises Refused or PromptError."""
        changes: dict[str, object] = {}
        if style is not None:
            plain_words = style in (USUAL, NO_STYLE)
            name = style if plain_words else (await self.services.styles.find(server_id, style)).name
            changes["style"] = None if name == USUAL else name
        if negative is not None:
            if negative != USUAL:
                check_negative(negative)
            changes["negative"] = None if negative == USUAL else negative
        return changes

    def _server_of(self, caller: Invocation) -> int:
        if caller.guild_id is None or not caller.resident:
            raise Refused("I am not a member of this server, so it has no settings.")
        return caller.guild_id

    def _postable(self, server_id: int, channel_id: int, what: str) -> int:
        """Raise Refused unless the bot can post *what* there."""
        guild = self.bot.get_guild(server_id)
        channel = guild.get_channel_or_thread(channel_id) if guild else None
        if guild is None or not isinstance(channel, discord.TextChannel | discord.Thread):
            raise Refused(f"Choose a text channel or a thread for {what}.")
        allowed = channel.permissions_for(guild.me)
        missing = [shown for name, shown in _NEEDED.items() if not getattr(allowed, name)]
        if missing:
            raise Refused(
                f"I cannot post {what} in {mention_channel(channel_id)} without the "
                f"permission{'s' * (len(missing) > 1)} {listed(missing)}."
            )
        return channel_id

    @mine.autocomplete("method")
    @channel.autocomplete("method")
    @server.autocomplete("method")
    async def _methods(self, interaction: AnyInteraction, typed: str) -> Choices:
        model = typed_option(interaction, "model")
        return _choices(completion.methods(typed, model, self.services.jobs.unavailable()))

    @mine.autocomplete("model")
    @channel.autocomplete("model")
    @server.autocomplete("model")
    async def _models(self, interaction: AnyInteraction, typed: str) -> Choices:
        return _choices(completion.models(typed, "", self.services.jobs.unavailable()))

    @mine.autocomplete("profile")
    @channel.autocomplete("profile")
    @server.autocomplete("profile")
    async def _profiles(self, interaction: AnyInteraction, typed: str) -> Choices:
        model, method = (typed_option(interaction, name) for name in ("model", "method"))
        return _choices([*completion.profiles(typed, model, method), (f"{NO_PROFILE} – no profile", NO_PROFILE)])

    @mine.autocomplete("size")
    @channel.autocomplete("size")
    @server.autocomplete("size")
    async def _sizes(self, interaction: AnyInteraction, typed: str) -> Choices:
        model = typed_option(interaction, "model")
        return _choices(completion.sizes(typed, model, self.services.config.limits.max_size))

    @channel.autocomplete("style")
    @server.autocomplete("style")
    async def _styles(self, interaction: AnyInteraction, typed: str) -> Choices:
        return _choices(completion.styles(typed, await self.services.styles.all(interaction.guild_id)))

    @server.autocomplete("timezone")
    async def _zones(self, interaction: AnyInteraction, typed: str) -> Choices:
        wanted = typed.strip().replace(" ", "_").casefold()
        found = sorted(zone for zone in zones() if wanted in zone.casefold())
        return _choices([(zone, zone) for zone in found])


def _given(**options: T | None) -> dict[str, T]:
    """The options that were typed."""
    return {key: value for key, value in options.items() if value is not None}


def _usual(model: str | None, method: str | None, size: str | None, profile: str | None) -> dict[str, object]:
    """The changed defaults to store; checked now, so that no job fails later."""
    given = _given(model=model, method=method, size=size, profile=profile)
    named = {key: value for key, value in given.items() if value != USUAL}
    chosen = find_model(named.get("model", DEFAULT_MODEL))
    wanted = PaintChoice(profile=named.get("profile", "")).settings
    if "method" in named or wanted:
        method = named.get("method", "")
        painter = chosen if "model" in named else find_model(painter_by(method))
        build_options(painter, method, wanted)
    if "size" in named and parse_shape(named["size"]) is None:
        width, height = parse_size(named["size"])
        named["size"] = f"{width}x{height}"
        if "model" in named:
            chosen.check_size(width, height)
    return {key: named.get(key) for key in given}


def _size_note(usual: PaintDefaults) -> str:
    """A note if the default model is unknown, or the default size does not fit it; empty otherwise."""
    model = MODELS.get(usual.model or DEFAULT_MODEL)
    if model is None:
        return f"The default model “{usual.model}” is not used: it is unknown here."
    try:
        model.check_size(*(find_size(usual.size, model) if usual.size else model.size))
    except InvalidRequest as error:
        return f"The default size {usual.size} is not used with this model: {error}"
    return ""


def _choices(suggestions: list[completion.Suggestion]) -> Choices:
    usual = (f"{USUAL} – reset to default", USUAL)
    return choices([*suggestions[: completion.MOST - 1], usual])
