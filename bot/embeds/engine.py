"""How `/engine` looks: what can be painted here, and for the host how everything is doing. Pure."""

from __future__ import annotations

import discord

from bot.embeds.queue import COLOUR
from bot.operations.status import Figures
from bot.text import count, number, relative, shorten

_FIELD = 1000
"""Characters of a field."""
_MORE = 6
"""Reasons that are shown."""


def engine_embed(figures: Figures, host: bool) -> discord.Embed:
    """For everybody: is it there, what can it do, how fast is it. For the *host*: waits, memory, troubles."""
    embed = discord.Embed(title="The engine", colour=COLOUR, description=_state(figures))
    if figures.ready is not None:
        for name, values in (
            ("Methods", figures.ready.methods),
            ("Models", figures.ready.models),
            ("Upscalers", figures.ready.upscalers),
        ):
            embed.add_field(name=name, value=shorten(", ".join(values) or "none", _FIELD))
    if host:
        _add_operation(embed, figures)
    return embed


def _state(figures: Figures) -> str:
    lines = [_engine(figures), f"{count(figures.running, 'job')} running, {figures.waiting} waiting."]
    if (step := figures.measures.steps.median) is not None:
        lines.append(f"A step takes about {number(round(step, 3))} s.")
    return "\n".join(lines)


def _engine(figures: Figures) -> str:
    ready, pulse = figures.ready, figures.pulse
    if ready is not None and "engine" in ready.unavailable:
        return f"It cannot start: {shorten(ready.unavailable['engine'], _FIELD)}"
    if ready is not None:
        return f"It runs on {ready.device} and could take {count(ready.slots, 'more picture', 'more pictures')} now."
    if pulse.rest > 0:
        return f"It has stopped and starts again in {pulse.rest:.0f} s. Nothing is lost meanwhile."
    return "It is starting. Nothing is lost meanwhile."


def _add_operation(embed: discord.Embed, figures: Figures) -> None:
    seen = figures.measures
    embed.add_field(name="Since", value=f"{relative(seen.since)}, engine restarted {count(figures.pulse.ends, 'time')}")
    embed.add_field(name="Ended", value=_tally(seen.ends) or "nothing yet")
    if (wait := seen.waits.median) is not None:
        embed.add_field(name="Waits", value=f"{number(round(wait, 1))} s is usual")
    if seen.misses.count:
        share = seen.in_range / seen.misses.count
        usual = number(round(seen.misses.median or 0.0, 1))
        embed.add_field(name="Forecasts", value=f"{share:.0%} ended in the range; {usual} s off its middle is usual")
    memory = ", ".join(f"{process} {size / 2**20:.0f} MB" for process, size in figures.memory.items())
    embed.add_field(name="Memory", value=memory or "unknown")
    disk = f"pictures {figures.kept_bytes / 1e9:.1f} GB, {figures.free_bytes / 1e9:.1f} GB free"
    embed.add_field(name="Disk", value=disk)
    embed.add_field(name="Discord", value=_discord(figures))
    if figures.ready is not None and figures.ready.compiled:
        embed.add_field(name="Compiled", value=shorten(figures.ready.compiled, 300))
    embed.add_field(name="Errors logged", value=str(sum(seen.errors.values())))
    if figures.pulse.ends and figures.pulse.last_words:
        embed.add_field(name="Last words", value=shorten(figures.pulse.last_words, 300), inline=False)
    if missing := _missing(figures):
        embed.add_field(name="Not available", value=missing, inline=False)


def _discord(figures: Figures) -> str:
    refused = _tally(figures.measures.refusals)
    lines = [f"{count(figures.measures.per_minute(), 'request')} about messages in the last minute"]
    if refused:
        lines.append(f"refused: {refused}")
    if figures.owed:
        lines.append(f"{figures.owed} not told yet")
    return "\n".join(lines)


def _tally(values: dict[str, int]) -> str:
    return ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in values.items())


def _missing(figures: Figures) -> str:
    unavailable = figures.ready.unavailable if figures.ready else {}
    shown = [f"{name}: {shorten(why, 100)}" for name, why in unavailable.items() if name != "engine"]
    more = [f"and {len(shown) - _MORE} more"] if len(shown) > _MORE else []
    return shorten("\n".join([*shown[:_MORE], *more]), _FIELD)
