"""One Muon step for all matrices of the small diffusion model: each wide product ten times, or gathered in the Gram
matrix, as `engine.training.optimizers` does it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.primer.tasks.remake import load_diffusion
from engine.training.optimizers import orthogonalise
from tests.benchmarks.measure import Figure, side_by_side


def run() -> list[Figure]:
    """The ratio of one step."""
    matrices = [p.detach().flatten(1) for p in load_diffusion().parameters() if p.ndim >= 2]
    pair = side_by_side(lambda: [step_by_step(m) for m in matrices], lambda: [orthogonalise(m) for m in matrices])
    return [Figure("Newton–Schulz in the Gram matrix, speed-up", pair.ratio, "×", "> 1")]


@torch.no_grad()
def step_by_step(matrix: Tensor) -> Tensor:
    """The same iteration as its authors write it."""
    x = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = x / x.norm().add(1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x
