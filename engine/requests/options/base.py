"""What the options of every method share, and how a mistake in them is said: name, range, nearest value that works."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from engine.catalogue.registry import Model
from engine.errors import InvalidRequest
from engine.requests.prompts import Prompt
from engine.requests.schedule import number_text

SHOWN = 60
"""Characters of a wrong value that a sentence repeats."""
LISTED = 12
"""Names that a sentence lists at most."""
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


class Options(BaseModel):
    """Unknown names are refused, never dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    primer_weights: ClassVar[tuple[str, ...]] = ("clip",)
    """The files of the built-in model that the method loads, without ``.safetensors``."""

    guided: ClassVar[bool] = True
    """Whether a CLIP guides, so that one must be installed."""

    method: str
    steps: int
    init_fit: Literal["crop", "stretch", "pad"] = Field(
        default="crop",
        description="how an init image of another aspect ratio is fitted; pad fills with its mean colour",
    )

    @classmethod
    def settle(cls, usual: Mapping[str, object], chosen: Mapping[str, str]) -> Self:
        """The *usual* options (of a model and a profile), overridden by the *chosen* ones. Raises ValidationError."""
        return cls.model_validate({**usual, **chosen})

    def step_work(self, model: Model) -> float:
        """Work of one step with *model*, in any unit of the method: only ratios of two results are used."""
        return 1.0

    def effort(self, model: Model) -> float:
        """Work of one step over that of a step with the *model*'s default options; 1 = equal. For quotas."""
        usual = self.settle(model.defaults.get(self.method, {}), {})
        return self.step_work(model) / usual.step_work(model)

    def check(self, *, has_init: bool = False, has_target: bool = False, has_mask: bool = False) -> None:
        """Raise InvalidRequest for what contradicts itself, or lacks the picture that it speaks of."""
        if has_mask:
            refuse(f"{self.method} does not support a mask; clip_diffusion does.")

    def check_model(self, model: Model, chosen: Collection[str]) -> None:
        """Raise InvalidRequest for options that *model* cannot use; *chosen*: names of the options that were typed."""

    def check_size(self, width: int, height: int, model: Model) -> None:
        """Raise InvalidRequest for options that cannot be used for an image of that size."""

    def for_init(self, chosen: Collection[str], *, masked: bool) -> Self:
        """The options with the defaults for an init picture, except for the *chosen* ones."""
        return self

    def for_pictures(self, chosen: Collection[str]) -> Self:
        """The options with the defaults for prompts without words, except for the *chosen* ones."""
        return self

    def painting_on(self) -> Self:
        """The same for continuing a finished picture: with half of the steps, where some can be left out."""
        return self

    @property
    def directions(self) -> tuple[tuple[int, float], ...]:
        """Seed and weight of every random direction that pulls beside the prompts. Raises InvalidRequest in words."""
        return ()

    @property
    def direction_weights(self) -> tuple[Prompt, ...]:
        """The random directions as far as weights go, to be added up with those of the words."""
        return tuple(Prompt(text="noise", weight=weight) for _, weight in self.directions)


def option_names(options: type[Options]) -> tuple[str, ...]:
    """What a person may set, `steps` first."""
    return tuple(name for name in options.model_fields if name != "method")


def option_text(value: object) -> str:
    """A value as people type it: ``25``, ``0.5``, ``ddim``, ``[12]*400+[4]*600``."""
    return number_text(value) if isinstance(value, int | float) else str(value)


def option_span(field: FieldInfo) -> str:
    """What an option may be: ``2–1000``, ``> 0, ≤ 1``, ``ddim, ddpm``, ``text``."""
    bounds = {name: getattr(part, name) for part in field.metadata for name in SIGNS if hasattr(part, name)}
    if set(bounds) == {"ge", "le"}:
        return f"{bounds['ge']:g}–{bounds['le']:g}"
    if bounds:
        return ", ".join(f"{SIGNS[name]} {value:g}" for name, value in bounds.items())
    return ", ".join(choices(field)) or "text"


def choices(field: FieldInfo) -> tuple[str, ...]:
    """The words that an option may be, if it is one of few words."""
    is_literal = typing.get_origin(field.annotation) is typing.Literal
    return tuple(map(str, typing.get_args(field.annotation))) if is_literal else ()


def guess(word: str, known: Iterable[str], *, nearest: bool = True, listed: str = "available") -> str:
    """``; did you mean “eta”?`` for the *nearest* spelling, or what there is, called *listed*."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5) if nearest else []
    some = ", ".join(names[:LISTED]) + f" and {len(names) - LISTED} more" * (len(names) > LISTED)
    return f"; did you mean “{near[0]}”?" if near else f"; {listed}: {some}"


def guessed(sentence: str, word: str, known: Iterable[str]) -> str:
    """*sentence*, which lacks its full stop, with `guess`."""
    return ended(f"{sentence}{guess(word, known)}")


def ended(sentence: str) -> str:
    """*sentence* with a full stop, unless it ends in a question."""
    return sentence if sentence.endswith("?") else f"{sentence}."


def first_problem(error: ValidationError, methods: Mapping[str, type[Options]], method: str = "") -> str:
    """The first of pydantic's complaints as one sentence: of *method*'s options, or of a request that holds them."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if part not in ("options", "dream", "upscale")]
    owner = methods.get(method or path[0]) if path else None
    names = [part for part in path if part not in methods]
    field = owner.model_fields.get(names[0]) if owner and len(names) == 1 else None
    return ended(f"{'.'.join(names) or 'request'}{_complaint(dict(first), field)}")


