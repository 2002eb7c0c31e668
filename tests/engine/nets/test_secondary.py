from __future__ import annotations

import torch

from engine.diffusion.denoiser import cosine_denoiser
from engine.diffusion.schedules import BatchCoefficients, stack
from engine.nets.secondary import SecondaryNet
from tests.engine.diffusion.walks import cosine_moment
from tests.golden import TOLERANCE, Golden, distance, golden


def filled() -> tuple[Golden, SecondaryNet]:
    file, net = golden("secondary_model"), SecondaryNet().eval().requires_grad_(False)
    file.fill(net)
    return file, net


def moments_of(file: Golden) -> BatchCoefficients:
    return stack([cosine_moment(float(t)) for t in file["t"]])


def test_its_state_dict_has_the_references_names_in_its_order() -> None:
    assert golden("secondary_model").names == list(SecondaryNet().state_dict())


def test_v_is_the_references() -> None:
    file, net = filled()
    assert distance(file["v"], net(file["x"], file["t"])) < TOLERANCE


def test_picture_and_noise_that_follow_from_v_are_the_references() -> None:
    file, net = filled()
    found = cosine_denoiser(net)(file["x"], moments_of(file))
    assert distance(file["pred"], found.pred_xstart) < TOLERANCE
    assert distance(file["eps"], found.eps) < TOLERANCE


def test_sides_may_be_any_multiples_of_32() -> None:
    assert (1, 3, 32, 96) == SecondaryNet()(torch.zeros(1, 3, 32, 96), torch.zeros(1)).shape
