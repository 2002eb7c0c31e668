"""Every checkpoint by name: those of `catalogue.toml`, OpenAI's nine CLIPs among them, and the host's own.

An `Entry` holds a checkpoint's sources, its hash and its network. The files of the nine CLIPs are TorchScript archives;
the hash is part of their addresses. A `Model` is what clients see of weights that a method paints with.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from engine.errors import InvalidRequest, ModelUnavailable, WeightsError

MAX_FILE_BYTES = 16 * 2**30
"""Limit for a file of unknown size. No checkpoint of this family is larger."""
SIZE_TOLERANCE = 1.5
"""A file may exceed an approximate size by this factor."""
USUAL_PERCEPTOR = "ViT-B/32"


class Kind(StrEnum):
    """The network that a checkpoint holds."""

    DIFFUSION = "diffusion"
    V_DIFFUSION = "v-diffusion"
    SECONDARY = "secondary"
    VQGAN = "vqgan"
    BIGGAN = "biggan"
    CLIP = "clip"
    UPSCALER = "upscaler"
    VGG = "vgg"
    LPIPS = "lpips"
    ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class Entry:
    """One checkpoint."""

    name: str
    kind: Kind
    title: str
    file: str
    """File name in the weights folder; an absolute path for a file of the host's own."""
    licence: str
    sources: tuple[str, ...] = ()
    """Addresses, tried in turn."""
    sha256: str = ""
    """Published hash; empty if none is published."""
    size: int = 0
    """Bytes; 0 = unknown."""
    exact: bool = False
    """Whether `size` is exact."""
    flags: Mapping[str, object] = field(default_factory=dict)
    """Options of the network, by the names of the reference code."""
    page: str = ""
    """Web page with a download link, for when every source fails."""
    perceptor: str = USUAL_PERCEPTOR
    """The CLIP that guides a model with these weights."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Option values that suit a model with these weights."""
    adapts: str = ""
    """The model that an adapter changes."""

    @property
    def is_own(self) -> bool:
        """Whether the file belongs to the host, outside of the weights folder."""
        return Path(self.file).is_absolute()

    @property
    def limit(self) -> int:
        """The most bytes that a download may have."""
        if self.exact:
            return self.size
        return int(self.size * SIZE_TOLERANCE) if self.size else MAX_FILE_BYTES


CATALOGUE = Path(__file__).with_name("catalogue.toml")
USUAL_SETTINGS = "disco"

