"""What is rehearsed without numbers is what a real step takes; and it grows with all that makes a step larger."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.catalogue.registry import find_entry
from engine.memory_planning.dry_run import Stage, Unrehearsed, rehearse
from engine.memory_planning.estimate import ceiling
from engine.memory_planning.meta_memory import LiveBytes
from engine.methods import find_method
from engine.protocol.messages import Job
from engine.requests.request import DreamRequest, build_request
from engine.runtime.runtime import Runtime

CPU = torch.device("cpu")
MIB = 2**20


def request_for(model: str = "primer", size: str = "", method: str = "", **settings: str) -> DreamRequest:
    return build_request("a red circle", model=model, size=size, method=method, seed=1, settings=settings)


def rehearsed(request: DreamRequest, thrift: int = 0, dtype: torch.dtype = torch.float32) -> int:
    return rehearse(find_method(request.method), request, dtype, thrift).step


def counted(request: DreamRequest, pictures: int = 1, thrift: int = 0) -> int:
    """The most that was alive at once in a real step of so many pictures."""
    runtime, method = Runtime("cpu"), find_method(request.method)
    method.load(request, runtime)
    states = method.begin(Job("a", 1, "", request.model_copy(update={"count": pictures})), {}, runtime)
    for state in states:
        state.thrift = thrift
    with LiveBytes(CPU) as live:
        method.advance(states, runtime)
    return live.peak


@pytest.mark.parametrize(
    ("changes", "thrift"),
    [
        ({}, 0),
        ({"cutouts": "32"}, 0),
        ({"cutouts": "32"}, 3),
        ({"gradient": "xstart", "cutouts": "16"}, 0),
        ({"cut_batches": "3", "size": "384x256"}, 0),
        ({"method": "pixels", "size": "512x512"}, 0),
        ({"method": "clipdraw"}, 0),
        ({"method": "vqgan_clip"}, 2),
    ],
)
def test_a_rehearsal_counts_what_a_real_step_takes(changes: dict[str, Any], thrift: int) -> None:
    request = request_for(**changes)

    # Beside it there is the grain of the views, which is drawn on the CPU wherever a picture is painted.
    assert counted(request, thrift=thrift) == pytest.approx(rehearsed(request, thrift), rel=0.05, abs=2 * MIB)


def test_it_grows_with_size_and_views_and_shrinks_with_every_form() -> None:
    usual = rehearsed(request_for(method="vqgan_clip", cutouts="32"))

    assert usual < rehearsed(request_for(method="vqgan_clip", cutouts="64"))
    assert usual < rehearsed(request_for(method="vqgan_clip", cutouts="32", size="512x512"))
    assert usual < rehearsed(request_for(method="vqgan_clip", cutouts="32", perceptors="primer+primer-grader"))
    forms = [usual, *(rehearsed(request_for(method="vqgan_clip", cutouts="32"), thrift) for thrift in (1, 3, 5))]
    assert sorted(forms, reverse=True) == forms and forms[0] > 2 * forms[-1]


def test_a_gradient_that_does_not_pass_the_net_takes_less() -> None:
    assert rehearsed(request_for(size="512x512", gradient="xstart")) < rehearsed(request_for(size="512x512"))


def test_pictures_that_are_advanced_together_take_no_more_than_as_many_alone() -> None:
    one = rehearsed(request_for(cutouts="16"))

    two, three = (counted(request_for(cutouts="16"), pictures) for pictures in (2, 3))

    assert one < two < 2.1 * one
    assert 3 * one < three < 4.1 * one, "a batch of three is filled up to four"


def test_a_schedule_takes_as_much_as_its_largest_step() -> None:
    most, changing = (request_for(method="vqgan_clip", cutouts=c) for c in ("40", "[4]*800+[40]*200"))

    assert rehearsed(most) == pytest.approx(rehearsed(changing), rel=0.01)


def test_a_published_net_needs_no_weights_to_be_rehearsed() -> None:
    found = rehearse(find_method("clip_diffusion"), request_for("bedrooms", cutouts="8"), torch.float32)

    assert {"diffusion:bedrooms", "perceptor:ViT-B/32"} == set(found.nets)
    assert find_entry("bedrooms").size == pytest.approx(found.nets["diffusion:bedrooms"], rel=0.02)
    assert 151_277_313 * 4 == pytest.approx(found.nets["perceptor:ViT-B/32"], rel=0.001), "parameters, as published"
    assert found.step > 2 * 10**9


def test_half_precision_and_checkpoints_take_less_of_a_published_net() -> None:
    request = request_for("bedrooms", cutouts="4", clip_guidance_scale="0", tv_scale="1")

    whole, half = rehearsed(request), rehearsed(request, dtype=torch.float16)

    assert half < whole
    assert rehearsed(request, 1, torch.float16) < half / 2


def test_pictures_that_a_request_names_need_not_be_there() -> None:
    request = request_for(perlin="none").model_copy(update={"init_image": "a" * 64, "mask_image": "b" * 64})

    assert rehearsed(request) >= rehearsed(request_for())


def test_a_net_of_unknown_shape_cannot_be_rehearsed() -> None:
    stage = Stage(torch.float32)

    with pytest.raises(Unrehearsed, match="“biggan:strange” is not known"):
        stage.net("biggan:strange", lambda: pytest.fail("loaded"))
    with pytest.raises(Unrehearsed, match="no CLIP"):
        stage.perceptor("no/such")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cutouts": "64", "size": "512x512"},
        {"seamless": "both"},
        {"perceptors": "primer+primer-grader", "cutouts": "16"},
        {"init_distance": "features", "init_scale": "10", "perlin": "mixed"},
        {"method": "clipdraw", "strokes": "512", "curves": "3", "size": "512x512"},
        {"method": "pixels", "size": "512x512", "cutouts": "64"},
        {"method": "vqgan_clip", "size": "512x512", "start": "pixels"},
    ],
)
def test_no_picture_of_the_package_s_nets_takes_more_than_is_said_without_a_rehearsal(changes: dict[str, Any]) -> None:
    request = request_for(**changes)

    assert rehearsed(request) <= ceiling(request)
