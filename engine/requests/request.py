"""Requests: `DreamRequest`, `UpscaleRequest`, with the options of its method. No torch, no Discord.

A request is a frozen value in which everything is resolved: `build_request` is the one edge where words, missing
values and a model's defaults become one. Pictures are named by the SHA-256 of their bytes, which travel beside it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from engine.catalogue.models import DEFAULT_MODEL, MODELS, Model
from engine.errors import InvalidRequest, PromptError
from engine.images.icons.spec import MAX_TEXT, read_icon
from engine.requests.options.base import (
    Options,
    ended,
    first_problem,
    guess,
    guess_option,
    guessed,
    option_names,
    option_span,
    option_text,
    refuse,
)
from engine.requests.options.biggan_clip import BigganClipOptions, BigganOptions
from engine.requests.options.classes import numbered
from engine.requests.options.clip_diffusion import ClipDiffusionOptions
from engine.requests.options.clip_views import adapted_model, guiding_clips, known_adapters
from engine.requests.options.clipdraw import ClipdrawOptions
from engine.requests.options.optimiser_methods import PixelsOptions, SirenOptions
from engine.requests.options.pixel_art import PixelArtOptions
from engine.requests.options.vqgan_clip import VqganClipOptions
from engine.requests.profiles import PROFILES, Profile, find_profile, profiles_of
from engine.requests.prompts import (
    MAX_PARTS,
    Prompt,
    Reading,
    check_steps,
    check_weights,
    in_order,
    phases_of,
    read_prompts,
)
from engine.requests.sizes import SHAPES, find_size, parse_shape, parse_size
from engine.requests.upscaling import AUTO, LEARNED, SHIPPED, USUAL_SCALE, UpscaleRequest, best_upscaler

__all__ = [  # of other modules, for those that may import this one alone
    "AUTO",
    "LEARNED",
    "PROFILES",
    "SHAPES",
    "SHIPPED",
    "USUAL_SCALE",
    "BigganClipOptions",
    "ClipDiffusionOptions",
    "ClipdrawOptions",
    "Options",
    "PixelsOptions",
    "SirenOptions",
    "UpscaleRequest",
    "VqganClipOptions",
    "adapted_model",
    "best_upscaler",
    "find_size",
    "known_adapters",
    "option_names",
    "option_span",
    "option_text",
    "parse_shape",
    "parse_size",
    "profiles_of",
]

REQUEST_VERSION: Literal[1] = 1
MAX_SEED = 2**32 - 1
MAX_COUNT = 100
UNDRAWN = "0" * 64
"""Stands for the hash of an icon that is not drawn yet, or of an attachment that is not fetched yet."""
SAME_SHAPE = 0.02
"""Difference of two aspect ratios that is not worth a word."""
NEGATIVE_WEIGHT = -0.3
PROFILE = "profile"
"""Beside a method's options: a word for many of them."""

MethodOptions: TypeAlias = Annotated[
    ClipDiffusionOptions
    | ClipdrawOptions
    | PixelArtOptions
    | PixelsOptions
    | SirenOptions
    | VqganClipOptions
    | BigganClipOptions
    | BigganOptions,
    Field(discriminator="method"),
]
METHODS: Mapping[str, type[Options]] = {
    options.model_fields["method"].default: options for options in get_args(get_args(MethodOptions)[0])
}
"""Method → its options, in the order of `MethodOptions`."""


