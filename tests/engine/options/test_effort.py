from __future__ import annotations

import pytest

from engine.models import MODELS
from engine.requests import build_request, parse_settings


def cost(settings: str = "", model: str = "primer", method: str = "") -> float:
    return build_request("an owl", model=model, method=method, steps=25, settings=parse_settings(settings)).cost


@pytest.mark.parametrize("model", MODELS)
def test_what_a_model_usually_does_costs_its_megapixel_steps(model: str) -> None:
    width, height = MODELS[model].size
    assert width * height * 25 / 1e6 == pytest.approx(cost(model=model))


def test_nobody_gets_a_thousand_views_for_the_price_of_four() -> None:
    most = cost("cutouts=256 cut_batches=16 perceptors=primer+primer-grader")
    assert most > 200 * cost()
    assert cost("cutouts=256", method="pixels") > 20 * cost(method="pixels")


def test_less_work_costs_less() -> None:
    assert cost() > cost("guide_every=2") > cost("clip_guidance_scale=0 gradient=xstart") > 0
    assert cost(model="imagenet-256") > cost("gradient=xstart", model="imagenet-256")


def test_a_larger_clip_costs_more() -> None:
    assert cost("perceptors=ViT-L/14", "imagenet-256") > 2 * cost(model="imagenet-256")
