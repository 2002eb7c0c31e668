"""The option `adapter`."""

from __future__ import annotations

import pytest

from engine.catalogue import registry
from engine.catalogue.registry import Entry, Kind
from engine.errors import InvalidRequest
from engine.requests.options.clip_views import WeightedAdapter, read_adapters
from engine.requests.request import ClipDiffusionOptions, build_request, request_from_json, request_to_json


@pytest.fixture(autouse=True)
def _own(monkeypatch: pytest.MonkeyPatch) -> None:
    adapts = {"ink": "primer", "gold": "primer", "cats": "bedrooms"}
    own = {name: Entry(name, Kind.ADAPTER, name, f"/w/{name}", "free.", adapts=net) for name, net in adapts.items()}
    monkeypatch.setattr(registry, "_own", own)


def test_the_order_of_adapters_does_not_matter() -> None:
    both = WeightedAdapter("gold"), WeightedAdapter("ink", 0.5)
    assert both == read_adapters("ink:0.5+gold") == read_adapters(" gold + ink:.5")
    assert () == read_adapters("none") == read_adapters("")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ink:x", "“ink:x” is not of the form NAME:STRENGTH"),
        ("ink:0", "the strength is above 0, up to 2"),
        ("ink:nan", "not of the form"),
        ("ink:3", "up to 2"),
        ("ink+", "“” is not of the form"),
        ("ink+ink:0.5", "names ink twice"),
        ("a+b+c+d+e", "names 5 adapters; the limit is 4"),
        ("inc", "Unknown adapter “inc”; did you mean “ink”"),
        ("cats", "“cats” is for the model bedrooms, not for primer"),
    ],
)
def test_a_wrong_adapter_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words.replace("?", r"\?")):
        build_request("an owl", model="primer", settings={"adapter": text})


def test_an_adapter_chooses_its_model_where_none_is_named() -> None:
    assert "bedrooms" == build_request("an owl", settings={"adapter": "cats:0.5"}).model
    assert "primer" == build_request("an owl", settings={"adapter": "ink"}).model


def test_a_recorded_request_keeps_its_adapters_after_they_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = build_request("an owl", settings={"adapter": "ink:0.5+gold"})
    assert "adapter gold" in asked.helpers and "adapter ink" in asked.helpers
    monkeypatch.setattr(registry, "_own", {})
    again = request_from_json(request_to_json(asked))
    assert asked == again
    assert isinstance(again.options, ClipDiffusionOptions)  # type: ignore[union-attr]
    assert ("gold", "ink") == tuple(one.name for one in again.options.adapters)  # type: ignore[union-attr]


def test_requests_of_earlier_versions_have_no_adapter() -> None:
    stored = build_request("an owl").model_dump()
    del stored["options"]["adapter"]
    assert () == type(build_request("an owl")).model_validate(stored).options.adapters  # type: ignore[union-attr]
