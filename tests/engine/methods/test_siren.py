"""siren: the network against one of torch's modules, its start, its gradients, any size, init pictures."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from engine.images.pictures import to_png
from engine.images.tensors import to_tensor, to_unit
from engine.methods import Finished
from engine.methods.siren import METHOD, Waves
from tests.engine.tiny import job_of, paint, tiny_runtime

WAVES = Waves(12, 16, 48, 64, 2, 8, 10.0)
RUNTIME = tiny_runtime()


class Sine(nn.Module):
    def __init__(self, frequency: float) -> None:
        super().__init__()
        self.frequency = frequency

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(self.frequency * x)


def parameters(count: int = 1) -> torch.Tensor:
    draws = torch.rand(count, WAVES.count, generator=torch.Generator().manual_seed(4))
    return torch.stack([WAVES.initial(row) for row in draws])


def test_it_is_the_network_of_the_paper() -> None:
    net = nn.Sequential(nn.Linear(2, 8), Sine(10), nn.Linear(8, 8), Sine(30), nn.Linear(8, 3), nn.Tanh())
    vector = parameters()[0]
    nn.utils.vector_to_parameters(vector, net.parameters())
    rows, columns = (torch.arange(side) + 0.5 for side in (12, 16))
    grid = torch.stack(torch.meshgrid(columns / 8 - 1, rows / 8 - 0.75, indexing="xy"), dim=-1)

    assert len(vector) == sum(part.numel() for part in net.parameters())
    torch.testing.assert_close(WAVES.paint(vector[None])[0].permute(1, 2, 0), net(grid).detach(), atol=1e-5, rtol=1e-5)


def test_weights_start_within_the_bounds_of_the_paper() -> None:
    draws = torch.cat([torch.zeros(1), torch.ones(WAVES.count - 1)])
    first = WAVES.initial(draws)

    assert [-0.5, 0.5] == first[[0, 1]].tolist()
    assert math.sqrt(6 / 8) / 30 == pytest.approx(float(first[-1]))
    deep = Waves(32, 32, 32, 32, 6, 64, 30.0)
    colours = deep.colours(deep.initial(torch.rand(deep.count)).unsqueeze(0), torch.rand(500, 2) * 2 - 1)
    assert 0.005 < colours.std() < 0.2, "waves neither die nor grow in depth"


def test_every_parameter_is_reached_by_the_gradient_and_images_are_independent() -> None:
    both = parameters(2).requires_grad_()
    painted = WAVES.paint(both)
    (painted[0] * torch.rand(painted[0].shape)).sum().backward()

    assert both.grad is not None and (both.grad[0] != 0).all() and (both.grad[1] == 0).all()
    torch.testing.assert_close(painted[1:], WAVES.paint(both[1:]))


def test_it_is_finished_at_full_size_without_enlargement() -> None:
    large = to_tensor(WAVES.finish(parameters()[0]))
    small = to_unit(WAVES.paint(parameters())[0])

    assert (3, 48, 64) == tuple(large.shape)
    assert (nn.functional.avg_pool2d(large, 4) - small).abs().max() < 0.02
    job = job_of("a red circle", {"steps": "5", "cutouts": "2", "width": "8"}, method="siren", size="320x192", seed=1)
    (step,) = paint(METHOD, METHOD.begin(job, {}, RUNTIME), RUNTIME)
    assert isinstance(step, Finished) and (320, 192) == step.image.size


def test_it_begins_as_the_init_picture() -> None:
    picture = Image.new("RGB", (192, 192), "navy")
    picture.paste((250, 180, 40), (0, 60, 110, 192))
    job = job_of(
        "a red circle", {"steps": "5", "width": "32"}, method="siren", size="192x192", seed=1, init_image="f" * 64
    )
    (state,) = METHOD.begin(job, {"f" * 64: to_png(picture)}, RUNTIME)
    begun = np.asarray(state.generator_key.finish(state.parameters)).astype(int)
    wanted = np.asarray(Image.open(io.BytesIO(to_png(picture)))).astype(int)

    assert np.abs(begun - wanted).mean() < 12
