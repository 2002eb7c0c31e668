r"""Lists of values in a text: ``a [red|blue] fox``, ``steps=[10,25,50]``, ``seed=[1..9]``; ``{red|blue}`` in `/dream`.

A bracket without ``|`` is words, except after the name of a setting: there a comma or ``..`` makes a list too. ``\[``
and ``\]`` stand for brackets, ``\|`` for a bar. Errors are PromptErrors that point at the character.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from bot.models.vote import PROMPT
from engine.errors import PromptError

LONGEST = 100
"""Values of a range that are written out before the limits refuse them."""
_LONGEST_NAME = 64
_NAME = re.compile(r"(?<!\S)([a-z_]+)=$")
_RANGE = re.compile(r"\s*(\d{1,10})\s*\.\.\s*(\d{1,10})\s*")
_BAR = re.compile(r"(?<!\\)\|")
_COMMA = re.compile(r",")
_TIMELINE = re.compile(r"\s*[\d.]+\s*%?\s*:")
"""The start of a timeline, ``{0: …, 400: …}``, which is not a list."""


Brackets: TypeAlias = tuple[str, str]


class Value(NamedTuple):
    """One value, and the position of its first character."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class ValueList:
    """A list: the name of a setting, or `PROMPT`; *start* is the position of the name or bracket."""

    name: str
    values: tuple[Value, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Words:
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Filled:
    """A text without lists. *origins*: for each character and the end, its position in the typed text."""

    text: str
    origins: Sequence[int]
    source: str

    def point(self, error: PromptError) -> PromptError:
        """The same error, pointing at the typed text."""
        at = self.origins[min(max(error.position, 0), len(self.text))]
        return PromptError(str(error), self.source, at)


@dataclass(frozen=True, slots=True)
class Template:
    """A typed text as words and lists."""

    source: str
    pieces: tuple[Words | ValueList, ...]

    @property
    def lists(self) -> tuple[ValueList, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, ValueList))

    def fill(self, chosen: Mapping[ValueList, Value]) -> Filled:
        """The text with one value in the place of each prompt list; lists of settings leave nothing."""
        text, origins = "", list[int]()
        for piece in self.pieces:
            part: Words | Value = piece if isinstance(piece, Words) else Value("", piece.start)
            if isinstance(piece, ValueList) and piece.name == PROMPT:
                part = chosen[piece]
            text += part.text
            origins += range(part.start, part.start + len(part.text))
        return Filled(text, [*origins, len(self.source)], self.source)


SQUARE, CURLY = ("[", "]"), ("{", "}")


def read_template(source: str, brackets: Brackets = SQUARE, settings: Collection[str] = ()) -> Template:
    """Read the lists of *source*. *settings*: names that may have a list, as in ``steps=[10,25]``."""
    return Template(source, tuple(_pieces(source, brackets, settings)))


def _pieces(source: str, brackets: Brackets, settings: Collection[str]) -> Iterator[Words | ValueList]:
    start, at, ends = 0, 0, _ends(source, brackets)
    while at < len(source):
        if source[at] == "\\" and at + 1 < len(source):
            if source[at + 1] in brackets:
                yield Words(source[start:at], start)
                start = at + 1
            at += 2
        elif source[at] == brackets[0]:
            name = _NAME.search(source, max(start, at - _LONGEST_NAME), at) if settings else None
            end = ends.get(at, -1)
            found = _list(source, at, end, name[1] if name else "", brackets, settings)
            if found is not None:
                yield Words(source[start : name.start() if name else at], start)
                yield found
                start = end + 1
            at = (len(source) if end < 0 else end) + 1 if found is not None else at + 1
        else:
            at += 1
    yield Words(source[start:], start)


def _ends(source: str, brackets: Brackets) -> dict[int, int]:
    """Position of each opening bracket → that of the bracket that closes it; unclosed ones are left out."""
    ends, opened, at = dict[int, int](), list[int](), 0
    while at < len(source):
        if source[at] == "\\":
            at += 1
        elif source[at] == brackets[0]:
            opened.append(at)
        elif source[at] == brackets[1] and opened:
            ends[opened.pop()] = at
        at += 1
    return ends


def _list(source: str, at: int, end: int, name: str, brackets: Brackets, settings: Collection[str]) -> ValueList | None:
    """The list in the brackets, or None if they are words."""
    opening, closing = brackets
    inside = source[at + 1 : end if end >= 0 else len(source)]
    is_list = ("|" in inside and bool(_BAR.search(inside))) or bool(name and ("," in inside or ".." in inside))
    if not is_list or _TIMELINE.match(inside):
        return None
    if end < 0:
        raise PromptError(
            f"This list has no end: add “{closing}”. Write “\\{opening}” for a plain bracket.", source, at
        )
    if (inner := re.search(rf"(?<!\\)\{opening}", inside)) is not None:
        raise PromptError("A list cannot contain another list.", source, at + 1 + inner.start())
    if name and name not in settings:
        near = difflib.get_close_matches(name, settings, n=1)
        hint = f" Did you mean “{near[0]}”?" if near else ""
        raise PromptError(f"“{name}” is not a setting that can have a list.{hint}", source, at - len(name) - 1)
    values, texts = tuple(_values(source, at + 1, inside, name)), set[str]()
    for value in values:
        if name and not value.text:
            raise PromptError("A value is missing here.", source, value.start)
        if value.text in texts:
            raise PromptError(f"“{value.text}” appears twice in this list.", source, value.start)
        texts.add(value.text)
    if len(values) < 2:
        raise PromptError("A list needs two values or more.", source, at)
    return ValueList(name or PROMPT, values, at - len(name) - 1 if name else at)


def _values(source: str, start: int, inside: str, name: str) -> Iterator[Value]:
    between = _BAR if not name or _BAR.search(inside) else _COMMA
    begin = 0
    for end in [*(match.start() for match in between.finditer(inside)), len(inside)]:
        raw = inside[begin:end]
        text = raw.strip()
        at = start + begin + (len(raw) - len(raw.lstrip()) if text else 0)
        if name and (numbers := _RANGE.fullmatch(raw)):
            yield from _counted(source, at, int(numbers[1]), int(numbers[2]))
        else:
            yield Value(text.replace("\\|", "|") if name else text, at)
        begin = end + 1


def _counted(source: str, at: int, first: int, last: int) -> Iterator[Value]:
    if last < first:
        raise PromptError(f"A range counts up, as in {last}..{first}.", source, at)
    if last - first >= LONGEST:
        raise PromptError(f"This range has {last - first + 1} values, which is too many.", source, at)
    yield from (Value(str(number), at) for number in range(first, last + 1))
