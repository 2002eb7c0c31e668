"""A picture that never fits into memory is refused before it is queued, with a size that fits."""

from __future__ import annotations

import pytest

from bot.errors import TooLarge
from bot.models.comparison import Comparison, Way
from bot.policy.limits import check_available, check_readable
from engine.errors import InvalidRequest
from engine.protocol.messages import Ready
from engine.requests.request import DreamRequest, build_request

KIND = "imagenet-512 by net, ViT-B/32"


def ready(pixels: int) -> Ready:
    return Ready("w", 1, "Card (8 GB)", 4, ("clip_diffusion",), (), ("imagenet-512",), largest={KIND: pixels})


def request_for(size: str, **settings: str) -> DreamRequest:
    return build_request("an owl", model="imagenet-512", size=size, seed=1, settings=settings)


def test_what_is_too_large_for_the_engine_is_said_before_it_waits() -> None:
    with pytest.raises(TooLarge) as refusal:
        check_available(request_for("1024x768"), ready(700_000))

    assert "There is not enough memory on Card (8 GB) for 1024×768 with “imagenet-512”; 960×704 would fit." == str(
        refusal.value
    )
    check_available(request_for("960x704"), ready(700_000))


def test_where_no_size_fits_another_model_is_named() -> None:
    with pytest.raises(TooLarge, match="no size fits, but a smaller model may"):
        check_available(request_for("512x512"), ready(10_000))


def test_what_takes_less_is_not_judged_by_what_takes_more() -> None:
    check_available(request_for("1024x768", gradient="xstart"), ready(700_000))
    check_available(request_for("1024x768", perceptors="ViT-B/16"), ready(700_000))


def test_a_prompt_without_a_known_word_is_refused_before_it_waits() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        check_readable(build_request("a dragn | xyzzyx", seed=1))

    assert (
        "I don’t know “dragn” and “xyzzyx”; closest: dragon, lizard, dinosaur. `/help words` shows the known words."
        == str(refusal.value)
    )
    with pytest.raises(InvalidRequest, match="small model reads none of these words"):
        check_readable(build_request("the picture", seed=1))


def test_one_known_word_or_a_picture_or_another_model_is_enough() -> None:
    check_readable(build_request("xyzzyx | an owl", seed=1))
    check_readable(build_request("xyzzyx", seed=1, target_icon="owl"))
    check_readable(build_request("xyzzyx", model="imagenet-512", seed=1))


def test_the_unreadable_way_of_a_comparison_is_named() -> None:
    ways = tuple(Way(label=text, request=build_request(f"a {text}", seed=1)) for text in ("fox", "xyzzyx"))

    with pytest.raises(InvalidRequest, match=r"^xyzzyx: I don’t know “xyzzyx”"):
        check_readable(Comparison(ways=ways))
