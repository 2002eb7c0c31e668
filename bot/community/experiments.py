"""`/compare`, and lists in `/dream`: each planned picture is completed by styles and defaults; all become one job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from bot.community.defaults import Defaults, Prepared, Settled, Typed
from bot.community.styles.library import Styles
from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.models.comparison import WAY, Comparison, Way
from bot.models.job import Applied, new_seed
from bot.models.style import NO_STYLE
from bot.policy.server_rules import PaintChoice, preferred
from bot.requests.experiment import Planned, plan_comparison, plan_dream, with_style
from bot.requests.parse import NAMES, ParsedCommand, parse_comparison, parse_label
from bot.text import plain
from engine.requests.prompts import parse_prompts, read_prompts
from engine.requests.request import DreamRequest

PreparedDream: TypeAlias = Prepared[DreamRequest | Comparison]


class Experiments:
    def __init__(self, defaults: Defaults, styles: Styles) -> None:
        self._defaults = defaults
        self._styles = styles

    async def prepare(
        self, wanted: ParsedCommand, values: str, ways: Sequence[str], caller: Invocation
    ) -> PreparedDream:
        """What was typed into `/compare`. Raises PromptError, InvalidRequest or Refused."""
        texts = [" ".join(text.split()) for text in ways]
        planned = plan_comparison(wanted.prompt, values, texts, seed=wanted.seed)
        if all(axis == WAY for one in planned for axis, _ in one.traits) and not values.strip():
            return await self._ways(wanted, texts, caller)
        seed = new_seed() if wanted.seed is None else wanted.seed
        made, settled = list[Way](), list[Settled]()
        for one in planned:
            with one.pointing():
                way, usual = await self._way(one, wanted, seed, caller)
                made.append(way)
                settled.append(usual)
        one_way = dict(parse_label(texts[0])) if len(texts) == 1 else {}
        comparison = Comparison(
            ways=tuple(made),
            source=wanted.prompt,
            lists=" ".join([values.strip(), *(f"{key}={value}" for key, value in one_way.items())]).strip(),
            negative=wanted.negative,
            usual=_usual(planned, settled),
        )
        return Prepared(comparison, _common(settled), _notes(planned, settled, wanted.negative))

    async def texts(
        self,
        typed: Typed,
        caller: Invocation,
        build: Callable[[Settled], DreamRequest],
    ) -> PreparedDream:
        """What was typed into `/dream`: one request, or a comparison if the prompt has lists in braces."""
        planned, made, settled = plan_dream(typed.prompt), list[Way](), list[Settled]()
        for one in planned:
            with one.pointing():
                settled.append(await self._settle(one, typed, caller))
                made.append(Way(label=one.label, request=build(settled[-1]), traits=one.traits))
        request: DreamRequest | Comparison = made[0].request
        if len(made) > 1:
            request = Comparison(ways=tuple(made), source=typed.prompt, negative=typed.negative, command="dream")
        return Prepared(request, _common(settled), _notes(planned, settled, typed.negative))

    async def _settle(self, one: Planned, typed: Typed, caller: Invocation) -> Settled:
        """*typed* with the planned prompt, style and settings, completed by the defaults.

        A style that is not saved is a word after the first part of the prompt.
        """
        parse_prompts(one.prompt)  # before a style changes it, so that an error points at what was typed
        typed = replace(typed, prompt=one.prompt)
        if one.style:
            try:
                await self._styles.find(caller.location.server_id, one.style)
                typed = replace(typed, style=one.style)
            except Refused:
                typed = replace(typed, prompt=with_style(one.prompt, one.style), style=NO_STYLE)
        return await self._defaults.settle(typed, caller.user_id, caller.location)

    async def _way(self, one: Planned, wanted: ParsedCommand, seed: int, caller: Invocation) -> tuple[Way, Settled]:
        choice = one.ways if one.ways.size else one.ways._replace(size=wanted.size)
        typed = Typed(one.prompt, wanted.negative, "", choice, one.settings)
        settled = await self._settle(one, typed, caller)
        request = settled.request(seed=seed if one.seed is None else one.seed)
        return Way(label=one.label, request=request, traits=one.traits), settled

    async def _ways(self, wanted: ParsedCommand, texts: Sequence[str], caller: Invocation) -> PreparedDream:
        """Ways alone: one prompt and negative prompt for all of them."""
        typed = Typed(wanted.prompt, wanted.negative, "", PaintChoice(size=wanted.size))
        settled = await self._defaults.settle(typed, caller.user_id, caller.location)
        usual = [level.values for level in await self._defaults.levels(caller.user_id, caller.location)]
        wanted = replace(wanted, prompt=settled.prompt, negative=settled.negative)
        comparison = parse_comparison(
            texts, wanted, lambda choice: preferred(choice, usual, self._defaults.unavailable())
        )
        applied = tuple(one for one in settled.applied if one.what in ("style", "negative"))
        return Prepared(comparison, applied, (*map(plain, read_prompts(wanted.prompt).notes), *settled.notes))


def _usual(planned: Sequence[Planned], settled: Sequence[Settled]) -> str:
    """Model, method and profile that defaults added to all pictures, as settings."""
    typed = {name for one in planned for name in NAMES if getattr(one.ways, name)}
    found = {name: {getattr(one.ways, name) for one in settled} for name in NAMES if name not in {"size", *typed}}
    return " ".join(f"{name}={value}" for name, (value, *others) in found.items() if value and not others)


def _common(settled: Sequence[Settled]) -> tuple[Applied, ...]:
    """The defaults that all pictures use."""
    return tuple(one for one in settled[0].applied if all(one in other.applied for other in settled))


def _notes(planned: Sequence[Planned], settled: Sequence[Settled], negative: str) -> tuple[str, ...]:
    """How prompts may have been meant otherwise, and the defaults that were skipped; each sentence once."""
    read = [note for one in planned for note in read_prompts(one.prompt).notes]
    read += read_prompts(negative).notes if negative.strip() else ()
    return tuple(dict.fromkeys((*map(plain, read), *(note for one in settled for note in one.notes))))
