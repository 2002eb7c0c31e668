"""Embeds of rules, preferences, blocks and the moderation log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import discord

from bot.embeds.queue import COLOUR
from bot.models.audit import LOG_PAGE, AuditEntry, LogPage
from bot.policy.quota import Balance
from bot.policy.server_rules import NO_PROFILE, PaintDefaults, Preferences, ServerRules, Word
from bot.storage.moderation import Block
from bot.text import clock_date, count, listed, mention, mention_channel, mention_role, number, plain, relative, shorten
from engine.catalogue.models import MODELS

_FIELD = 1000
_DESCRIPTION = 3900
_REASON = 150
USUAL = "usual"
"""Typed to reset a setting."""
_MATURE = {"restricted": "in age-restricted (18+) channels", "never": "nowhere"}
_SPOILERS = {"never": "none", "mature": "adult content", "always": "all"}
ACTIONS: Mapping[str, str] = {
    "cancel": "cancelled a job of {about}",
    "delete": "deleted a picture of {about}",
    "dismiss report": "dismissed a report about a picture of {about}",
    "prize": "gave a prize of {units} units to {subject}",
    "grant": "granted {units} units to {subject}",
    "reset quota": "reset the quota of {subject}",
    "block": "blocked {subject}",
    "unblock": "unblocked {subject}",
    "pause": "paused the queue",
    "resume": "resumed the queue",
    "drain": "stopped accepting new jobs",
    "restart": "restarted the engine",
    "rules": "changed the settings: {changes}",
    "channel": "changed the defaults of a channel: {changes}",
    "block word": "blocked “{phrase}”",
    "unblock word": "unblocked “{phrase}”",
}


def rules_embed(rules: ServerRules) -> discord.Embed:
    embed = discord.Embed(title="Server settings", colour=COLOUR)
    lines = {
        "Where": listed(list(map(mention_channel, rules.channels)), "or") or "everywhere",
        "Who": listed(list(map(mention_role, rules.roles)), "or") or "everyone",
        "Default model, method, size, profile": _usual(rules),
        "Default style and negative prompt": _words(rules),
        "Always avoided": f"“{plain(rules.enforced)}”" if rules.enforced else "nothing",
        "Time zone": rules.timezone or "UTC",
        "Who starts challenges": "moderators"
        + (f" and {mention_role(rules.challenge_role)}" if rules.challenge_role else ""),
        "Limits": _limits(rules),
        "Adult content": _MATURE[rules.mature],
        "Spoilers": _SPOILERS[rules.spoilers],
        "Blocked words": str(len(rules.words)) if rules.words else "none",
        "Reports": f"to {mention_channel(rules.report_channel)}"
        if rules.report_channel
        else "off; set report_channel to accept reports",
        "Starboard": f"{mention_channel(rules.starboard)}, from {count(rules.stars, 'star')} on"
        if rules.starboard
        else "off; set starboard to a channel",
    }
    for name, value in lines.items():
        embed.add_field(name=name, value=shorten(value, _FIELD), inline=True)
    return embed


def channel_embed(levels: Sequence[tuple[str, PaintDefaults]]) -> discord.Embed:
    """The embed of a channel's defaults; *levels*: (owner, values), highest precedence first."""
    embed = discord.Embed(title="Defaults here", colour=COLOUR)
    for whose, values in levels:
        lines = f"model, method, size, profile: {_usual(values)}\nstyle, negative prompt: {_words(values)}"
        embed.add_field(name=whose.capitalize(), value=shorten(lines, _FIELD), inline=False)
    return embed.set_footer(text="What you type in /dream and your own settings take precedence.")


def choices_embed(choices: Preferences, balance: Balance) -> discord.Embed:
    embed = discord.Embed(title="Your settings", colour=COLOUR)
    embed.add_field(name="Default model, method, size, profile", value=_usual(choices), inline=False)
    embed.add_field(name="Ping after a long wait", value="yes" if choices.pings else "no")
    embed.add_field(name="Results", value="by direct message" if choices.private else "in the channel where you ask")
    left = "no limit" if balance.unlimited else f"{number(round(balance.left, 2))} units left"
    embed.add_field(name="Quota", value=left)
    embed.set_footer(text=f"“{USUAL}” as a model, method, size or profile resets it.")
    return embed


def changes_words(changes: Mapping[str, object]) -> str:
    """``max steps: 50, mature: never``."""
    named = (f"{key.replace('_', ' ')}: {_setting(key, value)}" for key, value in changes.items())
    return shorten(", ".join(named), _FIELD)


