"""Live bytes on the meta device: what counts, and that a repeated operation counts as it did at first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.memory_planning.meta_memory import META, LiveBytes

ROWS, COLUMNS = 5, 37


def counted(work: Callable[[Tensor, Tensor], Any]) -> tuple[int, int, list[tuple[Any, ...]]]:
    """Peak and live bytes of *work* on integers and weights, with its result still alive, and what the result is."""
    weights = torch.empty(COLUMNS, COLUMNS, device=META)
    numbers = torch.empty(ROWS, COLUMNS, dtype=torch.int64, device=META)
    with LiveBytes() as live:
        made = work(numbers, weights)
        tensors = made if isinstance(made, tuple) else (made,)
        return live.peak, live.now, [(one.shape, one.stride(), one.dtype) for one in tensors]


@pytest.mark.parametrize(
    ("work", "live"),
    [
        (lambda x, w: x * 2, 8 * ROWS * COLUMNS),
        (lambda x, w: x * 2.0, 4 * ROWS * COLUMNS),
        (lambda x, w: x.float() @ w, 4 * ROWS * COLUMNS),
        (lambda x, w: torch.cat([x, x], 1), 16 * ROWS * COLUMNS),
        (lambda x, w: w.max(1), 12 * COLUMNS),
        (lambda x, w: F.layer_norm(w, (COLUMNS,)), 4 * COLUMNS**2),
        (lambda x, w: w.t().contiguous(), 4 * COLUMNS**2),
        (lambda x, w: w.mul_(2), 0),
        (lambda x, w: w.clone().clamp_(0), 4 * COLUMNS**2),
        (lambda x, w: w[1:].t(), 0),
        (lambda x, w: w.unsqueeze(0).expand(9, -1, -1), 0),
    ],
)
def test_a_repeated_operation_counts_and_returns_the_same(work: Callable[[Tensor, Tensor], Any], live: int) -> None:
    first, second = counted(work), counted(work)

    assert first == second
    assert live == second[1]


def test_an_operation_that_changes_the_shape_of_its_argument_is_repeated() -> None:
    for _ in range(2):
        with LiveBytes():
            assert (COLUMNS, ROWS) == torch.empty(ROWS, COLUMNS, device=META).t_().shape


def test_an_operation_that_was_refused_is_refused_again() -> None:
    for _ in range(2):
        with LiveBytes(), pytest.raises(RuntimeError):
            torch.empty(2, 3, device=META) @ torch.empty(2, 3, device=META)


def test_gradients_pass_repeated_operations() -> None:
    weights = torch.empty(COLUMNS, COLUMNS, device=META, requires_grad=True)
    for _ in range(2):
        with LiveBytes() as live:
            (gradient,) = torch.autograd.grad(F.gelu(weights @ weights).sum(), weights)
            assert (weights.shape, torch.float32) == (gradient.shape, gradient.dtype)
            assert 4 * COLUMNS**2 == live.now < live.peak
