from __future__ import annotations

import pytest
import torch
from PIL import Image

from engine.images.tensors import noise, to_image, to_signed, to_tensor, to_unit, uniform

SHAPE = (3, 4, 5)


def test_the_same_key_makes_the_same_noise_whatever_was_drawn_before() -> None:
    first = noise(7, 0, 3, "eta", SHAPE)
    torch.manual_seed(1)
    torch.randn(100)
    assert torch.equal(first, noise(7, 0, 3, "eta", SHAPE))


@pytest.mark.parametrize("other", [(8, 0, 3, "eta"), (7, 0, 4, "eta"), (7, 0, 3, "x_T"), (7, 1, 3, "eta")])
def test_every_part_of_the_key_counts(other: tuple[int, int, int, str]) -> None:
    assert not torch.equal(noise(7, 0, 3, "eta", SHAPE), noise(*other, SHAPE))


def test_picture_two_of_seed_seven_is_picture_zero_of_seed_nine() -> None:
    assert torch.equal(noise(7, 2, 3, "eta", SHAPE), noise(9, 0, 3, "eta", SHAPE))


def test_the_starting_noise_is_the_same_everywhere() -> None:
    expected = [0.0757, -0.5172, -0.4729]
    assert expected == pytest.approx(noise(7, 0, 0, "x_T", (16,))[:3].tolist(), abs=1e-4)


def test_noise_is_normal_and_uniform_is_even() -> None:
    normal, even = noise(1, 0, 0, "a", (20000,)), uniform(1, 0, 0, "a", (20000,))
    assert (0, 1) == pytest.approx((normal.mean().item(), normal.std().item()), abs=0.03)
    assert (0, 0.5, 1) == pytest.approx((even.min().item(), even.mean().item(), even.max().item()), abs=0.02)


def test_a_picture_comes_back_from_a_tensor() -> None:
    image = Image.new("RGB", (5, 3), (10, 128, 255))
    image.putpixel((4, 0), (1, 2, 3))
    tensor = to_tensor(image)
    assert (3, 3, 5) == tensor.shape
    assert image.tobytes() == to_image(tensor).tobytes()


def test_transparency_is_laid_on_white() -> None:
    assert 1.0 == to_tensor(Image.new("RGBA", (2, 2), (0, 0, 0, 0))).min()


def test_what_is_out_of_range_is_clamped() -> None:
    assert (255, 0, 128) == to_image(torch.tensor([2.0, -1.0, 0.5]).view(3, 1, 1)).getpixel((0, 0))


def test_signed_and_unit_are_each_others_inverse() -> None:
    x = torch.tensor([0.0, 0.25, 1.0])
    assert [-1.0, -0.5, 1.0] == to_signed(x).tolist()
    assert torch.equal(x, to_unit(to_signed(x)))
