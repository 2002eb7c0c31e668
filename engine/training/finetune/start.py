"""What a run begins with: the weights that `--from` names, and the condition of each image for a net that reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from engine.catalogue.registry import Kind, find_entry
from engine.errors import InvalidRequest, WeightsError
from engine.guidance.embeddings import views
from engine.loaders.checkpoint import PRIMER_WEIGHTS, read_checkpoint
from engine.loaders.diffusion import fill_diffusion
from engine.nets.adm import UNetModel, build_adm
from engine.nets.adm_flags import AdmFlags
from engine.perceptors.perceptor import Perceptor
from engine.perceptors.perceptor_loader import read_perceptor
from engine.training.finetune.options import refuse_classes
from engine.training.finetune.pictures import Collection
from engine.weights.store.folder import weights_folder
from engine.weights.store.hashed_file import open_hashed

SCRATCH, PRIMER = "scratch", "primer"
ALIASES = {"lsun-bedroom": "bedrooms"}
"""The catalogue names these weights otherwise than their authors."""
_OWN_LICENCE = "Yours; you know its terms."
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

    @property
    def flags(self) -> dict[str, object]:
        return {key: value for key, value in asdict(self.net.flags).items() if key not in _TRAINING_ONLY}


def load_start(source: str, given: Mapping[str, object], seed: int = 0) -> TrainingStart:
    """The net of *source*: “primer”, a checkpoint's name, a file or “scratch”. *given*: flags of the command line.

    Raises InvalidRequest, ModelUnavailable or WeightsError.
    """
    given = {name: value for name, value in given.items() if name not in _TRAINING_ONLY}
    if source == SCRATCH:
        torch.manual_seed(seed)
        start = TrainingStart(build_adm(given), SCRATCH, "", _OWN_LICENCE)
    elif source == PRIMER:
        found = read_checkpoint(PRIMER_WEIGHTS / "diffusion.safetensors")
        net = build_adm({**found.flags, **given})
        found.fill(net)
        start = TrainingStart(net, PRIMER, found.sha256, "As this program.", PRIMER)
    elif Path(source).is_file():
        start = _from_file(Path(source), given)
    elif Path(source).suffix in (".pt", ".pth", ".ckpt", ".safetensors"):
        raise InvalidRequest(f"There is no file {source}.")
    else:
        start = _from_entry(source, given)
    refuse_classes(start.net.flags)
    return start


def _from_entry(name: str, given: Mapping[str, object]) -> TrainingStart:
    entry, folder = find_entry(ALIASES.get(name, name)), weights_folder()
    if entry.kind is not Kind.DIFFUSION:
        raise InvalidRequest(
            f"“{entry.name}” is of the kind {entry.kind.value}; training begins with a diffusion model."
        )
    with folder.open(entry) as opened:
        net, _ = fill_diffusion(opened, {**entry.flags, **given})
        sha256 = opened.sha256
    return TrainingStart(net, entry.name, sha256, entry.licence, PRIMER if entry.perceptor == PRIMER else "")


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
    """Text and images as a net that reads is told of them: embeddings of the small model's CLIP."""

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
        """[N, D]: of the caption, or of the image itself where there is none."""
        rows = []
        for caption, image in zip(found.captions, found.images, strict=True):
            if caption:
                rows.append(self.texts([caption]))
            else:
                rows.append(self._perceptor.encode_image(views([Image.fromarray(image)], self._perceptor)))
        return torch.cat(rows)
