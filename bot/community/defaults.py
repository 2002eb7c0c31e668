"""What a request becomes in its place: typed options, the style, then defaults of person, channel and server.

A default that cannot be used is skipped, with a sentence for the person.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from bot.community.styles.library import Styles, method_options, styled
from bot.config.sections import LimitsSection
from bot.errors import Refused
from bot.models.job import Applied
from bot.models.style import NO_STYLE, Style
from bot.policy.server_rules import (
    NO_NEGATIVE,
    NO_PROFILE,
    ChannelDefaults,
    Location,
    PaintChoice,
    PaintDefaults,
    Preferences,
    ServerRules,
    preferred,
)
from bot.storage import Store
from bot.text import plain
from engine.catalogue.models import MODELS
from engine.errors import DreamError
from engine.requests.prompts import parse_prompts
from engine.requests.request import METHODS, DreamRequest, build_request, find_size, option_names, parse_shape

YOURS, CHANNEL, ABOVE, SERVER = "your settings", "this channel", "the channel above", "this server"


NOTHING = PaintChoice()
R = TypeVar("R")


class DefaultsLevel(NamedTuple):
    """The defaults of a person or place, and its name in messages."""

    whose: str
    values: PaintDefaults


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person typed into `/dream`; empty texts are left to the defaults."""

    prompt: str
    negative: str = ""
    style: str = ""
    ways: PaintChoice = NOTHING
    settings: Mapping[str, str] = field(default_factory=dict)
    """Options of the method by name, and perhaps `steps`."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What is painted. `ways.size` is ``WxH`` or empty; *settings* contain the profile and the style's options."""

    prompt: str
    negative: str
    ways: PaintChoice
    settings: Mapping[str, str]
    applied: tuple[Applied, ...] = ()
    notes: tuple[str, ...] = ()
    """Defaults that were skipped, in sentences for the person."""

    def request(self, **more: Any) -> DreamRequest:
        """The request, with *more* for `build_request`: usually one picture, a new seed. Raises what that raises."""
        return build_request(
            self.prompt,
            negative=self.negative,
            model=self.ways.model,
            method=self.ways.method,
            size=self.ways.size,
            settings=self.settings,
            **more,
        )


@dataclass(frozen=True, slots=True)
class Prepared(Generic[R]):
    """A request, the defaults that it contains, and sentences for the person."""

    request: R
    applied: tuple[Applied, ...]
    notes: tuple[str, ...]


class Defaults:
    """Reads the defaults of a person, a channel with its parents, and a server.

    *unavailable* returns the names of what the engine cannot use now, which no default may choose.
    """

    def __init__(
        self, store: Store, styles: Styles, limits: LimitsSection, unavailable: Callable[[], Collection[str]] = tuple
    ) -> None:
        self._store = store
        self._styles = styles
        self._limits = limits
        self.unavailable = unavailable

    async def levels(self, user_id: int, location: Location) -> tuple[DefaultsLevel, ...]:
        """Defaults of the person, the channel (thread, parent, category) and the server; the first one counts."""
        if not location.server_id:
            return (DefaultsLevel(YOURS, await Preferences.of(self._store, user_id)),)
        mine, *channels, server = await self._store.settings.each(
            [
                ("person", str(user_id)),
                *(("channel", str(channel)) for channel in location.channels),
                ("server", str(location.server_id)),
            ]
        )
        levels = [DefaultsLevel(YOURS, Preferences.read(mine))]
        for place, values in enumerate(map(ChannelDefaults.read, channels)):
            if not place or values != ChannelDefaults():
                levels.append(DefaultsLevel(ABOVE if place else CHANNEL, values))
        return (*levels, DefaultsLevel(SERVER, ServerRules.read(server)))

    async def settle(self, typed: Typed, user_id: int, location: Location) -> Settled:
        """Complete what was typed. Raises Refused for an unknown typed style, PromptError for the prompt."""
        levels = await self.levels(user_id, location)
        style, applied, notes = await self._style(typed, levels, location.server_id)
        if style:
            levels = (DefaultsLevel(f"the style “{style.name}”", _values(style)), *levels)
        ways = preferred(typed.ways, [level.values for level in levels], self.unavailable())
        taken, skipped = _compared(typed.ways, levels, ways)
        applied, notes = applied + taken, notes + skipped
        ways, applied = self._sized(ways, levels, applied)
        extra, unfit = _options(style, ways, typed.settings)
        negative, given = _negative(typed.negative, style, levels)
        return Settled(
            prompt=styled(style, typed.prompt) if style else typed.prompt,
            negative=negative,
            ways=ways,
            settings=ways.settings | extra | dict(typed.settings),
            applied=(*applied, *given),
            notes=(*notes, *unfit),
        )

    async def _style(
        self, typed: Typed, levels: Sequence[DefaultsLevel], server_id: int | None
    ) -> tuple[Style | None, list[Applied], list[str]]:
        """The style, the record of it, and what was skipped."""
        if typed.style == NO_STYLE:
            return None, [], []
        if typed.style:
            style = await self._styles.find(server_id, typed.style)
            return style, [Applied("style", style.name, "")], []
        notes: list[str] = []
        for whose, values in levels:
            if name := values.style:
                if name == NO_STYLE:
                    break
                try:
                    style = await self._styles.find(server_id, name)
                    return style, [Applied("style", style.name, whose)], notes
                except Refused:
                    notes.append(f"The default style “{plain(name)}” of {whose} was deleted, so it is not used.")
        return None, [], notes

    def _sized(
        self, ways: PaintChoice, levels: Sequence[DefaultsLevel], applied: list[Applied]
    ) -> tuple[PaintChoice, list[Applied]]:
        """*ways* with a size ``WxH`` in place of a shape, and *applied* with what the shape became."""
        model = MODELS.get(ways.model)
        if model is None or not ways.size or parse_shape(ways.size) is None:
            return ways, applied
        width, height = find_size(ways.size, model, self.max_side(levels))
        whose = next((one.whose for one in applied if one.what == "size"), "")
        shape = Applied("size", f"{ways.size} → {width}×{height}", whose)
        return ways._replace(size=f"{width}x{height}"), [*(one for one in applied if one.what != "size"), shape]

    def max_side(self, levels: Sequence[DefaultsLevel]) -> int:
        """The longest side that host and server allow, in pixels."""
        rules = [level.values for level in levels if isinstance(level.values, ServerRules)]
        return (rules[0].limits(self._limits) if rules else self._limits).max_size


