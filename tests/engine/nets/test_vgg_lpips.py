"""LPIPS: equal to its formula, with a finite gradient everywhere, read from the two published kinds of file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.catalogue import registry as table
from engine.catalogue.registry import PUBLISHED, Entry, Kind
from engine.errors import ModelUnavailable, WeightsError
from engine.loaders.checkpoint import blueprint, fill
from engine.loaders.guidance_nets import HEADS, VGG, fill_vgg, has_lpips, load_lpips
from engine.loaders.verify import check_contents
from engine.nets.vgg_lpips import Lpips, LpipsHeads, VggStages
from engine.runtime.runtime import Runtime
from engine.weights.store.folder import VARIABLE
from engine.weights.store.hashed_file import open_hashed
from tests.engine.weights.made import saved

CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
"""Of torchvision's VGG16."""
POOLED = (4, 9, 16, 23, 30)
STATE = dict[str, Tensor]


def states() -> tuple[STATE, STATE]:
    """Random weights of VGG16, with its classifier's first layer, and of the heads."""
    generator = torch.Generator().manual_seed(5)
    vgg = {
        name: torch.randn(value.shape, generator=generator) * (2 / max(value[0].numel(), 9)) ** 0.5
        for name, value in VggStages().state_dict().items()
    }
    vgg["classifier.0.weight"] = torch.zeros(4, 8)
    heads = {name: torch.rand(value.shape, generator=generator) for name, value in LpipsHeads().state_dict().items()}
    return vgg, heads


def built() -> Lpips:
    vgg, heads = states()
    net = Lpips(VggStages(), LpipsHeads())
    net.vgg.load_state_dict({name: value for name, value in vgg.items() if name.startswith("features")})
    net.heads.load_state_dict(heads)
    return net


def written_out(a: Tensor, b: Tensor) -> Tensor:
    """Zhang et al. 2018, eq. 1, with nothing of the engine."""
    vgg, heads = states()

    def maps(x: Tensor) -> list[Tensor]:
        found, h = (
            [],
            (x - torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1))
            / torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1),
        )
        for number in range(31):
            if number in CONVOLUTIONS:
                h = F.conv2d(h, vgg[f"features.{number}.weight"], vgg[f"features.{number}.bias"], padding=1)
                h = h.clamp_min(0)
            elif number in POOLED:
                found.append(h)
                h = F.max_pool2d(h, 2)
        return found

    total = torch.zeros(len(a))
    for k, (one, other) in enumerate(zip(maps(a), maps(b), strict=True)):
        one = one / (one.square().sum(1, keepdim=True).sqrt() + 1e-10)
        other = other / (other.square().sum(1, keepdim=True).sqrt() + 1e-10)
        weight = heads[f"lin{k}.model.1.weight"][0, :, 0, 0]
        total = total + torch.einsum("c,nchw->nhw", weight, (one - other) ** 2).mean((1, 2))
    return total


def pairs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(6)
    a, b = (torch.rand(2, 3, 32, 48, generator=generator) * 2 - 1 for _ in range(2))
    return a, b


@torch.no_grad()
def test_the_distance_is_what_its_formula_says() -> None:
    net, (a, b) = built(), pairs()

    torch.testing.assert_close(written_out(a, b), net(a, b), atol=1e-5, rtol=1e-4)
    assert bool((net(a, b) > 0).all()) and not net(a, a).any()
    torch.testing.assert_close(net(a[:1], b[:1])[0], net(a, b)[0])


def test_the_gradient_reaches_every_weight_and_every_pixel_and_is_finite() -> None:
    net, (a, b) = built(), pairs()
    leaf = a.requires_grad_()
    net(leaf, b).sum().backward()

    assert [] == [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert leaf.grad is not None and bool((leaf.grad != 0).all())
    for p in net.parameters():
        p.data.zero_()  # every map is zero everywhere
    (gradient,) = torch.autograd.grad(net(leaf, b).sum(), leaf)
    assert bool(gradient.isfinite().all())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder whose two entries have the hashes of random weights."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    for name, kind, state in ((VGG, Kind.VGG, states()[0]), (HEADS, Kind.LPIPS, states()[1])):
        content = saved(state, archive=kind is Kind.VGG)
        digest = hashlib.sha256(content).hexdigest()
        entry = Entry(name, kind, name, PUBLISHED[name].file, "free", (), digest, len(content))
        monkeypatch.setitem(table._own, name, entry)
        (tmp_path / f"{name}.made").write_bytes(content)
    return tmp_path


@torch.no_grad()
def test_both_files_are_read_and_one_alone_is_not_enough(folder: Path) -> None:
    assert not has_lpips()
    (folder / f"{VGG}.made").rename(folder / PUBLISHED[VGG].file)
    assert not has_lpips()
    with pytest.raises(ModelUnavailable, match=HEADS):
        load_lpips(Runtime.open("cpu"))
    (folder / f"{HEADS}.made").rename(folder / PUBLISHED[HEADS].file)
    assert has_lpips()
    a, b = pairs()

    found = load_lpips(Runtime.open("cpu"))
    torch.testing.assert_close(built()(a, b), found(a, b))
    assert 129 == len(found.sha256) and not any(p.requires_grad for p in found.parameters())


def test_a_file_of_another_net_is_refused_in_words(folder: Path) -> None:
    with open_hashed(folder / f"{VGG}.made", VGG) as opened:
        assert "" == check_contents(opened, table.find_entry(VGG))
        fill_vgg(opened)
        with pytest.raises(WeightsError, match="does not hold the net"):
            fill(opened, LpipsHeads)


def test_its_shape_is_known_without_weights() -> None:
    assert 14_714_688 == sum(p.numel() for p in blueprint(VggStages).parameters()), "the convolutions of VGG16"
