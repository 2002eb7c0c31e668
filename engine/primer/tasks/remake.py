"""Each of the primer's nets from nothing: its pictures, its task, its recipe, its place.

The order is clip, then diffusion and vqgan (told by the guide), then the upscaler (taught by the diffusion model's own
grain); grader and classifier need nothing but the painter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from engine.errors import InvalidRequest
from engine.loaders.checkpoint import PRIMER_WEIGHTS, read_checkpoint
from engine.nets.adm import UNetModel, build_adm
from engine.nets.small_clip import SmallClip, build_small_clip
from engine.primer.tasks import classifier as train_classifier
from engine.primer.tasks import clip as train_clip
from engine.primer.tasks import diffusion as train_diffusion
from engine.primer.tasks import upscaler as train_upscaler
from engine.primer.tasks import vqgan as train_vqgan
from engine.primer.tasks.albums import album, training_folder
from engine.primer.tasks.dataset import Rendered
from engine.training.checkpoints import copy_weights
from engine.training.loop import Recipe, Trainer
from engine.training.states import STATE, RunState, refuse_other_start
from engine.training.task import Task

GUIDE_SEED, GRADER_SEED, TIDY_SEED, UPSCALER_SEED, HELD_OUT_SEED = 12, 13, 14, 16, 901
"""Series of the painter. The grader's and the classifier's are not the guide's; nobody learns from the held-out one."""
DREAMS = 1500

Begun = Mapping[str, Tensor] | None
"""The finished weights that a run begins with; None = random ones."""


def trainer(
    name: str,
    *,
    minutes: float = 0.0,
    pictures: int = 150_000,
    device: str | torch.device = "cpu",
    start: Path | None = None,
    anew: bool = False,
) -> Trainer:
    """The run that remakes net *name* out of so many *pictures*, in a folder of its own outside the repository.

    *minutes* 0 = as long as the recipe says. *start*: finished weights to begin with instead of random ones; then the
    guide's text tower stays as it is, because the diffusion model reads it. *anew*: whatever lies in its folder.
    Raises InvalidRequest for an unknown name, WeightsError where a net that it builds on is missing, and before
    anything is painted where its folder has the state of an unfinished run that began with other weights.
    """
    if name not in _TASKS:
        raise InvalidRequest(f"There is no small model “{name}”; there is {', '.join(_TASKS)}.")
    folder = training_folder() / name
    given = None if start is None else read_checkpoint(start)
    begun, sha256 = (given.tensors, given.sha256) if given else (None, "")
    if not anew and (folder / STATE).exists():
        refuse_other_start(folder / STATE, RunState.read(folder / STATE), sha256)
    torch.manual_seed(list(_TASKS).index(name))
    task, recipe = _TASKS[name](pictures, begun)
    if minutes:
        recipe = replace(recipe, minutes=minutes, steps=10**9)
    run = Trainer(task, recipe, folder, device=device, facts={"painted": pictures})
    if begun is not None:
        run.start_from(begun, sha256)
    return run


def install(run: Trainer, name: str) -> Path:
    """Put the weights of a run that is done where the package looks for them. Raises InvalidRequest for another."""
    if run.done < 1:
        raise InvalidRequest(f"The run of {name} is not finished, and what it has learned is not installed.")
    target = PRIMER_WEIGHTS / f"{name}.safetensors"
    copy_weights(run.folder / "weights.safetensors", target)
    return target


def load_guide() -> SmallClip:
    """The guide as it is installed. Raises WeightsError."""
    checkpoint = read_checkpoint(PRIMER_WEIGHTS / "clip.safetensors")
    guide = build_small_clip(checkpoint.flags)
    checkpoint.fill(guide)
    return guide.eval().requires_grad_(False)


def load_diffusion() -> UNetModel:
    """The diffusion net as it is installed. Raises WeightsError."""
    checkpoint = read_checkpoint(PRIMER_WEIGHTS / "diffusion.safetensors")
    net = build_adm(checkpoint.flags)
    checkpoint.fill(net)
    return net.eval().requires_grad_(False)


def _clip(pictures: int, begun: Begun) -> tuple[Task, Recipe]:
    painted = album(pictures, GUIDE_SEED)
    task = train_clip.ClipTask(
        "clip", train_clip.GUIDE, painted, _held_out(), spoilt=True, words_stay=begun is not None
    )
    return task, train_clip.GUIDE_RECIPE


def _grader(pictures: int, begun: Begun) -> tuple[Task, Recipe]:
    task = train_clip.ClipTask("grader", train_clip.GRADER, album(pictures, GRADER_SEED), _held_out(), spoilt=False)
    return task, train_clip.GRADER_RECIPE


def _classifier(pictures: int, begun: Begun) -> tuple[Task, Recipe]:
    return train_classifier.ClassifierTask(album(pictures, GRADER_SEED), _held_out()), train_classifier.RECIPE


def _diffusion(pictures: int, begun: Begun) -> tuple[Task, Recipe]:
    tidy, full = album(pictures, TIDY_SEED, "tidy"), album(pictures, GUIDE_SEED)
    tuning = begun is not None
    reads = begun is not None and any(name.startswith("reader.") for name in begun)
    task = train_diffusion.diffusion_task(load_guide(), tidy, full, _held_out(), tuning=tuning, reads=reads)
    return task, train_diffusion.TUNING if tuning else train_diffusion.RECIPE


def _upscaler(pictures: int, begun: Begun) -> tuple[Task, Recipe]:
    count = max(pictures // 25, DREAMS)  # large pictures are large; windows of them are many
    painted = album(count, UPSCALER_SEED, large=256)
    contexts = train_diffusion.told(load_guide(), painted)
    dreamt = train_upscaler.dreamt_pictures(load_diffusion(), painted, contexts, min(DREAMS, count))
    return train_upscaler.UpscalerTask(painted, album(256, HELD_OUT_SEED, large=256), dreamt), train_upscaler.RECIPE


def _vqgan(pictures: int, begun: Begun) -> tuple[Task, Recipe]:
    eye = load_guide().image
    return train_vqgan.VqganTask(album(pictures, GUIDE_SEED), _held_out(), eye), train_vqgan.RECIPE


def _held_out() -> Rendered:
    return album(4096, HELD_OUT_SEED)


_TASKS: Mapping[str, Callable[[int, Begun], tuple[Task, Recipe]]] = {
    "clip": _clip,
    "grader": _grader,
    "classifier": _classifier,
    "diffusion": _diffusion,
    "upscaler": _upscaler,
    "vqgan": _vqgan,
}
NETS = tuple(_TASKS)
