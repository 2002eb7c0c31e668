"""When waiting jobs will begin and end."""

from __future__ import annotations

import random
import statistics
from dataclasses import replace

import pytest

from bot.models.job import Priority, QueuePosition
from bot.scheduling import eta_simulator
from bot.scheduling.eta_simulator import RunningJob, forecast
from bot.scheduling.throughput import (
    DurationModel,
    DurationRange,
    EtaCorrection,
    PastJob,
    RemainingWork,
    ThroughputModel,
    Workload,
)
from bot.scheduling.worker_pool import Capacity, Ticket
from engine.requests.request import UpscaleRequest
from tests.benchmarks.forecast import MACHINES, Day, Machine
from tests.bot.core import dream


def ticket(name: str, cost: float = 1.0, pictures: int = 1, running_limit: int = 9) -> Ticket:
    return Ticket(name, name[0], cost, pictures, running_limit=running_limit)


def ten_seconds_a_unit(ticket: Ticket) -> RemainingWork:
    return RemainingWork(DurationRange(8 * ticket.cost, 10 * ticket.cost, 15 * ticket.cost), 20, ticket.pictures)


RUNNING = RunningJob(ticket("R1", 2.0), RemainingWork(DurationRange(4, 5, 8), 10))


def test_the_first_starts_when_the_running_one_ends() -> None:
    places = forecast([ticket("A1"), ticket("B1", 2)], [RUNNING], ten_seconds_a_unit, single(1), now=1000)

    first, second = places["A1"], places["B1"]
    assert (1, 2) == (first.position, first.waiting)
    assert (1005, 1012, 1015, 1023) == (first.starts, first.earliest, first.ready, first.latest)
    assert 2 == second.position
    assert (1015, 1028, 1035, 1053) == (second.starts, second.earliest, second.ready, second.latest)


def test_free_slots_are_filled_at_once_and_all_take_longer() -> None:
    places = forecast([ticket("A1"), ticket("B1")], [], ten_seconds_a_unit, single(3), now=0, together=1.0)

    assert [0, 0] == [places["A1"].starts, places["B1"].starts]
    assert [20, 20] == [places["A1"].ready, places["B1"].ready]  # two of ten seconds each, in turns
    saving = forecast([ticket("A1"), ticket("B1")], [], ten_seconds_a_unit, single(3), now=0, together=0.5)
    assert pytest.approx(20 / 2**0.5) == saving["A1"].ready


def test_who_has_few_rounds_is_finished_first_and_the_others_go_on_faster() -> None:
    def short_or_long(ticket: Ticket) -> RemainingWork:
        return (
            RemainingWork(DurationRange(1, 1, 1), 10)
            if ticket.job_id == "A1"
            else RemainingWork(DurationRange(4, 4, 4), 40)
        )

    places = forecast([ticket("A1"), ticket("B1")], [], short_or_long, single(2), now=0, together=1.0)

    assert pytest.approx(2) == places["A1"].ready
    assert pytest.approx(5) == places["B1"].ready


def test_a_job_of_many_pictures_waits_for_many_slots_and_is_not_passed_over() -> None:
    places = forecast([ticket("A1", pictures=2), ticket("B1")], [RUNNING], ten_seconds_a_unit, single(2), now=0)

    assert 5 == places["A1"].starts
    assert places["A1"].ready == places["B1"].starts


def test_one_persons_jobs_wait_for_one_another() -> None:
    queue = [ticket("A1", running_limit=1), ticket("A2", running_limit=1), ticket("B1", running_limit=1)]
    places = forecast(queue, [], ten_seconds_a_unit, single(2), now=0, together=1.0)

    assert [0, 20, 0] == [places[name].starts for name in ("A1", "A2", "B1")]


def test_who_is_suspected_is_foretold_to_be_painted_alone() -> None:
    suspect = replace(ticket("B1"), isolated=True)
    places = forecast([ticket("A1"), suspect, ticket("C1")], [], ten_seconds_a_unit, single(4), now=0)

    assert [0, 10, 20] == [places[name].starts for name in ("A1", "B1", "C1")]


def test_what_is_in_the_background_comes_when_all_others_are_done() -> None:
    behind = replace(ticket("B1"), priority=Priority.BACKGROUND)
    running = RunningJob(replace(behind, job_id="B0"), RemainingWork(DurationRange(7, 7, 7), 10))
    places = forecast([ticket("A1"), behind], [running], ten_seconds_a_unit, single(4), now=0)

    assert [0, 17] == [places[name].starts for name in ("A1", "B1")]


