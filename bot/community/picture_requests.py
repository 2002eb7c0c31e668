"""Requests that start from a picture or paint towards pictures, for message commands and `/blend`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.community.defaults import Defaults, Prepared, Typed
from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.models.style import NO_STYLE
from bot.policy.server_rules import PaintChoice
from bot.requests.parse import NAMES, REQUEST_KEYS, whole_number
from engine.requests.prompts import MAX_WEIGHT, Prompt
from engine.requests.request import DreamRequest, parse_settings

SIMILARITIES: Mapping[str, float] = {"a little": 0.25, "half": 0.5, "most": 0.75}
"""How much of the starting picture stays → share of the steps that is left out."""
USUAL_SIMILARITY = "half"


@dataclass(frozen=True, slots=True)
class FormText:
    """What was typed. *settings*: ``size=256x256 seed=7``; *weight* is text, because a form has no number fields."""

    prompt: str
    settings: str = ""
    negative: str = ""
    similarity: str = USUAL_SIMILARITY
    weight: str = ""


class PictureRequests:
    """One per bot. Methods raise PromptError, InvalidRequest or Refused."""

    def __init__(self, defaults: Defaults) -> None:
        self._defaults = defaults

    async def from_start(self, form: FormText, sha256: str, caller: Invocation) -> Prepared[DreamRequest]:
        """Begin with a picture."""
        built, typed = await self._build(form, caller, init_image=sha256)
        share, request = SIMILARITIES.get(form.similarity), built.request
        if share is None or "skip_steps" in typed or not hasattr(request.options, "skip_steps"):
            return built
        options = request.options.model_copy(update={"skip_steps": round(request.options.steps * share)})
        return replace(built, request=request.model_copy(update={"options": options}))

    async def towards(self, form: FormText, pictures: Sequence[Prompt], caller: Invocation) -> Prepared[DreamRequest]:
        """Paint the words, if any, towards pictures."""
        built, _ = await self._build(form, caller, pictures=pictures)
        return built

    async def _build(
        self,
        form: FormText,
        caller: Invocation,
        *,
        init_image: str = "",
        pictures: Sequence[Prompt] = (),
    ) -> tuple[Prepared[DreamRequest], Mapping[str, str]]:
        typed = parse_settings(form.settings)
        numbers = {key: whole_number(key, typed[key]) for key in ("seed", "count") if key in typed}
        settled = await self._defaults.settle(
            Typed(
                form.prompt,
                form.negative,
                "" if form.prompt.strip() else NO_STYLE,
                PaintChoice(**{name: typed[name] for name in NAMES if name in typed}),
                {key: value for key, value in typed.items() if key == "steps" or key not in (*REQUEST_KEYS, *NAMES)},
            ),
            caller.user_id,
            caller.location,
        )
        request = settled.request(init_image=init_image, pictures=pictures, **numbers)
        return Prepared(request, settled.applied, settled.notes), typed


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
