"""Text → requests: what people type into `/dream`, `/compare` and the Remix modal."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.errors import Refused
from bot.models.comparison import Comparison, Way
from bot.models.job import JobRow, named, new_seed
from bot.policy.server_rules import PaintChoice
from bot.requests.derive import dream_of
from engine.catalogue.models import MODELS
from engine.requests.prompts import parse_prompts
from engine.requests.request import METHODS, PROFILES, DreamRequest, build_request, parse_settings

USUAL = "usual"
"""Names the defaults of `/dream` in a comparison."""
NAMES = ("model", "method", "profile", "size")
"""Settings of a comparison that are no options of a method."""
REQUEST_KEYS = ("size", "steps", "seed", "count", "method", "model")
"""Settings of the Remix modal that are no options of a method."""


@dataclass(frozen=True, slots=True)
class ParsedCommand:
    """What a comparison is about, as typed; empty values fall back to the defaults."""

    prompt: str
    negative: str = ""
    size: str = ""
    seed: int | None = None


def parse_remix(job: JobRow, prompt: str, negative: str, settings: str, index: int | None = None) -> DreamRequest:
    """The request of a submitted Remix modal, with the pictures of the original. Raises InvalidRequest, PromptError."""
    original = dream_of(job, index)
    typed = parse_settings(settings)
    numbers = {key: whole_number(key, typed[key]) for key in ("steps", "seed", "count") if key in typed}
    request = build_request(
        prompt,
        negative=negative,
        model=typed.get("model", ""),
        method=typed.get("method", ""),
        size=typed.get("size", ""),
        steps=numbers.get("steps"),
        seed=numbers.get("seed"),
        count=numbers.get("count", 1),
        init_image=original.init_image,
        target_image=original.target_image,
        mask_image=original.mask_image,
        pictures=[part for part in original.prompts if part.image],
        settings={key: value for key, value in typed.items() if key not in REQUEST_KEYS},
    )
    if (request.width, request.height) != (original.width, original.height):
        return request  # its pictures show icons of the old size, which their texts would not make again
    return request.model_copy(update={"init_icon": original.init_icon, "target_icon": original.target_icon})


def whole_number(key: str, text: str) -> int:
    """The number of a setting. Raises Refused."""
    if not text.isdecimal() or len(text) > 10:
        raise Refused(f"{key} must be a whole number, for example “{key}=7”, not “{text}”.")
    return int(text)


def parse_comparison(
    texts: Sequence[str], wanted: ParsedCommand, settle: Callable[[PaintChoice], PaintChoice]
) -> Comparison:
    """One comparison of the ways that *texts* name; *settle* fills in defaults.

    Raises PromptError for the prompt, and InvalidRequest or Refused for a way, with its name.
    """
    parse_prompts(wanted.prompt)
    labels = [" ".join(text.split()) for text in texts]
    if twice := next((label for label in labels if labels.count(label) > 1), ""):
        raise Refused(f"“{twice}” appears twice. A comparison needs different ways.")
    seed = new_seed() if wanted.seed is None else wanted.seed
    ways = []
    for label in labels:
        with named(label):
            ways.append(Way(label=label, request=parse_way(label, wanted, seed, settle)))
    return Comparison(ways=tuple(ways))


def parse_way(
    label: str, wanted: ParsedCommand, seed: int, settle: Callable[[PaintChoice], PaintChoice]
) -> DreamRequest:
    """The request of one way of a comparison. Raises PromptError, InvalidRequest or Refused."""
    settings = dict(parse_label(label))
    chosen = settle(
        PaintChoice(**{"size": wanted.size} | {name: settings.pop(name) for name in NAMES if name in settings})
    )
    return build_request(
        wanted.prompt,
        negative=wanted.negative,
        model=chosen.model,
        method=chosen.method,
        size=chosen.size,
        seed=seed,
        settings=chosen.settings | settings,
    )


def parse_label(label: str) -> Iterator[tuple[str, str]]:
    """``draft eta=0.5`` → profile and options by name; a word without “=” is a profile, a method or a model."""
    words = label.split(" ")
    for word in [word for word in words if "=" not in word and word != USUAL]:
        yield _kind(word), word
    yield from parse_settings(" ".join(word for word in words if "=" in word)).items()


def _kind(word: str) -> str:
    kinds: Mapping[str, Mapping[str, object]] = {"method": METHODS, "profile": PROFILES, "model": MODELS}
    for kind, known in kinds.items():
        if word in known:
            return kind
    names = [name for known in kinds.values() for name in known]
    near = difflib.get_close_matches(word, names, n=1)
    raise Refused(f"“{word}” is not a profile, method or model{f'; did you mean “{near[0]}”?' if near else '.'}")
