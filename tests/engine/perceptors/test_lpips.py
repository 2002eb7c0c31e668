"""The perceptual distance: zero for the same picture, and shapes weigh more than places."""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.nets.primer.small_clip import SmallClip, SmallClipFlags
from engine.perceptors.perceptor import perceptual_distance
from engine.primer.tasks.remake import load_guide


def square(left: int, size: int = 20) -> Tensor:
    """A white square on black, [1, 3, 64, 64]."""
    picture = torch.full((1, 3, 64, 64), -1.0)
    picture[:, :, 22 : 22 + size, left : left + size] = 1.0
    return picture


def ring() -> Tensor:
    """A white disk with a hole, as large as the square."""
    y, x = torch.meshgrid(torch.arange(64) - 32.0, torch.arange(64) - 32.0, indexing="ij")
    radius = (x.square() + y.square()).sqrt()
    return torch.where((radius < 14) & (radius > 8), 1.0, -1.0).expand(1, 3, 64, 64)


def mosaic(images: Tensor) -> list[Tensor]:
    """A net that sees nothing but the mean colour of every eighth."""
    return [F.avg_pool2d(images, 8).flatten(1)]


def test_a_picture_is_at_no_distance_from_itself() -> None:
    both = torch.cat([square(20), ring()])
    torch.testing.assert_close(torch.zeros(2), perceptual_distance(mosaic, both, both), atol=1e-6, rtol=0)


def test_each_row_is_judged_alone() -> None:
    distance = perceptual_distance(mosaic, torch.cat([square(20), square(20)]), torch.cat([square(20), ring()]))
    assert distance[0] < 1e-6 < 1e-3 < distance[1]


def test_it_does_not_matter_which_is_the_real_one() -> None:
    torch.testing.assert_close(
        perceptual_distance(mosaic, square(20), ring()), perceptual_distance(mosaic, ring(), square(20))
    )


def test_only_the_guess_is_pulled() -> None:
    guess, real = square(20).requires_grad_(), ring().requires_grad_()
    perceptual_distance(mosaic, guess, real).sum().backward()
    assert guess.grad is not None and guess.grad.abs().sum() > 0
    assert real.grad is None


def test_a_shift_moves_the_grid_that_sees_but_not_the_pictures_against_each_other() -> None:
    flat = perceptual_distance(mosaic, square(20), square(20), (3, 5))
    torch.testing.assert_close(torch.zeros(1), flat, atol=1e-6, rtol=0)
    assert perceptual_distance(mosaic, square(20), ring()) != perceptual_distance(mosaic, square(20), ring(), (3, 5))


def test_the_guide_minds_another_shape_more_than_a_place_a_little_aside() -> None:
    see = load_guide().image.features
    real, aside, other = square(20), square(22), ring()
    assert 5 * perceptual_distance(see, aside, real) < perceptual_distance(see, other, real)


def test_the_last_feature_is_the_embedding() -> None:
    for flags in (SmallClipFlags(), SmallClipFlags(norm="batch", image_layers=1)):
        tower = SmallClip(flags).image.eval()
        images = torch.rand(2, 3, 64, 64)
        maps = tower.features(images)
        assert [(2, 48, 16, 16), (2, 96, 8, 8), (2, 160, 4, 4), (2, 192)] == [tuple(one.shape) for one in maps]
        torch.testing.assert_close(tower(images), maps[-1])
