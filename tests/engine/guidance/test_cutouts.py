from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from engine.guidance.cutouts import CutRecipe, Cuts, cut, draw_cuts, window_matrix


def cuts_of(windows: list[list[int]], *, flip: bool = False, gray: bool = False) -> Cuts:
    n = len(windows)
    return Cuts(torch.tensor(windows).double(), torch.full((n,), flip), torch.full((n,), gray), None)


@pytest.mark.parametrize("window", [[0, 0, 40, 56], [3, 5, 20, 20], [7, 1, 33, 50], [10, 10, 9, 13]])
@pytest.mark.parametrize("size", [16, 32])
def test_a_cut_and_its_gradient_are_those_of_crop_and_antialiased_resize(window: list[int], size: int) -> None:
    torch.manual_seed(0)
    image = torch.randn(1, 3, 40, 56, requires_grad=True)
    seen = torch.randn(1, 3, size, size)
    top, left, height, width = window
    crop = image[..., top : top + height, left : left + width]
    expected = F.interpolate(crop, (size, size), mode="bilinear", antialias=True)
    actual = cut(image, [cuts_of([window])], size)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=2e-5)
    (wanted,) = torch.autograd.grad((expected * seen).sum(), image)
    (found,) = torch.autograd.grad((actual * seen).sum(), image)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_the_whole_picture_at_its_own_size_is_itself() -> None:
    image = torch.randn(2, 3, 32, 32)
    views = cut(image, [cuts_of([[0, 0, 32, 32]])] * 2, 32)
    torch.testing.assert_close(views, image, rtol=0, atol=1e-6)


def test_views_come_picture_by_picture() -> None:
    image = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])
    views = cut(image, [cuts_of([[0, 0, 8, 8], [1, 1, 4, 4]])] * 2, 8)
    assert [0.0, 0.0, 1.0, 1.0] == pytest.approx(views.mean((1, 2, 3)).tolist())


def test_a_window_beyond_the_picture_repeats_its_edge() -> None:
    image = torch.zeros(1, 3, 4, 8)
    image[..., 0, :] = 1
    view = cut(image, [cuts_of([[-2, 0, 8, 8]])], 8)
    assert [1, 1, 1, 0, 0, 0, 0, 0] == view[0, 0, :, 3].tolist()


def test_a_flipped_view_is_mirrored_and_a_gray_one_has_no_colour() -> None:
    image = torch.randn(1, 3, 16, 16)
    plain = cut(image, [cuts_of([[2, 2, 12, 12]])], 8)
    assert torch.equal(plain.flip(-1), cut(image, [cuts_of([[2, 2, 12, 12]], flip=True)], 8))
    gray = cut(image, [cuts_of([[2, 2, 12, 12]], gray=True)], 8)
    luma = 0.299 * plain[:, :1] + 0.587 * plain[:, 1:2] + 0.114 * plain[:, 2:]
    torch.testing.assert_close(gray, luma.expand_as(plain))


def test_every_row_of_a_window_matrix_is_an_average() -> None:
    rows = window_matrix(torch.tensor([3.0, -4.0]), torch.tensor([17.0, 30.0]), 24, 10)
    torch.testing.assert_close(rows.sum(-1), torch.ones(2, 10))
    assert rows.min() >= 0


def test_drawn_windows_lie_inside_and_the_first_shows_everything() -> None:
    cuts = draw_cuts(CutRecipe(64), 7, 0, 3, (48, 80), 64)
    top, left, height, width = cuts.windows[16:].unbind(1)
    assert [[-16, 0, 80, 80]] * 16 == cuts.windows[:16].tolist()
    assert bool((top >= 0).all() and (left >= 0).all() and (top + height <= 48).all() and (left + width <= 80).all())
    assert 34 == height.min() and 46 <= height.max() and torch.equal(height, width)


def test_power_prefers_small_windows() -> None:
    mean = [draw_cuts(CutRecipe(256, power=p), 7, 0, 0, (64, 64), 16).windows[64:, 2].mean() for p in (0.5, 1, 4)]
    assert mean[0] > mean[1] > mean[2]


def test_windows_depend_on_the_picture_and_the_step_only() -> None:
    recipe = CutRecipe(8, noise=0.1)
    one = draw_cuts(recipe, 7, 2, 3, (64, 64), 16)
    assert torch.equal(one.windows, draw_cuts(recipe, 9, 0, 3, (64, 64), 16).windows)
    assert not torch.equal(one.windows, draw_cuts(recipe, 7, 2, 4, (64, 64), 16).windows)


def test_as_many_views_are_flipped_and_gray_as_the_recipe_says() -> None:
    cuts = draw_cuts(CutRecipe(1000, flip=0.5, gray=0.1), 7, 0, 0, (64, 64), 16)
    assert (0.5, 0.1) == pytest.approx((cuts.flip.double().mean().item(), cuts.gray.double().mean().item()), abs=0.05)


def test_noise_lies_on_every_view() -> None:
    cuts = draw_cuts(CutRecipe(2, noise=0.5), 7, 0, 0, (16, 16), 16)
    assert 0.5 == pytest.approx(float(cut(torch.zeros(1, 3, 16, 16), [cuts], 16).std()), abs=0.05)
