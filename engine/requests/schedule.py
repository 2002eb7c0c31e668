"""A number that changes along the walk, in the syntax that Disco Diffusion's users know: ``[12]*400+[4]*600``.

The entries are spread over the whole walk, noise to picture: of 1000 entries, as Disco has them, number 1000 - t holds
at timestep t; of fewer, each holds for longer. A plain number is a schedule of one entry. Read by hand, never by eval.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, NoReturn, TypeAlias

from pydantic import AfterValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from engine.errors import PromptError


def number_text(value: float) -> str:
    """``25``, ``0.5``, ``0.1234567``.

    >>> [number_text(value) for value in (25, 2.0, 0.1234567, 1e-7, 1234567)]
    ['25', '2', '0.1234567', '0.0000001', '1234567']
    """
    if isinstance(value, int):  # of any length
        return str(int(value))
    short = f"{value:g}"
    if not math.isfinite(value) or ("e" not in short and float(short) == value):
        return short
    return str(int(value)) if value == int(value) else f"{Decimal(repr(value)):f}"


LONGEST = 400
"""Characters."""
MOST_ENTRIES = 100_000
TIMESTEPS = 1000
"""Of the process as nets know it."""
Number: TypeAlias = int | float
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?", re.IGNORECASE)
_COUNT = re.compile(r"\d{1,6}")


@dataclass(frozen=True, slots=True)
class Run:
    """*values*, one after the other, *times* over."""

    values: tuple[Number, ...]
    times: int = 1

    def __len__(self) -> int:
        return len(self.values) * self.times

    def __str__(self) -> str:
        return f"[{','.join(map(number_text, self.values))}]*{self.times}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """One number per timestep, kept as its runs: however many entries they stand for, nothing is unrolled."""

    runs: tuple[Run, ...]

    def at(self, timestep: float) -> Number:
        """The number that holds at *timestep*, 0 (the picture) to 999 (noise)."""
        if len(self.runs) == 1 and len(self.runs[0].values) == 1:
            return self.runs[0].values[0]
        behind = (TIMESTEPS - 1 - min(max(timestep, 0), TIMESTEPS - 1)) / TIMESTEPS
        entry = int(round(behind * self._length, 6))
        for run in self.runs:
            if entry < len(run):
                return run.values[entry % len(run.values)]
            entry -= len(run)
        return self.runs[-1].values[-1]

    @property
    def numbers(self) -> tuple[Number, ...]:
        return tuple(value for run in self.runs for value in run.values)

    @property
    def largest(self) -> Number:
        return max(self.numbers)

    @property
    def mean(self) -> float:
        return sum(sum(run.values) * run.times for run in self.runs) / self._length

    @property
    def share(self) -> float:
        """Share of the walk in which it is not 0."""
        return sum(sum(value != 0 for value in run.values) * run.times for run in self.runs) / self._length

    @property
    def plain(self) -> Number | str:
        """As it is stored and shown: a number if it is one, else its text."""
        return self.runs[0].values[0] if self._length == 1 else str(self)

    @property
    def _length(self) -> int:
        return sum(len(run) for run in self.runs)

    def __str__(self) -> str:
        return number_text(self.runs[0].values[0]) if self._length == 1 else "+".join(map(str, self.runs))

    def __ge__(self, low: float) -> bool:
        """Whether every number is; by these four pydantic holds a schedule to its option's range."""
        return all(value >= low for value in self.numbers)

    def __gt__(self, low: float) -> bool:
        return all(value > low for value in self.numbers)

    def __le__(self, high: float) -> bool:
        return all(value <= high for value in self.numbers)

    def __lt__(self, high: float) -> bool:
        return all(value < high for value in self.numbers)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            lambda value, info: _validated(value, info.field_name or "value"),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda schedule: schedule.plain),
        )


def constant(value: Number) -> Schedule:
    """Always *value*."""
    return Schedule((Run((value,)),))


def parse_schedule(text: str, name: str = "value") -> Schedule:
    """Read a number or ``[12]*400+[4]*600``; *name* is the option's. Errors are `PromptError`s that point.

    >>> str(parse_schedule("[12]*400 + [4]*600")), parse_schedule("0.5").at(999)
    ('[12]*400+[4]*600', 0.5)
    """
    return _ScheduleReader(text, name).schedule()


def _whole(schedule: Schedule) -> Schedule:
    if not all(isinstance(value, int) or value.is_integer() for value in schedule.numbers):
        raise PydanticKnownError("int_from_float")
    return Schedule(tuple(Run(tuple(map(int, run.values)), run.times) for run in schedule.runs))


WholeSchedule: TypeAlias = Annotated[Schedule, AfterValidator(_whole)]


def _validated(value: object, name: str) -> Schedule:
    if isinstance(value, Schedule):
        return value
    if isinstance(value, str):
        return parse_schedule(value, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise ValueError("neither a number nor a schedule")
    return constant(value)


class Cursor:
    """Reads a text sign by sign, without the blanks before each."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def _sees(self, sign: str) -> bool:
        return self._text.startswith(sign, self._skip())

    def _takes(self, sign: str) -> bool:
        found = self._sees(sign)
        self._at += found
        return found

    def _skip(self) -> int:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._at


class _ScheduleReader(Cursor):
    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self._name = name
        if len(text) > LONGEST:
            self._fail(f"a schedule has {LONGEST} characters at most", LONGEST)

    def schedule(self) -> Schedule:
        if not self._sees("["):
            value = self._number()
            self._end("a number or a schedule like [12]*400+[4]*600")
            return constant(value)
        runs = [self._run()]
        while self._takes("+"):
            runs.append(self._run())
        self._end("“+” and another part like [4]*600, or the end")
        found = Schedule(tuple(runs))
        if sum(map(len, runs)) > MOST_ENTRIES:
            self._fail(f"a schedule has {MOST_ENTRIES} entries at most", 0)
        return found

    def _run(self) -> Run:
        self._need("[")
        values = [self._number()]
        while self._takes(","):
            values.append(self._number())
        self._need("]")
        return Run(tuple(values), self._count() if self._takes("*") else 1)

    def _number(self) -> Number:
        text = self._match(_NUMBER, "a number like 12 or 0.5")
        value = int(text) if text.lstrip("+-").isdecimal() and len(text) < 12 else float(text)
        return value if math.isfinite(value) else self._fail("this number is too large", self._at - len(text))

    def _count(self) -> int:
        start = self._skip()
        return int(self._match(_COUNT, "a count like 400")) or self._fail("the minimum is 1", start)

    def _match(self, pattern: re.Pattern[str], wanted: str) -> str:
        found = pattern.match(self._text, self._skip())
        if not found:
            self._fail(f"{wanted} is expected here", self._at)
        self._at = found.end()
        return found.group()

    def _need(self, mark: str) -> None:
        if not self._takes(mark):
            self._fail(f"“{mark}” is missing here", self._at)

    def _end(self, wanted: str) -> None:
        if self._skip() < len(self._text):
            self._fail(f"this is not {wanted}", self._at)

    def _fail(self, what: str, position: int) -> NoReturn:
        raise PromptError(f"{self._name}, character {position + 1}: {what}.", self._text, position)
