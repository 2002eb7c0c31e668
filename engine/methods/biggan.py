"""BigGAN: pictures of ImageNet's classes without CLIP, in one step, and walks from seed to seed.

Brock et al. 2019 (arXiv 1809.11096). Random numbers z and class weights give a picture. The truncation trick narrows z.
A walk turns z along great circles through the z of other seeds and back, so that its film has no seam.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.catalogue.models import IMAGENET, MODELS, Model
from engine.errors import InvalidRequest
from engine.images.tensors import noise, to_image, to_unit
from engine.loaders.biggan import BigganNet, load_biggan_net
from engine.methods import Finished, Running, Step, not_finite
from engine.methods._shared import filled
from engine.protocol.messages import Job
from engine.protocol.replay_record import StepConditions, StepLog
from engine.requests.options.biggan_clip import BigganOptions
from engine.requests.prompts import Prompt
from engine.requests.request import DreamRequest
from engine.runtime.runtime import NetProvider


@dataclass(kw_only=True)
class Walker:
    """The state of one picture or walk."""

    job_id: str
    index: int
    steps: int
    step: int
    model: Model
    options: BigganOptions
    notes: tuple[str, ...]
    parameters: Tensor
    """z of all stations, [K, z]: the walk goes from each to the next, and from the last to the first."""
    weights: Tensor
    """Of the classes, [C]."""
    bucket: int = 1
    memory_level: int = 0
    step_log: StepLog = field(default_factory=StepLog)

    @property
    def z(self) -> Tensor:
        """z of the next picture, [z]."""
        count = len(self.parameters)
        place = (self.step + 1) / self.steps * count
        at = min(int(place), count)
        return slerp(self.parameters[at % count], self.parameters[(at + 1) % count], place - at)


class ClassSampler:
    """The method; see the module's docstring."""

    name = "biggan"

    def load(self, request: DreamRequest, runtime: NetProvider) -> None:
        """Loads the generator. Raises InvalidRequest for classes that it lacks."""
        request.options.check_model(MODELS[request.model], ())
        load_biggan_net(request.model, runtime)

    @torch.no_grad()
    def begin(self, job: Job, images: Mapping[str, bytes], runtime: NetProvider) -> list[Walker]:
        """One state per picture; the stations of a walk are the seeds that it passes."""
        request = job.request
        assert isinstance(request, DreamRequest)
        options = request.options
        assert isinstance(options, BigganOptions)
        flags = load_biggan_net(request.model, runtime).flags
        classes, notes = (options.chosen, ()) if options.chosen else named_classes(request.prompts)
        weights = torch.zeros(flags.num_classes)
        for number, part in classes:
            weights[number] = part

        def station(seed: int, index: int) -> Tensor:
            return options.truncation * truncated(seed, index, flags.z_dim)

        return [
            Walker(
                job_id=job.id,
                index=index,
                steps=options.steps,
                step=0,
                model=MODELS[request.model],
                options=options,
                notes=notes,
                parameters=torch.stack(
                    [station(request.seed, index), *(station(seed, 0) for seed in options.seeds)]
                ).to(runtime.device),
                weights=weights.to(runtime.device),
            )
            for index in range(request.count)
        ]

    def batch_key(self, state: Walker) -> Hashable:
        return self.name, state.model.name, state.bucket

    @torch.no_grad()
    def advance(self, states: list[Walker], runtime: NetProvider) -> list[Step]:
        net = load_biggan_net(states[0].model.name, runtime)
        batch = filled(states, runtime.device)
        z = torch.stack([state.z for state in batch])[:, None]
        truncation = torch.tensor([state.options.truncation for state in batch]).to(z)
        shown = to_unit(net.paint(z, torch.stack([state.weights for state in batch])[:, None], truncation))
        finite = shown.isfinite().flatten(1).all(1).tolist()
        conditions = StepConditions(len(batch), torch.get_num_threads(), 0, False)
        return [
            self._step(state, shown[i], net, conditions) if finite[i] else not_finite(state)
            for i, state in enumerate(states)
        ]

    def _step(self, state: Walker, shown: Tensor, net: BigganNet, conditions: StepConditions) -> Step:
        state.step, state.step_log = state.step + 1, state.step_log.appended(conditions)
        kept = shown.clone()
        if state.step < state.steps:
            return Running(state.step, state.steps, lambda: to_image(kept))
        resolved = {
            "weights": net.sha256, "dtype": "float32", "bucket": conditions.bucket, "course": state.step_log.rows,
        }  # fmt: skip
        facts = {
            "clip_score": None, "embedding": None, "perceptor": "", "notes": list(state.notes), "resolved": resolved,
        }  # fmt: skip
        return Finished(to_image(kept), facts)


METHOD = ClassSampler()


def truncated(seed: int, index: int, size: int) -> Tensor:
    """[size] normal numbers within ±2: those beyond are drawn again, as in BigGAN's truncation trick."""
    draws = noise(seed, index, 0, "z", (16, size))
    kept = (draws.abs() <= 2).float().argmax(0)  # the first of 16 draws; 16 misses happen once in 10²¹
    return draws.gather(0, kept[None])[0]


def slerp(a: Tensor, b: Tensor, part: float) -> Tensor:
    """The vector at *part* of the way from *a* to *b* along a great circle; lengths are interpolated."""
    cosine = (a @ b / (a.norm() * b.norm())).clamp(-1, 1)
    angle = torch.acos(cosine)
    if not part or angle.abs() < 1e-4:
        straight: Tensor = torch.lerp(a, b, part)
        return straight
    turned: Tensor = (
        torch.sin((1 - part) * angle) * a / a.norm() + torch.sin(part * angle) * b / b.norm()
    ) / torch.sin(angle)
    length = torch.lerp(a.norm(), b.norm(), part)
    return turned * length


def named_classes(prompts: Sequence[Prompt]) -> tuple[tuple[tuple[int, float], ...], tuple[str, ...]]:
    """The ImageNet classes that the prompts name, with parts of 1, and a note. Raises InvalidRequest for none."""
    found: dict[int, float] = {}
    for prompt in prompts:
        if prompt.weight > 0 and (number := _class_in(prompt.text)) is not None:
            found[number] = found.get(number, 0) + prompt.weight
    if not found:
        raise InvalidRequest(
            "BigGAN paints ImageNet's 1000 classes, and the prompt names none of them. Name one, as in “volcano” or "
            "“great grey owl”, choose by number (classes=980), or use biggan_clip, which reads any prompt."
        )
    total = sum(found.values())
    said = ", ".join(f"{IMAGENET[number]} ({number})" for number in found)
    return tuple((number, weight / total) for number, weight in found.items()), (f"It shows {said}.",)


def _class_in(text: str) -> int | None:
    """The class whose name the text contains, the longest name first; else one whose last word it contains."""
    words = f" {' '.join(text.lower().replace(',', ' ').split())} "
    whole = [number for number, name in enumerate(IMAGENET) if f" {name.lower()} " in words]
    if whole:
        return max(whole, key=lambda number: (len(IMAGENET[number]), -number))
    last = [number for number, name in enumerate(IMAGENET) if f" {name.lower().split()[-1]} " in words]
    return min(last, key=lambda number: (len(IMAGENET[number].split()), number)) if last else None
