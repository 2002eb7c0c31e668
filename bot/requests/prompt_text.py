"""How the words of a request would be typed: a prompt and a negative prompt that are read as the very same parts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from engine.errors import PromptError
from engine.requests.prompts import MAX_WEIGHT, Prompt, format_prompts, parse_prompts
from engine.requests.request import NEGATIVE_WEIGHT, DreamRequest


def words_of(request: DreamRequest) -> tuple[str, str]:
    """Prompt and negative prompt, the latter empty if need be; pictures among the prompts are left out."""
    parts = [prompt for prompt in request.prompts if prompt.text]
    forms = (_split(parts, at) for at in _places(parts))
    return next((form for form in forms if form and _reads(*form, parts)), (format_prompts(parts), ""))


def one_line(request: DreamRequest) -> tuple[str, str]:
    """The same, but all of it in the prompt if one can hold it."""
    parts = [prompt for prompt in request.prompts if prompt.text]
    whole = format_prompts(parts), ""
    return whole if _reads(*whole, parts) else words_of(request)


def _places(parts: Sequence[Prompt]) -> Iterator[int]:
    """Where the negative prompt may begin, the best first: what is pushed away by a plain weight belongs to it."""
    best = len(parts)
    while best > 1 and parts[best - 1].weight < 0 and _is_plain(parts[best - 1].weight):
        best -= 1
    yield best
    yield from range(len(parts), 0, -1)


def _split(parts: Sequence[Prompt], at: int) -> tuple[str, str] | None:
    """None if one of the weights from there on cannot come from a negative prompt."""
    weights = [_before(prompt.weight) for prompt in parts[at:]]
    if None in weights:
        return None
    negative = [
        prompt.model_copy(update={"weight": weight}) for prompt, weight in zip(parts[at:], weights, strict=True)
    ]
    return format_prompts(parts[:at]), format_prompts(negative)


def _before(weight: float) -> float | None:
    """The weight in a negative prompt that becomes this one; division alone may miss it by the last digit."""
    about = weight / NEGATIVE_WEIGHT
    near = (_rounded(about), about, math.nextafter(about, math.inf), math.nextafter(about, -math.inf))
    return next((one for one in near if one * NEGATIVE_WEIGHT == weight and abs(one) <= MAX_WEIGHT), None)


def _is_plain(weight: float) -> bool:
    """Whether a few digits say it, in a negative prompt."""
    plain = _rounded(weight / NEGATIVE_WEIGHT)
    return plain * NEGATIVE_WEIGHT == weight and plain <= MAX_WEIGHT


def _rounded(number: float) -> float:
    return float(f"{number:g}")


def _reads(prompt: str, negative: str, parts: Sequence[Prompt]) -> bool:
    """Whether it is read as the same parts: a prompt holds so many, and so many letters."""
    try:
        pushed = parse_prompts(negative) if negative else ()
        found = [*parse_prompts(prompt), *(p.model_copy(update={"weight": p.weight * NEGATIVE_WEIGHT}) for p in pushed)]
    except PromptError:
        return False
    return found == list(parts)