class DreamRequest(BaseModel):
    """One or more pictures of one prompt. Picture *i* has the seed `seed + i`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = REQUEST_VERSION
    kind: Literal["dream"] = "dream"
    prompts: tuple[Prompt, ...] = Field(min_length=1, max_length=2 * MAX_PARTS)
    model: str = DEFAULT_MODEL
    options: MethodOptions = ClipDiffusionOptions()
    width: int = Field(default=256, ge=16, le=4096)
    height: int = Field(default=256, ge=16, le=4096)
    seed: int = Field(default=0, ge=0, le=MAX_SEED + MAX_COUNT)  # of many, the last can be asked for by itself
    count: int = Field(default=1, ge=1, le=MAX_COUNT)
    init_image: str = ""
    target_image: str = ""
    mask_image: str = ""
    """White where it is painted, black where the init picture stays."""
    init_icon: str = Field(default="", max_length=MAX_TEXT)
    target_icon: str = Field(default="", max_length=MAX_TEXT)
    """The icons that the init and the target picture show, as `read_icon` reads them; empty for other pictures."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> DreamRequest:
        self.options.check(
            has_init=bool(self.init_image), has_target=bool(self.target_image), has_mask=bool(self.mask_image)
        )
        check_weights(targets := self.targets)
        if directions := self.options.direction_weights:
            check_weights((*targets, *directions))
        return self

    @property
    def targets(self) -> tuple[Prompt, ...]:
        """All that guides: the prompts, and the target picture with its weight."""
        if not self.target_image:
            return self.prompts
        weight = getattr(self.options, "target_weight", 1.0)
        return (*self.prompts, Prompt(image=self.target_image, weight=weight))

    @property
    def helpers(self) -> tuple[str, ...]:
        """What it needs beside its model, by the names of `Ready.unavailable`: guiding CLIPs, adapters, other nets."""
        usual = MODELS[self.model].perceptor if self.model in MODELS else ""
        clips = guiding_clips(self.options, usual) if self.options.guided else ()
        second = (SECONDARY_NET,) if getattr(self.options, "gradient", "") == "secondary" else ()
        adapters = getattr(self.options, "adapters", ())
        return (*(clip_key(clip.name) for clip in clips), *(adapter_key(one.name) for one in adapters), *second)

    @property
    def nets(self) -> str:
        """Requests of equal text need the same networks: ``imagenet-512 by clip_diffusion, clip ViT-B/32``."""
        return ", ".join((f"{self.model} by {self.method}", *self.helpers))

    @property
    def memory_kind(self) -> str:
        """Pictures of one kind take at least so much memory by their size: ``imagenet-512 by net, ViT-B/32``."""
        usual = MODELS[self.model].perceptor if self.model in MODELS else ""
        clips = "+".join(clip.name for clip in guiding_clips(self.options, usual))
        return f"{self.model} by {getattr(self.options, 'gradient', self.method)}, {clips}"

    @property
    def method(self) -> str:
        return self.options.method

    @property
    def images(self) -> tuple[str, ...]:
        """SHA-256 of every picture that this request needs beside it."""
        named = [self.init_image, self.target_image, self.mask_image, *(p.image for p in self.prompts)]
        return tuple(dict.fromkeys(sha for sha in named if sha))

    @property
    def attachments(self) -> tuple[str, ...]:
        """SHA-256 of the pictures that its text does not make again, as it does with icons."""
        drawn = {self.init_image if self.init_icon else "", self.target_image if self.target_icon else ""}
        return tuple(sha for sha in self.images if sha not in drawn)

    def starting_from(self, image: str) -> DreamRequest:
        """The same, but from the picture *image* in place of noise, clouds or another, with half of the steps left."""
        if not self.options.guided:  # it looks at no picture: another seed is its variation
            return self
        return self.model_copy(update={"init_image": image, "init_icon": "", "options": self.options.painting_on()})

    def init_note(self, width: int, height: int) -> str:
        """What happens to an init picture of that size, if it has another shape; else an empty string."""
        wanted = self.width / self.height
        if not self.init_image or abs(width / height / wanted - 1) < SAME_SHAPE:
            return ""
        said = {"crop": "was cropped", "stretch": "was stretched", "pad": "was padded"}[self.options.init_fit]
        other = "; init_fit=pad or init_fit=stretch keeps all of it" if self.options.init_fit == "crop" else ""
        return f"The init picture is {width}×{height} and {said} to {self.width}×{self.height}{other}."

    @property
    def cost(self) -> float:
        """Megapixel steps as the model usually takes them: what quotas and fairness count."""
        model = MODELS.get(self.model)
        each = self.options.effort(model) if model else 1.0
        return self.width * self.height * self.options.steps * self.count * each / 1e6


