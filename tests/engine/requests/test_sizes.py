"""Sizes as people write them: a shape becomes a size that the model paints, with the nearest aspect ratio."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalogue.models import MODELS
from engine.errors import InvalidRequest
from engine.requests.sizes import SHAPES, find_size, parse_shape


@given(
    st.sampled_from(sorted(MODELS)),
    st.one_of(
        st.sampled_from(sorted(SHAPES)), st.tuples(st.integers(1, 64), st.integers(1, 64)).map("{0[0]}:{0[1]}".format)
    ),
    st.sampled_from((0, 256, 512, 1024)),
)
def test_a_shape_is_a_size_that_the_model_paints(name: str, shape: str, most: int) -> None:
    model = MODELS[name]

    width, height = find_size(shape, model, most)

    model.check_size(width, height)
    assert max(width, height) <= max(most or model.largest, model.smallest, model.multiple)
    wanted = parse_shape(shape)
    assert wanted is not None
    assert (width - height) * (wanted[0] - wanted[1]) >= 0  # portrait stays portrait, landscape landscape


def test_exact_shapes_cost_about_what_the_models_own_size_costs() -> None:
    model = MODELS["primer"]

    assert [(256, 256), (384, 256), (256, 384)] == [find_size(one, model) for one in ("square", "3:2", "portrait")]
    width, height = find_size("16:9", model)
    assert abs(math.log(width / height / (16 / 9))) < 0.02
    assert (320, 192) == find_size("16:9", model, most=320)


@pytest.mark.parametrize("text", ["", "0:1", "1:0", "3:2:1", "-3:2", "banana", "99999:1", "3x", "1.5:1"])
def test_other_texts_are_no_shapes(text: str) -> None:
    assert parse_shape(text) is None
    with pytest.raises(InvalidRequest, match="A size looks like 256x256"):
        find_size(text, MODELS["primer"])


def test_width_and_height_are_taken_as_they_are() -> None:
    assert (384, 250) == find_size("384 × 250", MODELS["primer"])
