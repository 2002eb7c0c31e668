from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from engine.guidance.cutouts import CutRecipe, NoiseKey
from engine.guidance.feature_distance import feature_distance
from engine.guidance.objective import ClipTarget, Objective, Scales, mse_loss, objective_gradient
from engine.guidance.targets import make_targets
from engine.images.tensors import to_signed, to_tensor
from engine.perceptors.open_clip import from_open_clip
from engine.perceptors.perceptor import Perceptor
from engine.perceptors.perceptor_loader import load_perceptor
from engine.requests.prompts import parse_prompts
from engine.runtime.runtime import Runtime
from tests.engine.perceptors.test_open_clip import clip_of
from tests.engine.tiny import tiny_perceptor
from tests.golden import golden

TURNS = (NoiseKey(7, 0, 1), NoiseKey(8, 0, 4), NoiseKey(9, 0, 2))


@pytest.fixture(scope="module")
def guide() -> Perceptor:
    return load_perceptor("primer", Runtime.open("cpu"))


def drawn(shape: str, left: int = 20, size: tuple[int, int] = (64, 64)) -> Tensor:
    image = Image.new("RGB", size, "navy")
    pen = ImageDraw.Draw(image)
    if shape == "square":
        pen.rectangle((left, 20, left + 23, 43), fill="gold")
    else:
        pen.ellipse((left - 2, 18, left + 25, 45), fill="gold")
        pen.ellipse((left + 5, 25, left + 18, 38), fill="navy")
    return to_signed(to_tensor(image))[None]


def apart(perceptor: Perceptor, a: Tensor, b: Tensor) -> Tensor:
    return feature_distance(perceptor, a, b, TURNS[: len(a)])


def test_equal_pictures_look_alike_and_others_equally_unlike_from_both_sides(guide: Perceptor) -> None:
    square, ring = drawn("square"), drawn("ring")
    assert 0 == pytest.approx(float(apart(guide, square, square)), abs=1e-5)
    there, back = float(apart(guide, square, ring)), float(apart(guide, ring, square))
    assert 0.05 < there == pytest.approx(back, rel=1e-4)


def test_a_shape_a_little_aside_looks_nearer_than_another_shape_though_its_colours_are_not(guide: Perceptor) -> None:
    square, aside, ring = drawn("square"), drawn("square", 24), drawn("ring")
    assert float(mse_loss(square, aside)) > 0.7 * float(mse_loss(square, ring))
    ratio_of_colours = float(mse_loss(square, aside) / mse_loss(square, ring))
    ratio_of_shapes = float(apart(guide, square, aside) / apart(guide, square, ring))
    assert ratio_of_shapes < 0.7 < ratio_of_colours


def test_a_few_steps_against_its_gradient_bring_a_picture_nearer(guide: Perceptor) -> None:
    init, x = drawn("square"), drawn("ring")
    before = float(apart(guide, x, init))
    for _ in range(10):
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(apart(guide, x, init).sum(), x)
        x = x - 0.1 * gradient / gradient.square().mean().sqrt()
    assert float(apart(guide, x.detach(), init)) < 0.7 * before


@pytest.mark.parametrize("name", ["clip_vit", "clip_resnet"])
def test_a_published_clip_has_maps_of_several_blocks_whatever_the_pictures_size(name: str) -> None:
    perceptor = from_open_clip("tiny", clip_of(golden(name)), torch.device("cpu"))
    assert perceptor.shows_features
    maps = perceptor.features(torch.rand(2, 3, perceptor.size, perceptor.size))
    assert len(maps) > 1 and all(2 == len(one) and 4 == one.ndim for one in maps)
    wide = [drawn(shape, size=(96, 64)) for shape in ("square", "ring")]
    assert float(apart(perceptor, *wide)) > 10 * float(apart(perceptor, wide[0], wide[0]).abs())


def test_a_tower_that_hides_its_maps_shows_no_features() -> None:
    hiding = tiny_perceptor().towers
    perceptor = Perceptor("hiding", hiding, lambda texts: torch.zeros(1, 24), size=32, dim=16)
    assert not perceptor.shows_features


def test_every_picture_of_a_batch_is_held_by_its_own_scale_and_alone() -> None:
    perceptor = tiny_perceptor()
    recipe = CutRecipe(2)
    eye = ClipTarget("primer", make_targets(perceptor, parse_prompts("an owl"), {}, recipe))
    seen, init = torch.cat([drawn("ring"), drawn("ring"), drawn("ring", 10)]), drawn("square")[0]
    objectives = [Objective((eye,), recipe, Scales(features=scale), init=init) for scale in (100.0, 200.0, 300.0)]
    together = objective_gradient([perceptor], seen, objectives, TURNS)
    same_turn = objective_gradient([perceptor], seen[:2], objectives[:2], (TURNS[0], TURNS[0]))
    torch.testing.assert_close(2 * same_turn[0], same_turn[1])
    for i, objective in enumerate(objectives):
        alone = objective_gradient([perceptor], seen[i : i + 1].repeat(3, 1, 1, 1), [objective] * 3, [TURNS[i]] * 3)
        assert torch.equal(alone[0], together[i])


def test_pictures_that_are_held_by_shapes_share_no_pass_with_those_that_are_not() -> None:
    perceptor = tiny_perceptor()
    eye = ClipTarget("primer", make_targets(perceptor, parse_prompts("an owl"), {}, CutRecipe(2)))
    objective = Objective((eye,), CutRecipe(2), Scales(clip=1000.0))
    assert objective.shape != replace(objective, scales=Scales(clip=1000.0, features=10.0)).shape
    assert objective.shape == replace(objective, scales=Scales(clip=500.0, init=10.0)).shape
