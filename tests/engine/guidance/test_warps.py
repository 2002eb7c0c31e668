from __future__ import annotations

import colorsys
import re
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from engine.errors import InvalidRequest
from engine.guidance.cutouts import CutRecipe, cut, draw_cuts
from engine.guidance.warps import _perspective, draw_warps, resample, warp
from engine.requests.options.clip_views import MOST, TOOLS, Augment, read_augment
from engine.requests.request import METHODS, build_request

KEY = (7, 0, 3, "warps")
ALL = read_augment("rotate:15+shift:0.1+shear:5+perspective:0.4+jitter:0.1+gray:0.2+erase:0.3")


def smooth(count: int = 1, size: int = 24) -> torch.Tensor:
    """Images whose values change slowly, in [-1, 1]."""
    return F.interpolate(torch.randn(count, 3, 4, 4).tanh(), size=(size, size), mode="bicubic").clamp(-1, 1)


def test_a_quarter_turn_is_a_rotation_by_ninety_degrees() -> None:
    turned = draw_warps(Augment(rotate=(90.0, 1.0)), KEY, 400)
    angles = torch.rad2deg(torch.atan2(turned.place[:, 1, 0], turned.place[:, 0, 0]))  # type: ignore[index]
    assert 85 < angles.abs().max() <= 90 and angles.mean().abs() < 8
    quarter = replace(turned, place=torch.tensor([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]]))
    view = smooth()
    torch.testing.assert_close(warp(view, [quarter]), torch.rot90(view, 1, (2, 3)), atol=1e-5, rtol=0)


def test_a_shift_moves_by_part_of_the_side_and_fills_with_black_or_white() -> None:
    view = torch.zeros(1, 3, 8, 8)
    moved = torch.tensor([[[1.0, 0, -0.5], [0, 1, 0], [0, 0, 1]]])
    for white, colour in ((False, -1), (True, 1)):
        found = warp(view, [replace(draw_warps(Augment(shift=(0.1, 1.0), white=white), KEY, 1), place=moved)])
        assert [colour] * 2 + [0] * 6 == found[0, 0, 3].tolist()


def test_a_perspective_moves_the_corners_inwards() -> None:
    inwards = torch.rand(5, 8, dtype=torch.float64) * 0.8
    corners = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]], dtype=torch.float64)
    places = torch.einsum("vij,cj->vci", _perspective(inwards), corners)
    torch.testing.assert_close(places[..., :2] / places[..., 2:], corners[None, :, :2] * (1 - inwards.view(5, 4, 2)))


def test_colours_change_as_the_recipes_of_torchvision_say_without_its_clamps() -> None:
    """Brightness, contrast about the mean gray, saturation; hues are compared by their angle."""
    jittered = draw_warps(Augment(jitter=(0.1, 1.0)), KEY, 64)
    views = smooth().expand(64, -1, -1, -1)
    found = warp(views, [jittered])
    assert 0.01 < (found - views).abs().mean() < 0.2
    red = torch.tensor([0.9, -0.9, -0.9]).view(1, 3, 1, 1).expand(64, 3, 4, 4)
    hues = [colorsys.rgb_to_hsv(*((c + 1) / 2).clamp(0, 1).tolist())[0] for c in warp(red, [jittered])[:, :, 0, 0]]
    turns = torch.tensor([(hue + 0.5) % 1 - 0.5 for hue in hues])
    assert 0.05 < turns.abs().max() < 0.15 and turns.mean().abs() < 0.03


def test_a_gray_view_has_the_luma_of_its_pixels() -> None:
    view = smooth()
    expected = 0.299 * view[:, :1] + 0.587 * view[:, 1:2] + 0.114 * view[:, 2:]
    found = warp(view, [draw_warps(Augment(gray=(1.0, 1.0)), KEY, 1)])
    torch.testing.assert_close(found, expected.expand(-1, 3, -1, -1))


def test_an_erased_rectangle_is_black_and_has_the_area_that_was_asked_for() -> None:
    views = torch.ones(300, 3, 32, 32)
    black = (warp(views, [draw_warps(Augment(erase=(0.4, 0.5)), KEY, 300)]) == -1).float().mean((1, 2, 3))
    assert 0.5 == pytest.approx((black > 0).float().mean().item(), abs=0.08)
    assert 0.08 < black[black > 0].min() and black.max() < 0.44


def test_shares_say_how_many_views_change() -> None:
    places = draw_warps(read_augment("rotate:30:0.7+shift:0.1:0.7"), KEY, 500).place
    still = (places == torch.eye(3)).all((1, 2))  # type: ignore[union-attr]
    assert 0.3 == pytest.approx(still.float().mean().item(), abs=0.06)


