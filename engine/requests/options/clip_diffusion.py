"""The options of `clip_diffusion`, in four groups: steps and sampler, CLIP's views, losses, start and symmetry."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from engine.catalogue.registry import LPIPS, NET, Model, clip_cost, gradient_cost
from engine.diffusion.spacing import EVEN, respace, step_count
from engine.errors import InvalidRequest
from engine.nets.flags import SECONDARY_MULTIPLE
from engine.requests.options.base import Options, option_text
from engine.requests.options.classes import classes_of
from engine.requests.options.clip_views import (
    NONE,
    USUAL,
    Seamless,
    Symmetry,
    Views,
    WeightedAdapter,
    check_adapters,
    read_adapters,
    read_perceptors,
)
from engine.requests.schedule import Schedule, WholeSchedule, constant

NOISE_OF: Mapping[str, float] = {"ddpm": 1.0, "plms": 0.0, "dpmpp_2m": 0.0, "ltsp": 0.0, "stsp": 0.0}
"""Sampler → its fixed eta; with ddim the user chooses it."""
WORDLESS_STEPS = 25
"""Least default steps where pictures alone guide. A blend of two circles covers 0.9 % in 15 steps and 6.8 % in 25."""
USUAL_ORDER: Mapping[str, int] = {"plms": 2, "ltsp": 4, "stsp": 4}
"""Multistep sampler → its default order; other samplers have no order."""
EXTRA_EVALUATIONS: Mapping[str, int] = {"ltsp": 1, "stsp": 2}
"""Sampler → separate evaluations of guidance per step; others use the network's own prediction."""
DEPENDENTS: Mapping[str, tuple[str, ...]] = {
    "sampler": ("eta", "order"),
    "cut_kind": ("overview", "cut_power"),
    "symmetry": ("symmetry_until",),
    "steps": ("skip_steps",),
    "respacing": ("skip_steps",),
}
"""Option → options of a model or profile that no longer apply when the user sets that option."""
PERLIN_SKIP = 5
"""With a Perlin start, 1 in `PERLIN_SKIP` steps is skipped by default."""
FORWARD = 0.5
"""Share of the forward pass in a guided pass of the network; the backward pass costs as much."""
FEATURES = 1.5
"""Cost of init_distance=features, in views: forward and backward of the image, forward of the init image."""


class SamplerOptions(Options):
    """Steps and sampler."""

    steps: int = Field(default=25, ge=2, le=1000, description="denoising steps; more is slower and cleaner")
    sampler: Literal["ddim", "ddpm", "plms", "dpmpp_2m", "ltsp", "stsp"] = Field(
        default="ddim",
        description="ddim (noise by eta), ddpm (ancestral), or without noise plms, dpmpp_2m, ltsp, stsp",
    )
    eta: float = Field(
        default=1.0, ge=0, le=1, description="noise added per step: 0 = deterministic DDIM, 1 = as much as DDPM"
    )
    order: int = Field(
        default=0, ge=0, le=4, description="order of plms, ltsp and stsp, 1 to 4; 0 = default (2 for plms, otherwise 4)"
    )
    respacing: str = Field(
        default=EVEN,
        max_length=60,
        description="selection of training steps: even, ddim50 (one stride) or 10,15,25 (sections)",
    )
    skip_steps: int = Field(
        default=0,
        ge=0,
        le=999,
        description="number of first steps to skip; with an init image, half of the steps by default",
    )
    cfg_scale: float = Field(
        default=2.5,
        ge=0,
        le=30,
        description="scale of classifier-free guidance, for models conditioned on the prompt; 1 = off",
    )
    class_id: int = Field(
        default=-1,
        ge=-1,
        le=999,
        description="class of a model with classes by number or name, as in goldfish; -1 = a random one in each step",
    )
    adapter: str = Field(
        default=NONE, max_length=200, description="trained adapters of the model with strengths, as in mine:0.6+ink"
    )


class CutoutOptions(Views):
    """Cutouts for CLIP."""

    cut_kind: Literal["mixed", "classic", "padded", "disco"] = Field(
        default="mixed",
        description="placement of cutouts: mixed sizes, random squares, with a black border, overview plus inner",
    )
    cutouts: WholeSchedule = Field(
        default=constant(4), ge=1, le=256, description="number of cutouts that CLIP sees in each step"
    )
    overview: WholeSchedule = Field(
        default=constant(0), ge=0, le=64, description="with cut_kind=disco: additional cutouts of the whole image"
    )
    sees: Literal["predicted", "blended"] = Field(
        default="predicted",
        description="image that CLIP sees: the prediction, or, as in the notebooks, its blend with the noisy image",
    )


