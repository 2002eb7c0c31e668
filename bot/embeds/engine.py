"""The embed of `/engine`: available models, and for hosts the state of the bot."""

from __future__ import annotations

import discord

from bot.embeds.queue import COLOUR
from bot.operations.metrics import totals
from bot.operations.status import Status
from bot.text import count, number, relative, shorten
from engine.protocol.messages import WorkerState
from engine.requests.request import adapter_key, known_adapters

_FIELD = 1000
"""Most characters of a field."""
_MORE = 6
"""Most reasons shown."""
_WORKERS = 8
"""Most workers shown."""
_SHARDS = 16
"""Most shards shown."""


def engine_embed(status: Status, host: bool) -> discord.Embed:
    """State, capabilities and speed of the engine; for a *host* also waits, memory and errors."""
    embed = discord.Embed(title="The engine", colour=COLOUR, description=_state(status))
    if status.ready is not None:
        adapters = [name for name in known_adapters() if adapter_key(name) not in status.ready.unavailable]
        for name, values in (
            ("Methods", status.ready.methods),
            ("Models", status.ready.models),
            *([("Adapters", tuple(adapters))] if adapters else []),
            ("Upscalers", status.ready.upscalers),
        ):
            embed.add_field(name=name, value=shorten(", ".join(values) or "none", _FIELD))
    if host:
        _add_operation(embed, status)
    return embed


def _state(status: Status) -> str:
    lines = [_engine(status), f"{count(status.running, 'job')} running, {status.waiting} waiting."]
    if (step := status.metrics.steps.median) is not None:
        lines.append(f"A step takes about {number(round(step, 3))} s.")
    return "\n".join(lines)


def _engine(status: Status) -> str:
    ready, pulse = status.ready, status.pulse
    if ready is not None and "engine" in ready.unavailable:
        return f"The engine cannot start: {shorten(ready.unavailable['engine'], _FIELD)}"
    if ready is not None and pulse.stalled:
        return "The engine is stalled: it runs but makes no progress. It restarts if this lasts. No job is lost."
    if ready is not None:
        return (
            f"The engine runs on {ready.device} and can take {count(ready.slots, 'more picture', 'more pictures')} now."
        )
    if pulse.rest > 0:
        return f"The engine stopped and restarts in {pulse.rest:.0f} s. No job is lost."
    return "The engine is starting. No job is lost."


def _add_operation(embed: discord.Embed, status: Status) -> None:
    seen = status.metrics
    embed.add_field(name="Since", value=f"{relative(seen.since)}, engine restarted {count(status.pulse.ends, 'time')}")
    embed.add_field(name="Finished jobs", value=_tally(totals(seen.ended)) or "none yet")
    if (wait := seen.waits.median) is not None:
        embed.add_field(name="Waiting time", value=f"{number(round(wait, 1))} s (median)")
    if seen.misses.count:
        share = totals(seen.in_range)[""] / seen.misses.count
        median = number(round(seen.misses.median or 0.0, 1))
        embed.add_field(name="Forecasts", value=f"{share:.0%} ended within the range; median error {median} s")
    if workers := _workers(status):
        embed.add_field(name="Workers", value=workers, inline=False)
    memory = ", ".join(f"{process} {size / 2**20:.0f} MB" for process, size in status.memory.items())
    embed.add_field(name="Memory", value=shorten(memory, _FIELD) or "unknown")
    disk = f"pictures {status.kept_bytes / 1e9:.1f} GB, {status.free_bytes / 1e9:.1f} GB free"
    embed.add_field(name="Disk", value=disk)
    embed.add_field(name="Discord", value=_discord(status))
    if status.ready is not None and status.ready.compiled:
        embed.add_field(name="Compiled", value=shorten(status.ready.compiled, 300))
    embed.add_field(name="Errors logged", value=str(sum(totals(seen.errors).values())))
    if status.pulse.ends and status.pulse.last_words:
        embed.add_field(name="Last engine error", value=shorten(status.pulse.last_words, 300), inline=False)
    if missing := _missing(status):
        embed.add_field(name="Not available", value=missing, inline=False)


def _workers(status: Status) -> str:
    """One line for each of several workers."""
    workers = status.ready.workers if status.ready else ()
    if len(workers) < 2:
        return ""
    lines = [_worker(worker) for worker in workers[:_WORKERS]]
    more = [f"and {len(workers) - _WORKERS} more"] if len(workers) > _WORKERS else []
    return shorten("\n".join([*lines, *more]), _FIELD)


def _worker(worker: WorkerState) -> str:
    state = (
        f"**accepts no jobs: {worker.trouble}**" if worker.trouble else f"{worker.free} of {worker.slots} slots free"
    )
    memory = f", {worker.memory / 2**20:.0f} MB" if worker.memory else ""
    ends = f", restarted {count(worker.ends, 'time')}" if worker.ends else ""
    error = f" (last error: {shorten(worker.last_words, 100)})" if worker.trouble and worker.last_words else ""
    return f"{worker.name}: {worker.device}, process {worker.pid or 'unknown'}{memory}{ends}; {state}{error}"


def _discord(status: Status) -> str:
    refused = _tally(totals(status.metrics.refusals))
    lines = [f"{count(status.metrics.per_minute(), 'message request')} in the last minute"]
    if len(status.shards.live) > 1:
        lines += [_shard(status, shard) for shard in list(status.shards.live)[:_SHARDS]]
    if refused:
        lines.append(f"refused: {refused}")
    if status.owed:
        lines.append(f"{status.owed} not delivered yet")
    return "\n".join(lines)


def _shard(status: Status, shard: int) -> str:
    state = "connected" if status.shards.live[shard] else "**not connected**"
    return f"shard {shard}: {state}, {count(status.shards.servers.get(shard, 0), 'server')}"


def _tally(values: dict[str, int]) -> str:
    return ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in values.items())


def _missing(status: Status) -> str:
    unavailable = status.ready.unavailable if status.ready else {}
    shown = [f"{name}: {shorten(why, 100)}" for name, why in unavailable.items() if name != "engine"]
    more = [f"and {len(shown) - _MORE} more"] if len(shown) > _MORE else []
    return shorten("\n".join([*shown[:_MORE], *more]), _FIELD)