def _complaint(first: Mapping[str, Any], field: FieldInfo | None) -> str:
    kind, given = first["type"], first.get("input")
    shown = f"={option_text(given)[:SHOWN]}" if isinstance(given, str | int | float) else ""
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than") and field:
        return f"{shown} is out of range ({option_span(field)})"
    if kind == "literal_error" and field:
        return f"{shown} is not one of its values{guess(str(given), choices(field))}"
    if kind in ("int_parsing", "int_from_float", "int_type") and field:
        return f"{shown} is not a whole number; its range is {option_span(field)}"
    if kind in ("float_parsing", "float_type", "finite_number") and field:
        return f"{shown} is not a number; its range is {option_span(field)}"
    reason = str(first.get("ctx", {}).get("error", first["msg"])).rstrip(".")
    return f"{shown or ''}: {reason[0].lower()}{reason[1:]}"


def check_terms(option: str, names: Sequence[object], kinds: str, most: int, weight: str = "") -> None:
    """Raise InvalidRequest for more than *most* *names* in the value of *option*, or one of them twice.

    *weight*: what a name may have instead, with an example; empty where a name may be there twice.
    """
    if len(names) > most:
        refuse(f"{option} names {len(names)}{kinds}; the limit is {most}.")
    if weight and (twice := [name for name in names if names.count(name) > 1]):
        word, _, example = weight.partition(":")
        refuse(f"{option} names {twice[0]} twice; give it a {word} instead, as in {twice[0]}:{example}.")


def refuse(sentence: str) -> typing.NoReturn:
    raise InvalidRequest(sentence)


BESIDE: Mapping[str, str] = {
    "count": "the number of pictures is given as count",
    "init": "the picture to start from is given as image (in the shell --init)",
    "model": "the weights are given as model",
    "negative": "what to avoid is given as negative",
    "seed": "the seed is given as seed",
    "size": "width and height are given as size, as in 512x288",
    "target": "the picture to approach is given as --target in the shell",
}
"""What is typed beside the options of a method, and how."""
_MEANT: Mapping[str, str] = {
    # ours → the names in Disco Diffusion, VQGAN-CLIP, big-sleep, Stable Diffusion web UI and Midjourney
    "steps": "iterations max_iterations num_iterations iters epochs num_steps n_steps sampling_steps "
    "num_inference_steps quality q",
    "cutouts": "cutn cut_n cuts n_cuts num_cuts num_cutouts",
    "clip_cutouts": "cut_schedules_group clip_models_schedules",
    "fuzzy": "fuzzy_prompt rand_mag",
    "cut_batches": "cutn_batches num_cutn_batches gradient_accumulate_every accum_iter",
    "cut_power": "cut_pow cutpow cut_ic_pow",
    "cut_kind": "cut_method augments aug",
    "gray": "grey cut_icgray_p",
    "overview": "cut_overview cut_innercut",
    "learning_rate": "lr step_size stepsize",
    "cfg_scale": "cfg guidance guidance_scale unconditional_guidance_scale",
    "clip_guidance_scale": "cgs clip_scale clip_guidance",
    "saturation_scale": "sat_scale saturation",
    "init_scale": "iw image_weight",
    "init_weight": "iw image_weight",
    "skip_steps": "skip_timesteps skip denoising_strength denoise strength",
    "respacing": "timestep_respacing diffusion_steps ddim_respacing scheduler",
    "sampler": "sampler_name sampling_method diffusion_sampling_mode sampler_mode",
    "perceptors": "clip clip_model clip_models vit clip_list",
    "gradient": "use_secondary_model secondary_model",
    "class_id": "randomize_class class_cond",
    "classes": "class_id imagenet_classes",
    "clamp_max": "clamp_grad grad_clamp",
    "perlin": "perlin_init perlin_mode",
    "symmetry": "symmetry_loss use_horizontal_symmetry use_vertical_symmetry transformation_percent",
    "seamless": "tile tiling",
    "noise_prompts": "noise_prompt_seeds noise_prompt_weights",
    "optimizer": "optimiser opt",
    "strokes": "num_paths paths num_lines",
    "stroke_width": "max_width line_width",
    "ema_decay": "ema bilinear",
    "count": "n_batches batch_count batch_size n_iter num_images n batch",
    "init": "init_image initial_image start_image img",
    "model": "checkpoint sd_model ckpt vqgan_model diffusion_model weights",
    "negative": "negative_prompt no neg",
    "seed": "set_seed torch_seed random_seed",
    "size": "width height width_height image_size image_width w h ar aspect aspect_ratio resolution side_x side_y",
    "target": "target_image image_prompt image_prompts target_images",
}
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    word: tuple(ours for ours, words in _MEANT.items() if word in words.split())
    for words in _MEANT.values()
    for word in words.split()
}
"""Another program's name → ours, in order of preference."""
_CUTOFF = 0.66


def guess_option(word: str, known: Iterable[str]) -> str:
    """``; did you mean “steps”?`` for an option *word* that is not *known*: by synonyms, then by spelling."""
    names, word = set(known), word.lower().replace("-", "_")
    near = difflib.get_close_matches(word, [*names, *BESIDE, *SYNONYMS], n=1, cutoff=_CUTOFF)
    for candidate in (word, *near):
        for ours in (candidate, *SYNONYMS.get(candidate, ())):
            if ours in names:
                return f"; did you mean “{ours}”?"
            if ours in BESIDE:
                return f"; {BESIDE[ours]}"
    return guess(word, names, nearest=False)