class GuidanceOptions(BaseModel):
    """Losses of guidance, their scales and limits, and the guided steps."""

    clip_guidance_scale: Schedule = Field(
        default=constant(1000.0), ge=0, le=1000000, description="strength of CLIP guidance; 0 = off"
    )
    tv_scale: Schedule = Field(
        default=constant(0.0), ge=0, le=100000, description="penalty on total variation; higher is smoother"
    )
    range_scale: Schedule = Field(
        default=constant(0.0), ge=0, le=100000, description="penalty on colours outside the valid range"
    )
    saturation_scale: Schedule = Field(
        default=constant(0.0), ge=0, le=100000, description="penalty on oversaturated colours"
    )
    init_scale: Schedule = Field(
        default=constant(0.0), ge=0, le=100000, description="strength of the similarity to the init image"
    )
    init_distance: Literal["pixels", "features", "lpips"] = Field(
        default="pixels",
        description="distance for init_scale: colours, feature maps of the first CLIP, or LPIPS as in the notebooks",
    )
    clamp_max: Schedule = Field(
        default=constant(0.05), ge=0, le=10, description="maximum RMS of the guidance gradient; 0 = no limit"
    )
    shift_max: Schedule = Field(
        default=constant(0.0),
        ge=0,
        le=10,
        description="maximum RMS of the change by guidance in one step; 0 = no limit",
    )
    gradient: Literal["net", "secondary", "xstart"] = Field(
        default="net",
        description="path of the guidance gradient: the network, the small secondary network, or the prediction alone",
    )
    guide_every: WholeSchedule = Field(default=constant(1), ge=1, le=100, description="guide only every k-th step")
    guide_from: float = Field(default=0.0, ge=0, le=1, description="share of the steps before guidance starts")
    guide_until: float = Field(default=1.0, ge=0, le=1, description="share of the steps after which guidance ends")


class InitOptions(BaseModel):
    """Start image, symmetry and seamless edges."""

    perlin: Literal["none", "mixed", "color", "gray"] = Field(
        default="none", description="start from Perlin noise instead of an init image"
    )
    symmetry: Symmetry = "none"
    symmetry_until: float = Field(
        default=1.0, gt=0, le=1, description="share of the steps in which symmetry is enforced"
    )
    seamless: Seamless = "none"