Flags = dict[str, object]
Sentence = Annotated[str, StringConstraints(pattern=r"\.$")]
Address = Annotated[str, StringConstraints(pattern=r"^https://[\w.-]+/\S+$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Net(_Table):
    size: int = 0
    flags: Flags


class _Weights(_Table):
    name: str
    kind: Kind
    title: str
    licence: str
    file: str = ""
    sources: tuple[Address, ...] = ()
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""
    size: int = Field(default=0, ge=0)
    exact: bool = False
    net: str = ""
    flags: Flags = {}
    page: str = ""
    perceptor: str = USUAL_PERCEPTOR
    settings: str = USUAL_SETTINGS

    @model_validator(mode="after")
    def _has_a_file(self) -> _Weights:
        if not self.sources and not (self.file and self.page):
            raise ValueError(f"“{self.name}” needs a source, or a file name and a page")
        return self


class Catalogue(_Table):
    """The contents of `catalogue.toml`."""

    licences: dict[str, Sentence]
    settings: dict[str, Flags]
    nets: dict[str, _Net]
    weights: tuple[_Weights, ...]

    def entries(self) -> Iterator[Entry]:
        """Yields the checkpoints in the file's order. Raises KeyError for a licence, net or setting without a table."""
        for row in self.weights:
            net = self.nets[row.net] if row.net else _Net(flags={})
            yield Entry(
                name=row.name,
                kind=row.kind,
                title=row.title,
                file=row.file or row.sources[0].rpartition("/")[2],
                licence=self.licences[row.licence],
                sources=row.sources,
                sha256=row.sha256,
                size=row.size or net.size,
                exact=row.exact,
                flags=net.flags | row.flags,
                page=row.page,
                perceptor=row.perceptor,
                defaults=self.settings[row.settings] if row.kind in (Kind.DIFFUSION, Kind.V_DIFFUSION) else {},
            )


def read_catalogue(path: Path = CATALOGUE) -> dict[str, Entry]:
    """Name → entry. Raises pydantic's ValidationError or KeyError for a file that is not a catalogue."""
    catalogue = Catalogue.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    return {entry.name: entry for entry in catalogue.entries()}


PUBLISHED: Mapping[str, Entry] = MappingProxyType(read_catalogue())
_own: dict[str, Entry] = {}
_trained: dict[str, Entry] = {}


def entries() -> Mapping[str, Entry]:
    return {**PUBLISHED, **_trained, **_own}


def add_entries(own: Iterable[Entry]) -> None:
    """Register the host's own entries in this process; an entry replaces an earlier one of its name."""
    _own.update((entry.name, entry) for entry in own)


def is_configured(name: str) -> bool:
    return name in _own


def set_trained_entries(trained: Iterable[Entry]) -> None:
    """Register what was trained here, in place of the entries of the last call. The host's own entries hide them."""
    found = {entry.name: entry for entry in trained}
    for name in _trained.keys() - found.keys():
        del _trained[name]
    _trained.update(found)


def find_entry(name: str) -> Entry:
    """The entry of that name or file name, in any case. Raises ModelUnavailable with a suggestion."""
    known = entries()
    by_file = {Path(entry.file).stem.lower(): entry for entry in known.values()}
    by_name = {entry.name.lower(): entry for entry in known.values()}
    found = known.get(name) or by_name.get(name.lower()) or by_file.get(Path(name).name.removesuffix(".pt").lower())
    if found is None:
        near = difflib.get_close_matches(name.lower(), list(by_name), n=1, cutoff=0.5)
        guess = f"; did you mean “{by_name[near[0]].name}”?" if near else "; `python -m engine weights list` shows all."
        raise ModelUnavailable(f"There are no weights “{name}”{guess}")
    return found


CLIPS = tuple(entry for entry in PUBLISHED.values() if entry.kind is Kind.CLIP)
OPENAI_TAG = "openai"
"""open_clip's tag for OpenAI's weights, as in “ViT-B-32/openai”."""


def clip_named(name: str) -> Entry | None:
    """OpenAI's CLIP of that name: “ViT-B/32”, “ViT-B-32”, “ViT-L-14-336” or “ViT-B-32/openai”; None for others."""
    architecture = name.removesuffix(f"/{OPENAI_TAG}")
    wanted = plain(architecture if architecture == name else architecture.removesuffix("-quickgelu"))
    return next((entry for entry in CLIPS if plain(entry.name) == wanted), None)


def plain(name: str) -> str:
    """OpenAI's name in open_clip's spelling: “ViT-L/14@336px” → “ViT-L-14-336”."""
    return name.replace("/", "-").replace("@", "-").removesuffix("px")


def clip_of_hash(path: Path, sha256: str) -> Entry:
    """The entry with that hash. Raises WeightsError if it is none of the nine."""
    found = next((entry for entry in CLIPS if entry.sha256 == sha256), None)
    if found is None:
        raise WeightsError(f"“{path.name}” is none of OpenAI's nine CLIP files: its SHA-256 is {sha256}.")
    return found


@dataclass(frozen=True, slots=True)
class Model:
    """What one set of weights can paint. Sizes are those of the finished image, in pixels."""

    name: str
    title: str
    methods: tuple[str, ...]
    """Methods that can use it, the usual one first."""
    size: tuple[int, int]
    """Default width and height."""
    multiple: int
    """Width and height are multiples of this."""
    smallest: int
    largest: int
    scale: int = 1
    """The network's image is this many times smaller; `finish` upscales it."""
    finish: str = ""
    """The upscaler that every image of this model goes through; empty for none."""
    perceptor: str = "primer"
    """The default CLIP."""
    view_share: float = 0.01
    """Cost of one view through its CLIP over one guided pass at its default size; see `flops`."""
    train_steps: int = 1000
    """Timesteps of the diffusion process of its training."""
    classes: int = 0
    """Classes of its training; the network needs one of them. 0 = unconditional."""
    class_names: tuple[str, ...] = ()
    """Name of each class, in their order; empty if they have no names."""
    reads: bool = False
    """Whether its network is conditioned on the prompt."""
    free_guidance: bool = True
    """Whether a network that reads was also trained without a prompt, for classifier-free guidance."""
    limited_words: bool = False
    """Whether it knows only the words of `engine.primer.vocabulary`."""
    defaults: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Method → option → default value."""

    @property
    def subject(self) -> str:
        """The title as the beginning of a sentence: “The small model”; names stay as they are written."""
        return self.title[0].upper() + self.title[1:] if self.title.startswith("the ") else self.title

    def check_size(self, width: int, height: int) -> None:
        """Raises InvalidRequest, with the nearest possible size, unless the model can paint *width* × *height*."""
        nearest = tuple(
            min(max(round(side / self.multiple) * self.multiple, self.smallest), self.largest)
            for side in (width, height)
        )
        if nearest != (width, height) and self.smallest == self.largest:
            raise InvalidRequest(
                f"{self.subject} cannot paint {width}×{height}; all its pictures are {self.largest}×{self.largest}."
            )
        if nearest != (width, height):
            raise InvalidRequest(
                f"{self.subject} cannot paint {width}×{height}; the nearest size is {nearest[0]}×{nearest[1]} "
                f"(sides are multiples of {self.multiple} from {self.smallest} to {self.largest})."
            )

    def shrunk(self, width: int, height: int, pixels: int) -> tuple[int, int] | None:
        """The largest size of about that aspect ratio with at most *pixels* pixels; None if none is so small."""
        part = min((pixels / (width * height)) ** 0.5, 1.0)
        wide, high = (max(int(side * part) // self.multiple * self.multiple, self.smallest) for side in (width, height))
        return (wide, high) if wide * high <= pixels else None


NET = 2.24
"""One forward pass of the 256-pixel ImageNet net at 256x256; backward to the picture costs as much again."""
NET_CHANNELS = 256
SECONDARY = 0.1
"""Forward and backward of the secondary net at 256x256."""
LPIPS = 0.12
"""LPIPS of an image of 256x256: forward and backward, and forward of the init image."""
CLIP: Mapping[str, float] = {
    "ViT-B/32": 0.0177,
    "ViT-B/16": 0.072,
    "ViT-L/14": 0.331,
    "ViT-L/14@336px": 0.797,
    "RN50": 0.0232,
    "RN101": 0.038,
    "RN50x4": 0.082,
    "RN50x16": 0.292,
    "RN50x64": 1.04,
}
"""Forward and backward of one view."""


BIGGAN: Mapping[int, float] = {128: 0.037, 256: 0.12, 512: 0.155}
"""Forward and backward of BigGAN-deep by its pictures' side, 128 channels wide."""
BIGGAN_CHANNELS = 128


def clip_cost(name: str) -> float:
    """Cost of one view through the CLIP *name*; unknown CLIPs cost as much as ViT-B/32."""
    return CLIP.get(name, CLIP["ViT-B/32"])


def gradient_cost(gradient: str, extra_evaluations: int = 0) -> float:
    """Cost of the gradient of one guided step, beside the net's forward pass and without the views.

    *extra_evaluations*: evaluations of guidance beside the step's own; 0 = guidance uses the step's own prediction.
    Each needs a forward pass, unless the secondary net gives the prediction.
    """
    back = {"net": NET, "secondary": SECONDARY, "xstart": 0.0}[gradient]
    forward = 0.0 if gradient == "secondary" else NET
    return extra_evaluations * (forward + back) if extra_evaluations else back


def view_share(channels: int, size: int, perceptor: str) -> float:
    """Cost of one view through *perceptor* over one guided pass of an ADM net of that width and image size."""
    net = 2 * NET * (channels / NET_CHANNELS) ** 2 * (size / 256) ** 2
    return clip_cost(perceptor) / net


def v_view_share(teraflops: float, perceptor: str) -> float:
    """Cost of one view through *perceptor* over one guided pass of a net whose forward pass costs *teraflops*."""
    return clip_cost(perceptor) / (2 * teraflops)


def biggan_view_share(channels: int, size: int, perceptor: str) -> float:
    """Cost of one view through *perceptor* over one forward and backward pass of a BigGAN."""
    nearest = min(BIGGAN, key=lambda side: abs(side - size))
    net = BIGGAN[nearest] * (size / nearest) ** 2 * (channels / BIGGAN_CHANNELS) ** 2
    return clip_cost(perceptor) / net
