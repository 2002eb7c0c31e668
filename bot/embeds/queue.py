"""Embeds of the queue and of a person's quota."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import discord

from bot.embeds.job import show_request
from bot.models.job import JobRow, QueuePosition
from bot.policy.quota import Balance, LedgerEntry
from bot.text import bar, count, link, mention, message_link, number, plain, relative, shorten

COLOUR = 0x4F7CAC
SHOWN = 10
"""Most lines of a list."""
_WORDS = 80
_FIELD = 1000
"""Most characters of a field."""
_QUEUE = 4000
"""Most characters of the queue, below Discord's limit."""
_ENTRIES = {
    "reserved": "held for",
    "charged": "spent on",
    "refunded": "refunded for",
    "granted": "granted",
    "reset": "quota reset",
}


def queue_embed(
    running: Sequence[tuple[JobRow, float | None]],
    waiting: Sequence[tuple[JobRow, QueuePosition]],
    asker: str,
    channel_id: int,
) -> discord.Embed:
    """The running jobs (each with its expected end in unix seconds) and the waiting ones in their fair order.

    *asker*'s own jobs are marked and link to their messages. Prompts and names are shown for jobs in the channel
    *channel_id* only, because the queue is shared by all servers and direct messages.
    """

    def told(job: JobRow) -> str:
        if job.owner == asker:
            return f"**you** · {_linked(job, _about(job))}"
        if job.origin.kind == "entry":  # its author and its prompt are hidden
            return "an entry of a challenge"
        if job.origin.channel_id == channel_id:
            return f"{mention(job.origin.user_id)} · {_about(job)}"
        return f"someone else · {count(job.request.count, 'picture')}"

    lines = [f"Now: {told(job)}{f' · ready {relative(ready)}' if ready else ''}" for job, ready in running[:SHOWN]]
    lines += [_waits(told(job), place) for job, place in waiting[:SHOWN]]
    lines += [_waits(told(job), place) for job, place in waiting[SHOWN:] if job.owner == asker][:SHOWN]
    while sum(len(line) + 1 for line in lines) > _QUEUE:
        lines.pop()
    if len(waiting) > SHOWN:
        lines.append(f"… {count(len(waiting), 'job queued', 'jobs queued')} in total.")
    embed = discord.Embed(
        title="The queue", colour=COLOUR, description="\n".join(lines) or "The queue is empty. You'd be next."
    )
    if waiting:
        embed.set_footer(text="People who have used less go first. Large pictures cost more than small ones.")
    return embed


def _waits(told: str, place: QueuePosition) -> str:
    when = "paused by a moderator" if place.held else f"ready {relative(place.latest)}"
    return f"{place.position}. {told} · {when}"


def _about(job: JobRow) -> str:
    return shorten(show_request(job.request), _WORDS)


def quota_embed(
    balance: Balance,
    entries: Sequence[LedgerEntry],
    jobs: Mapping[str, JobRow],
    server: tuple[float, float] | None = None,
) -> discord.Embed:
    """What is left, when it comes back, and what it was spent on; *jobs* by id, as far as they are known.

    *server*: (left, allowance) of what all members of this server may spend together, if that is limited.
    """
    embed = discord.Embed(title="Your quota", colour=COLOUR, description=_balance(balance))
    if server is not None:
        shared = f"{_units(server[0])} of {_units(server[1])} units left, shared by all members"
        embed.add_field(name="This server", value=shared, inline=False)
    lines = [_entry(entry, jobs.get(entry.job_id)) for entry in entries]
    while sum(len(line) + 1 for line in lines) > _FIELD:
        lines.pop()
    if lines:
        embed.add_field(name="Recent", value="\n".join(lines), inline=False)
    embed.set_footer(text="One unit is one million pixels for one step: 256×256 with 25 steps costs 1.64.")
    return embed


def _balance(balance: Balance) -> str:
    if balance.unlimited:
        return "You have no limit."
    lines = [
        f"{bar(balance.left / (balance.allowance + balance.credit))} **{_units(balance.left)}** of "
        f"{_units(balance.allowance)} units left"
    ]
    if balance.reserved:
        lines.append(f"{_units(balance.reserved)} units are reserved for unfinished jobs.")
    if balance.credit:
        lines.append(f"{_units(balance.credit)} of the units left were granted and do not expire.")
    if balance.resets_at is not None:
        lines.append(f"More becomes available {relative(balance.resets_at)}.")
    return "\n".join(lines)


def _entry(entry: LedgerEntry, job: JobRow | None) -> str:
    what = _ENTRIES[entry.kind]
    amount = "" if entry.kind == "reset" else f"{_units(entry.amount)} "
    about = f": {plain(entry.note)}" if entry.note else ""
    return f"{amount}{what}{_job(job) if entry.job_id else about} · {relative(entry.at)}"


def _job(job: JobRow | None) -> str:
    """The request of a job, with a link to its message if that is known."""
    if job is None:
        return " a deleted job"
    return f" {_linked(job, shorten(show_request(job.request), _WORDS // 2))}"


def _linked(job: JobRow, words: str) -> str:
    return link(words, message_link(job.origin.guild_id, job.origin.channel_id, job.message_id))


def _units(units: float) -> str:
    return number(round(units, 2))
