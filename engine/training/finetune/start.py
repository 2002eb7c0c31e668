"""What a run begins with: the weights that `--from` names, and the condition of each image for a net that reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from engine.catalogue.registry import USUAL_PERCEPTOR, Kind, find_entry
from engine.errors import InvalidRequest, WeightsError
from engine.guidance.embeddings import preprocess
from engine.loaders.checkpoint import PRIMER_WEIGHTS, read_checkpoint
from engine.loaders.diffusion import fill_diffusion
from engine.nets.adm import UNetModel
from engine.nets.flags import AdmFlags, read_flags
from engine.perceptors.perceptor import Perceptor
from engine.perceptors.perceptor_loader import read_perceptor
from engine.training.finetune.pictures import Collection
from engine.weights.store.folder import weights_folder
from engine.weights.store.hashed_file import open_hashed

SCRATCH, PRIMER = "scratch", "primer"
ALIASES = {"lsun-bedroom": "bedrooms"}
"""The catalogue names these weights otherwise than their authors."""
_OWN_LICENCE = "Yours; you know its terms."
NEW_CLASSES = "The weights have no classes; they begin alike and are learned."
_OPTIMISER = re.compile(r"opt\d*\.pt")
_RAW = re.compile(r"model(\d+)\.pt")
_TRAINING_ONLY = ("use_fp16", "use_checkpoint")


@dataclass(frozen=True)
class TrainingStart:
    net: UNetModel
    name: str
    sha256: str
    """Of the weights' file; empty for random weights."""
    licence: str
    base: str = ""
    """“primer” for the small model and what was trained from it."""
    note: str = ""
    """For the person who begins the run; empty for nothing."""
    perceptor: str = USUAL_PERCEPTOR
    """The CLIP that guides a model with these weights."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Options of clip_diffusion that suit these weights."""

    @property
    def flags(self) -> dict[str, object]:
        return {key: value for key, value in asdict(self.net.flags).items() if key not in _TRAINING_ONLY}

    def table(self, perceptor: str, classes: Sequence[str]) -> dict[str, object]:
        """Fields of `CustomModel`, but its file, for a model trained from these weights; *perceptor* guides it."""
        flags = {key: list(value) if isinstance(value, tuple) else value for key, value in self.flags.items()}
        if self.base:
            return {"flags": flags, "base": self.base}
        given = {"perceptor": perceptor, "defaults": dict(self.defaults), "classes": list(classes)}
        return {"flags": flags, **{name: value for name, value in given.items() if value}}


def load_start(source: str, given: Mapping[str, object], seed: int = 0) -> TrainingStart:
    """The net of *source*: “primer”, a checkpoint's name, a file or “scratch”. *given*: flags of the command line.

    Raises InvalidRequest, ModelUnavailable or WeightsError.
    """
    given = {name: value for name, value in given.items() if name not in _TRAINING_ONLY}
    if source == SCRATCH:
        torch.manual_seed(seed)
        start = TrainingStart(UNetModel(_checked("The net", given)), SCRATCH, "", _OWN_LICENCE)
    elif source == PRIMER:
        found = read_checkpoint(PRIMER_WEIGHTS / "diffusion.safetensors")
        net = UNetModel(_checked(PRIMER, {**found.flags, **given}))
        found.fill(net)
        start = TrainingStart(net, PRIMER, found.sha256, "MIT, the licence of dreambot.", PRIMER, perceptor=PRIMER)
    elif Path(source).is_file():
        start = _from_file(Path(source), given)
    elif Path(source).suffix in (".pt", ".pth", ".ckpt", ".safetensors"):
        raise InvalidRequest(f"There is no file {source}.")
    else:
        start = _from_entry(source, given)
    return start


def image_size_of(source: str) -> int:
    """Side of the images that weights learn from; the default of guided-diffusion for a file that does not say.

    Raises InvalidRequest, ModelUnavailable or WeightsError.
    """
    path = PRIMER_WEIGHTS / "diffusion.safetensors" if source == PRIMER else Path(source)
    if path.suffix == ".safetensors":
        return read_flags(read_checkpoint(path).flags).image_size
    named = source != SCRATCH and path.suffix not in (".pt", ".pth", ".ckpt")
    return read_flags(find_entry(ALIASES.get(source, source)).flags if named else {}).image_size


