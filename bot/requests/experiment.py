"""Typed lists → the pictures to paint: every combination of the values, two lists crossed. `/compare` and `/dream`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bot.errors import Refused, TooLarge
from bot.models.comparison import MOST, SEED, STYLE, WAY, label_of
from bot.models.job import named
from bot.models.vote import PROMPT, Trait
from bot.policy.server_rules import PaintChoice
from bot.requests.lists import CURLY, Filled, Template, Value, ValueList, read_template
from bot.requests.parse import NAMES, parse_label, whole_number
from engine.errors import InvalidRequest, PromptError
from engine.requests.prompts import format_prompts, parse_prompts
from engine.requests.request import MAX_SEED, METHODS, option_names, parse_settings

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
        return label_of(self.traits)

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
        raise PromptError("Two lists are the most: they become rows and columns.", source, one.start)
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
        text = f"This makes {number} pictures; {MOST} are the most."
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
