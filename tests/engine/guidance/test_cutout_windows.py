from __future__ import annotations

import pytest
import torch

from engine.guidance.cutouts import KINDS, CutRecipe, Cuts, cut, draw_cuts


def draw(recipe: CutRecipe, sides: tuple[int, int] = (64, 96), size: int = 16) -> Cuts:
    return draw_cuts(recipe, 7, 0, 3, sides, size)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_as_many_as_it_shall(kind: str) -> None:
    overview = 3 if kind == "disco" else 0
    found = draw(CutRecipe(8, kind=kind, overview=overview))
    assert [8 + overview] * 3 == [len(found.windows), len(found.flip), len(found.gray)]


def test_classic_squares_lie_within_the_picture_from_clips_size_to_the_shorter_side() -> None:
    top, left, height, width = draw(CutRecipe(500, kind="classic")).windows.T
    assert torch.equal(height, width)
    assert (16, 64) == (height.min(), height.max())
    assert min(top.min(), left.min()) >= 0
    assert (top + height).max() <= 64 and (left + width).max() <= 96


def test_a_quarter_of_the_padded_views_show_all_of_it_not_one_less() -> None:
    windows = draw(CutRecipe(16, kind="padded")).windows
    whole = torch.tensor([-16.0, -16.0, 96.0, 128.0], dtype=torch.float64)
    assert 4 == int((windows == whole).all(1).sum())


def test_padded_views_reach_into_a_black_rim() -> None:
    white = torch.ones(1, 3, 64, 64)
    whole = draw_cuts(CutRecipe(4, kind="padded"), 7, 0, 0, (64, 64), 24)
    view = cut(white, [whole], 24)[0]
    torch.testing.assert_close(view[:, 5:-5, 5:-5], torch.ones(3, 14, 14))
    torch.testing.assert_close(view[:, :3], -torch.ones(3, 3, 24))


def test_the_views_of_big_sleep_lie_within_and_three_in_ten_show_nearly_all_of_it() -> None:
    top, left, height, width = draw(CutRecipe(2000, kind="big_sleep")).windows.T
    assert torch.equal(height, width)
    assert (32, 60) == (height.min(), height.max())  # half of 64, and 0.95 of it
    assert [0.16, 0.31] == pytest.approx([float((height == side).double().mean()) for side in (32, 60)], abs=0.04)
    assert min(top.min(), left.min()) >= 0
    assert (top + height).max() <= 64 and (left + width).max() <= 96


def test_within_the_picture_a_rim_changes_nothing() -> None:
    picture = torch.rand(1, 3, 64, 64)
    cuts = draw_cuts(CutRecipe(6, kind="classic"), 7, 0, 0, (64, 64), 16)
    with_rim = type(cuts)(cuts.windows, cuts.flip, cuts.gray, cuts.noise, rim=True)
    torch.testing.assert_close(cut(picture, [cuts], 16), cut(picture, [with_rim], 16))


def test_four_overviews_are_colour_gray_mirrored_and_both() -> None:
    found = draw(CutRecipe(2, kind="disco", overview=4))
    assert [False, True, False, True, True, False] == found.gray.tolist()
    assert [False, False, True, True] == found.flip[:4].tolist()


def test_more_overviews_are_all_plain_and_the_first_inner_ones_gray() -> None:
    found = draw(CutRecipe(10, kind="disco", overview=12, gray=0.2))
    assert [12, 13, 14] == found.gray.nonzero().flatten().tolist(), "Disco compares with ≤: one more than a fifth"
    assert not found.flip.any()
    assert 12 == int((found.windows == found.windows[0]).all(1).sum())


def test_one_pictures_grain_stays_when_its_neighbour_wants_none() -> None:
    picture = torch.rand(2, 3, 16, 16)
    grainy, plain = (draw_cuts(CutRecipe(2, noise=noise), 7, 0, 0, (16, 16), 8) for noise in (0.5, 0))
    together = cut(picture, [grainy, plain], 8)
    assert torch.equal(cut(picture[:1], [grainy], 8), together[:2])
    assert torch.equal(cut(picture[1:], [plain], 8), together[2:])


def test_clipdraws_rectangles_have_most_of_the_area() -> None:
    top, left, height, width = draw(CutRecipe(500, kind="clipdraw")).windows.T
    area = height * width / (64 * 96)
    assert 0.62 < area.min() and 0.85 < area.max() < 0.93
    assert (top + height).max() <= 64 and (left + width).max() <= 96 and min(top.min(), left.min()) >= 0
    assert not torch.equal(height, width)


def test_whole_views_show_all_of_the_picture() -> None:
    assert [[0, 0, 64, 96]] * 3 == draw(CutRecipe(3, kind="whole")).windows.tolist()
