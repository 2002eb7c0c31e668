"""The order of the fair queue."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.models.job import Priority
from bot.scheduling.fair_queue import EVERYTHING, FairQueue, WaitingOrder
from bot.scheduling.worker_pool import Ticket
from tests.bot.samples import next_in


def ticket(name: str, cost: float = 1.0, **more: object) -> Ticket:
    """`A1` is the first job of A."""
    return Ticket(job_id=name, cost=cost, **{"owner": name[0], "running_limit": 9, **more})  # type: ignore[arg-type]


def queue_of(*tickets: Ticket | str) -> FairQueue:
    queue = FairQueue()
    for entry in tickets:
        queue.add(ticket(entry) if isinstance(entry, str) else entry)
    return queue


def served(queue: FairQueue) -> list[str]:
    """One after the other until nobody waits."""
    names = []
    while (entry := next_in(1, queue)) is not None:
        names.append(entry.job_id)
        queue.ended(entry.job_id)
    return names


def test_equal_costs_take_turns() -> None:
    queue = queue_of("A1", "A2", "B1", "C1", "C2", "A3")

    assert ["A1", "B1", "C1", "A2", "C2", "A3"] == [entry.job_id for entry in queue.order()]
    assert ["A1", "B1", "C1", "A2", "C2", "A3"] == served(queue)


def test_who_asks_for_much_waits_longer_than_who_asks_for_little() -> None:
    queue = queue_of(ticket("A1", 4), ticket("A2", 4), ticket("B1", 1), ticket("B2", 1), ticket("B3", 1))

    assert ["A1", "B1", "B2", "B3", "A2"] == served(queue)


def test_staying_away_saves_nothing_up() -> None:
    queue = queue_of("A1", "A2", "A3", "A4", "A5")
    for _ in range(3):
        queue.ended(next_in(1, queue).job_id)  # type: ignore[union-attr]
    for name in ("B1", "B2", "B3"):
        queue.add(ticket(name))

    assert ["B1", "A4", "B2", "A5", "B3"] == served(queue)


def test_a_cancelled_job_moves_its_owners_others_forward() -> None:
    queue = queue_of("A1", "A2", "B1", "B2")

    assert queue.remove("A1")
    assert not queue.remove("A1")
    assert ["A2", "B1", "B2"] == served(queue)


def test_what_a_stopped_job_had_not_painted_does_not_count() -> None:
    queue = queue_of(ticket("A1", 10), ticket("A2"), ticket("B1"), ticket("B2"))
    assert "A1" == next_in(1, queue).job_id  # type: ignore[union-attr]
    queue.ended("A1", painted=0.0)

    assert ["A2", "B1", "B2"] == served(queue)


def test_a_job_that_comes_back_is_next_again() -> None:
    queue = queue_of("A1", "B1", "A2")
    next_in(1, queue)

    queue.give_back("A1")

    assert ["A1", "B1", "A2"] == served(queue)


def test_a_host_goes_first_and_a_batch_last() -> None:
    queue = queue_of(
        ticket("D1", priority=Priority.BATCH),
        ticket("A1"),
        ticket("B1", priority=Priority.ROLE),
        ticket("C1", priority=Priority.HOST),
    )

    assert ["C1", "B1", "A1", "D1"] == served(queue)


def test_an_endless_host_starves_no_one() -> None:
    queue = queue_of("A1")
    for number in range(1000):
        queue.add(ticket(f"H{number}", priority=Priority.HOST))

    assert "A1" in served(queue)[:250]


def test_no_job_overtakes_one_that_waits_for_room() -> None:
    queue = queue_of("A1", ticket("B1", pictures=4), "C1")
    assert "A1" == next_in(4, queue).job_id  # type: ignore[union-attr]

    assert next_in(3, queue) is None
    queue.ended("A1")
    assert "B1" == next_in(4, queue).job_id  # type: ignore[union-attr]


def test_a_job_larger_than_the_engine_goes_when_nothing_else_runs() -> None:
    assert "A1" == next_in(4, queue_of(ticket("A1", pictures=8))).job_id  # type: ignore[union-attr]


def test_a_job_on_hold_waits_and_delays_no_other() -> None:
    queue = queue_of(ticket("A1", server=7), ticket("A2"), ticket("B1", server=7), ticket("C1", server=8))
    queue.hold({7})

    assert ["A2", "C1", "B1", "A1"] == [entry.job_id for entry in queue.order()]
    assert ["A2", "C1"] == served(queue)
    queue.hold(())
    assert ["B1", "A1"] == served(queue)


def test_everything_can_be_held() -> None:
    queue = queue_of(ticket("A1", server=7), ticket("B1"))
    queue.hold({EVERYTHING})

    assert [] == served(queue)
    assert ["A1", "B1"] == [entry.job_id for entry in queue.order()]


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 9), st.integers(0, 3)), max_size=25))
def test_the_order_that_is_shown_is_the_order_that_happens_while_something_is_held(
    jobs: list[tuple[str, int, int]],
) -> None:
    queue = FairQueue()
    queue.hold({1, 2})
    for number, (owner, cost, server) in enumerate(jobs):
        queue.add(ticket(f"{owner}{number}", float(cost), server=server))
    free = sum(server not in (1, 2) for _, _, server in jobs)

    shown = [entry.job_id for entry in queue.order()]

    assert len(jobs) == len(shown)
    assert shown[:free] == served(queue)


def test_an_owner_at_the_running_limit_is_passed_by() -> None:
    queue = queue_of(ticket("A1", running_limit=1), ticket("A2", running_limit=1), ticket("B1", 50))
    next_in(8, queue)
    next_in(8, queue)

    assert {"A1", "B1"} == {entry.job_id for entry in queue.running}
    assert next_in(8, queue) is None
    queue.ended("A1")
    assert "A2" == next_in(8, queue).job_id  # type: ignore[union-attr]


def test_a_suspect_runs_alone() -> None:
    queue = queue_of("A1", ticket("B1", isolated=True), "C1")
    next_in(8, queue)
    assert next_in(8, queue) is None

    queue.ended("A1")
    assert "B1" == next_in(8, queue).job_id  # type: ignore[union-attr]
    assert next_in(8, queue) is None

    queue.ended("B1")
    assert "C1" == next_in(8, queue).job_id  # type: ignore[union-attr]


def test_after_a_restart_who_has_had_much_still_waits_for_who_has_had_little() -> None:
    queue = FairQueue()
    queue.remember({"A": 5.0})
    for name in ("A1", "B1", "B2"):
        queue.add(ticket(name))

    assert ["B1", "B2", "A1"] == served(queue)


def test_an_empty_queue_resets_virtual_times() -> None:
    queue = queue_of(ticket("A1", 100))
    served(queue)
    queue.add(ticket("A2"))
    queue.add(ticket("B1"))

    assert ["A2", "B1"] == served(queue)


jobs = st.lists(
    st.tuples(st.sampled_from("ABCD"), st.floats(0.1, 8), st.sampled_from(list(Priority))), min_size=1, max_size=40
)


@given(jobs)
def test_the_announced_order_is_the_order_that_happens(wanted: list[tuple[str, float, Priority]]) -> None:
    queue = queue_of(*(ticket(f"{o}{n}", cost, priority=p) for n, (o, cost, p) in enumerate(wanted)))

    announced = [entry.job_id for entry in queue.order()]

    assert announced == served(queue)
    assert len(wanted) == len(announced)


@given(jobs, st.lists(st.tuples(st.sampled_from(["next", "end", "give back", "remove", "hold"]), st.integers(0, 99))))
def test_the_order_after_each_change_is_that_of_a_queue_sorted_anew(
    wanted: list[tuple[str, float, Priority]], changes: list[tuple[str, int]]
) -> None:
    queue, kept = FairQueue(), [ticket(f"{o}{n}", cost, priority=p) for n, (o, cost, p) in enumerate(wanted)]
    for number, one in enumerate(kept):
        queue.add(replace(one, server=number % 3))
    for what, number in changes:
        running = queue.running
        match what:
            case "next":
                next_in(1 + number % 4, queue)
            case "end" if running:
                queue.ended(running[number % len(running)].job_id, painted=number / 99)
            case "give back" if running:
                queue.give_back(running[number % len(running)].job_id, painted=number / 99)
            case "remove":
                queue.remove(kept[number % len(kept)].job_id)
            case "hold":
                queue.hold({number % 4})

        anew = WaitingOrder(queue._keyed)
        for owner in "ABCD":
            anew.change(owner)
        assert anew.tickets() == queue.order()


@given(jobs)
def test_a_waiting_person_falls_behind_by_at_most_one_job_of_each(wanted: list[tuple[str, float, Priority]]) -> None:
    """While two people wait, what they have had differs by at most one of their largest jobs (Goyal et al. 1996)."""
    queue = queue_of(*(ticket(f"{o}{n}", cost) for n, (o, cost, _) in enumerate(wanted)))
    waiting = {o: sum(1 for other, _, _ in wanted if other == o) for o, _, _ in wanted}
    had = dict.fromkeys(waiting, 0.0)
    largest = {o: max(cost for other, cost, _ in wanted if other == o) for o in waiting}
    while all(waiting.values()):
        entry = next_in(1, queue)
        assert entry is not None
        queue.ended(entry.job_id)
        had[entry.owner] += entry.cost
        waiting[entry.owner] -= 1
        for one in had:
            for other in had:
                assert had[one] - had[other] <= largest[one] + 1e-9


def test_endless_newcomers_starve_no_one() -> None:
    """Each of them goes before who has had something, but the time at which they come in moves on."""
    queue = queue_of(ticket("A1", 20.0), ticket("A2", 1.0))
    served_after = None
    for number in range(200):
        queue.add(ticket(f"N{number}", owner=f"newcomer {number}"))
        entry = next_in(1, queue)
        assert entry is not None
        queue.ended(entry.job_id)
        if entry.job_id == "A2":
            served_after = number
            break

    assert served_after is not None
    assert 20 <= served_after <= 60


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.floats(1, 8), st.sampled_from([p for p in Priority if p >= 0])),
        min_size=1,
        max_size=40,
    ),
    st.floats(0, 30),
)
def test_every_person_gets_a_turn(crowd: list[tuple[int, float, Priority]], had: float) -> None:
    """Whoever had much waits while others come for ever, always eight of them; but not for ever."""
    queue = FairQueue()
    queue.remember({"patient": had})
    queue.add(ticket("patient1", 1.0, owner="patient", priority=Priority.BATCH))
    for turn in count():
        while len(queue) <= 8:
            number, cost, priority = crowd[(turn + len(queue)) % len(crowd)]
            name = f"{turn}-{len(queue)}"
            queue.add(ticket(name, cost, owner=f"{number}-{turn // 7}", priority=priority))
        entry = next_in(1, queue)
        assert entry is not None
        queue.ended(entry.job_id)
        if entry.owner == "patient":
            return
        assert turn < 6000