class ClipDiffusionOptions(InitOptions, GuidanceOptions, CutoutOptions, SamplerOptions):
    """CLIP-guided diffusion: noise becomes a picture while CLIP pulls every step towards the prompt."""

    primer_weights: ClassVar[tuple[str, ...]] = ("clip", "diffusion")
    method: Literal["clip_diffusion"] = "clip_diffusion"

    @property
    def spacing(self) -> str:
        """How the walk is respaced; see `engine.diffusion.spacing`."""
        return str(self.steps) if self.respacing == EVEN else self.respacing

    @property
    def adapters(self) -> tuple[WeightedAdapter, ...]:
        """What changes the net's weights, sorted by name."""
        return read_adapters(self.adapter)

    @property
    def extra_evaluations(self) -> int:
        """Evaluations of guidance per guided step, beside the sampler's own."""
        return EXTRA_EVALUATIONS.get(self.sampler, 0)

    @property
    def evaluations(self) -> int:
        """How many times CLIP sees all its views in a guided step."""
        return max(self.extra_evaluations, 1)

    @property
    def views(self) -> float:
        """Views that each CLIP sees in a guided step, on average."""
        return self.evaluations * self.cut_batches * (self.cutouts.mean + self.overview.mean)

    @property
    def guided_share(self) -> float:
        """Guided steps over all steps, 0 to 1."""
        return (self.guide_until - self.guide_from) / self.guide_every.mean

    def step_work(self, model: Model) -> float:
        """Work of one step, in guided passes of the network without views."""
        back = (1 - FORWARD) * gradient_cost(self.gradient, self.extra_evaluations) / NET
        views = self.views * self.view_cost(model) if self.clip_guidance_scale.largest else 0.0
        if self.init_distance == "features":
            first = read_perceptors(self.perceptors, model.perceptor)[0]
            views += self.evaluations * FEATURES * clip_cost(first.name) / clip_cost(model.perceptor)
        if self.init_distance == "lpips":
            views += self.evaluations * LPIPS / clip_cost(model.perceptor)
        return FORWARD + self.guided_share * (back + views * model.view_share)

    @classmethod
    def settle(cls, usual: Mapping[str, object], chosen: Mapping[str, str]) -> ClipDiffusionOptions:
        """*usual*, *chosen*, and what follows from both; see `settled`. Raises ValidationError."""
        return cls.model_validate(settled(usual, chosen))

    def check(self, *, has_init: bool = False, has_target: bool = False, has_mask: bool = False) -> None:
        read_perceptors(self.perceptors, USUAL)
        read_adapters(self.adapter)
        for sentence in self._complaints(has_init, has_target):
            raise InvalidRequest(sentence)
        if has_mask and not has_init:
            raise InvalidRequest("A mask needs an init picture, which stays where nothing is repainted.")
        if has_mask and self.symmetry != "none":
            raise InvalidRequest("A mask and symmetry contradict each other: leave out one of them.")

    def check_model(self, model: Model, chosen: Collection[str]) -> None:
        """Raise InvalidRequest for steps, classes, adapters or a text that *model* does not have."""
        respace(model.train_steps, self.spacing)
        check_adapters(self.adapters, model)
        if self.class_id >= model.classes:
            raise InvalidRequest(f"class_id={self.class_id} is not a class of {model.title}: {classes_of(model)}.")
        if "cfg_scale" in chosen and self.cfg_scale != 1 and not model.reads:
            guides = "guides nets that read the prompt"
            raise InvalidRequest(f"cfg_scale={self.cfg_scale:g} {guides}, and {model.title} does not.")
        if self.cfg_scale != 1 and model.reads and not model.free_guidance:
            raise InvalidRequest(f"{model.subject} was never trained without a prompt: only cfg_scale=1 is possible.")

    def check_size(self, width: int, height: int, model: Model) -> None:
        """Raise InvalidRequest for the secondary net if its levels cannot halve the sides of the network's image."""
        sides = width // model.scale, height // model.scale
        if self.gradient == "secondary" and any(side % SECONDARY_MULTIPLE for side in sides):
            raise InvalidRequest(
                f"gradient=secondary needs sides that are multiples of {SECONDARY_MULTIPLE * model.scale}, "
                f"not {width}×{height}; take another size, or gradient=xstart."
            )

    def for_init(self, chosen: Collection[str], *, masked: bool) -> ClipDiffusionOptions:
        """Skip the first half of the steps for an init picture; not with a mask, where more has to be painted."""
        return self if masked or "skip_steps" in chosen else self.model_copy(update={"skip_steps": self.steps // 2})

    def for_pictures(self, chosen: Collection[str]) -> ClipDiffusionOptions:
        """At least `WORDLESS_STEPS`, because CLIP guides without the help of a network that reads text."""
        if {"steps", "profile"} & {*chosen}:
            return self
        return self.model_copy(update={"steps": max(self.steps, WORDLESS_STEPS)})

    def painting_on(self) -> ClipDiffusionOptions:
        """Skip the first half of the steps, and do not start from Perlin noise."""
        return self.model_copy(update={"skip_steps": self.steps // 2, "perlin": "none"})

    def _complaints(self, has_init: bool, has_target: bool) -> Iterator[str]:
        if self.respacing != EVEN and step_count(self.respacing) != self.steps:
            made = step_count(self.respacing)
            yield f"respacing={self.respacing} makes {made} steps, not {self.steps}; leave out steps or say {made}."
        if self.skip_steps >= self.steps:
            yield f"skip_steps={self.skip_steps} leaves nothing of {self.steps} steps; the limit is {self.steps - 1}."
        if self.guide_from >= self.guide_until:
            yield (
                f"guide_from={self.guide_from:g} is not before guide_until={self.guide_until:g}, "
                "so no step would be guided; to turn guidance off, set clip_guidance_scale=0."
            )
        natural = NOISE_OF.get(self.sampler, self.eta)
        if self.eta != natural:
            why = "adds none" if natural == 0 else "adds a fixed amount"
            yield (
                f"eta={self.eta:g} sets the noise of ddim, and {self.sampler} {why}; "
                f"leave out eta, or take sampler=ddim."
            )
        if self.order and self.sampler not in USUAL_ORDER:
            yield f"order={self.order} applies only to plms, ltsp and stsp; leave it out, or take sampler=plms."
        if self.init_scale.largest and not (has_init or self.perlin != "none"):
            yield f"init_scale={self.init_scale} needs an init picture; leave it out without one."
        if self.init_distance != "pixels" and not self.init_scale.largest:
            yield f"init_distance={self.init_distance} needs init_scale, as in init_scale=1000."
        if has_init and self.perlin != "none":
            yield f"perlin={self.perlin} and an init picture are two starts; leave out one of them."
        if self.overview.largest and self.cut_kind != "disco":
            yield f"overview={self.overview} needs cut_kind=disco; leave it out, or set that."
        if self.symmetry_until < 1 and self.symmetry == "none":
            yield f"symmetry_until={self.symmetry_until:g} needs symmetry, as in symmetry=vertical."
        yield from self.complaints_of_views(has_target, sizing=("padded",))


def settled(usual: Mapping[str, object], chosen: Mapping[str, str]) -> dict[str, object]:
    """The *usual* options (of a model and a profile), overridden by the *chosen* ones, with all derived options."""
    known = ClipDiffusionOptions.model_fields
    fallen = {name for option, names in DEPENDENTS.items() if option in chosen for name in names} - chosen.keys()
    found: dict[str, object] = {name: value for name, value in usual.items() if name not in fallen} | dict(chosen)
    if "steps" in chosen and "respacing" not in chosen:
        found.pop("respacing", None)
    if found.get("respacing", EVEN) != EVEN and "steps" not in chosen:
        found["steps"] = step_count(str(found["respacing"]))
    sampler = str(found.get("sampler", known["sampler"].default))
    if sampler in NOISE_OF and "eta" not in chosen:
        found["eta"] = NOISE_OF[sampler]
    if sampler not in USUAL_ORDER and "order" not in chosen:
        found.pop("order", None)
    if found.get("perlin", "none") != "none" and "skip_steps" not in chosen:
        steps = option_text(found.get("steps", known["steps"].default))
        found["skip_steps"] = int(steps) // PERLIN_SKIP if steps.isdecimal() and len(steps) < 7 else 0
    return found
