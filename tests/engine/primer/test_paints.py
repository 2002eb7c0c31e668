"""The shipped primer paints what was asked for, by colour and place."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from engine.methods import Finished, find_method
from engine.perceptors.perceptor_loader import load_perceptor
from engine.protocol.messages import Job
from engine.requests.request import build_request
from engine.runtime.runtime import Runtime
from tests.engine.tiny import paint

RED_ON_BLUE = "a red circle on a blue background"
STEPS = {"clip_diffusion": 8, "pixels": 20, "vqgan_clip": 40}
COUNTS = {"clip_diffusion": 2, "pixels": 4, "vqgan_clip": 2}
"""Images of one request. `pixels` cannot draw a circle: some of its images are better than others."""
METHODS = pytest.mark.parametrize("method", list(STEPS))


@functools.cache
def runtime() -> Runtime:
    return Runtime.open("cpu")


def painted(prompt: str, method: str = "clip_diffusion") -> np.ndarray:
    """COUNTS images at the net's own size: [N, H, W, 3] in [0, 1]."""
    return _painted(prompt, method)


@functools.cache
def _painted(prompt: str, method: str) -> np.ndarray:
    request = build_request(prompt, method=method, steps=STEPS[method], seed=7, count=COUNTS[method])
    painter = find_method(method)
    painter.load(request, runtime())
    steps = paint(painter, painter.begin(Job("job", 1, "somebody", request), {}, runtime()), runtime())
    return np.stack([np.asarray(s.image) / 255 for s in steps if isinstance(s, Finished)])


def middle(pictures: np.ndarray) -> np.ndarray:
    """Mean colour of the inner quarter of the sides."""
    height, width = pictures.shape[1:3]
    return pictures[:, height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8].mean((0, 1, 2))


def rim(pictures: np.ndarray) -> np.ndarray:
    """Mean colour of the upper and the lower eighth."""
    edge = pictures.shape[1] // 8
    return np.concatenate([pictures[:, :edge], pictures[:, -edge:]], axis=1).mean((0, 1, 2))


def warmth(colour: np.ndarray) -> float:
    """How much more red than blue."""
    return float(colour[0] - colour[2])


def grade(pictures: np.ndarray, text: str) -> float:
    """Mean cosine with *text*, by the CLIP that has guided nothing."""
    grader = runtime().net("grader", lambda: load_perceptor("primer-grader", runtime()))
    views = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    views = F.interpolate(views, (grader.size, grader.size), mode="bilinear", antialias=True)
    return float((grader.encode_image(views) @ grader.encode_text([text])[0]).mean())


def test_a_red_circle_on_a_blue_background_has_a_red_middle_and_a_blue_rim() -> None:
    pictures = painted(RED_ON_BLUE)
    assert warmth(middle(pictures)) > 0.2
    assert warmth(rim(pictures)) < -0.2


def test_an_abstract_painter_has_its_red_nearer_to_the_middle_and_its_blue_to_the_rim() -> None:
    pictures = painted(RED_ON_BLUE, "pixels")
    assert warmth(middle(pictures)) > warmth(rim(pictures)) + 0.3


def test_a_grid_of_codes_has_its_red_in_the_middle_and_its_blue_at_the_rim() -> None:
    pictures = painted(RED_ON_BLUE, "vqgan_clip")
    assert warmth(middle(pictures)) > warmth(rim(pictures)) + 0.3
    assert warmth(rim(pictures)) < -0.1


def test_colours_change_places_with_their_words() -> None:
    pictures = painted("a blue circle on a red background")
    assert warmth(middle(pictures)) < -0.2
    assert warmth(rim(pictures)) > 0.2


def test_what_is_not_wanted_is_taken_away() -> None:
    without = painted(f"{RED_ON_BLUE} | blue background:-0.3")
    assert warmth(rim(without)) > warmth(rim(painted(RED_ON_BLUE))) + 0.1
    assert grade(without, "a blue background") < grade(painted(RED_ON_BLUE), "a blue background") - 0.05
    assert middle(without)[0] > 0.5


@METHODS
def test_other_seeds_paint_other_pictures(method: str) -> None:
    first, second = painted(RED_ON_BLUE, method)[:2]
    assert np.abs(first - second).mean() > 0.01


@pytest.mark.parametrize(
    "prompt", ["a boat on the sea at sunset", "snowy mountains", "a yellow star on a purple background"]
)
def test_a_clip_that_has_not_guided_recognises_the_picture(prompt: str) -> None:
    assert grade(painted(prompt), prompt) > 0.5 > grade(painted(RED_ON_BLUE), prompt)