@pytest.mark.parametrize(("together", "slots"), [(1.0, 4), (0.5, 4), (0.7, 8)])
def test_what_painting_together_saves_is_learnt(together: float, slots: int) -> None:
    """Jobs come and go at random; each takes ten seconds alone."""
    company, now, inside, rng = ThroughputModel(), 0.0, {}, random.Random(7)
    request = Workload.of(dream())
    for number in range(600):
        while len(inside) < rng.randint(1, slots):
            name = f"{number}-{len(inside)}"
            inside[name] = 25.0
            company.started(name, request, now)
        least = min(inside.values())
        now += least * 0.4 * len(inside) ** together
        inside = {name: left - least for name, left in inside.items()}
        for name in [name for name, left in inside.items() if left < 1e-9]:
            del inside[name]
            company.stopped(name, now, finished=True)

    assert pytest.approx(together, abs=0.15) == company.together
    assert pytest.approx(10, rel=0.2) == company.work(request).alone.likely


def test_who_is_half_done_is_foretold_by_their_own_speed() -> None:
    company = ThroughputModel()
    company.started("A1", Workload.of(dream()), 0)
    alone = company.work(Workload.of(dream())).alone.likely

    slow = company.left("A1", 0.5, alone)
    assert slow is not None
    assert pytest.approx(alone) == slow.alone.likely
    assert 12.5 == slow.rounds
    assert None is company.left("B1", 0.5, alone)


def test_an_earlier_life_is_learnt_from_with_the_company_of_that_time() -> None:
    company = ThroughputModel(together=1.0)
    company.replay(
        [
            PastJob(f"{number}", Workload.of(dream()), 1e9 + number // 2 * 20, 1e9 + number // 2 * 20 + 20)
            for number in range(40)
        ]
    )

    assert pytest.approx(10, rel=0.1) == company.work(Workload.of(dream())).alone.likely


def test_who_is_overtaken_by_others_is_foretold_so_the_next_time() -> None:
    lateness, told = EtaCorrection(), QueuePosition(5, 9, starts=100.0, earliest=105.0, latest=120.0, ready=110.0)
    for number in range(60):
        lateness.foretell(f"{number}", told, 0.0)
        lateness.foretell(f"{number}", replace(told, starts=50.0), 1.0)  # the first word counts
        lateness.starts(f"{number}", 200.0)

    later = lateness.corrected(told, 0.0)
    assert pytest.approx(200, rel=0.05) == later.starts
    assert pytest.approx(210, rel=0.05) == later.ready
    assert later.earliest < later.ready < later.latest
    assert told.starts == lateness.corrected(replace(told, position=1), 0.0).starts


def test_what_was_held_back_or_never_came_teaches_nothing() -> None:
    lateness, told = EtaCorrection(), QueuePosition(5, 9, starts=100.0, earliest=105.0, latest=120.0, ready=110.0)
    lateness.foretell("a", told, 0.0)
    lateness.forget("a", "b")
    lateness.starts("a", 900.0)
    lateness.foretell("c", replace(told, held=True), 0.0)
    lateness.starts("c", 900.0)

    assert 100 == lateness.corrected(told, 0.0).starts


def test_speeds_are_learnt_per_kind_of_work() -> None:
    speeds = DurationModel()
    for _ in range(20):
        speeds.learn(*Workload.of(dream(steps=25)).costs, seconds=3.2768)
    speeds.learn(*Workload.of(UpscaleRequest(image="0" * 64, width=256, height=256)).costs, seconds=2.0)

    painted = speeds.expect(Workload.of(dream(steps=50)).costs)
    enlarged = speeds.expect(Workload.of(UpscaleRequest(image="0" * 64, width=256, height=256)).costs)

    assert pytest.approx(6.5536) == painted.likely
    assert painted.low < 6.5536 < painted.high < 8
    assert pytest.approx(2.0) == enlarged.likely


def test_what_was_never_measured_is_a_wide_guess() -> None:
    span = DurationModel().expect(Workload.of(dream()).costs)

    assert span.low * 5 < span.high


def test_an_unsteady_machine_gives_wider_ranges() -> None:
    steady, unsteady = DurationModel(), DurationModel()
    for number in range(20):
        steady.learn(*Workload.of(dream()).costs, 4.0)
        unsteady.learn(*Workload.of(dream()).costs, 2.0 if number % 2 else 8.0)

    assert steady.expect(Workload.of(dream()).costs).high < unsteady.expect(Workload.of(dream()).costs).high / 1.5


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "waited"), [(MACHINES[0], 300), (MACHINES[2], 200), (MACHINES[3], 200)])
async def test_most_promises_of_a_simulated_day_are_kept(machine: Machine, waited: int) -> None:
    outcomes = Day(machine, 0).play()

    assert len(outcomes) > waited
    assert 0.65 < sum(outcome.within for outcome in outcomes) / len(outcomes)
    assert 0.25 > statistics.median(outcome.finish for outcome in outcomes)


