"""Requests that start from a picture or paint towards pictures, for message commands, `/dream` and `/blend`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.errors import Refused
from bot.policy.server_rules import PaintChoice
from bot.requests.parse import NAMES, REQUEST_KEYS, whole_number
from engine.requests.prompts import MAX_WEIGHT, Prompt
from engine.requests.request import DreamRequest, build_request, parse_settings

SIMILARITIES: Mapping[str, float] = {"a little": 0.25, "half": 0.5, "most": 0.75}
"""How much of the starting picture stays → share of the steps that is left out."""
USUAL_SIMILARITY = "half"
NO_WORDS = "Say what to paint, or leave the field empty only for a picture to resemble."


@dataclass(frozen=True, slots=True)
class FormText:
    """What was typed into the form of a message command. *weight* is text, because a modal has no number fields."""

    prompt: str
    settings: str = ""
    similarity: str = USUAL_SIMILARITY
    weight: str = ""


def from_start(form: FormText, sha256: str, settle: Callable[[PaintChoice], PaintChoice]) -> DreamRequest:
    """The request that begins with a picture. Raises PromptError, InvalidRequest or Refused.

    *settle* completes the typed model, method, size and profile by preferences.
    """
    request, typed = _built(form, settle, init_image=sha256)
    share = SIMILARITIES.get(form.similarity)
    if share is None or "skip_steps" in typed or not hasattr(request.options, "skip_steps"):
        return request
    options = request.options.model_copy(update={"skip_steps": round(request.options.steps * share)})
    return request.model_copy(update={"options": options})


def towards(form: FormText, sha256: str, settle: Callable[[PaintChoice], PaintChoice]) -> DreamRequest:
    """The request that paints the words towards a picture. Raises as `from_start` does."""
    target = Prompt(image=sha256, weight=weight_of(form.weight or "1"))
    request, _ = _built(form, settle, pictures=(target,))
    return request


def weight_of(text: str) -> float:
    """A typed weight of a picture. Raises Refused."""
    try:
        weight = float(text.strip().replace("−", "-").replace(",", "."))
    except ValueError:
        weight = float("nan")
    if not abs(weight) <= MAX_WEIGHT or not weight:
        raise Refused(
            f"A weight is a number such as 1 or 0.5, at most {MAX_WEIGHT:g} and not 0; this one is “{text[:20]}”."
        )
    return weight


def _built(
    form: FormText,
    settle: Callable[[PaintChoice], PaintChoice],
    *,
    init_image: str = "",
    pictures: Sequence[Prompt] = (),
) -> tuple[DreamRequest, Mapping[str, str]]:
    typed = parse_settings(form.settings)
    chosen = settle(PaintChoice(**{name: typed[name] for name in NAMES if name in typed}))
    numbers = {key: whole_number(key, typed[key]) for key in ("steps", "seed", "count") if key in typed}
    request = build_request(
        form.prompt,
        model=chosen.model,
        method=chosen.method,
        size=chosen.size,
        steps=numbers.get("steps"),
        seed=numbers.get("seed"),
        count=numbers.get("count", 1),
        init_image=init_image,
        pictures=pictures,
        settings=chosen.settings | {key: value for key, value in typed.items() if key not in (*REQUEST_KEYS, *NAMES)},
    )
    return request, typed
