"""Muon makes matrices orthogonal, and every parameter finds its optimiser."""

import torch
from torch import nn

from engine.training.optimizers import Muon, make_optimizers, orthogonalise


def test_singular_values_become_about_one_whatever_they_were() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(24, 60, generator=generator) @ torch.diag(torch.logspace(0, -1.5, 60))
    values = torch.linalg.svdvals(orthogonalise(matrix))
    assert 0.6 < float(values.min())
    assert float(values.max()) < 1.3


def test_gathering_the_steps_in_the_gram_matrix_changes_nothing() -> None:
    matrix = torch.randn(16, 90, generator=torch.Generator().manual_seed(2))
    x = matrix / matrix.norm()
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    torch.testing.assert_close(orthogonalise(matrix), x, rtol=1e-4, atol=1e-5)


def test_a_tall_matrix_is_treated_as_its_transpose_would_be() -> None:
    matrix = torch.randn(40, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(orthogonalise(matrix), orthogonalise(matrix.T).T)


def test_muon_walks_down_a_bowl() -> None:
    weight = nn.Parameter(torch.randn(4, 6, 3, 3, generator=torch.Generator().manual_seed(0)))
    muon = Muon([weight], lr=0.05)
    for _ in range(60):
        muon.zero_grad()
        weight.square().sum().backward()
        muon.step()
    assert float(weight.detach().square().mean()) < 0.2


def test_every_parameter_belongs_to_exactly_one_optimiser() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.Conv2d(8, 8, 3))
    optimizers = make_optimizers(net, lr=1e-3, weight_decay=0.1, muon=True, adam_only=("0.",))
    owned = [id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    assert sorted(id(p) for p in net.parameters()) == sorted(owned)
    assert [id(net[2].weight)] == [id(p) for p in optimizers[1].param_groups[0]["params"]]


def test_biases_and_norms_do_not_decay() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    (adam,) = make_optimizers(net, lr=1e-3, weight_decay=0.1)
    decayed = [p.ndim for group in adam.param_groups if group["weight_decay"] for p in group["params"]]
    assert decayed == [2]
