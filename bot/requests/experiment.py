r"""Typed lists → the pictures to paint: every combination of the values, two lists crossed. `/compare` and `/dream`.

Lists of values in a text: ``a [red|blue] fox``, ``steps=[10,25,50]``, ``seed=[1..9]``; ``{red|blue}`` in `/dream`.

A bracket without ``|`` is words, except after the name of a setting: there a comma or ``..`` makes a list too. ``\[``
and ``\]`` stand for brackets, ``\|`` for a bar. Errors are PromptErrors that point at the character.
"""

from __future__ import annotations

import difflib
import itertools
import math
import re
from bisect import bisect
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from bot.errors import Refused, TooLarge
from bot.models.comparison import MOST, SEED, STYLE, WAY, label_of
from bot.models.job import named
from bot.models.vote import PROMPT, Trait
from bot.policy.server_rules import PaintChoice
from bot.requests.parse import NAMES, parse_label, whole_number
from engine.errors import InvalidRequest, PromptError
from engine.requests.prompts import BAR, format_prompts, parse_prompts
from engine.requests.request import MAX_SEED, METHODS, option_names, parse_settings

LONGEST = 100
"""Values of a range that are written out before the limits refuse them."""
_LONGEST_NAME = 64
_NAME = re.compile(r"(?<!\S)([a-z_]+)=$")
_RANGE = re.compile(r"\s*(\d{1,10})\s*\.\.\s*(\d{1,10})\s*")
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
    bars = [bar.start() for bar in BAR.finditer(source)]
    while at < len(source):
        if source[at] == "\\" and at + 1 < len(source):
            if source[at + 1] in brackets:
                yield Words(source[start:at], start)
                start = at + 1
            at += 2
        elif source[at] == brackets[0]:
            name = _NAME.search(source, max(start, at - _LONGEST_NAME), at) if settings else None
            end = ends.get(at, -1)
            barred = bisect(bars, at) < bisect(bars, end if end >= 0 else len(source))
            found = _list(source, at, end, barred, name[1] if name else "", brackets, settings)
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


def _list(
    source: str, at: int, end: int, barred: bool, name: str, brackets: Brackets, settings: Collection[str]
) -> ValueList | None:
    """The list in the brackets, or None if they are words. *barred*: they hold a bar."""
    opening, closing = brackets
    inside = source[at + 1 : end if end >= 0 else len(source)] if barred or name else ""
    is_list = barred or bool(name and ("," in inside or ".." in inside))
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
    between = BAR if not name or BAR.search(inside) else _COMMA
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
        raise PromptError(f"A range must count up, as in {last}..{first}.", source, at)
    if last - first >= LONGEST:
        raise PromptError(f"This range has {last - first + 1} values, which is too many.", source, at)
    yield from (Value(str(number), at) for number in range(first, last + 1))


NOTHING = (
    "There is nothing to compare yet. Write a list in the prompt, as in “a [red|blue] fox”, or in `values`, as in "
    "“steps=[10,25,50]”, or name two ways in `first` and `second`."
)
EMPTY = "(nothing)"
"""The label of an empty value."""
SETTINGS = (*NAMES, SEED, STYLE, *dict.fromkeys(key for options in METHODS.values() for key in option_names(options)))
"""Settings that can have a list."""
MOST_LISTS = 2
"""Rows and columns."""
Cell = Mapping[ValueList, Value]


@dataclass(frozen=True, slots=True)
class Planned:
    """One picture: its value on each axis, its prompt, and what was typed for it."""

    traits: tuple[Trait, ...]
    filled: Filled
    style: str = ""
    seed: int | None = None
    ways: PaintChoice = PaintChoice()  # noqa: RUF009 - immutable
    settings: Mapping[str, str] = field(default_factory=dict)
    at: tuple[tuple[str, int], ...] = ()
    """(typed text, position) of its values in lists of settings, the one that is new first."""

    @property
    def label(self) -> str:
        return label_of(self.traits) if self.traits else ""

    @property
    def prompt(self) -> str:
        return self.filled.text

    @contextmanager
    def pointing(self) -> Iterator[None]:
        """Let errors point at what was typed: at the prompt's character, or at the value that is refused."""
        try:
            with named(self.label):
                yield
        except PromptError as error:
            raise self.filled.point(error) if error.source == self.prompt else error from error
        except (InvalidRequest, Refused) as error:
            if not self.at:
                raise
            raise PromptError(str(error), *self.at[0]) from error


def plan_dream(prompt: str) -> list[Planned]:
    """``a {red|blue} fox`` as `/dream` reads it; one picture without traits if it has no list. Raises PromptError."""
    if not set(CURLY) & set(prompt):
        return [Planned((), Filled(prompt, range(len(prompt) + 1), prompt))]
    template = read_template(prompt, CURLY)
    check_number(template.lists, prompt)
    return [Planned(traits_of(cell), template.fill(cell)) for cell in cells(template.lists)]


