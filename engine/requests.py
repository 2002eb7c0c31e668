"""What may be asked for: `DreamRequest`, `UpscaleRequest`, and one options model per method. No torch, no Discord.

A request is a frozen value in which everything is resolved: `build_request` is the one edge where words, missing
values and a model's defaults become one. Pictures are named by the SHA-256 of their bytes, which travel beside it.
"""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from engine.errors import InvalidRequest
from engine.models import DEFAULT_MODEL, MODELS, Model
from engine.prompts import Prompt, check_weights, parse_prompts

REQUEST_VERSION: Literal[1] = 1
MAX_SEED = 2**32 - 1
MAX_COUNT = 100
NEGATIVE_WEIGHT = -0.3
AUTO = "auto"
"""The upscaler that suits best of those that are here."""
LEARNED = ("realesrgan-x4plus", "realesr-general", "swinir-l", "swinir-m", "realesrgan-x2plus", "realesrgan-anime")
SHIPPED = ("primer", "lanczos")
"""What "auto" takes: the first of the learned ones that is here, then one's own, then what ships with the package."""
USUAL_SCALE = 4


class Options(BaseModel):
    """What the options of every method share. Unknown names are refused, never dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: int


class ClipDiffusionOptions(Options):
    """CLIP-guided diffusion: noise becomes a picture while CLIP pulls every step towards the prompt."""

    method: Literal["clip_diffusion"] = "clip_diffusion"
    steps: int = Field(default=25, ge=2, le=1000, description="denoising steps; more is slower and cleaner")
    eta: float = Field(default=1.0, ge=0, le=1, description="fresh noise per step: 0 = plain DDIM, 1 = as much as DDPM")
    clip_guidance_scale: float = Field(
        default=1000.0, ge=0, le=100000, description="how hard CLIP pulls; 0 = not at all"
    )
    cfg_scale: float = Field(
        default=2.5, ge=0, le=30, description="classifier-free guidance, where the net reads the prompt; 1 = none"
    )
    cutouts: int = Field(default=4, ge=1, le=256, description="views of the picture that CLIP sees in each step")
    cut_power: float = Field(default=1.0, ge=0.1, le=10, description="> 1 prefers small views, < 1 large ones")
    flip: float = Field(default=0.0, ge=0, le=1, description="part of the views that are mirrored")
    gray: float = Field(default=0.0, ge=0, le=1, description="part of the views without colour")
    cut_noise: float = Field(default=0.1, ge=0, le=1, description="grain on every view")
    tv_scale: float = Field(default=0.0, ge=0, le=100000, description="smoothness (total variation)")
    range_scale: float = Field(default=0.0, ge=0, le=100000, description="penalty on colours out of range")
    saturation_scale: float = Field(default=0.0, ge=0, le=100000, description="penalty on oversaturated colours")
    clamp_max: float = Field(default=0.05, ge=0, le=10, description="largest rms of guidance's gradient; 0 = no limit")
    shift_max: float = Field(
        default=0.0, ge=0, le=10, description="largest change that guidance makes in one step, as rms; 0 = no limit"
    )
    skip_steps: int = Field(
        default=0, ge=0, le=999, description="with an init picture: leave out this many first steps; usually half"
    )
    init_scale: float = Field(default=0.0, ge=0, le=100000, description="how hard the init picture holds on")

    def check(self, *, has_init: bool) -> None:
        """Raise InvalidRequest where options contradict each other or lack their init picture."""
        if self.skip_steps >= self.steps:
            raise InvalidRequest(
                f"skip_steps={self.skip_steps} leaves nothing of {self.steps} steps; {self.steps - 1} is the most."
            )
        for name in ("skip_steps", "init_scale"):
            if getattr(self, name) and not has_init:
                raise InvalidRequest(f"{name}={getattr(self, name):g} needs an init picture; leave it out without one.")


class PixelsOptions(Options):
    """Pixels: a pyramid of colour grids painted by CLIP alone; no generator, the look of an abstract painter."""

    method: Literal["pixels"] = "pixels"
    steps: int = Field(default=80, ge=5, le=2000, description="optimiser steps")
    learning_rate: float = Field(default=0.05, gt=0, le=1, description="of Adam")
    cutouts: int = Field(default=4, ge=1, le=256, description="views of the picture that CLIP sees in each step")
    cut_power: float = Field(default=1.0, ge=0.1, le=10, description="> 1 prefers small views, < 1 large ones")
    flip: float = Field(default=0.0, ge=0, le=1, description="part of the views that are mirrored")
    gray: float = Field(default=0.0, ge=0, le=1, description="part of the views without colour")
    cut_noise: float = Field(default=0.1, ge=0, le=1, description="grain on every view")
    tv_scale: float = Field(default=3.0, ge=0, le=100000, description="smoothness (total variation)")


MethodOptions: TypeAlias = Annotated[ClipDiffusionOptions | PixelsOptions, Field(discriminator="method")]
METHODS: Mapping[str, type[Options]] = {"clip_diffusion": ClipDiffusionOptions, "pixels": PixelsOptions}


class DreamRequest(BaseModel):
    """One or more pictures of one prompt. Picture *i* has the seed `seed + i`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = REQUEST_VERSION
    kind: Literal["dream"] = "dream"
    prompts: tuple[Prompt, ...] = Field(min_length=1)
    model: str = DEFAULT_MODEL
    options: MethodOptions = ClipDiffusionOptions()
    width: int = Field(default=256, ge=16, le=4096)
    height: int = Field(default=256, ge=16, le=4096)
    seed: int = Field(default=0, ge=0, le=MAX_SEED + MAX_COUNT)  # of many, the last can be asked for by itself
    count: int = Field(default=1, ge=1, le=MAX_COUNT)
    init_image: str = ""
    target_image: str = ""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> DreamRequest:
        if isinstance(self.options, ClipDiffusionOptions):
            self.options.check(has_init=bool(self.init_image))
        return self

    @property
    def method(self) -> str:
        """How it is painted; the literal inside the options."""
        return self.options.method

    @property
    def images(self) -> tuple[str, ...]:
        """SHA-256 of every picture that this request needs beside it."""
        named = [self.init_image, self.target_image, *(p.image for p in self.prompts)]
        return tuple(dict.fromkeys(sha for sha in named if sha))

    @property
    def cost(self) -> float:
        """Megapixel steps: what quotas and fairness count."""
        return self.width * self.height * self.options.steps * self.count / 1e6


