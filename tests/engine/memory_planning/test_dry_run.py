"""A dry run counts what a real step takes, and grows with all that makes a step larger."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.catalogue import registry
from engine.catalogue.registry import Entry, Kind, find_entry
from engine.memory_planning.dry_run import DryRun, DryRunRuntime, UnknownShape, dry_run
from engine.memory_planning.meta_memory import LiveBytes
from engine.memory_planning.plan import ceiling
from engine.methods import find_method
from engine.perceptors.perceptor_loader import load_perceptor
from engine.protocol.messages import Job
from engine.requests.request import DreamRequest, build_request
from engine.runtime.runtime import Runtime

CPU = torch.device("cpu")
MIB = 2**20


def slow(*values: object) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


def request_for(model: str = "primer", size: str = "", method: str = "", **settings: str) -> DreamRequest:
    return build_request("a red circle", model=model, size=size, method=method, seed=1, settings=settings)


def counted_step(request: DreamRequest, level: int = 0, dtype: torch.dtype = torch.float32) -> int:
    return dry_run(find_method(request.method), request, dtype, level).step


def real_step(request: DreamRequest, pictures: int = 1, level: int = 0) -> int:
    """The most that was alive at once in a real step of so many pictures."""
    runtime, method = Runtime.open("cpu"), find_method(request.method)
    method.load(request, runtime)
    states = method.begin(Job("a", 1, "", request.model_copy(update={"count": pictures})), {}, runtime)
    for state in states:
        state.memory_level = level
    with LiveBytes(CPU) as live:
        method.advance(states, runtime)
    return live.peak


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"cutouts": "16"}, 3),
        ({"method": "clipdraw"}, 0),
        ({"method": "vqgan_clip"}, 2),
        slow({}, 0),
        slow({"cutouts": "32"}, 0),
        slow({"gradient": "xstart", "cutouts": "16"}, 0),
        slow({"cut_batches": "3", "size": "384x256"}, 0),
        slow({"method": "pixels", "size": "512x512"}, 0),
    ],
)
def test_a_dry_run_counts_what_a_real_step_takes(changes: dict[str, Any], level: int) -> None:
    request = request_for(**changes)

    # Beside it there is the grain of the views, which is drawn on the CPU wherever a picture is painted.
    assert real_step(request, level=level) == pytest.approx(counted_step(request, level), rel=0.05, abs=2 * MIB)


def test_it_grows_with_size_and_views_and_shrinks_with_every_form() -> None:
    usual = counted_step(request_for(method="vqgan_clip", cutouts="32"))

    assert usual < counted_step(request_for(method="vqgan_clip", cutouts="64"))
    assert usual < counted_step(request_for(method="vqgan_clip", cutouts="32", size="512x512"))
    assert usual < counted_step(request_for(method="vqgan_clip", cutouts="32", perceptors="primer+primer-grader"))
    forms = [
        usual,
        *(counted_step(request_for(method="vqgan_clip", cutouts="32"), level) for level in (1, 3, 5)),
    ]
    assert sorted(forms, reverse=True) == forms and forms[0] > 2 * forms[-1]


@pytest.mark.slow
def test_a_gradient_that_does_not_pass_the_net_takes_less() -> None:
    assert counted_step(request_for(size="512x512", gradient="xstart")) < counted_step(request_for(size="512x512"))


def test_pictures_that_are_advanced_together_take_no_more_than_as_many_alone() -> None:
    one, two, three = (real_step(request_for(cutouts="16"), pictures) for pictures in (1, 2, 3))

    assert one < two < 2.1 * one
    assert 2 * one < three < 3.1 * one


@pytest.mark.slow
def test_a_schedule_takes_as_much_as_its_largest_step() -> None:
    most, changing = (request_for(method="vqgan_clip", cutouts=c) for c in ("40", "[4]*800+[40]*200"))

    assert counted_step(most) == pytest.approx(counted_step(changing), rel=0.01)


@pytest.fixture(scope="module")
def bedrooms() -> DryRun:
    return dry_run(find_method("clip_diffusion"), request_for("bedrooms", cutouts="8"), torch.float32)


def test_a_published_network_needs_no_weights_for_a_dry_run(bedrooms: DryRun) -> None:
    models = bedrooms.models

    assert {"diffusion:bedrooms", "perceptor:ViT-B/32"} == set(models)
    assert find_entry("bedrooms").size == pytest.approx(models["diffusion:bedrooms"], rel=0.02)
    assert 151_277_313 * 4 == pytest.approx(models["perceptor:ViT-B/32"], rel=0.001), "parameters, as published"
    assert bedrooms.step > 2 * 10**9


def test_a_net_with_an_adapter_is_counted_beside_the_one_without(
    bedrooms: DryRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"ink": Entry("ink", Kind.ADAPTER, "ink", "/w", "free.", adapts="bedrooms")}
    monkeypatch.setattr(registry, "_own", own)
    request = request_for("bedrooms", cutouts="8", adapter="ink:0.5")
    adapted = dry_run(find_method("clip_diffusion"), request, torch.float32)

    assert bedrooms.models["diffusion:bedrooms"] == adapted.models["diffusion:bedrooms+ink:0.5"]
    assert bedrooms.step == adapted.step


@pytest.mark.slow
def test_half_precision_and_checkpoints_take_less_of_a_published_net() -> None:
    request = request_for("bedrooms", cutouts="4", clip_guidance_scale="0", tv_scale="1")

    whole, half = counted_step(request), counted_step(request, dtype=torch.float16)

    assert half < whole
    assert counted_step(request, 1, torch.float16) < half / 2


def test_pictures_that_a_request_names_need_not_be_there() -> None:
    request = request_for(perlin="none").model_copy(update={"init_image": "a" * 64, "mask_image": "b" * 64})

    assert counted_step(request) >= counted_step(request_for())


def test_a_net_of_unknown_shape_cannot_be_counted_step() -> None:
    stage = DryRunRuntime(torch.float32)

    with pytest.raises(UnknownShape, match="“biggan:strange” is not known"):
        stage.net("biggan:strange", lambda: pytest.fail("loaded"))
    with pytest.raises(UnknownShape, match="no CLIP"):
        load_perceptor("no/such", stage)


@pytest.mark.parametrize(
    "changes",
    [
        {"seamless": "both"},
        {"method": "clipdraw", "strokes": "64", "curves": "3"},
        slow({}),
        slow({"method": "clipdraw", "strokes": "512", "curves": "3", "size": "512x512"}),
        slow({"cutouts": "64", "size": "512x512"}),
        slow({"perceptors": "primer+primer-grader", "cutouts": "16"}),
        slow({"init_distance": "features", "init_scale": "10", "perlin": "mixed"}),
        slow({"method": "pixels", "size": "512x512", "cutouts": "64"}),
        slow({"method": "vqgan_clip", "size": "512x512", "start": "pixels"}),
    ],
)
def test_no_image_of_the_packages_networks_takes_more_than_the_ceiling(
    changes: dict[str, Any],
) -> None:
    request = request_for(**changes)

    assert counted_step(request) <= ceiling(request)