def crowd(count: int) -> list[Ticket]:
    return [replace(ticket(f"{chr(65 + number % 26)}{number}"), pictures=1 + number % 3) for number in range(count)]


@pytest.mark.parametrize("together", [0.6, 1.0])
def test_the_extrapolated_tail_is_near_the_exact_simulation(together: float, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = forecast(crowd(400), [], seven_speeds, single(4), now=0, together=together)
    monkeypatch.setattr(eta_simulator, "HEAD", 1000)
    exact = forecast(crowd(400), [], seven_speeds, single(4), now=0, together=together)

    for one in crowd(400)[50:]:
        assert pytest.approx(exact[one.job_id].starts, rel=0.12) == quick[one.job_id].starts
        assert pytest.approx(exact[one.job_id].latest, rel=0.12) == quick[one.job_id].latest


def test_a_job_whose_parts_are_all_painted_still_has_an_end() -> None:
    company = ThroughputModel()
    company.started("A1", Workload.of(dream()), 0)
    left = company.left("A1", 1.0, 5.0)
    assert left is not None

    places = forecast([ticket("B1")], [RunningJob(ticket("A1"), left)], lambda _: left, single(1), now=100.0)

    assert 100 < places["B1"].starts < places["B1"].ready


def single(slots: int) -> dict[str, Capacity]:
    """A single worker."""
    return {"": Capacity(slots)}


TWO_WORKERS = {"one": Capacity(4), "two": Capacity(4)}


def test_jobs_on_two_workers_run_beside_one_another() -> None:
    places = forecast([ticket("A1"), ticket("B1")], [], ten_seconds_a_unit, {"one": Capacity(1), "two": Capacity(1)}, 0)

    assert [0, 0] == [places[name].starts for name in ("A1", "B1")]
    assert [10, 10] == [places[name].ready for name in ("A1", "B1")]


def test_a_slow_worker_takes_longer_and_comes_second() -> None:
    workers = {"old": Capacity(1, slow=3.0), "new": Capacity(1)}

    places = forecast([ticket("A1"), ticket("B1")], [], ten_seconds_a_unit, workers, 0)

    assert [10, 30] == sorted(places[name].ready for name in ("A1", "B1"))


def test_four_free_slots_in_two_workers_do_not_hold_a_job_of_four() -> None:
    left = RemainingWork(DurationRange(8, 8, 8), 10, 2)
    running = [RunningJob(ticket(f"{name}1", pictures=2), left, name) for name in ("one", "two")]

    waiting = [ticket("A1", pictures=4), ticket("B1")]
    places = forecast(waiting, running, ten_seconds_a_unit, TWO_WORKERS, now=0, together=1.0)

    assert places["A1"].starts == 8
    assert places["B1"].starts == 0  # in the worker that is not kept for A1


def test_a_suspect_waits_for_one_empty_worker_only() -> None:
    left = RemainingWork(DurationRange(8, 8, 8), 10)
    running = [RunningJob(ticket(f"{name}1"), left, name) for name in ("one", "two")]
    suspect = replace(ticket("A1"), isolated=True)

    places = forecast([suspect, ticket("B1")], running, ten_seconds_a_unit, TWO_WORKERS, now=0, together=1.0)

    assert (8, 0) == (places["A1"].starts, places["B1"].starts)


def test_background_jobs_are_spread_over_the_workers() -> None:
    behind = [replace(ticket(f"{name}1"), priority=Priority.BACKGROUND) for name in "ABC"]

    places = forecast(behind, [], ten_seconds_a_unit, TWO_WORKERS, now=0)

    assert [0, 0, 10] == sorted(place.starts for place in places.values())


def seven_speeds(one: Ticket) -> RemainingWork:
    seconds = 2.0 + int(one.job_id[1:]) % 7
    return RemainingWork(DurationRange(seconds * 0.8, seconds, seconds * 1.2), 25, one.pictures)


def test_a_job_that_is_asked_for_alone_gets_the_times_of_a_forecast_of_all() -> None:
    """The times come from a version that computed the start and end of every job in advance."""
    foreground, behind = crowd(400)[:380], crowd(400)[380:]
    waiting = foreground + [replace(one, priority=Priority.BACKGROUND) for one in behind]
    workers = {str(number): Capacity(4, slow=1.0 + number % 2) for number in range(6)}
    names = [f"R{number}" for number in range(9)]
    running = [RunningJob(ticket(name), seven_speeds(ticket(name)), str(n % 6)) for n, name in enumerate(names)]

    places = forecast(waiting, running, seven_speeds, workers, 100.0, 0.7)

    for number, *times in (
        (0, 100.0, 107.38924430032822, 109.23655537541026, 111.08386645049231),
        (1, 100.0, 106.86144113601905, 108.57680142002381, 110.29216170402857),
        (60, 146.67648854718348, 146.58599327802025, 158.2324915975253, 169.8789899170304),
        (61, 147.99599645795638, 147.64159960663858, 159.5519995082982, 171.46239940995787),
        (200, 249.04831062464697, 230.33241142804584, 262.91551428505716, 295.49861714206884),
        (379, 380.8891427093717, 333.9561166077713, 392.4451457597135, 450.93417491165593),
        (380, 392.4451457597135, 337.1561166077713, 396.4451457597135, 455.73417491165594),
        (399, 406.4451457597135, 346.75611660777133, 408.4451457597135, 470.1341749116559),
    ):
        place = places[waiting[number].job_id]
        assert number + 1 == place.position
        assert times == pytest.approx([place.starts, place.earliest, place.ready, place.latest])
    assert pytest.approx(118.55547904150656) == places.ready["R7"]
    assert set(names) == set(places.ready)


@pytest.mark.parametrize("workers", [8, 64])
def test_many_workers_are_foretold_by_a_few(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation of four of them is near that of all."""

    def expect(one: Ticket) -> RemainingWork:
        seconds = 20.0 + int(one.job_id[1:]) % 7
        return RemainingWork(DurationRange(seconds * 0.8, seconds, seconds * 1.2), 25, one.pictures)

    capacities = {str(number): Capacity(4) for number in range(workers)}
    waiting = [replace(one, owner=one.job_id) for one in crowd(workers * 40)]
    few = forecast(waiting, [], expect, capacities, now=0, together=0.7)
    monkeypatch.setattr(eta_simulator, "MOST", 1000)
    everyone = forecast(waiting, [], expect, capacities, now=0, together=0.7)

    last = max(everyone[one.job_id].starts for one in waiting)
    for one in waiting[:: workers // 4]:
        assert abs(everyone[one.job_id].starts - few[one.job_id].starts) < 0.12 * last


def test_speeds_are_learnt_per_device() -> None:
    speeds, [cost] = DurationModel(), Workload.of(dream()).costs
    for _ in range(12):
        speeds.learn(cost, 4.0, "new card")
        speeds.learn(cost, 10.0, "old card")

    assert (1.0, pytest.approx(2.5, rel=0.1)) == (speeds.slow("new card"), speeds.slow("old card"))
    assert pytest.approx(4.0, rel=0.1) == speeds.expect([cost]).likely
    assert 1.0 == speeds.slow("another card")


def test_what_one_device_has_painted_teaches_what_the_other_will_take() -> None:
    speeds = DurationModel()
    [cost], [large] = (
        Workload.of(dream()).costs,
        Workload.of(UpscaleRequest(image="0" * 64, width=256, height=256)).costs,
    )
    for _ in range(12):
        speeds.learn(cost, 4.0, "new card")
        speeds.learn(cost, 8.0, "old card")
    speeds.learn(large, 6.0, "old card")

    assert pytest.approx(3.0, rel=0.1) == speeds.expect([large]).likely


def test_jobs_of_different_workers_do_not_slow_one_another_down() -> None:
    company = ThroughputModel(together=1.0)
    for number in range(20):
        for worker in ("one", "two"):
            company.started(f"{worker}{number}", Workload.of(dream()), number * 10.0, worker, "card")
        for worker in ("one", "two"):
            company.stopped(f"{worker}{number}", number * 10.0 + 10.0, finished=True)

    assert pytest.approx(10, rel=0.05) == company.work(Workload.of(dream())).alone.likely