class UpscaleRequest(BaseModel):
    """Enlarge one picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = REQUEST_VERSION
    kind: Literal["upscale"] = "upscale"
    image: str
    upscaler: str = AUTO
    scale: int = Field(default=USUAL_SCALE, ge=2, le=8)
    width: int = Field(ge=1, le=16384, description="of the picture that comes in")
    height: int = Field(ge=1, le=16384)

    @property
    def images(self) -> tuple[str, ...]:
        """SHA-256 of the picture that this request needs beside it."""
        return (self.image,)

    @property
    def count(self) -> int:
        """Pictures that come out."""
        return 1

    @property
    def cost(self) -> float:
        """Megapixel steps: an output pixel counts as one step."""
        return self.width * self.height * self.scale**2 / 1e6


def best_upscaler(usable: Collection[str], scale: int) -> str:
    """What "auto" stands for where these can be used; for twice the size the net that was made for it."""
    doubling = ("realesrgan-x2plus",) if scale == 2 else ()
    own = (name for name in usable if name not in (*LEARNED, *SHIPPED))
    return next((name for name in (*doubling, *LEARNED, *own, *SHIPPED) if name in usable), SHIPPED[-1])


AnyRequest: TypeAlias = Annotated[DreamRequest | UpscaleRequest, Field(discriminator="kind")]
_REQUEST: TypeAdapter[DreamRequest | UpscaleRequest] = TypeAdapter(AnyRequest)


def request_from_json(raw: str | bytes) -> DreamRequest | UpscaleRequest:
    """Read a stored request of any version; raises InvalidRequest in words."""
    try:
        return _REQUEST.validate_json(raw)
    except ValidationError as error:
        raise InvalidRequest(_first_error(error)) from error


def request_to_json(request: DreamRequest | UpscaleRequest) -> str:
    """The stored form; `request_from_json` reads it back."""
    return request.model_dump_json()


def build_request(
    prompt: str,
    *,
    negative: str = "",
    model: str = DEFAULT_MODEL,
    method: str = "",
    size: str = "",
    steps: int | None = None,
    seed: int | None = None,
    count: int = 1,
    init_image: str = "",
    target_image: str = "",
    settings: Mapping[str, str] | None = None,
) -> DreamRequest:
    """Everything a person typed → one resolved request. Raises InvalidRequest or PromptError in words.

    *size* is ``WxH``; *settings* are the method's options by name as text; what is missing comes from the model's
    defaults. A missing *seed* is drawn at random.
    """
    chosen = find_model(model)
    prompts = parse_prompts(prompt) + tuple(
        part.model_copy(update={"weight": part.weight * NEGATIVE_WEIGHT})
        for part in (parse_prompts(negative) if negative.strip() else ())
    )
    check_weights(prompts, prompt)
    width, height = parse_size(size) if size else chosen.size
    chosen.check_size(width, height)
    options = build_options(chosen, method, ({} if steps is None else {"steps": str(steps)}) | dict(settings or {}))
    if init_image and isinstance(options, ClipDiffusionOptions) and "skip_steps" not in (settings or {}):
        options = options.model_copy(update={"skip_steps": options.steps // 2})
    try:
        return DreamRequest(
            prompts=prompts,
            model=chosen.name,
            options=options,
            width=width,
            height=height,
            seed=secrets.randbelow(MAX_SEED + 1) if seed is None else seed,
            count=count,
            init_image=init_image,
            target_image=target_image,
        )
    except ValidationError as error:
        raise InvalidRequest(_first_error(error)) from error


def build_options(model: Model, method: str, settings: Mapping[str, str]) -> MethodOptions:
    """The options of *method* (the model's usual one if empty): the model's defaults, then *settings* as text."""
    name = method or model.methods[0]
    if name not in METHODS:
        raise InvalidRequest(f"There is no method “{name}”{_guess(name, METHODS)}.")
    if name not in model.methods:
        raise InvalidRequest(f"{model.title} cannot paint by “{name}”; it can by {', '.join(model.methods)}.")
    cls = METHODS[name]
    known = set(cls.model_fields) - {"method"}
    for key in settings:
        if key not in known:
            raise InvalidRequest(f"{name} has no option “{key}”{_guess(key, known)}.")
    try:
        return cls.model_validate({**model.defaults.get(name, {}), **settings})  # type: ignore[return-value]
    except ValidationError as error:
        raise InvalidRequest(_first_error(error)) from error


def parse_settings(text: str) -> dict[str, str]:
    """``steps=40 eta=0.5`` (blanks or commas between) → a mapping; raises InvalidRequest for anything else."""
    pairs: dict[str, str] = {}
    for word in text.replace(",", " ").split():
        key, mark, value = word.partition("=")
        if not (key and mark and value):
            raise InvalidRequest(f"“{word}” is not of the form option=value, as in “steps=40 eta=0.5”.")
        pairs[key] = value
    return pairs


def parse_size(text: str) -> tuple[int, int]:
    """``384x256`` → (384, 256); raises InvalidRequest."""
    width, _, height = text.lower().replace("×", "x").replace(" ", "").partition("x")
    if not (width.isdecimal() and height.isdecimal() and len(width) < 6 and len(height) < 6):
        raise InvalidRequest(f"“{text}” is not a size; a size looks like 256x256 (width x height).")
    return int(width), int(height)


def find_model(name: str) -> Model:
    """The model of that name, or InvalidRequest with a guess."""
    if name not in MODELS:
        raise InvalidRequest(f"There is no model “{name}”{_guess(name, MODELS)}.")
    return MODELS[name]


def _guess(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean “{near[0]}”?" if near else f"; there is {', '.join(sorted(known))}"


def _first_error(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(
        str(part) for part in first["loc"] if part not in METHODS and part not in ("options", "dream", "upscale")
    )
    given = first.get("input")
    shown = f" (got {given!r})" if isinstance(given, str | int | float) else ""
    return f"{where or 'request'}: {first['msg'][0].lower()}{first['msg'][1:]}{shown}."
