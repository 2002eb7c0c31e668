"""Option names of other programs → ours: what is meant by an option that does not exist here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from engine.requests.options.base import guess

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
