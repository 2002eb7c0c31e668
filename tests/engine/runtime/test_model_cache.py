"""Nets of pictures under way stay beyond the budget while memory suffices; what nobody uses never does."""

from __future__ import annotations

import logging

import pytest

from engine.runtime.model_cache import Shelf, Use


def shelf(budget: int, memory: int = 1000) -> Shelf:
    return Shelf(budget, lambda nets, step: nets + step <= memory)


def put(shelf: Shelf, *keys: str, size: int = 10) -> None:
    for key in keys:
        shelf.put(key, object(), size)


def test_what_nobody_uses_leaves_the_least_recently_used_first() -> None:
    few = shelf(25)
    put(few, "a", "b")
    few.find("a")
    put(few, "c")
    assert ["a", "c"] == list(few.nets)


def test_nets_of_pictures_under_way_stay_beyond_the_budget_and_leave_with_them() -> None:
    few = shelf(25)
    put(few, "a", "b")
    few.keep({"a", "b"}, 0, ())
    put(few, "c", "d")
    assert ["a", "b"] == list(few.nets), "what is over the budget and nobody's leaves"

    few.keep({"b", "c"}, 0, ())
    put(few, "c")
    few.keep({"c"}, 0, ())
    assert ["b", "c"] == list(few.nets), "both are within the budget"


def test_they_leave_where_memory_itself_does_not_hold_them_beside_a_step(caplog: pytest.LogCaptureFixture) -> None:
    few = shelf(15, memory=30)
    few.keep({"a", "b"}, 0, ())
    put(few, "a", "b")
    with caplog.at_level(logging.INFO, "engine.runtime.model_cache"):
        assert few.keep({"a", "b"}, 15, {"a"})
    assert ["a"] == list(few.nets), "the next step needs it"
    assert 1 == sum("“b” leaves until its next turn" in line for line in caplog.messages)


def test_what_work_that_goes_on_has_asked_for_never_leaves() -> None:
    few = shelf(5, memory=5)
    few.uses.append(Use({"a", "b", "c"}))
    put(few, "a", "b", "c")
    few.keep({"a"}, 0, ())
    assert ["a", "b", "c"] == list(few.nets)

    few.uses.clear()
    few.keep((), 0, ())
    assert ["c"] == list(few.nets), "one stays, however large"


def test_room_is_made_for_what_is_about_to_come() -> None:
    few = shelf(35, memory=50)
    put(few, "a", "b", "c")
    few.keep({"b"}, 0, ())
    assert few.make_room(20)
    assert ["b"] == list(few.nets), "it and 20 more are within the budget"
    assert not few.make_room(40), "beyond the budget, but memory holds both"
    assert few.make_room(50)
    assert {} == few.nets


def test_it_is_known_what_comes_again_because_it_had_to_leave_in_use() -> None:
    few = shelf(15, memory=15)
    put(few, "a")
    few.keep({"a"}, 0, ())
    few.uses.append(Use({"b"}))
    assert not few.put("b", object(), 10), "it is new"
    few.keep({"a", "b"}, 0, {"b"})
    assert few.put("a", object(), 10)
