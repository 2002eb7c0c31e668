"""The doctor's findings and how they are printed."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from bot.text import count


class Verdict(Enum):
    GOOD = "ok"
    WORTH_KNOWING = "note"
    BAD = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. *remedy* says what to do; empty if nothing."""

    name: str
    verdict: Verdict
    text: str
    remedy: str = ""


def good(name: str, text: str) -> Finding:
    return Finding(name, Verdict.GOOD, text)


def note(name: str, text: str, remedy: str = "") -> Finding:
    """Something that works only partly, or needs attention soon."""
    return Finding(name, Verdict.WORTH_KNOWING, text, remedy)


def bad(name: str, text: str, remedy: str) -> Finding:
    return Finding(name, Verdict.BAD, text, remedy)


_SIGNS = {Verdict.GOOD: "✓", Verdict.WORTH_KNOWING: "·", Verdict.BAD: "✗"}
_COLOURS = {Verdict.GOOD: 32, Verdict.WORTH_KNOWING: 33, Verdict.BAD: 31}
_WIDTH = 100
_MARGIN = " " * 15


def render(finding: Finding, *, colour: bool) -> str:
    """``✗ token        Discord does not accept it.``, with the remedy indented below."""
    sign = _SIGNS[finding.verdict]
    shown = f"\x1b[{_COLOURS[finding.verdict]}m{sign}\x1b[0m" if colour else sign
    body = _wrapped(finding.text)
    lines = [f"{shown} {finding.name:<12} {body.lstrip()}"]
    if finding.remedy:
        lines.append(_wrapped(f"→ {finding.remedy}"))
    return "\n".join(lines)


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=_MARGIN, subsequent_indent=_MARGIN, break_long_words=False, break_on_hyphens=False
    )


def summary(findings: Iterable[Finding]) -> str:
    problems = sum(finding.verdict is Verdict.BAD for finding in findings)
    if not problems:
        return "No problems found."
    return f"{count(problems, 'problem')} found; the fixes are listed above."


def can_colour() -> bool:
    return sys.stdout.isatty()