def _values(style: Style) -> ChannelDefaults:
    """The ways of a style as defaults."""
    return ChannelDefaults.read({key: value for key, value in style.options.items() if key in PaintChoice._fields})


def _compared(
    typed: PaintChoice, levels: Sequence[DefaultsLevel], chosen: PaintChoice
) -> tuple[list[Applied], list[str]]:
    """The defaults of places that *chosen* contains, and a sentence for each that would count but cannot be used.

    A person knows their own settings, so those are not among the first.
    """
    applied, notes = list[Applied](), list[str]()
    for key in (key for key in PaintChoice._fields if not getattr(typed, key)):
        for whose, values in levels:
            value = getattr(values, key)
            if value and value == getattr(chosen, key):
                applied += [Applied(key, value, whose)] if whose in (CHANNEL, ABOVE, SERVER) else []
                break
            if value:
                notes.append(f"The default {key} “{plain(value)}” of {whose} is not used: {_why(key, value, chosen)}")
    return applied, notes


def _why(key: str, value: str, chosen: PaintChoice) -> str:
    model = MODELS.get(chosen.model)
    if key == "model":
        return f"it does not support {chosen.method}." if value in MODELS and chosen.method else "it is unknown here."
    if model is None:
        return "the model is unknown."
    if key == "size":
        try:
            model.check_size(*find_size(value, model))
        except DreamError as error:
            return str(error)
    if key == "profile" and value != NO_PROFILE:
        return f"{chosen.method or model.methods[0]} does not have it."
    return f"{model.title} does not support it."


def _options(style: Style | None, ways: PaintChoice, typed: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The style's options and steps that apply (the method has them, the person typed none), and the skipped ones."""
    if style is None:
        return {}, []
    model = MODELS.get(ways.model)
    method = ways.method or (model.methods[0] if model else "")
    known = option_names(METHODS[method]) if method in METHODS else ()
    wanted = {**method_options(style.options), **{k: v for k, v in style.options.items() if k == "steps"}}
    wanted.pop("profile", None)
    extra = {key: value for key, value in wanted.items() if key not in typed and (key in known or key == "steps")}
    unfit = [key for key in wanted if key not in known and key != "steps"]
    name = plain(style.name)
    return extra, [f"The option {key} of the style “{name}” is not used: {method} does not have it." for key in unfit]


def _negative(typed: str, style: Style | None, levels: Sequence[DefaultsLevel]) -> tuple[str, list[Applied]]:
    """The negative prompt, and the record of a default; the style's is added to what is typed."""
    if typed.strip().casefold() == NO_NEGATIVE:
        return "", []
    added = [style.negative] if style and style.negative else []
    if typed.strip():
        return " | ".join([typed, *added]), []
    for whose, values in levels:
        if default := values.negative:
            if default == NO_NEGATIVE:
                break
            return " | ".join([default, *added]), [Applied("negative", default, whose)]
    return " | ".join(added), []


def check_negative(text: str) -> None:
    """Raise PromptError unless *text* can be a negative prompt."""
    if text != NO_NEGATIVE:
        parse_prompts(text)
