"""What a job's request contains beside what was typed: style, shape, defaults of its place, an enforced negative."""

from __future__ import annotations

from collections.abc import Sequence

from bot.models.job import Applied, JobRow
from bot.policy.enforced_negative import ENFORCED
from bot.text import plain, shorten

_VALUE, _LINE = 60, 300
"""Most characters of one value and of all of them in a message; Info shows all."""


def applied_note(job: JobRow) -> list[str]:
    """One line for the message of a job, or nothing; its footer tells model and method."""
    said = [_short(one) for one in job.origin.applied if one.what not in ("model", "method")]
    return [shorten(" · ".join(said), _LINE)] if said else []


def applied_lines(applied: Sequence[Applied]) -> str:
    """One line for each default, with whose it is, for Info."""
    return "\n".join(_long(one) for one in applied)


def _short(one: Applied) -> str:
    value = plain(shorten(one.value, _VALUE))
    if one.what == ENFORCED:
        return f"always avoided in this server: “{value}”"
    if one.what == "challenge":
        return f"entry of the challenge “{value}”, which costs no quota"
    if one.what == "negative":
        return f"avoided by default in {one.whose}: “{value}”"
    return f"{one.what} {value}" + (f" ({one.whose})" if one.whose else "")


def _long(one: Applied) -> str:
    if one.what == ENFORCED:
        return f"negative “{plain(one.value)}”: always added by {one.whose}"
    return f"{one.what} {plain(one.value)}" + (f": default of {one.whose}" if one.whose else "")
