"""Your own checkpoints: `[models.<name>]` in config.toml, a file and what net it holds. No torch.

[models.my-paintings]
file = "~/runs/paintings/ema_0.9999_058000.pt"
size = [256, 256]
flags = { image_size = 256, num_channels = 128, num_heads = 1, attention_resolutions = "16", learn_sigma = true }

[models.my-codes]
kind = "vqgan"
file = "~/runs/codes/last.ckpt"
flags = { n_embed = 4096, resolution = 256 }

[models.my-faces]
kind = "upscaler"
file = "~/4x-faces.safetensors"

[models.my-ink]
kind = "adapter"
file = "~/ink.safetensors"
adapts = "primer"
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from engine.catalogue.models import DEFAULT_MODEL, PRIMER, add_models, build_model, check_flags, paints
from engine.catalogue.registry import PUBLISHED, Entry, Kind, Model, add_entries
from engine.errors import InvalidRequest, WeightsError
from engine.nets.flags import read_flags
from engine.requests.options.clip_views import NONE
from engine.requests.request import AUTO, SHIPPED, build_options
from engine.weights.store.toml_file import read_toml

OWN_LICENCE = "Yours; you know its terms."
VARIABLE = "DREAMBOT_MODELS"
"""How a bot or a shell tells its engine child: the same tables as JSON."""


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,39}", text):
        raise ValueError("a model's name has up to 40 of a–z, 0–9, dots and hyphens")
    return text


def _sha256(text: str) -> str:
    if text and not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError(f"“{text}” is not a SHA-256, which has 64 characters of 0–9 and a–f")
    return text


def _file(text: str) -> str:
    try:
        Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"“{text}” cannot be found: there is no such home folder") from None
    return text


ModelName = Annotated[str, AfterValidator(_name)]
Sha256 = Annotated[str, AfterValidator(_sha256)]
WeightsFile = Annotated[str, AfterValidator(_file)]
Flag: TypeAlias = bool | int | float | str
Flags: TypeAlias = Flag | list[Flag | list[Flag]]
"""Some are lists: `ch_mult` of a VQGAN, the `layers` of a BigGAN."""


class CustomModel(BaseModel):
    """A model, an upscaler or an adapter of the host: the file with its weights, and the network that they belong to.

    An upscaler may be any that spandrel recognises (ESRGAN, Compact, SwinIR, HAT …); it needs no flags.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: WeightsFile = Field(
        min_length=1, description="Its weights: safetensors, or a PyTorch file.", examples=["~/mine.pt"]
    )
    kind: Literal["diffusion", "v-diffusion", "vqgan", "biggan", "upscaler", "adapter"] = Field(
        default="diffusion",
        description="Its kind: a model of clip_diffusion, vqgan_clip or biggan_clip, an upscaler, or an adapter.",
    )
    flags: Mapping[str, Flags] = Field(
        default_factory=dict,
        description="The options that its net was trained with, by the names of guided-diffusion, of "
        "taming-transformers' ddconfig (and n_embed, embed_dim), or of pytorch-pretrained-biggan's configuration.",
        examples=[{"image_size": 256, "num_channels": 128, "learn_sigma": True}],
    )
    title: str = Field(default="", max_length=60, description="The title that people see; empty = its name.")
    sha256: Sha256 = Field(
        default="", description="Hash of the file; empty = `python -m engine weights verify --trust NAME` remembers it."
    )
    sources: tuple[str, ...] = Field(default=(), description="Addresses to download it from, tried in turn.")
    licence: str = Field(default=OWN_LICENCE, description="Its licence.")
    size: tuple[int, int] | None = Field(
        default=None,
        description="Default width and height; left out = those of its training.",
        examples=[[256, 256]],
    )
    perceptor: str = Field(default="ViT-B/32", description="The CLIP that guides it.")
    defaults: Mapping[str, Flag] = Field(
        default_factory=dict, description="Options that suit it.", examples=[{"steps": 50, "clip_guidance_scale": 1000}]
    )

    classes: tuple[str, ...] = Field(
        default=(),
        max_length=1000,
        description="Names of a diffusion model's classes in their order; left out = ImageNet's 1000.",
    )
    base: Literal["", "primer"] = Field(
        default="",
        description="With “primer”, a model trained from the small one: 64 pixels, guided by its CLIP and upscaled.",
    )
    adapts: str = Field(default="", max_length=40, description="The model that an adapter changes.")

    @field_validator("flags")
    @classmethod
    def _are_flags(cls, flags: Mapping[str, Flags], found: ValidationInfo) -> Mapping[str, Flags]:
        try:
            if kind := found.data.get("kind"):
                check_flags(Kind(kind), flags)
        except WeightsError as error:
            raise ValueError(str(error).replace("?.", "?")) from error
        return flags

    @model_validator(mode="after")
    def _suit_their_kind(self) -> CustomModel:
        if self.paints and "flags" not in self.model_fields_set:
            raise ValueError(f"a {self.kind} model needs its flags, as they were when it was trained")
        odd = {"flags", "size", "perceptor", "defaults", "classes"} & self.model_fields_set
        if not self.paints and odd:
            raise ValueError(f"an {self.kind} has no {' and no '.join(sorted(odd))}; its file says all that is needed")
        if self.classes and not (self.kind == "diffusion" and read_flags(self.flags).class_cond):
            raise ValueError("classes need a diffusion model with class_cond among its flags")
        if (self.kind == "adapter") != bool(self.adapts):
            raise ValueError("an adapter, and nothing else, needs adapts: the name of the model that it changes")
        return self

    @property
    def paints(self) -> bool:
        return paints(Kind(self.kind))

    def entry(self, name: str) -> Entry:
        return Entry(
            name=name,
            kind=Kind(self.kind),
            title=self.title or name,
            file=str(Path(self.file).expanduser().absolute()),
            licence=self.licence,
            sources=self.sources,
            sha256=self.sha256,
            flags=dict(self.flags),
            perceptor=self.base or self.perceptor,
            defaults=dict(self.defaults),
            adapts=self.adapts,
        )

    def model(self, name: str) -> Model:
        entry = self.entry(name)
        if not self.base:
            model = build_model(entry, self.size)
            return replace(model, classes=len(self.classes), class_names=self.classes) if self.classes else model
        usual = {**PRIMER.defaults["clip_diffusion"], **entry.defaults}
        defaults = {"clip_diffusion": usual}
        return replace(PRIMER, name=name, title=entry.title, methods=("clip_diffusion",), defaults=defaults)


