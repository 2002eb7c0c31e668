"""The faster way gives the same numbers and gradients as torch's own, and is taken only where it is allowed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets import kernels
from engine.nets.kernels import (
    OneDNNAttention,
    OneDNNLinear,
    OneDNNPatchConv,
    PointwiseConv1d,
    PointwiseConv2d,
    is_faster,
    linear,
    use_onednn,
)
from tests.golden import distance, seeded

NEAR = 1e-5


class Small(nn.Module):
    """All that `use_onednn` changes, as the towers of CLIP have it."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 128, 16, 16)
        self.attention = nn.MultiheadAttention(128, 4, batch_first=True)
        self.head = nn.Linear(128, 512)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        h = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(h + self.attention(h, h, h, need_weights=False, attn_mask=mask)[0])


@pytest.fixture(autouse=True)
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small products take the detour too."""
    monkeypatch.setattr(kernels, "CAPABILITY", torch.backends.cpu.get_cpu_capability())
    monkeypatch.setattr(kernels, "_USABLE", [])
    if not kernels.usable():
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(kernels, "MIN_FLOPS", 1)


def with_gradient(net: nn.Module, x: Tensor, *more: Tensor) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    out = net(leaf, *more)
    (gradient,) = torch.autograd.grad((out * seeded(tuple(out.shape), 9)).sum(), leaf)
    return out.detach(), gradient


def assert_alike(expected: tuple[Tensor, Tensor], actual: tuple[Tensor, Tensor]) -> None:
    assert max(distance(a, b) for a, b in zip(expected, actual, strict=True)) < NEAR


@pytest.mark.parametrize("masked", [False, True])
def test_a_quickened_net_says_the_same_under_the_same_names(masked: bool) -> None:
    torch.manual_seed(0)
    net = Small().eval().requires_grad_(False)
    fast = use_onednn(copy.deepcopy(net))
    mask = [torch.full((16, 16), -torch.inf).triu(1)] if masked else []

    assert [OneDNNPatchConv, OneDNNAttention, OneDNNLinear] == [type(module) for module in fast.children()]
    assert net.state_dict().keys() == fast.state_dict().keys()
    assert_alike(
        with_gradient(net, seeded((2, 3, 64, 64), 1), *mask), with_gradient(fast, seeded((2, 3, 64, 64), 1), *mask)
    )


@pytest.mark.parametrize(
    ("mine", "theirs", "shape"),
    [
        (PointwiseConv2d(24, 40), nn.Conv2d(24, 40, 1), (3, 24, 6, 10)),
        (PointwiseConv1d(24, 40), nn.Conv1d(24, 40, 1), (3, 24, 60)),
    ],
)
def test_a_convolution_of_single_places_is_one(mine: nn.Module, theirs: nn.Module, shape: tuple[int, ...]) -> None:
    mine.load_state_dict(theirs.state_dict())
    x = seeded(shape, 2)

    expected = with_gradient(theirs.requires_grad_(False), x)
    assert_alike(expected, with_gradient(mine.requires_grad_(False), x))


def test_a_row_does_not_depend_on_its_place_in_the_batch() -> None:
    torch.manual_seed(0)
    net, x = use_onednn(Small().eval().requires_grad_(False)), seeded((8, 3, 64, 64), 3)

    assert all(torch.equal(net(x), net(x.roll(by, 0)).roll(-by, 0)) for by in range(1, 8))


def test_what_is_trained_has_gradients_of_its_weights() -> None:
    net = use_onednn(Small())
    point = PointwiseConv2d(3, 5)

    (net(seeded((1, 3, 32, 32), 4)).sum() + point(seeded((1, 3, 8, 8), 5)).sum()).backward()

    assert all(p.grad is not None and p.grad.any() for p in (*point.parameters(), net.head.weight))


def test_other_formats_trained_weights_and_small_products_go_torch_s_way(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = torch.rand(64, 64), torch.rand(64, 64)

    assert is_faster(x, weight, 64)
    assert not is_faster(x.half(), weight.half(), 64)
    assert not is_faster(x, weight.clone().requires_grad_(), 64)
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_faster(x, weight, 64)
    monkeypatch.setattr(kernels, "MIN_FLOPS", 2e7)
    assert not is_faster(x, weight, 64)


def test_without_onednn_everything_is_torch_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "usable", lambda: False)
    monkeypatch.setattr(kernels, "product", lambda *_: pytest.fail("taken"))
    x, weight = torch.rand(64, 64), torch.rand(64, 64)

    assert torch.equal(F.linear(x, weight), linear(x, weight, None))


@pytest.mark.parametrize(("capability", "taken"), [("AVX512", True), ("AVX2", False), ("DEFAULT", False)])
def test_the_processor_decides_which_way_is_taken(
    capability: str, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "CAPABILITY", "AVX512")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(kernels, "_USABLE", [])

    assert taken == is_faster(torch.rand(64, 64), torch.rand(64, 64), 64)


def test_a_onednn_that_multiplies_wrongly_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "product", lambda a, b, bias=None: a @ b + 1)

    assert not kernels._tried()
