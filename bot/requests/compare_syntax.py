"""What people call a way to paint: ``draft``, ``pixels``, ``imagenet-256``; options may follow: ``draft eta=0.5``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.errors import Refused
from bot.models.comparison import Comparison, Way, named
from bot.policy.server_rules import Ways
from bot.requests.derive import new_seed
from engine.catalogue.models import MODELS
from engine.requests.prompts import parse_prompts
from engine.requests.request import METHODS, PROFILES, DreamRequest, build_request, parse_settings

USUAL = "usual"
"""The way in which `/dream` paints when nothing is said."""
LONGEST = 100
"""Characters of what is filled in for somebody."""
NAMES = ("model", "method", "profile", "size")
"""Options that are no options of a method."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a comparison is about, as it was typed; what is empty is left to what is usual."""

    prompt: str
    negative: str = ""
    size: str = ""
    seed: int | None = None


def compared(texts: Sequence[str], wanted: Wanted, settle: Callable[[Ways], Ways]) -> Comparison:
    """One comparison of what is named by *texts*; *settle* fills in what is usual.

    Raises PromptError for the words, InvalidRequest or Refused for a way, by its name.
    """
    parse_prompts(wanted.prompt)
    labels = [" ".join(text.split()) for text in texts]
    if twice := next((label for label in labels if labels.count(label) > 1), ""):
        raise Refused(f"“{twice}” is named twice: a comparison needs different ways.")
    seed = new_seed() if wanted.seed is None else wanted.seed
    ways = []
    for label in labels:
        with named(label):
            ways.append(Way(label=label, request=painted(label, wanted, seed, settle)))
    return Comparison(ways=tuple(ways))


def painted(label: str, wanted: Wanted, seed: int, settle: Callable[[Ways], Ways]) -> DreamRequest:
    """What is painted in the way of that name. Raises PromptError, InvalidRequest or Refused."""
    settings = dict(read_way(label))
    chosen = settle(Ways(**{"size": wanted.size} | {name: settings.pop(name) for name in NAMES if name in settings}))
    return build_request(
        wanted.prompt,
        negative=wanted.negative,
        model=chosen.model,
        method=chosen.method,
        size=chosen.size,
        seed=seed,
        settings=chosen.settings | settings,
    )


def read_way(label: str) -> Iterator[tuple[str, str]]:
    """Options by name; a word without a sign is a profile, a method or a model."""
    words = label.split(" ")
    for word in [word for word in words if "=" not in word and word != USUAL]:
        yield _kind(word), word
    yield from parse_settings(" ".join(word for word in words if "=" in word)).items()


def _kind(word: str) -> str:
    kinds: Mapping[str, Mapping[str, object]] = {"profile": PROFILES, "method": METHODS, "model": MODELS}
    for kind, known in kinds.items():
        if word in known:
            return kind
    names = [name for known in kinds.values() for name in known]
    near = difflib.get_close_matches(word, names, n=1)
    raise Refused(f"“{word}” is no profile, method or model{f'; did you mean “{near[0]}”?' if near else '.'}")


def offered(typed: str, unavailable: Mapping[str, str]) -> list[tuple[str, str]]:
    """(what is shown, what is filled in) of every way that begins to be typed; first what can be used here."""
    shown = [(f"{USUAL} – as /dream paints when nothing is said", USUAL)]
    shown += [(f"{profile.name} – {profile.about}", profile.name) for profile in PROFILES.values()]
    shown += [(f"{name} – a method", name) for name in METHODS]
    shown += [(f"{model.name} – {model.title}", model.name) for model in MODELS.values()]
    shown = [(f"{name} – not here: {unavailable[name]}" if name in unavailable else text, name) for text, name in shown]
    fitting = [(text, name) for text, name in shown if typed.strip().lower() in name.lower()]
    return sorted(fitting, key=lambda one: one[1] in unavailable)[:25] or [(typed, typed)] * (len(typed) <= LONGEST)
