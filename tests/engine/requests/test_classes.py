"""Names of classes in place of their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from engine.catalogue.models import IMAGENET, MODELS, add_models
from engine.errors import InvalidRequest
from engine.perceptors.open_clip import open_clip
from engine.requests.options.classes import class_word, numbered, typed_class
from engine.requests.request import build_request
from tests.registered import registrations_undone

ODD = ("Grey Cat", "grey-cat", "1", "-2", "кошка", "100 %", "!!", "a+b:c")


@pytest.fixture(autouse=True)
def _own() -> Iterator[None]:
    with registrations_undone():
        add_models([replace(MODELS["imagenet-64"], name="odd", title="odd", classes=len(ODD), class_names=ODD)])
        yield


def chosen(model: str, **settings: str) -> object:
    options = build_request("a fox", model=model, settings=settings).options
    return getattr(options, "class_id", None) if "class_id" in settings else options.chosen  # type: ignore[union-attr]


def test_the_names_are_those_of_open_clip() -> None:
    assert tuple(open_clip.IMAGENET_CLASSNAMES) == IMAGENET


@pytest.mark.parametrize("typed", ["great_white_shark", "Great White Shark", "great-white shark", "2", " 2 "])
def test_a_class_is_named_in_any_spelling(typed: str) -> None:
    assert 2 == chosen("imagenet-128", class_id=typed)


def test_a_gan_mixes_named_and_numbered_classes() -> None:
    assert ((980, 0.5), (2, 0.25), (0, 0.25)) == chosen("biggan-deep-256", classes="volcano:2+great_white_shark+0")
    assert "likely" == build_request("a fox", model="biggan-deep-256", settings={"classes": "likely"}).options.classes  # type: ignore[union-attr]


def test_every_class_of_ones_own_can_be_typed() -> None:
    """A number is a number, because stored requests are written with numbers."""
    assert ["grey_cat", "1", "2", "3", "кошка", "5", "6", "a_b_c"] == [typed_class(n, ODD) for n in range(len(ODD))]
    for number in range(len(ODD)):
        assert number == chosen("odd", class_id=typed_class(number, ODD))
    assert "grey_cat" == class_word("Grey Cat")


@pytest.mark.parametrize(
    ("model", "settings", "words"),
    [
        ("imagenet-128", {"class_id": "fox"}, "has no class “fox”; did you mean “red_fox” or “kit_fox”"),
        ("imagenet-128", {"class_id": "goldfihs"}, "has no class “goldfihs”; did you mean “goldfish”"),
        ("odd", {"class_id": "zebra"}, "odd has no class “zebra”; available: "),
        ("bedrooms", {"class_id": "cat"}, "class_id=cat is not a class of .*: it has no classes; leave class_id out"),
        ("biggan-deep-256", {"classes": "2+fox:3"}, "has no class “fox”; did you mean “red_fox”"),
        ("odd", {"classes": "cat"}, "has no option “classes”; did you mean “class_id”"),
    ],
)
def test_a_name_that_is_no_class_is_refused_in_words(model: str, settings: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        build_request("a fox", model=model, settings=settings)


def test_other_settings_stay_as_they_are() -> None:
    given = {"eta": "0.5", "class_id": "-1"}
    assert given == numbered(given, MODELS["odd"])