def _from_entry(name: str, given: Mapping[str, object]) -> TrainingStart:
    entry, folder = find_entry(ALIASES.get(name, name)), weights_folder()
    if entry.kind is not Kind.DIFFUSION:
        raise InvalidRequest(
            f"“{entry.name}” is of the kind {entry.kind.value}; training begins with a diffusion model."
        )
    own, flags = read_flags(entry.flags), _checked(entry.name, {**entry.flags, **given})
    with folder.open(entry) as opened:
        net, _ = fill_diffusion(opened, asdict(replace(flags, class_cond=own.class_cond and flags.class_cond)))
        sha256 = opened.sha256
    learns = flags.class_cond and not own.class_cond
    return TrainingStart(
        with_classes(net) if learns else net,
        entry.name,
        sha256,
        entry.licence,
        base=PRIMER if flags.context_dim and entry.perceptor == PRIMER else "",
        note=NEW_CLASSES if learns else "",
        perceptor=entry.perceptor,
        defaults=entry.defaults,
    )


def _checked(name: str, raw: Mapping[str, object]) -> AdmFlags:
    """Raises InvalidRequest for classes of a net that reads text: the engine tells a net one of the two."""
    flags = read_flags(raw)
    if flags.class_cond and flags.context_dim:
        raise InvalidRequest(f"{name} reads captions and has no classes; leave class_cond out.")
    return flags


def with_classes(net: UNetModel) -> UNetModel:
    """A copy of the net that takes classes; their embedding is zero, so that every class paints as *net* does."""
    grown = UNetModel(replace(net.flags, class_cond=True))
    zeros = torch.zeros_like(grown.label_emb.weight)
    grown.load_state_dict({**net.state_dict(), "label_emb.weight": zeros})
    return grown


def _from_file(path: Path, given: Mapping[str, object]) -> TrainingStart:
    """A file of the reference trainer: `ema_RATE_STEP.pt` and `modelSTEP.pt` hold weights, `optSTEP.pt` does not."""
    if _OPTIMISER.fullmatch(path.name):
        raise WeightsError(f"“{path.name}” holds the optimiser's state; the weights are in ema_….pt and model….pt.")
    flags = given
    if path.suffix == ".safetensors":
        flags = {**read_checkpoint(path).flags, **given}
    with open_hashed(path, path.name) as opened:
        net, _ = fill_diffusion(opened, flags)
        sha256 = opened.sha256
    note = ""
    if (raw := _RAW.fullmatch(path.name)) and (averaged := sorted(path.parent.glob(f"ema_*_{raw[1]}.pt"))):
        note = f"{averaged[0].name} holds the averaged weights of the same step; they paint better."
    return TrainingStart(net, path.name, sha256, _OWN_LICENCE, note=note)


class Reader:
    """Text and images as the input of a net that reads: embeddings of the small model's CLIP."""

    def __init__(self, flags: AdmFlags) -> None:
        self._perceptor: Perceptor = read_perceptor(PRIMER, torch.device("cpu"))
        if self._perceptor.dim != flags.context_dim:
            raise WeightsError(
                f"The net reads embeddings of {flags.context_dim} numbers; the CLIP here makes {self._perceptor.dim}."
            )

    def texts(self, texts: Sequence[str]) -> Tensor:
        """[N, D]"""
        return self._perceptor.encode_text(texts)

    @torch.no_grad()
    def contexts(self, found: Collection) -> Tensor:
        """[N, D]: of the caption, or of the image itself if it has none."""
        rows = []
        for caption, image in zip(found.captions, found.images, strict=True):
            if caption:
                rows.append(self.texts([caption]))
            else:
                rows.append(self._perceptor.encode_image(preprocess([Image.fromarray(image)], self._perceptor)))
        return torch.cat(rows)
