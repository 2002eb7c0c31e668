"""Random changes of the views keep Adam from texture that only the guiding CLIP likes: a second CLIP sees the gain."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from engine.images.tensors import to_tensor
from engine.methods import Finished, find_method
from engine.perceptors.perceptor_loader import load_perceptor
from engine.runtime.runtime import Runtime
from tests.engine.tiny import job_of, paint

PROMPTS = ("a red circle on a blue background", "a yellow star at night", "a blue fish")


@pytest.mark.slow
def test_a_clip_that_did_not_guide_finds_the_prompt_better() -> None:
    runtime = Runtime.open("cpu")
    plain, changed = (
        torch.tensor([_judged(prompt, augment, runtime) for prompt in PROMPTS]) for augment in ("none", "cda")
    )
    assert (changed - plain).mean() > 0.02


def _judged(prompt: str, augment: str, runtime: Runtime) -> float:
    """Cosine of image and prompt by the small model's second CLIP."""
    job = job_of(prompt, {"steps": "40", "cutouts": "8", "augment": augment}, method="pixels", seed=7)
    method = find_method("pixels")
    (step,) = paint(method, method.begin(job, {}, runtime), runtime)
    assert isinstance(step, Finished)
    judge = load_perceptor("primer-grader", runtime)
    view = F.interpolate(to_tensor(step.image)[None], (judge.size, judge.size), mode="bilinear", antialias=True)
    with torch.no_grad():
        return float(judge.encode_image(view)[0] @ judge.encode_text([prompt])[0])