def test_one_change_for_all_views_or_one_for_each() -> None:
    each, together = (draw_warps(read_augment(f"rotate:10{more}"), KEY, 4).place for more in ("", "+together"))
    assert together is not None and each is not None
    assert torch.equal(together, together[:1].expand(4, 3, 3)) and not torch.equal(each[0], each[1])


def test_the_gradient_reaches_the_picture_and_is_that_of_the_differences() -> None:
    torch.manual_seed(0)
    picture = torch.randn(1, 3, 12, 12, dtype=torch.float64, requires_grad=True)
    cuts = draw_cuts(CutRecipe(2, augment=ALL), 7, 0, 0, (12, 12), 8)
    assert torch.autograd.gradcheck(lambda x: cut(x, [cuts], 8), picture, atol=1e-4)
    (gradient,) = torch.autograd.grad(cut(picture, [cuts], 8).square().sum(), picture)
    assert (gradient != 0).float().mean() > 0.5


def test_the_reproducible_gradient_for_gpus_equals_pytorchs() -> None:
    torch.manual_seed(0)
    views, grid = torch.randn(3, 3, 16, 16, requires_grad=True), 2.6 * torch.rand(3, 16, 16, 2) - 1.3
    seen = torch.randn(3, 3, 16, 16)
    expected = F.grid_sample(views, grid, padding_mode="zeros", align_corners=False)
    found = resample(views, grid)
    assert torch.equal(found, expected)
    gradients = [torch.autograd.grad((out * seen).sum(), views)[0] for out in (found, expected)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)


def test_views_depend_on_their_key_only_and_not_on_their_neighbours() -> None:
    recipe, pictures = CutRecipe(6, augment=ALL), smooth(3, 32)
    cuts = [draw_cuts(recipe, 7, index, 2, (32, 32), 16) for index in range(3)]
    together = cut(pictures, cuts, 16).view(3, 6, 3, 16, 16)
    for index in range(3):
        alone = cut(pictures[index : index + 1], [draw_cuts(recipe, 7 + index, 0, 2, (32, 32), 16)], 16)
        torch.testing.assert_close(alone, together[index], atol=1e-6, rtol=0)
    other = cut(pictures[:1], [draw_cuts(recipe, 7, 0, 3, (32, 32), 16)], 16)
    assert not torch.equal(other, together[0])


def test_parts_of_a_lot_are_changed_as_the_whole_lot_is() -> None:
    cuts, picture = draw_cuts(CutRecipe(5, augment=ALL), 7, 0, 0, (24, 24), 12), smooth(1)
    parts = torch.cat([cut(picture, [cuts.part(number, 3)], 12) for number in range(3)])
    torch.testing.assert_close(parts, cut(picture, [cuts], 12), atol=1e-6, rtol=0)


@pytest.mark.parametrize("text", [*TOOLS, "none", "erase:0.3", "rotate:10 + shift:0.05:0.5"])
def test_what_can_be_read(text: str) -> None:
    assert (text == "none") != read_augment(text).acts


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("spin:3", "augment has no term “spin:3”; available: none, disco"),
        ("rotate", "“rotate” is not name:amount"),
        ("rotate:x", "“rotate:x” is not name:amount"),
        ("rotate:1:2:3", "is not name:amount"),
        ("rotate:-5", "is not name:amount"),
        ("rotate:200", "rotate:200 is too large; the limit is 180"),
        ("erase:0.2:3", "the share 3 of erase is too large; the limit is 1"),
        ("rotate:1+rotate:2", "augment names rotate twice"),
        ("together:2", "augment has no term “together:2”"),
    ],
)
def test_mistakes_are_refused_in_words(text: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(sentence)):
        read_augment(text)


@pytest.mark.parametrize("method", [name for name, options in METHODS.items() if "cutouts" in options.model_fields])
def test_every_method_with_cutouts_takes_the_option_and_refuses_mistakes(method: str) -> None:
    assert "disco" == build_request("an owl", method=method, settings={"augment": "disco"}).options.augment
    with pytest.raises(InvalidRequest, match="augment has no term “spin”"):
        build_request("an owl", method=method, settings={"augment": "spin"})


def test_every_term_has_a_field() -> None:
    assert set(MOST) | {"together", "white"} == set(Augment.__dataclass_fields__)


def test_sums_of_whole_numbers_leave_the_choice_of_kernels_as_it_was() -> None:
    views = torch.rand(2, 3, 8, 8).requires_grad_()
    torch.set_deterministic_debug_mode("error")
    try:
        resample(views, torch.rand(2, 8, 8, 2)).sum().backward()  # type: ignore[no-untyped-call]
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_deterministic_debug_mode("default")
