"""The state of one clip_diffusion picture: its start, its phases, and the inputs of its next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.diffusion.denoiser import mirrored, q_sample
from engine.diffusion.perlin import perlin_picture
from engine.diffusion.samplers import can_begin
from engine.diffusion.schedules import RespacedSchedule, stack
from engine.guidance.objective import Scales
from engine.images.opening import open_mask
from engine.images.tensors import noise, uniform
from engine.methods._shared import GuidedImage, signed_image
from engine.requests.options.clip_diffusion import USUAL_ORDER, ClipDiffusionOptions
from engine.requests.request import DreamRequest


@dataclass(frozen=True, slots=True)
class InitialLatents:
    """The initial latent of one picture, with its init image and mask."""

    x: Tensor
    """[3, H, W], noisy."""
    init: Tensor | None
    """[3, H, W] in [-1, 1]."""
    mask: Tensor | None
    """[1, H, W]: 1 where it is painted, 0 where *init* stays."""


def initial_latents(
    request: DreamRequest,
    options: ClipDiffusionOptions,
    schedule: RespacedSchedule,
    images: Mapping[str, bytes],
    sides: tuple[int, int],
    device: torch.device,
) -> list[InitialLatents]:
    """One per picture. *images*: SHA-256 → bytes; *sides*: height and width at the net's own size."""
    how = request.options.init_fit
    init = signed_image(request.init_image, images, sides, how, device)
    # What is padded is painted.
    mask = signed_image(request.mask_image, images, sides, how, device, "white", open_mask)
    painted = None if mask is None else (mask.mean(0, keepdim=True) + 1) / 2
    left_right, up_down = (torch.tensor([wanted]) for wanted in axes(options))
    found = []
    for index in range(request.count):
        if options.perlin != "none":
            init = perlin_picture(options.perlin, request.seed, index, sides).to(device)
        x = noise(request.seed, index, 0, "x_T", (3, *sides)).to(device)
        if init is not None or options.skip_steps:  # without an image, the mean of all images: gray (Crowson's fork)
            begin = torch.zeros_like(x) if init is None else init
            coefficients = stack([schedule.at(len(schedule) - options.skip_steps - 1)])
            x = q_sample(begin[None], x[None], coefficients.alpha_bar)[0]
        found.append(InitialLatents(mirrored(x[None], left_right, up_down)[0], init, painted))
    return found


def axes(options: ClipDiffusionOptions) -> tuple[bool, bool]:
    """Whether the picture is mirrored left to right, and top to bottom."""
    return options.symmetry in ("vertical", "both"), options.symmetry in ("horizontal", "both")


@dataclass(frozen=True, slots=True)
class TextCondition:
    """What the network is conditioned on."""

    positive: Tensor
    """[D], unit length."""
    negative: Tensor | None
    """[D], unit length; None without negative prompts."""
    negative_scale: float
    """How many times the prediction for *negative* is subtracted."""
    sketch: Tensor | None = None
    """[4, H, W], for a network that sees one."""


def guides(options: ClipDiffusionOptions, timestep: float, step: int) -> bool:
    """Whether *step* is guided: every k-th step within the interval."""
    within = options.guide_from <= step / options.steps < options.guide_until
    return within and step % int(options.guide_every.at(timestep)) == 0


SEAM_BELOW = 400
"""Timestep below which nets see a margin beyond the edges of a seamless picture; above it, rolling suffices."""


@dataclass(kw_only=True)
class Sample(GuidedImage):
    """The state of one picture. `x`, `history` and `step` change after each successful step, the rest is constant.

    Each memory level saves memory at the cost of time: 1 = the net keeps fewer activations; each further one halves the
    number of cutouts that CLIP sees at once.
    """

    options: ClipDiffusionOptions
    net_key: str
    """The key of its net in the runtime's cache."""
    schedule: RespacedSchedule
    x: Tensor
    """[3, H, W], noisy, in [-1, 1] and beyond."""
    start: InitialLatents
    conditions: tuple[TextCondition | None, ...]
    """The condition of a net that reads text, for each phase."""
    lpips: bool = False
    """Whether `init_distance=lpips` is measured by VGG16; otherwise by the first CLIP."""
    history: tuple[Tensor, ...] = ()
    """Predictions of earlier steps that the sampler needs, newest first."""

    @property
    def schedule_index(self) -> int:
        """The index in `schedule` at which the next step begins; 0 in the last step."""
        return self.steps - self.step - 1

    @property
    def timestep(self) -> float:
        return self.schedule.timestep(self.schedule_index)

    @property
    def condition(self) -> TextCondition | None:
        return self.conditions[self.phase]

    @property
    def init(self) -> Tensor | None:
        return self.start.init

    @property
    def parts(self) -> int:
        return int(2 ** max(self.memory_level - 1, 0))

    @property
    def scales(self) -> Scales:
        """All are 0 in a step without guidance."""
        options, at = self.options, self.timestep
        if not guides(options, at, self.step_of_all):
            return Scales()
        like = {options.init_distance: options.init_scale.at(at)}
        return Scales(
            clip=options.clip_guidance_scale.at(at),
            tv=options.tv_scale.at(at),
            range=options.range_scale.at(at),
            saturation=options.saturation_scale.at(at),
            init=like.get("pixels", 0.0),
            features=like.get("features", 0.0) + like.get("lpips", 0.0),
        )

    @property
    def limits(self) -> tuple[float, float]:
        return self.options.clamp_max.at(self.timestep), self.options.shift_max.at(self.timestep)

    @property
    def order(self) -> int:
        return self.options.order or USUAL_ORDER.get(self.options.sampler, 1)

    @property
    def begins(self) -> bool:
        """Whether its next step is the improved Euler step with which PLMS begins."""
        if self.options.sampler != "plms" or self.order == 1 or self.history:
            return False
        here = self.schedule.at(self.schedule_index)
        return bool(can_begin(torch.tensor(here.alpha_bar), torch.tensor(here.alpha_bar_prev)))

    @property
    def margin(self) -> int:
        """Width in pixels of the repeated margin that the net sees beyond the edges; 0 in early steps."""
        late = self.options.seamless != "none" and self.timestep < SEAM_BELOW
        return self.model.multiple // self.model.scale if late else 0

    @property
    def class_number(self) -> int:
        """The chosen class, or a different random class in each step, so that the net does not settle on one."""
        if self.options.class_id >= 0:
            return self.options.class_id
        return int(uniform(self.seed, self.index, self.step, "class", (1,)) * self.model.classes)
