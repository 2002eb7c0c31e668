"""When waiting jobs will begin and end."""

from __future__ import annotations

import pytest

from bot.forecast import Underway, forecast
from bot.queue import Ticket
from bot.speeds import Span, Speeds
from engine.requests import UpscaleRequest
from tests.bot.core import dream


def ticket(name: str, cost: float = 1.0, pictures: int = 1, running_limit: int = 9) -> Ticket:
    return Ticket(name, name[0], cost, pictures, running_limit=running_limit)


def ten_seconds_a_unit(ticket: Ticket) -> Span:
    return Span(8 * ticket.cost, 10 * ticket.cost, 15 * ticket.cost)


RUNNING = Underway(ticket("R1", 2.0), Span(4, 5, 8), 0.25)


def test_the_first_starts_when_the_running_one_ends() -> None:
    places = forecast([ticket("A1"), ticket("B1", 2)], [RUNNING], ten_seconds_a_unit, 1, now=1000)

    first, second = places["A1"], places["B1"]
    assert (1, 2, 0.5) == (first.position, first.waiting, first.ahead_cost)
    assert (1005, 1012, 1023) == (first.starts, first.earliest, first.latest)
    assert (2, 1.5) == (second.position, second.ahead_cost)
    assert (1015, 1028, 1053) == (second.starts, second.earliest, second.latest)


def test_free_slots_are_filled_at_once() -> None:
    places = forecast([ticket("A1"), ticket("B1")], [RUNNING], ten_seconds_a_unit, 3, now=0)

    assert [0, 0] == [places["A1"].starts, places["B1"].starts]


def test_a_job_of_many_pictures_waits_for_many_slots() -> None:
    places = forecast([ticket("A1", pictures=2)], [RUNNING], ten_seconds_a_unit, 2, now=0)

    assert 5 == places["A1"].starts


def test_one_persons_jobs_wait_for_one_another() -> None:
    queue = [ticket("A1", running_limit=1), ticket("A2", running_limit=1), ticket("B1", running_limit=1)]
    places = forecast(queue, [], ten_seconds_a_unit, 3, now=0)

    assert [0, 10, 0] == [places[name].starts for name in ("A1", "A2", "B1")]


def test_speeds_are_learnt_per_kind_of_work() -> None:
    speeds = Speeds()
    for _ in range(20):
        speeds.learn(dream(steps=25), seconds=3.2768)
    speeds.learn(UpscaleRequest(image="0" * 64, width=256, height=256), seconds=2.0)

    painted = speeds.expect(dream(steps=50))
    enlarged = speeds.expect(UpscaleRequest(image="0" * 64, width=256, height=256))

    assert pytest.approx(6.5536) == painted.likely
    assert painted.low < 6.5536 < painted.high < 8
    assert pytest.approx(2.0) == enlarged.likely


def test_what_was_never_measured_is_a_wide_guess() -> None:
    span = Speeds().expect(dream())

    assert span.low * 5 < span.high


def test_an_unsteady_machine_gives_wider_ranges() -> None:
    steady, unsteady = Speeds(), Speeds()
    for number in range(20):
        steady.learn(dream(), 4.0)
        unsteady.learn(dream(), 2.0 if number % 2 else 8.0)

    assert steady.expect(dream()).high < unsteady.expect(dream()).high / 1.5
