"""The doctor's findings and how they are printed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from bot.text import count


class Severity(Enum):
    GOOD = "ok"
    WORTH_KNOWING = "note"
    BAD = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. *remedy* says what to do; empty if nothing."""

    name: str
    verdict: Severity
    text: str
    remedy: str = ""


def good(name: str, text: str) -> Finding:
    return Finding(name, Severity.GOOD, text)


def note(name: str, text: str, remedy: str = "") -> Finding:
    """Something that works only partly, or needs attention soon."""
    return Finding(name, Severity.WORTH_KNOWING, text, remedy)


def bad(name: str, text: str, remedy: str) -> Finding:
    return Finding(name, Severity.BAD, text, remedy)


_SIGNS = {Severity.GOOD: "✓", Severity.WORTH_KNOWING: "·", Severity.BAD: "✗"}
_COLOURS = {Severity.GOOD: 32, Severity.WORTH_KNOWING: 33, Severity.BAD: 31}
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
    verdicts = [finding.verdict for finding in findings]
    problems = verdicts.count(Severity.BAD)
    if not problems:
        return "No problems found." + " Read the lines with “·”." * (Severity.WORTH_KNOWING in verdicts)
    return f"{count(problems, 'problem')} found; the fixes are listed above."