SECONDARY_NET = "secondary net"


def clip_key(name: str) -> str:
    """The name of a CLIP in `Ready.unavailable`."""
    return f"CLIP {name}"


def adapter_key(name: str) -> str:
    """The name of an adapter in `Ready.unavailable`."""
    return f"adapter {name}"


AnyRequest: TypeAlias = Annotated[DreamRequest | UpscaleRequest, Field(discriminator="kind")]
_REQUEST: TypeAdapter[DreamRequest | UpscaleRequest] = TypeAdapter(AnyRequest)


def request_from_json(raw: str | bytes) -> DreamRequest | UpscaleRequest:
    """Read a stored request of any version; raises InvalidRequest in words."""
    try:
        return _REQUEST.validate_json(raw)
    except ValidationError as error:
        raise InvalidRequest(first_problem(error, METHODS)) from error


def request_to_json(request: DreamRequest | UpscaleRequest) -> str:
    return request.model_dump_json()


def build_request(
    prompt: str,
    *,
    negative: str = "",
    model: str = "",
    method: str = "",
    size: str = "",
    steps: int | None = None,
    seed: int | None = None,
    count: int = 1,
    init_image: str = "",
    target_image: str = "",
    mask_image: str = "",
    pictures: Sequence[Prompt] = (),
    init_icon: str = "",
    target_icon: str = "",
    settings: Mapping[str, str] | None = None,
) -> DreamRequest:
    """Everything a person typed → one resolved request. Raises InvalidRequest or PromptError in words.

    *pictures*: image prompts, which guide like the parts of *prompt*; beside them *prompt* may be empty.

    *size* is ``WxH``, ``3:2`` or a name such as ``portrait``; *settings* are the method's options by name as text, and
    `profile`; what is missing comes from the profile, then from the model's defaults. A missing *seed* is drawn at
    random; a missing *model* is that of the adapter, the usual one, or another that can paint by *method*. Icons
    stand for pictures that `engine.requests.icons` draws.
    """
    chosen = find_model(model or adapted_model((settings or {}).get("adapter", "")) or painter_by(method))
    reading = read_prompts(prompt) if prompt.strip() or not pictures else Reading((), (), {})
    prompts = in_order((*reading.prompts, *pictures, *_pushed_away(negative)))
    check_weights(prompts, prompt)
    width, height = find_size(size, chosen) if size else chosen.size
    chosen.check_size(width, height)
    typed = ({} if steps is None else {"steps": str(steps)}) | dict(settings or {})
    options = build_options(chosen, method, typed)
    options.check_size(width, height, chosen)
    options = options if reading.prompts else options.for_pictures(typed)
    check_steps(reading, options.steps, prompt)
    if init_image or init_icon:
        options = options.for_init(settings or {}, masked=bool(mask_image))
    try:
        return DreamRequest(
            prompts=prompts,
            model=chosen.name,
            options=options,
            width=width,
            height=height,
            seed=secrets.randbelow(MAX_SEED + 1) if seed is None else seed,
            count=count,
            init_image=init_image or UNDRAWN * bool(init_icon),
            target_image=target_image or UNDRAWN * bool(target_icon),
            mask_image=mask_image,
            init_icon=read_icon(init_icon).text if init_icon else "",
            target_icon=read_icon(target_icon, plain=True).text if target_icon else "",
        )
    except ValidationError as error:
        raise InvalidRequest(first_problem(error, METHODS)) from error


