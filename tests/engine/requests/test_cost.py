from __future__ import annotations

import pytest

from engine.catalogue.models import MODELS
from engine.requests.request import build_request, parse_settings


def cost(settings: str = "", model: str = "primer", method: str = "") -> float:
    return build_request("an owl", model=model, method=method, steps=25, settings=parse_settings(settings)).cost


@pytest.mark.parametrize("model", MODELS)
def test_what_a_model_usually_does_costs_its_megapixel_steps(model: str) -> None:
    width, height = MODELS[model].size
    assert width * height * 25 / 1e6 == pytest.approx(cost(model=model))


def test_a_thousand_views_are_not_priced_as_four() -> None:
    most = cost("cutouts=256 cut_batches=16 perceptors=primer+primer-grader")
    assert most > 200 * cost()
    assert cost("cutouts=256", method="pixels") > 20 * cost(method="pixels")


def test_more_views_and_larger_clips_cost_more_where_a_gan_paints_too() -> None:
    usual = cost(model="biggan-deep-512")
    assert 4 * usual < cost("cutouts=256", "biggan-deep-512") < 8 * usual
    assert cost("perceptors=ViT-L/14", "biggan-deep-512") > 10 * usual


def test_less_work_costs_less() -> None:
    assert cost() > cost("guide_every=2") > cost("clip_guidance_scale=0 gradient=xstart") > 0
    assert cost(model="imagenet-256") > cost("gradient=xstart", model="imagenet-256")


def test_a_larger_clip_costs_more() -> None:
    assert cost("perceptors=ViT-L/14", "imagenet-256") > 2 * cost(model="imagenet-256")


def test_guidance_that_looks_for_itself_costs_what_it_asks_the_nets_for() -> None:
    """A guided pass of the net is 1: half forward, half backward. Splitting asks it forward once more."""
    lone = "cutouts=1 clip_guidance_scale=0 tv_scale=1 sampler={} gradient={}"
    for gradient, expected in (("net", (1.5, 2.5)), ("xstart", (2.0, 3.0))):
        usual = cost(lone.format("plms", gradient))
        assert expected == pytest.approx([cost(lone.format(s, gradient)) / usual for s in ("ltsp", "stsp")])
    once, twice = (cost(f"cutouts=256 sampler={sampler}") for sampler in ("ltsp", "stsp"))
    assert 1.8 < twice / once < 2
    through = (cost(lone.format(sampler, "secondary"), "imagenet-256") for sampler in ("plms", "ltsp"))
    assert 1 == len({round(value, 6) for value in through})


def test_holding_on_by_shapes_costs_a_view_and_a_half() -> None:
    by_colours, by_shapes, view = (
        cost(f"perlin=mixed skip_steps=0 init_scale=10 {more}")
        for more in ("", "init_distance=features", "init_distance=features cutouts=5")
    )
    assert 1.5 == pytest.approx((by_shapes - by_colours) / (view - by_shapes))


@pytest.mark.parametrize("way", [("primer", "pixels"), ("primer", ""), ("biggan-deep-512", "biggan_clip")])
def test_random_changes_of_views_cost_a_tenth_of_the_views(way: tuple[str, str]) -> None:
    views = (("cutouts=100", "none"), ("cutouts=110", "none"), ("cutouts=100", "cda"))
    fewer, plain, changed = (cost(f"{count} augment={change}", *way) for count, change in views)
    assert fewer < plain == pytest.approx(changed)
