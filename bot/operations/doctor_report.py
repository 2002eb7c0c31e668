"""What the doctor finds: a name, a verdict, a sentence, and what to do about it. Pure."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How bad it is."""

    GOOD = "ok"
    WORTH_KNOWING = "note"
    BAD = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. *remedy* is empty where there is nothing to do."""

    name: str
    verdict: Verdict
    text: str
    remedy: str = ""


def good(name: str, text: str) -> Finding:
    """All is well."""
    return Finding(name, Verdict.GOOD, text)


def note(name: str, text: str, remedy: str = "") -> Finding:
    """It works, but not everything does."""
    return Finding(name, Verdict.WORTH_KNOWING, text, remedy)


def bad(name: str, text: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(name, Verdict.BAD, text, remedy)


_SIGNS = {Verdict.GOOD: "✓", Verdict.WORTH_KNOWING: "·", Verdict.BAD: "✗"}
_COLOURS = {Verdict.GOOD: 32, Verdict.WORTH_KNOWING: 33, Verdict.BAD: 31}
_WIDTH = 100
_MARGIN = " " * 15


def render(finding: Finding, *, colour: bool) -> str:
    """``✗ token        Discord does not accept it.`` and the remedy below, indented."""
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
    """The last line."""
    problems = sum(finding.verdict is Verdict.BAD for finding in findings)
    if not problems:
        return "Everything that is needed is there."
    if problems == 1:
        return "1 problem; what to do about it stands above."
    return f"{problems} problems; what to do about each stands above."


def can_colour() -> bool:
    """Whether the output is a terminal."""
    return sys.stdout.isatty()
