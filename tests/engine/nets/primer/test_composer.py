"""The composer places drawings as a layout says, in the colours that it says."""

from __future__ import annotations

import copy

import pytest
import torch

from engine.nets.primer.composer import NUMBERS, Composer, Layout, build_composer
from engine.primer.vocabulary import TOKEN

RED, OWN = 0, 12


@pytest.fixture(scope="module")
def composer() -> Composer:
    net = Composer(vocabulary=16, drawings=3, side=8).eval().requires_grad_(False)
    net.drawings[1] = torch.tensor([60, 120, 60, 255], dtype=torch.uint8)[:, None, None]  # a green square
    net.drawings[2, :, :, 4:] = torch.tensor([240, 240, 240, 255], dtype=torch.uint8)[:, None, None]  # a right half
    net.rows[5] = torch.tensor([1, 2, 0])
    net.rows[6] = torch.tensor([2, 0, 0])
    net.tones[0, RED] = torch.tensor([1.0, 0.0, 0.0])
    return net


def spot(row: int, colour: int, x: float, y: float, reach: float, facing: int = 1) -> list[float]:
    return [row, colour, x, y, reach, facing]


def test_a_drawing_lies_where_its_spot_is(composer: Composer) -> None:
    sketch = composer.sketch(torch.tensor([[spot(1, OWN, 0.25, 0.75, 0.125)]]), 32, 32)
    inside = sketch[0, 3] > 0.5
    rows, columns = inside.any(1).nonzero().flatten(), inside.any(0).nonzero().flatten()
    assert (20, 27) == (int(rows[0]), int(rows[-1]))
    assert (4, 11) == (int(columns[0]), int(columns[-1]))
    assert torch.allclose(sketch[0, 1, 24, 8], torch.tensor(2 * 120 / 255 - 1), atol=1e-3)
    assert not sketch[0, :, :16].any()


def test_a_spot_can_be_mirrored(composer: Composer) -> None:
    both = composer.sketch(torch.tensor([[spot(2, OWN, 0.5, 0.5, 0.5)], [spot(2, OWN, 0.5, 0.5, 0.5, -1)]]), 16, 16)
    assert both[0, 3, :, 9:].all()
    assert not both[0, 3, :, :7].any()
    assert torch.equal(both[0, 3].flip(1), both[1, 3])


def test_a_colour_replaces_the_drawing_s_own(composer: Composer) -> None:
    sketch = composer.sketch(torch.tensor([[spot(1, RED, 0.5, 0.5, 0.5)]]), 16, 16)
    red, green, blue, alpha = sketch[0, :, 8, 8].tolist()
    assert (red, green, blue, alpha) == pytest.approx((1, -1, -1, 1), abs=0.05)


def test_later_spots_cover_earlier_ones_and_empty_rows_none(composer: Composer) -> None:
    spots = torch.tensor([[spot(1, OWN, 0.5, 0.5, 0.5), spot(1, RED, 0.5, 0.5, 0.2), [0.0] * 6]])
    sketch = composer.sketch(spots, 16, 16)
    assert sketch[0, 0, 8, 8] > 0.9
    assert sketch[0, 0, 1, 1] < 0


def test_a_wide_picture_keeps_things_square(composer: Composer) -> None:
    inside = composer.sketch(torch.tensor([[spot(1, OWN, 0.5, 0.5, 0.25)]]), 16, 32)[0, 3] > 0.5
    assert (8, 8) == (int(inside.any(1).sum()), int(inside.any(0).sum()))


def test_nouns_alone_get_spots_and_luck_chooses_their_drawings(composer: Composer) -> None:
    tokens = torch.zeros(24, dtype=torch.long)
    tokens[:4] = torch.tensor([1, 3, 5, 2])
    found = {int(composer.spots(tokens, torch.full((64,), luck))[0, 0]) for luck in (0.1, 0.9)}
    assert {1, 2} == found
    tokens[2] = 4
    assert (0, 6) == tuple(composer.spots(tokens, torch.rand(64)).shape)
    assert not composer.sketch(torch.zeros(1, 0, 6), 8, 8).any()


class CountsWithoutBits(torch.nn.Module):
    """A layout net that says three copies without bits, and one copy for given bits."""

    def forward(self, tokens: torch.Tensor, bits: torch.Tensor) -> Layout:
        counts = torch.zeros(1, 24, 5)
        counts[..., 0 if bits.any() else 2] = 1
        return Layout(torch.zeros(1, 24, 13), counts, torch.full((1, 24, 5, 3), 0.5), torch.zeros(1, 2))


def test_the_number_of_copies_is_what_the_layout_net_says_before_a_form_is_chosen(composer: Composer) -> None:
    counting = copy.deepcopy(composer)
    counting.layout = CountsWithoutBits()
    counting.rows = torch.cat([counting.rows, torch.zeros(64, 3, dtype=torch.int32)])
    tokens = torch.zeros(24, dtype=torch.long)
    tokens[:4] = torch.tensor([1, NUMBERS[1], 6, 2])
    assert 3 == len(counting.spots(tokens, torch.rand(64)))
    tokens[1] = 9  # no number
    assert 1 == len(counting.spots(tokens, torch.rand(64)))


def test_the_numbers_are_those_of_the_vocabulary() -> None:
    assert NUMBERS == tuple(TOKEN[word] for word in ("two", "three", "four", "five"))


def test_equal_luck_gives_equal_spots(composer: Composer) -> None:
    tokens = torch.zeros(24, dtype=torch.long)
    tokens[:4] = torch.tensor([1, 6, 5, 2])
    luck = torch.rand(64, generator=torch.Generator().manual_seed(1))
    assert torch.equal(composer.spots(tokens, luck), composer.spots(tokens, luck))
    assert not torch.equal(composer.spots(tokens, luck), composer.spots(tokens, luck.flip(0)))


def test_flags_rebuild_the_net(composer: Composer) -> None:
    build_composer(composer.flags()).load_state_dict(composer.state_dict())
