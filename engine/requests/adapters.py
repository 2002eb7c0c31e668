"""The adapters that change a net for one request, and how strongly: ``mine:0.6+ink``. Only known names, never paths."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.catalogue.model_info import Model
from engine.catalogue.registry import Entry, Kind, entries
from engine.errors import InvalidRequest
from engine.requests.options.base import ended, guess

NONE = "none"
MOST = 4
LARGEST_STRENGTH = 2.0


@dataclass(frozen=True, slots=True, order=True)
class WeightedAdapter:
    """One adapter by its name, and the factor of its change to the weights."""

    name: str
    strength: float = 1.0

    def __str__(self) -> str:
        return f"{self.name}:{self.strength:g}"


def read_adapters(text: str) -> tuple[WeightedAdapter, ...]:
    """*text* as adapters, sorted by name; names may be unknown. Raises InvalidRequest in words."""
    if text.strip() in ("", NONE):
        return ()
    found = tuple(sorted(_one(part.strip()) for part in text.split("+")))
    names = [one.name for one in found]
    if len(found) > MOST:
        raise InvalidRequest(f"adapter names {len(found)} adapters; the limit is {MOST}.")
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise InvalidRequest(f"adapter names {twice} twice; give it a strength instead, as in {twice}:1.5.")
    return found


def known_adapters(model: str = "") -> dict[str, Entry]:
    """The adapters of this host by name, all or those of *model*."""
    found = {name: entry for name, entry in entries().items() if entry.kind is Kind.ADAPTER}
    return {name: entry for name, entry in found.items() if model in ("", entry.adapts)}


def adapted_model(text: str) -> str:
    """The model of the first known adapter in *text*; empty if there is none. Raises InvalidRequest in words."""
    known = known_adapters()
    return next((known[one.name].adapts for one in read_adapters(text) if one.name in known), "")


def check_adapters(adapters: tuple[WeightedAdapter, ...], model: Model) -> None:
    """Raise InvalidRequest for an adapter that is unknown or belongs to another model."""
    known = known_adapters()
    for one in adapters:
        if one.name not in known:
            available = guess(one.name, known_adapters(model.name) or known) if known else "; `train --lora` makes one"
            raise InvalidRequest(ended(f"Unknown adapter “{one.name}”{available}"))
        if (adapts := known[one.name].adapts) != model.name:
            raise InvalidRequest(f"The adapter “{one.name}” is for the model {adapts}, not for {model.name}.")


def _one(part: str) -> WeightedAdapter:
    name, mark, text = part.partition(":")
    try:
        strength = float(text) if mark else 1.0
    except ValueError:
        strength = math.nan
    if not name or not 0 < strength <= LARGEST_STRENGTH:
        raise InvalidRequest(
            f"adapter: “{part[:40]}” is not of the form NAME:STRENGTH, as in mine:0.6; "
            f"the strength is above 0, up to {LARGEST_STRENGTH:g}."
        )
    return WeightedAdapter(name, strength)
