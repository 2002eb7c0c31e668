"""Parts of a prompt with the step at which they begin: ``0: a seed | fog:-0.5 | 400: a tree``, or a dictionary.

A part that begins with a number and a colon opens a phase, and the parts behind it belong to that phase. Whole numbers
are steps, ``0.4`` and ``40%`` are shares of all steps. Parts before the first number hold in every phase. Disco
Diffusion's dictionaries ``{0: ["a seed", "fog:-0.5"], 400: "a tree"}`` say the same. Prompts are split here only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from engine.errors import PromptError

MAX_STEP = 100_000
_BAR = re.compile(r"(?<!\\)\|")
_TIME = r"(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<percent>%?)\s*"
_PHASE = re.compile(rf"\s*{_TIME}:\s+(?=[^\s|])")
_KEY = re.compile(rf"{_TIME}:")
_DICTIONARY = re.compile(r"\s*(?:\{\s*[\d.]+\s*%?\s*:|[\d.]+\s*%?\s*:\s*(?:\[|[\"'“‘].*[\"'”’]\s*,?\s*$))", re.DOTALL)
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "„": "“", "«": "»"}
_ONLY_NUMBER = re.compile(r"[+-]?[\d.]+\s*$")


class Segment(NamedTuple):
    """One part: where its text begins in the source, the text, the phase, and where the phase's number stands."""

    start: int
    text: str
    since: float | None = None
    """The first step (whole) or share of the steps (below 1) of the phase; None = all phases."""
    number_at: int = 0


def split_parts(source: str) -> list[Segment]:
    """The parts of *source* in their order. Raises PromptError for a broken timeline."""
    if _DICTIONARY.match(source):
        return list(_DictionaryReader(source).segments())
    parts = [Segment(start, text) for start, text in _split_bars(source, 0, len(source))]
    if not any((found := _phase(part.text)) and not float(found["number"]) for part in parts):
        return parts  # as in “2001: A Space Odyssey”
    segments, since, at = list[Segment](), None, 0
    for part in parts:
        start, text = part.start, part.text
        if found := _phase(text):
            since, at = _since(source, start, found), start + found.start("number")
            start, text = start + found.end(), text[found.end() :]
        segments.append(Segment(start, text, since, at))
    return segments


def unread_phase(source: str) -> str:
    """The first ``400: …`` of *source* that is read as words because no phase begins at 0; else an empty string."""
    if _DICTIONARY.match(source):
        return ""
    found = [phase for _, text in _split_bars(source, 0, len(source)) if (phase := _phase(text))]
    if not found or any(not float(phase["number"]) for phase in found):
        return ""
    return f"{found[0]['number']}{found[0]['percent']}: …"


def reached(since: float, step: int, steps: int) -> bool:
    """Whether a phase has begun in *step* (from 0) of *steps*."""
    return step >= (since if since >= 1 else since * steps)


def _phase(text: str) -> re.Match[str] | None:
    found = _PHASE.match(text)
    return found if found and not _ONLY_NUMBER.match(text, found.end()) else None


def _split_bars(source: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    for bar in _BAR.finditer(source, start, end):
        yield start, source[start : bar.start()]
        start = bar.end()
    yield start, source[start:end]


def _since(source: str, offset: int, found: re.Match[str]) -> float:
    number, at = float(found["number"]), offset + found.start("number")
    if found["percent"]:
        if number >= 100:
            raise PromptError(f"{found['number']}% leaves no steps; use less than 100%.", source, at)
        return number / 100
    if number >= 1 and not number.is_integer():
        raise PromptError(f"{found['number']} is neither a step like 40 nor a share like 0.4.", source, at)
    if number > MAX_STEP:
        raise PromptError(f"Step {found['number']} is too large; the limit is {MAX_STEP}.", source, at)
    return number


class _DictionaryReader:
    """A cursor over ``{0: "a seed", 400: ["a tree", "fog:-0.5"]}``; the braces may be missing."""

    def __init__(self, source: str) -> None:
        self._source, self._at = source, 0

    def segments(self) -> Iterator[Segment]:
        """The parts in their order. Raises PromptError with the place of the first mistake."""
        braces = self._takes("{")
        while True:
            self._skip()
            key = _KEY.match(self._source, self._at)
            if not key:
                self._fail("here a step and a colon are missing, as in 0:")
            since, number_at = _since(self._source, 0, key), key.start("number")
            self._at = key.end()
            for start, end in self._texts():
                for at, text in _split_bars(self._source, start, end):
                    yield Segment(at, text, since, number_at)
            if not self._takes(",") or self._ends(braces):
                break
        if braces and not self._takes("}"):
            self._fail("here “}” or a comma and the next step are missing")
        if self._skip() < len(self._source):
            self._fail("nothing can follow here")

    def _texts(self) -> Iterator[tuple[int, int]]:
        if not self._takes("["):
            yield self._text()
            return
        yield self._text()
        while self._takes(","):
            if self._sees("]"):
                break
            yield self._text()
        if not self._takes("]"):
            self._fail("here “]” or a comma and the next text are missing")

    def _text(self) -> tuple[int, int]:
        """Where the letters between two quotes begin and end."""
        self._skip()
        close = _QUOTES.get(self._source[self._at : self._at + 1])
        if close is None:
            self._fail("here a text in quotes is missing")
        start = self._at + 1
        end = self._source.find(close, start)
        if end < 0:
            self._fail(f"the closing {close} is missing")
        self._at = end + 1
        return start, end

    def _ends(self, braces: bool) -> bool:
        return self._sees("}") if braces else self._skip() >= len(self._source)

    def _sees(self, sign: str) -> bool:
        return self._source.startswith(sign, self._skip())

    def _takes(self, sign: str) -> bool:
        found = self._sees(sign)
        self._at += len(sign) * found
        return found

    def _skip(self) -> int:
        while self._at < len(self._source) and self._source[self._at].isspace():
            self._at += 1
        return self._at

    def _fail(self, what: str) -> NoReturn:
        at = min(self._at, max(len(self._source) - 1, 0))
        raise PromptError(f"The timeline, character {at + 1}: {what}.", self._source, at)