def plan_comparison(prompt: str, values: str, ways: Sequence[str], *, seed: int | None = None) -> list[Planned]:
    """The pictures of `/compare`, row by row. Raises PromptError, InvalidRequest, or Refused where nothing differs."""
    words, beside = read_template(prompt, settings=SETTINGS), read_template(values, settings=SETTINGS)
    if wrong := next((one for one in beside.lists if one.name == PROMPT), None):
        raise PromptError("A list needs the name of a setting here, as in steps=[10,25].", values, wrong.start)
    lists = [(one, part.source) for part in (words, beside) for one in part.lists]
    fixed = {**(dict(parse_label(ways[0])) if len(ways) == 1 else {}), **parse_settings(beside.fill({}).text)}
    if len(ways) > 1:
        if twice := next((text for place, text in enumerate(ways) if text in ways[:place]), ""):
            raise Refused(f"“{twice}” appears twice. A comparison needs different ways.")
        lists.append((ValueList(WAY, tuple(Value(text, 0) for text in ways), 0), ""))
    if not lists:
        parse_prompts(prompt)
        raise Refused(NOTHING)
    _check(lists, fixed, seed)
    lists.sort(key=lambda one: -len(one[0].values))  # the longer one goes down: a phone is narrow
    return [_planned(words, cell, fixed, lists) for cell in cells([one for one, _ in lists])]


def _check(lists: Sequence[tuple[ValueList, str]], fixed: Mapping[str, str], seed: int | None) -> None:
    for place, (one, source) in enumerate(lists):
        if one.name != PROMPT and any(one.name == other.name for other, _ in lists[:place]):
            raise PromptError(f"{one.name} has two lists. Use one of them.", source, one.start)
    if len(lists) > MOST_LISTS:
        one, source = lists[MOST_LISTS] if lists[MOST_LISTS][1] else lists[MOST_LISTS - 1]
        raise PromptError("Use at most two lists: they become rows and columns.", source, one.start)
    given = {*fixed, *([SEED] if seed is not None else [])}
    if twice := next((one.name for one, _ in lists if one.name in given), ""):
        raise Refused(f"{twice} has a value and a list. Use one of them.")
    check_number([one for one, _ in lists], lists[-1][1])


def _planned(prompt: Template, cell: Cell, fixed: Mapping[str, str], lists: Sequence[tuple[ValueList, str]]) -> Planned:
    traits = traits_of(cell)
    typed = [(one, source) for one, source in lists if source and one.name != PROMPT]
    typed.sort(key=lambda pair: cell[pair[0]] == pair[0].values[0])  # other values were tried before
    has_ways = any(one.name == WAY for one, _ in lists)
    planned = Planned(
        traits, prompt.fill(cell), at=() if has_ways else tuple((source, cell[one].start) for one, source in typed)
    )
    with planned.pointing():
        settings = {**fixed, **(dict(parse_label(dict(traits)[WAY])) if has_ways else {})}
        settings |= {axis: value for axis, value in traits if axis not in (PROMPT, WAY)}
        return Planned(
            traits,
            planned.filled,
            style=settings.pop(STYLE, ""),
            seed=seed_of(settings.pop(SEED)) if SEED in settings else None,
            ways=PaintChoice(**{name: settings.pop(name) for name in NAMES if name in settings}),
            settings=settings,
            at=planned.at,
        )


def cells(lists: Sequence[ValueList]) -> Iterator[Cell]:
    """All combinations; the last list changes fastest."""
    for values in itertools.product(*(one.values for one in lists)):
        yield dict(zip(lists, values, strict=True))


def traits_of(cell: Cell) -> tuple[Trait, ...]:
    return tuple((one.name, value.text or EMPTY) for one, value in cell.items())


def check_number(lists: Sequence[ValueList], source: str) -> None:
    """Raise PromptError for more pictures than a message can offer; the host's limit is checked later."""
    number = math.prod(len(one.values) for one in lists)
    if number > MOST:
        text = f"This makes {number} pictures; the limit is {MOST}."
        raise PromptError(text, source, lists[-1].start) if source else TooLarge(text)


def seed_of(text: str) -> int:
    """A seed from a list. Raises Refused or InvalidRequest."""
    if (seed := whole_number(SEED, text)) > MAX_SEED:
        raise InvalidRequest(f"The seed {seed} is too large; {MAX_SEED} is the largest.")
    return seed


def with_style(prompt: str, style: str) -> str:
    """*prompt* with a style word after the words of its first part, or of every phase's first. Raises PromptError."""
    parts = parse_prompts(prompt)
    first = {part.since: number for number, part in reversed(list(enumerate(parts)))}
    chosen = {0} if parts[0].since is None else set(first.values())
    return format_prompts(
        part.model_copy(update={"text": f"{part.text}, {style}"}) if number in chosen else part
        for number, part in enumerate(parts)
    )
