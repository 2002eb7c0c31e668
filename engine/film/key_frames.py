"""A number that changes along a film, as Disco Diffusion writes it: ``1.02`` or ``0:(1), 50:(1.05)``."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import NoReturn

from engine.errors import PromptError

LONGEST = 1000
"""Characters."""
_PAIR = re.compile(r"\s*(\d{1,6})\s*:\s*(\(?)\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*(\)?)\s*")
_NUMBER = re.compile(r"\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*$")


@dataclass(frozen=True, slots=True)
class KeyFrames:
    """Values at frames, in order; linear between them, constant before the first and after the last."""

    frames: tuple[int, ...]
    values: tuple[float, ...]

    def at(self, frame: int) -> float:
        """The value at *frame*, from 0."""
        behind = bisect_right(self.frames, frame)
        if behind in (0, len(self.frames)):
            return self.values[min(behind, len(self.values) - 1)]
        (a, b), (low, high) = self.frames[behind - 1 : behind + 1], self.values[behind - 1 : behind + 1]
        return low + (high - low) * (frame - a) / (b - a)


def read_key_frames(text: str, name: str, low: float, high: float) -> KeyFrames:
    """Read the option *name*, whose values lie in *low* to *high*. Raises PromptError at the character.

    >>> read_key_frames("0:(1), 10:(2)", "zoom", 0.5, 2).at(5)
    1.5
    """
    if len(text) > LONGEST:
        _fail(text, name, LONGEST, f"key frames have {LONGEST} characters at most")
    if _NUMBER.match(text):
        _check(text, name, 0, float(text), low, high)
        return KeyFrames((0,), (float(text),))
    found, at = dict[int, float](), 0
    while True:
        pair = _PAIR.match(text, at)
        if not pair or bool(pair[2]) != bool(pair[4]):
            _fail(text, name, at, "here a frame and a value are missing, as in 0:1, 50:1.05")
        _check(text, name, pair.start(3), float(pair[3]), low, high)
        if int(pair[1]) in found:
            _fail(text, name, pair.start(1), f"frame {pair[1]} is named twice")
        found[int(pair[1])], at = float(pair[3]), pair.end()
        if at == len(text):
            break
        if text[at] != ",":
            _fail(text, name, at, "here a comma is missing")
        at += 1
    frames = tuple(sorted(found))
    return KeyFrames(frames, tuple(found[frame] for frame in frames))


def _check(text: str, name: str, at: int, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        _fail(text, name, at, f"{value:g} is out of range ({low:g}–{high:g})")


def _fail(text: str, name: str, at: int, what: str) -> NoReturn:
    raise PromptError(f"{name}, character {at + 1}: {what}.", text, min(at, max(len(text) - 1, 0)))
