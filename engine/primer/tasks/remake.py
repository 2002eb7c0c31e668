"""Trains each of the primer's nets from scratch: its pictures, its task, its recipe, its file.

The order is clip and composer, then diffusion (told by both) and vqgan (judged by the guide), then the upscaler (taught
by what the diffusion model gives). Grader and classifier need nothing but the painter. All need the icon sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from engine.errors import InvalidRequest, WeightsError
from engine.loaders.checkpoint import PRIMER_WEIGHTS, read_checkpoint
from engine.nets.adm import UNetModel, build_adm
from engine.nets.primer.composer import Composer, build_composer
from engine.nets.primer.small_clip import SmallClip, build_small_clip
from engine.primer.folder import training_folder
from engine.primer.painter.scenes import Domain
from engine.primer.tasks import classifier as train_classifier
from engine.primer.tasks import clip as train_clip
from engine.primer.tasks import composer as train_composer
from engine.primer.tasks import diffusion as train_diffusion
from engine.primer.tasks import upscaler as train_upscaler
from engine.primer.tasks import vqgan as train_vqgan
from engine.primer.tasks.albums import album
from engine.primer.tasks.dataset import Rendered
from engine.primer.vocabulary import NOUNS, TOKEN
from engine.training.checkpoints import copy_weights, save_tensors
from engine.training.loop import Recipe, Trainer
from engine.training.states import STATE, RunState, refuse_other_start
from engine.training.task import Task

GUIDE_SEED, GRADER_SEED, TIDY_SEED, UPSCALER_SEED, HELD_OUT_SEED = 12, 13, 14, 16, 901
WORLD_SEED, JUDGED_SEED, HELD_WORLD_SEED = 21, 22, 990
"""Series of the painter. Grader and classifier learn from other series than the guide; no net sees held-out ones."""
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
    """Return the run that remakes net *name* out of so many *pictures*, in a folder outside the repository.

    *minutes* 0 = as long as the recipe says. *start*: finished weights to begin with instead of random ones; then the
    guide's text tower learns nothing but nouns, because the diffusion model reads it. *anew*: ignore an
    earlier run in its folder.
    Raises InvalidRequest for an unknown name, WeightsError where a net that it builds on is missing, and before
    anything is painted where its folder has the state of an unfinished run that began with other weights.
    """
    if name not in _TASKS:
        raise InvalidRequest(f"There is no small model “{name}”; available: {', '.join(_TASKS)}.")
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
    """Copy the weights of a finished run into the package. Raises InvalidRequest for an unfinished one."""
    if run.done < 1:
        raise InvalidRequest(f"The run of {name} is not finished, and what it has learned is not installed.")
    target = PRIMER_WEIGHTS / f"{name}.safetensors"
    copy_weights(run.folder / "weights.safetensors", target)
    return target


def average(files: Sequence[Path], target: Path) -> None:
    """Write the mean of finished weights of one net to *target*, with the recipes of all (Wortsman et al. 2022).

    Meant for runs that began with the same weights. Raises WeightsError for unreadable files and different nets.
    """
    found = [read_checkpoint(file) for file in files]
    first = found[0]
    for other in found[1:]:
        shapes = [{name: tensor.shape for name, tensor in one.tensors.items()} for one in (first, other)]
        if (first.flags, shapes[0]) != (other.flags, shapes[1]):
            raise WeightsError(f"“{other.name}” and “{first.name}” are weights of different nets.")
    means = {name: _mean([one.tensors[name] for one in found]) for name in first.tensors}
    parts = [{"sha256": one.sha256, **one.recipe} for one in found]
    save_tensors(target, means, first.flags, {"average_of": parts})


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([tensor.double() for tensor in tensors]).mean(dim=0).to(tensors[0].dtype)


def load_guide() -> SmallClip:
    """Return the installed guide. Raises WeightsError."""
    checkpoint = read_checkpoint(PRIMER_WEIGHTS / "clip.safetensors")
    guide = build_small_clip(checkpoint.flags)
    checkpoint.fill(guide)
    return guide.eval().requires_grad_(False)


def load_diffusion() -> UNetModel:
    """Return the installed diffusion net. Raises WeightsError."""
    checkpoint = read_checkpoint(PRIMER_WEIGHTS / "diffusion.safetensors")
    net = build_adm(checkpoint.flags)
    checkpoint.fill(net)
    return net.eval().requires_grad_(False)


def load_composer() -> Composer:
    """Return the installed composer. Raises WeightsError."""
    checkpoint = read_checkpoint(PRIMER_WEIGHTS / "composer.safetensors")
    composer = build_composer(checkpoint.flags)
    checkpoint.fill(composer)
    return composer.eval().requires_grad_(False)


def _clip(pictures: int, begun: Begun) -> tuple[Task, Recipe]:
    painted = _world(pictures)
    if begun is None:
        task = train_clip.ClipTask("clip", train_clip.GUIDE, painted, _held_out(), spoilt=True)
        return task, train_clip.GUIDE_RECIPE
    net = load_diffusion()
    task = train_clip.ClipTask(
        "clip",
        train_clip.GUIDE,
        painted,
        _held_out(),
        spoilt=True,
        known_words=TOKEN[next(iter(NOUNS))],
        denoised=train_diffusion.untold_guesses(net),
        attacked=train_clip.ATTACKED,
        teachers=(net,),
    )
    return task, train_clip.GUIDE_TUNING


def _composer(pictures: int, begun: Begun) -> tuple[Task, Recipe]:
    return train_composer.ComposerTask(_world(pictures), album(4096, HELD_WORLD_SEED, "held")), train_composer.RECIPE


def _grader(pictures: int, begun: Begun) -> tuple[Task, Recipe]:
    task = train_clip.ClipTask("grader", train_clip.GRADER, _judged(pictures), _held_out(), spoilt=False)
    return task, train_clip.GRADER_RECIPE if begun is None else train_clip.GRADER_TUNING


def _classifier(pictures: int, begun: Begun) -> tuple[Task, Recipe]:
    return train_classifier.ClassifierTask(_judged(pictures), _held_out()), train_classifier.RECIPE


def _diffusion(pictures: int, begun: Begun) -> tuple[Task, Recipe]:
    tidy, held_out = album(pictures, TIDY_SEED, "tidy"), album(4096, HELD_WORLD_SEED, "held")
    reads, copies = (any(name.startswith(part) for name in begun or ()) for part in ("reader.", "copy."))
    task = train_diffusion.diffusion_task(
        load_guide(),
        load_composer(),
        tidy,
        _world(pictures),
        held_out,
        tuning=begun is not None,
        reads=reads,
        copies=copies,
    )
    return task, train_diffusion.RECIPE if begun is None else train_diffusion.TUNING


def _upscaler(pictures: int, begun: Begun) -> tuple[Task, Recipe]:
    count = max(pictures // 50, DREAMS)
    guide, net, composer = load_guide(), load_diffusion(), load_composer()
    lessons = [
        train_upscaler.lesson(net, guide, composer, album(count, UPSCALER_SEED + i, domain, large=256))
        for i, domain in enumerate(_BOTH)
    ]
    once_more = album(count // 10, UPSCALER_SEED, "world", size=256, large=1024)
    held_out = album(256, HELD_OUT_SEED, large=256)
    recipe = train_upscaler.RECIPE if begun is None else train_upscaler.TUNING
    return train_upscaler.UpscalerTask(lessons, once_more, held_out), recipe


def _vqgan(pictures: int, begun: Begun) -> tuple[Task, Recipe]:
    eye = load_guide().image
    task = train_vqgan.VqganTask(_world(pictures), _held_out(), eye)
    return task, train_vqgan.RECIPE if begun is None else train_vqgan.TUNING


_BOTH: tuple[Domain, Domain] = ("world", "full")


def _world(pictures: int) -> list[Rendered]:
    """Return albums: two thirds of the pictures with nouns of the icon sets, one third without."""
    return [album(pictures * 2 // 3, WORLD_SEED, "world"), album(pictures // 3, GUIDE_SEED)]


def _judged(pictures: int) -> list[Rendered]:
    return [album(pictures * 2 // 3, JUDGED_SEED, "judged"), album(pictures // 3, GRADER_SEED)]


def _held_out() -> dict[str, Rendered]:
    return {"world": album(4096, HELD_WORLD_SEED, "held"), "old": album(4096, HELD_OUT_SEED)}


_TASKS: Mapping[str, Callable[[int, Begun], tuple[Task, Recipe]]] = {
    "clip": _clip,
    "composer": _composer,
    "grader": _grader,
    "classifier": _classifier,
    "diffusion": _diffusion,
    "upscaler": _upscaler,
    "vqgan": _vqgan,
}
