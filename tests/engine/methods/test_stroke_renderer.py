"""The stroke rasteriser: where ink lies, what covers what, and that its gradient is the slope that it claims to be."""

import pytest
import torch
from torch import Tensor

from engine.methods._drawing import stroke_renderer as module
from engine.methods._drawing.stroke_renderer import PIECES, Strokes, _sum_of_later, draw, flattened

WHITE = torch.ones(3)
RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def line(begin: tuple[float, float], end: tuple[float, float]) -> Tensor:
    """The control points of a straight stroke: [4, 2]."""
    part = torch.linspace(0, 1, 4)[:, None]
    return (1 - part) * torch.tensor(begin) + part * torch.tensor(end)


def strokes(
    *lines: Tensor, width: float = 0.2, colours: tuple[tuple[float, ...], ...], opacity: float = 1.0
) -> Strokes:
    count = len(lines)
    return Strokes(
        torch.stack(lines)[None],
        torch.full((1, count), width),
        torch.tensor(colours)[None],
        torch.full((1, count), opacity),
    )


ACROSS, DOWN = line((0.1, 0.5), (0.9, 0.5)), line((0.5, 0.1), (0.5, 0.9))


def test_ink_lies_within_half_a_width_of_the_curve_and_nowhere_else() -> None:
    picture = draw(strokes(ACROSS, colours=(RED,)), WHITE, (40, 40))[0]
    torch.testing.assert_close(torch.tensor(RED), picture[:, 20, 20], atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.tensor(RED), picture[:, 17, 20], atol=0.05, rtol=0)
    torch.testing.assert_close(WHITE, picture[:, 13, 20], atol=1e-2, rtol=0)
    torch.testing.assert_close(WHITE, picture[:, 15, 38], atol=0.1, rtol=0)
    torch.testing.assert_close(torch.tensor(RED), picture[:, 20, 38], atol=0.05, rtol=0)  # its ends are round


def test_a_later_stroke_covers_an_earlier_one() -> None:
    over = draw(strokes(ACROSS, DOWN, colours=(RED, BLUE)), WHITE, (40, 40))[0]
    under = draw(strokes(DOWN, ACROSS, colours=(BLUE, RED)), WHITE, (40, 40))[0]
    torch.testing.assert_close(torch.tensor(BLUE), over[:, 20, 20], atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.tensor(RED), under[:, 20, 20], atol=1e-3, rtol=0)


def test_what_is_half_opaque_lets_half_of_the_ground_through() -> None:
    picture = draw(strokes(ACROSS, colours=(RED,), opacity=0.5), WHITE, (40, 40))[0]
    torch.testing.assert_close(torch.tensor([1.0, 0.5, 0.5]), picture[:, 20, 20], atol=1e-3, rtol=0)


def test_the_cover_of_later_strokes_is_the_same_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    veil = -torch.rand(2, 5, 7)
    expected = _sum_of_later(veil)
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda self: True))

    torch.testing.assert_close(expected, _sum_of_later(veil))


def test_without_opacity_there_is_only_paper() -> None:
    cream = torch.tensor([0.96, 0.94, 0.87])
    picture = draw(strokes(ACROSS, DOWN, colours=(RED, BLUE), opacity=0.0), cream, (8, 12))
    torch.testing.assert_close(cream[None, :, None, None].expand(1, 3, 8, 12), picture)


def test_a_chain_lies_on_its_curve_and_ends_where_it_ends() -> None:
    points = torch.rand(2, 3, 7, 2, generator=torch.Generator().manual_seed(0))
    chain = flattened(points)
    assert (2, 3, 2 * PIECES + 1, 2) == chain.shape
    torch.testing.assert_close(points[:, :, 0], chain[:, :, 0])
    torch.testing.assert_close(points[:, :, 3], chain[:, :, PIECES])
    torch.testing.assert_close(points[:, :, 6], chain[:, :, -1])
    middle = (points[:, :, 0] + 3 * points[:, :, 1] + 3 * points[:, :, 2] + points[:, :, 3]) / 8
    torch.testing.assert_close(middle, chain[:, :, PIECES // 2])


def test_twice_the_size_is_the_same_drawing() -> None:
    crossing = strokes(ACROSS, DOWN, colours=(RED, BLUE), opacity=0.7)
    small, large = draw(crossing, WHITE, (40, 60)), draw(crossing, WHITE, (80, 120))
    halved = torch.nn.functional.avg_pool2d(large, 2)
    assert float((small - halved).abs().mean()) < 0.02


def test_the_gradient_is_the_slope() -> None:
    """Against differences of points, widths, colours and opacities, in double precision."""
    rng = torch.Generator().manual_seed(1)
    shapes = (1, 3, 4, 2), (1, 3), (1, 3, 3), (1, 3)
    parts = [torch.rand(shape, generator=rng, dtype=torch.float64) * 0.5 + 0.2 for shape in shapes]

    def picture(*values: Tensor) -> Tensor:
        return draw(Strokes(*values), WHITE.double(), (9, 12))

    assert torch.autograd.gradcheck(picture, [part.requires_grad_() for part in parts], atol=1e-4)


def test_a_stroke_that_is_pulled_moves_to_its_place() -> None:
    wanted = draw(strokes(line((0.3, 0.7), (0.8, 0.7)), colours=(BLUE,)), WHITE, (24, 24))
    points = ACROSS.clone()[None, None].requires_grad_()
    optimizer = torch.optim.Adam([points], lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        drawn = draw(
            Strokes(points, torch.full((1, 1), 0.2), torch.tensor([[BLUE]]), torch.ones(1, 1)), WHITE, (24, 24)
        )
        (drawn - wanted).square().mean().backward()
        optimizer.step()
    torch.testing.assert_close(torch.full((4,), 0.7), points[0, 0, :, 1].detach(), atol=0.05, rtol=0)


def test_distances_and_their_gradient_are_those_of_all_segments_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(2)
    vertices = (torch.rand(2, 3, 9, 2, generator=rng) * 12).requires_grad_()
    grid = torch.rand(50, 2, generator=rng) * 12
    begin, end = vertices[:, :, :-1, None], vertices[:, :, 1:, None]
    along = (((grid - begin) * (end - begin)).sum(-1) / (end - begin).square().sum(-1)).clamp(0, 1)
    every = (grid - begin - along[..., None] * (end - begin)).square().sum(-1)
    expected, weights = (every.min(2).values + 1e-8).sqrt(), torch.rand(2, 3, 50, generator=rng)
    (slope,) = torch.autograd.grad((expected * weights).sum(), vertices)

    for together in (1 << 16, 100):
        monkeypatch.setattr(module, "TOGETHER", together)
        found = module._Distances.apply(vertices, grid)
        torch.testing.assert_close(expected, found)
        torch.testing.assert_close(slope, torch.autograd.grad((found * weights).sum(), vertices)[0])


def test_looking_for_the_nearest_piece_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    crossing = strokes(ACROSS, DOWN, colours=(RED, BLUE), opacity=0.7)
    whole = draw(crossing, WHITE, (16, 16))
    monkeypatch.setattr(module, "AT_ONCE", 200)
    monkeypatch.setattr(module, "TOGETHER", 50)
    torch.testing.assert_close(whole, draw(crossing, WHITE, (16, 16)))
    with torch.no_grad():
        torch.testing.assert_close(whole, draw(crossing, WHITE, (16, 16)))