_TAKEN = PUBLISHED.keys() | {DEFAULT_MODEL, AUTO, NONE, *SHIPPED}
_OWN: TypeAdapter[dict[str, CustomModel]] = TypeAdapter(dict[ModelName, CustomModel])


def read_custom_models(tables: object) -> dict[str, CustomModel]:
    """The `models` table of a configuration. Raises WeightsError that names the key."""
    try:
        own = _OWN.validate_python(tables)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["models", *(str(part) for part in first["loc"] if part != "[key]")])
        raise WeightsError(f"{where}: {first.get('ctx', {}).get('error', first['msg'])}.".replace("..", ".")) from error
    check_custom_models(own)
    return own


def check_custom_models(own: Mapping[str, CustomModel]) -> None:
    """Checks names, sizes and settings when the configuration is read. Raises WeightsError."""
    if taken := sorted(_TAKEN & own.keys()):
        raise WeightsError(f"models.{taken[0]}: that name is taken; choose another.")
    for name, model in own.items():
        if model.paints:
            _check_settings(name, model.model(name))


def check_name(name: str) -> None:
    """Raises InvalidRequest for a name that a trained model cannot have."""
    try:
        _name(name)
    except ValueError as error:
        raise InvalidRequest(f"“{name}”: {error}.") from error
    if name in _TAKEN:
        raise InvalidRequest(f"The name “{name}” is taken by a model; choose another.")


def _check_settings(name: str, model: Model) -> None:
    try:
        model.check_size(*model.size)
        build_options(model, "", {})
    except InvalidRequest as error:
        raise WeightsError(f"models.{name}: {error}") from error


def find_custom_models(environ: Mapping[str, str]) -> dict[str, CustomModel]:
    """The models of the configuration file that the bot would read; none without a file. Raises WeightsError."""
    named = environ.get("DREAMBOT_CONFIG", "").strip()
    usual = (Path("config.toml"), platformdirs.user_config_path("dreambot", False) / "config.toml")
    path = Path(named) if named else next((place for place in usual if place.is_file()), None)
    if path is None:
        return {}
    return read_custom_models(read_toml(path).get("models", {}))


def shared_custom_models(environ: Mapping[str, str]) -> dict[str, CustomModel]:
    """The models in the environment variable that the parent process has set. Raises WeightsError."""
    try:
        return read_custom_models(json.loads(environ.get(VARIABLE) or "{}"))
    except json.JSONDecodeError as error:
        raise WeightsError(f"{VARIABLE} is not JSON: {error}.") from error


def add_custom_models(own: Mapping[str, CustomModel]) -> None:
    """Registers the models and their files in this process."""
    add_entries(model.entry(name) for name, model in own.items())
    add_models(model.model(name) for name, model in own.items() if model.paints)


def share_tables(own: Mapping[str, CustomModel], environ: MutableMapping[str, str]) -> None:
    """Sets the variable that `shared_custom_models` reads in a child."""
    environ[VARIABLE] = _OWN.dump_json(dict(own), exclude_unset=True).decode()