def words_embed(words: Sequence[Word]) -> discord.Embed:
    lines = [f"“{plain(word.phrase)}”" + (f": {plain(word.reason)}" if word.reason else "") for word in words]
    return discord.Embed(title="Blocked words", colour=COLOUR, description=_fitting(lines, "None."))


def blocks_embed(blocks: Sequence[Block]) -> discord.Embed:
    lines = [
        f"{mention(block.user_id)} since {clock_date(block.at)}"
        f"{f' until {clock_date(block.until)}' if block.until else ''}: {plain(shorten(block.reason, _REASON))}"
        for block in blocks
    ]
    return discord.Embed(title="Blocked people", colour=COLOUR, description=_fitting(lines, "Nobody is blocked."))


def log_embed(page: LogPage) -> discord.Embed:
    lines = [
        shorten(f"{relative(entry.at)} {_person(entry.actor)} {_deed(entry)}", _DESCRIPTION // LOG_PAGE)
        for entry in page.entries
    ]
    only = bool(page.wanted.action or page.wanted.owner)
    nothing = "No matching entries." if only else "The log is empty."
    embed = discord.Embed(title="Moderation log", colour=COLOUR, description="\n".join(lines) or nothing)
    return embed.set_footer(text=_found(page)) if page.entries else embed


def _found(page: LogPage) -> str:
    """``57 entries · only: block``."""
    only = f" · only: {page.wanted.action}" if page.wanted.action else ""
    return count(page.total, "entry", "entries") + only + (" · one person only" if page.wanted.owner else "")


def _deed(entry: AuditEntry) -> str:
    details = entry.details
    changes = details.get("changes")
    words = ACTIONS.get(entry.action, plain(entry.action)).format(
        about=_person(str(details.get("owner", ""))),
        subject=_person(entry.subject),
        units=_value(details.get("units", "")),
        phrase=plain(str(details.get("phrase", ""))),
        changes=changes_words(changes) if isinstance(changes, Mapping) else "",
    )
    reason = str(details.get("reason") or "")
    job = f" (job {entry.subject})" if entry.action in ("cancel", "delete", "dismiss report") else ""
    return f"{words}{job}" + (f": {plain(shorten(reason, _REASON))}" if reason else "")


def _person(name: str) -> str:
    """``discord:7`` → a mention, which does not ping inside an embed."""
    _, _, user_id = name.partition(":")
    return mention(int(user_id)) if user_id.isdecimal() else "a person whose data is deleted"


def _setting(key: str, value: object) -> str:
    """A stored setting for people: ids of channels and roles become mentions."""
    mentions: Mapping[str, Callable[[int], str]] = {
        "channels": mention_channel,
        "roles": mention_role,
        "report_channel": mention_channel,
        "starboard": mention_channel,
        "challenge_role": mention_role,
    }
    if key not in mentions or not value:
        return plain(shorten(_value(value), _REASON))
    ids: Sequence[object] = value if isinstance(value, list | tuple) else [value]
    return shorten(", ".join(mentions[key](int(str(one))) for one in ids), _REASON)


def _value(value: object) -> str:
    if value is None or value in ([], ""):
        return USUAL
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return number(value) if isinstance(value, float) else str(value)


def _words(values: PaintDefaults) -> str:
    negative = f"“{plain(values.negative)}”" if values.negative else ""
    return " · ".join(filter(None, (plain(values.style), negative))) or USUAL


def _usual(values: PaintDefaults) -> str:
    profile = {"": "", NO_PROFILE: "no profile"}.get(values.profile, values.profile)
    unknown = " (unknown here)" if values.model and values.model not in MODELS else ""
    return " · ".join(one for one in (values.model + unknown, values.method, values.size, profile) if one) or USUAL


def _limits(rules: ServerRules) -> str:
    limits = (
        f"{rules.max_size} pixels a side" if rules.max_size else "",
        count(rules.max_steps, "step") if rules.max_steps else "",
        count(rules.max_count, "picture") if rules.max_count else "",
    )
    return " · ".join(filter(None, limits)) or "the host's limits"


def _fitting(lines: Sequence[str], nothing: str) -> str:
    """As many lines as fit, then the number of lines left out."""
    kept: list[str] = []
    for line in lines:
        if sum(len(one) + 1 for one in kept) + len(line) > _DESCRIPTION:
            kept.append(f"… and {len(lines) - len(kept)} more.")
            break
        kept.append(line)
    return "\n".join(kept) or nothing
