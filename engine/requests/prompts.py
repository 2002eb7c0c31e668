"""Prompt syntax: ``castle:2 | fog | people:-0.5``.

Parts are separated by ``|``. A part may end in ``:weight``; without one its weight is 1. Negative weights push away.
``\\|`` and ``\\:`` stand for the characters themselves. ``::weight`` (Midjourney) and ``:weight:stop`` (VQGAN-CLIP) are
read too; so are full-width bars and colons, and any kind of minus. A whole number after a digit, as in ``at 10:30``,
is no weight. ``0: a seed | 400: a tree`` changes the prompt at step 400.

A part that begins with a number and a colon opens a phase, and the parts behind it belong to that phase. Whole numbers
are steps, ``0.4`` and ``40%`` are shares of all steps. Parts before the first number hold in every phase. Disco
Diffusion's dictionaries ``{0: ["a seed", "fog:-0.5"], 400: "a tree"}`` say the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, NoReturn

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.errors import PromptError
from engine.requests.foreign_spellings import EMPHASIS, foreign_notes
from engine.requests.schedule import Cursor, number_text

MAX_STEP = 100_000
BAR = re.compile(r"(?<!\\)[|｜￨]")
"""A bar, as Latin and East Asian keyboards write it."""
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
    for bar in BAR.finditer(source, start, end):
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


class _DictionaryReader(Cursor):
    """A cursor over ``{0: "a seed", 400: ["a tree", "fog:-0.5"]}``; the braces may be missing."""

    def segments(self) -> Iterator[Segment]:
        """The parts in their order. Raises PromptError with the place of the first mistake."""
        braces = self._takes("{")
        while True:
            self._skip()
            key = _KEY.match(self._text, self._at)
            if not key:
                self._fail("a step and a colon are missing here, as in 0:")
            since, number_at = _since(self._text, 0, key), key.start("number")
            self._at = key.end()
            for start, end in self._listed():
                for at, text in _split_bars(self._text, start, end):
                    yield Segment(at, text, since, number_at)
            if not self._takes(",") or (self._sees("}") if braces else self._skip() >= len(self._text)):
                break
        if braces and not self._takes("}"):
            self._fail("“}”, or a comma and the next step, is missing here")
        if self._skip() < len(self._text):
            self._fail("nothing can follow here")

    def _listed(self) -> Iterator[tuple[int, int]]:
        if not self._takes("["):
            yield self._quoted()
            return
        yield self._quoted()
        while self._takes(","):
            if self._sees("]"):
                break
            yield self._quoted()
        if not self._takes("]"):
            self._fail("“]”, or a comma and the next text, is missing here")

    def _quoted(self) -> tuple[int, int]:
        """Where the letters between two quotes begin and end."""
        self._skip()
        close = _QUOTES.get(self._text[self._at : self._at + 1])
        if close is None:
            self._fail("a text in quotes is missing here")
        start = self._at + 1
        end = self._text.find(close, start)
        if end < 0:
            self._fail(f"the closing {close} is missing")
        self._at = end + 1
        return start, end

    def _fail(self, what: str) -> NoReturn:
        at = min(self._at, max(len(self._text) - 1, 0))
        raise PromptError(f"The timeline, character {at + 1}: {what}.", self._text, at)


MAX_PROMPT = 1000
"""Characters of the words."""
MAX_PARTS = 12
MAX_SOURCE = 2 * MAX_PROMPT + 32 * MAX_PARTS
"""Characters of a prompt as it is written: every character may need a backslash, every part a weight of many digits."""
MAX_WEIGHT = 100.0
MAX_STOP = 5.0
"""The largest distance of two directions is π² / 2."""
_MINUS, _PLUS, _DOT = "-−–—‑﹣－", "+＋", ".．"
_PLAIN = str.maketrans(dict.fromkeys(_MINUS, "-") | dict.fromkeys(_PLUS, "+") | dict.fromkeys(_DOT, "."))
"""Signs that keyboards write in a number → those that `float` reads."""
_NUMBERISH = re.compile(rf"[{_MINUS}{_PLUS}{_DOT}\d]")
_BLANK = r"[\s\u200b\u200e\u200f\u2060\ufeff]"
"""Blanks, and signs without a shape that copied texts begin and end with."""
_BLANKS = "".join(sign for sign in map(chr, range(0x3001)) if sign.isspace()) + "\u200b\u200e\u200f\u2060\ufeff"
_WEIGHT = re.compile(
    rf"(?<!\\)(?::{{1,2}}{_BLANK}*(?P<any>[^:：|\s]*)|：{_BLANK}*(?P<wide>{_NUMBERISH.pattern}[^:：|\s]*))$"
)
_WIDE_COLON = re.compile(rf"\\：|：{_BLANK}*{_NUMBERISH.pattern}")
"""Where a full-width colon in a text could be read as another sign."""
_SIGN = re.compile(r"\\([|｜￨:：])")
_SIGNED = rf"[{_MINUS}{_PLUS}]?[\d{_DOT}]+"
_STOP = re.compile(rf"(?<![\\\d:]):\s*({_SIGNED}):({_SIGNED})$")
_CLOCK = re.compile(r"(\d{1,9}(?:[:：]\d{1,9}){0,9})[:：](\d{1,9})$")
"""A time, a ratio, a verse."""
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)$")


class Prompt(BaseModel):
    """One target of the guidance: a text, or a picture by its SHA-256, and how much it counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(default="", max_length=MAX_PROMPT)
    image: str = Field(default="", description="SHA-256 of the picture's bytes")
    weight: float = Field(default=1.0, ge=-MAX_WEIGHT, le=MAX_WEIGHT)
    stop: float | None = Field(default=None, ge=-MAX_STOP, le=MAX_STOP, allow_inf_nan=False)
    """The distance from which on a view is not pulled any nearer, as in VQGAN-CLIP; negative for negative weights."""

    since: float | None = Field(default=None, ge=0, le=MAX_STEP)
    """The step from which on it holds until the next phase; below 1 a share of the steps. None = in all steps."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Prompt:
        if bool(self.text) == bool(self.image):
            raise ValueError("a prompt is either a text or a picture")
        if self.since is not None and self.since >= 1 and not self.since.is_integer():
            raise ValueError("a prompt begins at a whole step or at a share below 1")
        return self


class Phase(NamedTuple):
    """The prompts that hold together from a step on; *since* as in `Prompt`."""

    since: float
    prompts: tuple[Prompt, ...]


class Reading(NamedTuple):
    """Prompts as they were read, and a sentence for each place that may be meant otherwise."""

    prompts: tuple[Prompt, ...]
    notes: tuple[str, ...]
    places: Mapping[float, int]
    """`Prompt.since` → where it stands in the source."""


def parse_prompts(source: str) -> tuple[Prompt, ...]:
    """Read ``text[:weight] | …``; errors are `PromptError`s that point at the character.

    >>> [(p.text, p.weight) for p in parse_prompts("castle:2 | fog | people:-.5")]
    [('castle', 2.0), ('fog', 1.0), ('people', -0.5)]
    """
    return read_prompts(source).prompts


def read_prompts(source: str) -> Reading:
    """As `parse_prompts`, with notes on what may be meant otherwise."""
    if not source.strip(_BLANKS):
        raise PromptError("The prompt is empty: say what to paint.", source, 0)
    try:
        source.encode()
    except UnicodeEncodeError as error:  # bytes of a shell that are not UTF-8
        raise PromptError(f"Character {error.start + 1} is not valid text (UTF-8).", source, error.start) from error
    if len(source) > MAX_SOURCE:
        raise PromptError(f"The prompt has {len(source)} characters; the limit is {MAX_PROMPT}.", source, MAX_PROMPT)
    notes: list[str] = []
    segments = split_parts(source)
    places = {segment.since: segment.number_at for segment in segments if segment.since is not None}
    if any(since >= 1 for since in places) and (shares := [since for since in places if 0 < since < 1]):
        raise PromptError("Steps and shares of the steps do not mix in one timeline.", source, places[shares[0]])
    prompts = in_order(_parse_part(source, segment, notes) for segment in segments)
    # Only the words are measured, so that the longer text that `format_prompts` makes of a valid prompt is valid too.
    if (length := sum(len(p.text) for p in prompts)) > MAX_PROMPT:
        raise PromptError(f"The prompt has {length} characters; the limit is {MAX_PROMPT}.", source, MAX_PROMPT)
    if len(prompts) > MAX_PARTS:
        raise PromptError(f"{len(prompts)} parts are too many; the limit is {MAX_PARTS}.", source, len(source) - 1)
    check_weights(prompts, source)
    if phase := unread_phase(source):
        notes.append(f"“{phase}” was read as words. A timeline begins at step 0, as in “0: a seed | 10: a tree”.")
    if not _DICTIONARY.match(source):
        notes += foreign_notes(source)
    return Reading(prompts, tuple(notes), places)


def check_weights(prompts: Iterable[Prompt], source: str = "") -> None:
    """Weights that cancel out leave nothing to paint: they are later divided by the absolute value of their sum.

    Raises PromptError also for a timeline with nothing at its beginning.
    """
    for phase in phases_of(tuple(prompts)):
        if not phase.prompts:
            raise PromptError("The timeline says nothing about step 0: begin with “0: …”.", source, 0)
        if abs(sum(p.weight for p in phase.prompts)) < 1e-3:
            when = f" from {number_text(phase.since)} on" if phase.since else ""
            raise PromptError(
                f"The weights{when} add up to zero, which leaves nothing to aim at: change one of them.", source, 0
            )


def check_steps(reading: Reading, steps: int, source: str) -> None:
    """Raise PromptError for a phase that begins after the last of *steps*."""
    for since, place in reading.places.items():
        if since >= 1 and since >= steps:
            raise PromptError(
                f"Step {number_text(since)} is never reached: there are {steps} steps. "
                "A share of the steps is written as 0.4 or 40%.",
                source,
                place,
            )


def in_order(prompts: Iterable[Prompt]) -> tuple[Prompt, ...]:
    """Those of all phases first, then phase by phase; otherwise as they come."""
    return tuple(sorted(prompts, key=lambda p: -1.0 if p.since is None else p.since))


def phases_of(prompts: Sequence[Prompt]) -> tuple[Phase, ...]:
    """The phases of a timeline, the first at step 0; one phase for prompts without a timeline."""
    starts = {p.since for p in prompts if p.since is not None} | {0.0}
    return tuple(Phase(start, tuple(p for p in prompts if p.since in (None, start))) for start in sorted(starts))


def last_phase(prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """The prompts that hold in the last step, which a finished picture is judged by."""
    return phases_of(prompts)[-1].prompts


def format_prompts(prompts: Iterable[Prompt]) -> str:
    """The inverse of `parse_prompts` for texts; pictures are shown as ``[picture]``."""
    parts, since = list[str](), None
    for prompt in in_order(prompts):
        begins = prompt.since is not None and prompt.since != since
        parts.append(f"{number_text(prompt.since or 0)}: {_format(prompt, begins)}" if begins else _format(prompt))
        since = prompt.since
    return " | ".join(parts)


def _format(prompt: Prompt, begins: bool = False) -> str:
    text = re.sub(r"[:|｜￨]", r"\\\g<0>", prompt.text) if prompt.text else "[picture]"
    if _WIDE_COLON.search(text):
        text = text.replace("：", "\\：")
    only_number = begins and _NUMBERISH.match(text)  # “0: 5” is the text 0 with the weight 5
    if prompt.weight == 1 and prompt.stop is None and not only_number:
        return text
    apart = " " if text[-1] == "\\" or text[-1].isdigit() else ""  # or the colon would belong to the text
    stop = "" if prompt.stop is None else f":{number_text(prompt.stop)}"
    return f"{text}{apart}:{number_text(prompt.weight)}{stop}"


def _parse_part(source: str, segment: Segment, notes: list[str]) -> Prompt:
    start, part = segment.start, segment.text
    words = part.strip(_BLANKS)
    if not words:
        raise PromptError("This part of the prompt is empty.", source, min(start, len(source) - 1))
    start, part = start + part.index(words), words
    text, weight = part, 1.0
    stop: float | None = None
    if (match := _STOP.search(part)) and all(_NUMBER.match(raw.translate(_PLAIN)) for raw in match.groups()):
        part, stop = part[: match.end(1)], float(match[2].translate(_PLAIN))
        if abs(stop) > MAX_STOP:
            at = start + match.start(2)
            raise PromptError(f"The stop value {match[2]} is too large; the limit is ±{MAX_STOP:g}.", source, at)
    if clock := _CLOCK.search(part):
        before, last = clock.groups()
        notes.append(
            f"“{clock[0]}” was read as words. For the weight {last} put a space before the colon: “{before} :{last}”."
        )
    elif match := _WEIGHT.search(part):
        raw, at = match[match.lastgroup or 0], start + match.start(match.lastgroup or 0)
        if not raw:
            raise PromptError("A weight is missing after the colon, as in “fog:0.5”.", source, start + match.start())
        if _NUMBER.match(number := raw.translate(_PLAIN)):
            text, weight = part[: match.start()], float(number)
        elif (other := EMPHASIS.search(part)) and raw.endswith(")"):
            fitting = f"{other[1].strip()}:{other[2]}"
            raise PromptError(f"“{other[0]}”: a weight ends a part here, without brackets: “{fitting}”.", source, at)
        elif _NUMBERISH.match(raw):
            raise PromptError(f"“{raw}” is not a number; a weight looks like 2 or -0.5.", source, at)
        if abs(weight) > MAX_WEIGHT:
            raise PromptError(f"The weight {raw} is too large; the limit is ±{MAX_WEIGHT:g}.", source, at)
    text = _SIGN.sub(r"\1", text).strip(_BLANKS)
    if len(text) > MAX_PROMPT:
        raise PromptError(f"The prompt has {len(text)} characters; the limit is {MAX_PROMPT}.", source, MAX_PROMPT)
    if not text:
        raise PromptError("This weight has no words before it.", source, start)
    return Prompt(text=text, weight=weight, stop=stop, since=segment.since)