def _pushed_away(negative: str) -> Iterator[Prompt]:
    """The parts of a negative prompt with their weights. Raises PromptError."""
    reading = read_prompts(negative) if negative.strip() else None
    for part in reading.prompts if reading else ():
        if reading and reading.places:
            raise PromptError(
                "A negative prompt holds in all steps; in a timeline write “400: a tree | fog:-0.5”.",
                negative,
                min(reading.places.values()),
            )
        yield part.model_copy(update={"weight": part.weight * NEGATIVE_WEIGHT})


def check_aims(request: DreamRequest) -> None:
    """Raise InvalidRequest where every prompt only pushes away. The methods can do that; a person never means it."""
    if any(all(target.weight < 0 for target in phase.prompts) for phase in phases_of(request.targets)):
        refuse("Every part has a negative weight, so nothing is left to paint: add one without.")


def build_options(model: Model, method: str, settings: Mapping[str, str]) -> MethodOptions:
    """The options of *method* (the model's usual one if empty): the model's defaults, a profile's, *settings* as text.

    Each goes before the one in front of it. Raises InvalidRequest or PromptError in words.
    """
    name = method or model.methods[0]
    if name not in METHODS:
        refuse(guessed(f"There is no method “{name}”", name, METHODS))
    if name not in model.methods:
        refuse(f"{model.subject} does not support “{name}”; available: {', '.join(model.methods)}.")
    chosen, profile = dict(settings), _profile(name, settings)
    chosen.pop(PROFILE, None)
    for key in chosen:
        if key not in option_names(METHODS[name]):
            refuse(ended(f"{name} has no option “{key}”{guess_option(key, (*option_names(METHODS[name]), PROFILE))}"))
    usual = dict(model.defaults.get(name, {})) | (profile.settings(model) if profile else {})
    try:
        options = METHODS[name].settle(usual, numbered(chosen, model))
    except ValidationError as error:
        raise InvalidRequest(first_problem(error, {name: METHODS[name]}, name)) from error
    options.check_model(model, chosen)
    return options  # type: ignore[return-value]


def _profile(method: str, settings: Mapping[str, str]) -> Profile | None:
    if PROFILE not in settings:
        return None
    found, able = find_profile(settings[PROFILE]), profiles_of(method)
    if found not in able:
        others = f", or profile={' or '.join(profile.name for profile in able)}" if able else ""
        refuse(f"The profile “{found.name}” is for {found.method}, not {method}: take method={found.method}{others}.")
    return found


def parse_settings(text: str) -> dict[str, str]:
    """``steps=40 eta=0.5`` (blanks or commas between) → a mapping; raises InvalidRequest for anything else.

    A schedule may have blanks around its signs, and commas that no option follows belong to the value before them.
    """
    pairs: dict[str, str] = {}
    for word in _BETWEEN.split(_AROUND.sub(r"\1", text)):
        key, mark, value = word.partition("=")
        if word and not (key and mark and value):
            refuse(f"“{word}” is not of the form option=value, as in “steps=40 eta=0.5”.")
        if word:
            pairs[key] = value
    return pairs


_AROUND = re.compile(r"\s*([+*])\s*")
_BETWEEN = re.compile(r"\s*,?\s+|,(?=[a-z_]+=|$)")


def find_model(name: str) -> Model:
    """The model of that name, or InvalidRequest with a guess."""
    if name in (adapters := known_adapters()):
        refuse(f"“{name}” is an adapter of {adapters[name].adapts}, not a model; choose it as the adapter.")
    if name not in MODELS:
        refuse(ended(f"There is no model “{name}”{guess(name, MODELS, listed='known, installed or not')}"))
    return MODELS[name]


def painter_by(method: str, usual: str = DEFAULT_MODEL, absent: Collection[str] = ()) -> str:
    """The name of a model that can paint by *method*: *usual* if it can, else the first one that is not *absent*.

    *usual* if no model can, or if no method is named; its own check then lists its methods.
    """
    able = [model.name for model in MODELS.values() if method in model.methods]
    if usual in able or not able:
        return usual
    return next((name for name in able if name not in absent), able[0])
