"""Sample grids of a net during training, the same noise and seeds in every grid.

A net that reads text gets the prompts, by classifier-free guidance. Other nets are guided by CLIP as `/dream` will
guide the finished model. Without prompts nothing guides. A net with classes shows each of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from PIL import Image
from torch import Tensor

from engine.diffusion.denoiser import classifier_free_guidance, clipped
from engine.diffusion.samplers import ddim_step
from engine.diffusion.schedules import stack
from engine.images.pictures import contact_sheet, grid
from engine.images.tensors import per_sample, to_image, to_unit
from engine.loaders.diffusion import DiffusionNet
from engine.methods import Failed, Finished, Step, find_method
from engine.nets.adm import UNetModel
from engine.protocol.messages import Job
from engine.requests.request import DreamRequest, build_request
from engine.runtime.runtime import MemoryPlanner
from engine.runtime.tuning import Compiler

T = TypeVar("T")
CFG_SCALE = 2.5
STEPS = 25
UNTOLD = 4
"""Samples of a net without a condition."""
LEAST_SIDE = 128
"""Pixels; smaller samples leave no room for their captions, and are shown with larger pixels."""
AT_ONCE = 4
"""Samples in one batch of guided steps."""
MOST = 16
"""Samples of a grid."""


@dataclass(frozen=True)
class Showing:
    """What the grids of a run show."""

    texts: tuple[str, ...] = ()
    contexts: Tensor | None = None
    """[texts, D] for a net that reads."""
    classes: tuple[str, ...] = ()
    """Names of the net's classes."""
    model: str = ""
    """The registered model that the net becomes; CLIP guides it towards the texts. Empty = no guidance by CLIP."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Options of clip_diffusion for guidance by CLIP."""

    def paint(self, net: UNetModel) -> Image.Image:
        """A grid of at most MOST samples of *net*, with captions where it has a condition. Raises DreamErrors."""
        if not self.texts and not self.classes:
            return grid(sample(net, UNTOLD))
        told = list(itertools.product(range(len(self.classes)) or [-1], self.texts or [""]))[:MOST]
        captions = [": ".join(filter(None, (self.classes[label] if label >= 0 else "", text))) for label, text in told]
        if self.model and self.texts:
            images = self._guided(net, told)
        else:
            classes = torch.tensor([label for label, _ in told]) if self.classes else None
            images = sample(net, len(told), contexts=self.contexts, classes=classes)
        enlarge = max(LEAST_SIDE // images[0].width, 1)
        sizes = [(enlarge * image.width, enlarge * image.height) for image in images]
        larger = [image.resize(size, Image.Resampling.NEAREST) for image, size in zip(images, sizes, strict=True)]
        return contact_sheet(larger, captions)

    def _guided(self, net: UNetModel, told: Sequence[tuple[int, str]]) -> list[Image.Image]:
        nets = _Nets(next(net.parameters()).device, {f"diffusion:{self.model}": DiffusionNet(net)})
        steps = {"steps": str(min(STEPS, net.flags.diffusion_steps))}
        requests = []
        for seed, (label, text) in enumerate(told):
            chosen = {**steps, **self.settings, **({"class_id": str(label)} if self.classes else {})}
            requests.append(build_request(text, model=self.model, seed=seed, settings=chosen))
        parts = [requests[i : i + AT_ONCE] for i in range(0, len(requests), AT_ONCE)]
        return [image for part in parts for image in _painted(part, nets)]


class _Nets:
    """A `NetProvider` that keeps what it has loaded; the net in training is one of them."""

    dtype = torch.float32

    def __init__(self, device: torch.device, nets: dict[str, Any]) -> None:
        self.device, self.compiler, self.memory = device, Compiler(takes=False), MemoryPlanner()
        self._nets = nets

    def net(self, key: str, load: Callable[[], T], expected: int = 0) -> T:
        if key not in self._nets:
            self._nets[key] = load()
        found: T = self._nets[key]
        return found


def _painted(requests: Sequence[DreamRequest], nets: _Nets) -> list[Image.Image]:
    """A picture of each at the net's own size, in one batch. Raises DreamErrors."""
    method, states = find_method(requests[0].method), []
    for request in requests:
        method.load(request, nets)
        states += method.begin(Job("grid", 1, "train", request), {}, nets)
    steps: list[Step] = []
    while not steps or not isinstance(steps[0], Finished):
        steps = method.advance(states, nets)
        if failed := next((step for step in steps if isinstance(step, Failed)), None):
            raise failed.error
    return [step.image for step in steps if isinstance(step, Finished)]


@torch.no_grad()
def sample(
    net: UNetModel, count: int, *, contexts: Tensor | None = None, classes: Tensor | None = None, steps: int = STEPS
) -> list[Image.Image]:
    """*count* samples by DDIM with equal noise at every call. *contexts*: [count, D]; *classes*: [count]."""
    found, device = DiffusionNet(net), next(net.parameters()).device
    walk = found.schedule(str(min(steps, net.flags.diffusion_steps)))
    denoise = found.denoiser(classes=None if classes is None else classes.to(device))
    if contexts is not None:
        scale = per_sample(torch.full((count,), CFG_SCALE))
        denoise = classifier_free_guidance(found.denoiser(contexts.to(device)), denoise, scale)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 3, net.flags.image_size, net.flags.image_size, generator=generator).to(device)
    for stop in reversed(range(len(walk))):
        moments = stack([walk.at(stop)] * count)
        x = ddim_step(clipped(denoise(x, moments), x, moments), moments, 0.0, torch.zeros_like(x))
    return [to_image(to_unit(image)) for image in x.cpu()]
