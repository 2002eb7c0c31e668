"""Spoilt pictures are still those pictures."""

import torch

from engine.training.augment import blurred, noisy, to_float, zoomed


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_bytes_become_numbers_between_zero_and_one() -> None:
    images = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 1, 1, 3)
    torch.testing.assert_close(to_float(images).flatten(), torch.tensor([0.0, 1.0, 0.2]))


def test_blur_keeps_the_mean_and_takes_detail() -> None:
    images = torch.rand(4, 3, 16, 16, generator=generator())
    soft = blurred(images, generator(), share=1.0)
    torch.testing.assert_close(soft.mean(dim=(2, 3)), images.mean(dim=(2, 3)), atol=0.03, rtol=0)
    assert float(soft.var()) < float(images.var()) / 2


def test_a_plain_picture_stays_plain_when_zoomed() -> None:
    plain = torch.full((4, 3, 16, 16), 0.3)
    torch.testing.assert_close(zoomed(plain, generator(), share=1.0), plain)


def test_only_a_share_is_spoilt_and_the_order_stays() -> None:
    images = torch.rand(4, 3, 16, 16, generator=generator())
    assert torch.equal(blurred(images, generator(), share=0.5)[2:], images[2:])
    assert torch.equal(zoomed(images, generator(), share=0.5)[2:], images[2:])
    assert torch.equal(blurred(images, generator(), share=0.0), images)


def test_noise_is_at_most_as_strong_as_said() -> None:
    spoilt = noisy(torch.zeros(64, 3, 8, 8), generator(), most=0.2)
    assert 0 < float(spoilt.std()) < 0.2
