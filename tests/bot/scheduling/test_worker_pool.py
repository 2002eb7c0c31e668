"""Which worker takes a job, and which one is kept free for a job that waits."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models.job import Priority
from bot.scheduling.fair_queue import FairQueue
from bot.scheduling.worker_pool import JobNeeds, Ticket, WorkerPool
from engine.protocol.messages import Ready, WorkerState

OWL, BOAT = JobNeeds(nets="primer", batch="primer 256"), JobNeeds(nets="imagenet", batch="imagenet 512")


def ready(*workers: WorkerState) -> Ready:
    return Ready("router", 1, "none", sum(w.free for w in workers), (), (), (), workers=workers)


def worker(name: str, free: int = 4, slots: int = 4, **more: object) -> WorkerState:
    return WorkerState(name, 1, "GPU", slots, free, **more)  # type: ignore[arg-type]


def queue_of(*workers: WorkerState, together: float = 1.0) -> FairQueue:
    queue = FairQueue(WorkerPool(lambda: together))
    queue.workers.update(ready(*workers))
    return queue


def ticket(job: str, pictures: int = 1, needs: JobNeeds = OWL, **more: object) -> Ticket:
    return Ticket(job, job[0], 1.0, pictures, running_limit=9, needs=needs, **more)  # type: ignore[arg-type]


def handed(queue: FairQueue, *tickets: Ticket) -> dict[str, str]:
    """Job → worker of all that start now."""
    for one in tickets:
        queue.add(one)
    found = {}
    while (one_next := queue.next()) is not None:
        found[one_next.job_id] = queue.workers.worker_of(one_next.job_id)
    return found


def test_jobs_spread_over_idle_workers() -> None:
    queue = queue_of(worker("one"), worker("two"))

    assert {"one", "two"} == set(handed(queue, ticket("A1"), ticket("B1")).values())


def test_four_free_slots_in_two_workers_do_not_hold_a_job_of_four() -> None:
    queue = queue_of(worker("one", free=2), worker("two", free=2))
    handed(queue, ticket("A1", 2), ticket("B1", 2))
    for job in ("A1", "B1"):
        queue.workers.seen(job)
    queue.workers.update(ready(worker("one", free=2), worker("two", free=2)))

    assert {} == handed(queue, ticket("C1", 4))


def test_a_job_that_waits_for_room_keeps_one_worker_and_the_others_go_on() -> None:
    queue = queue_of(worker("one"), worker("two"))
    first = handed(queue, ticket("A1", 3), ticket("B1", 2))

    later = handed(queue, ticket("C1", 4), ticket("D1", 1), ticket("E1", 1), ticket("F1", 1))

    assert {"D1"} == set(later)
    assert first["A1"] == later["D1"]
    assert {"C1"} == set(handed_after(queue, "B1"))


def handed_after(queue: FairQueue, job: str) -> dict[str, str]:
    queue.ended(job)
    return handed(queue)


def test_a_suspect_runs_alone_on_its_worker_and_does_not_stop_the_others() -> None:
    queue = queue_of(worker("one"), worker("two"))

    found = handed(queue, ticket("S1", isolated=True), ticket("A1"), ticket("B1"))

    assert found["A1"] == found["B1"] != found["S1"]


def test_a_suspect_waits_for_one_empty_worker_while_the_others_take_more() -> None:
    queue = queue_of(worker("one"), worker("two"))
    first = handed(queue, ticket("A1"), ticket("B1"))

    found = handed(queue, ticket("S1", isolated=True), ticket("C1"), ticket("D1"))

    assert {"C1", "D1"} == set(found)
    [kept] = {"one", "two"} - set(found.values())
    [last] = [job for job, where in first.items() if where == kept]
    assert {"S1": kept} == handed_after(queue, last)


def test_a_suspect_is_tried_on_another_worker_than_the_one_that_crashed() -> None:
    queue = queue_of(worker("one"), worker("two"))

    assert {"S1": "two"} == handed(queue, ticket("S1", isolated=True, shuns=frozenset({"one"})))


def test_the_worker_that_crashed_is_better_than_none() -> None:
    queue = queue_of(worker("one"))

    assert {"S1": "one"} == handed(queue, ticket("S1", isolated=True, shuns=frozenset({"one"})))


def test_each_worker_takes_one_background_job() -> None:
    queue = queue_of(worker("one"), worker("two"))
    many = [ticket(f"{name}1", priority=Priority.BACKGROUND) for name in "ABC"]

    assert ["one", "two"] == sorted(handed(queue, *many).values())


def test_a_job_goes_where_its_weights_are() -> None:
    queue = queue_of(worker("one", loaded=("primer",)), worker("two", loaded=("imagenet",)))

    assert {"A1": "two", "B1": "one"} == handed(queue, ticket("A1", needs=BOAT), ticket("B1"))


def test_a_job_joins_a_batch_rather_than_wait_for_weights_where_batches_save_time() -> None:
    queue = queue_of(worker("one", loaded=("primer",)), worker("two", loaded=("imagenet",)), together=0.3)

    assert {"A1": "one", "B1": "one"} == handed(queue, ticket("A1"), ticket("B1"))


def test_a_job_goes_to_an_idle_worker_where_batches_save_nothing() -> None:
    both = ("imagenet", "primer")
    queue = queue_of(worker("one", loaded=both), worker("two", loaded=both), together=0.3)

    assert {"A1", "B1"} == set(found := handed(queue, ticket("A1"), ticket("B1")))
    assert 2 == len(set(found.values()))


def test_a_slow_device_takes_less() -> None:
    queue = FairQueue(WorkerPool(lambda: 1.0, {"old": 2.5, "new": 1.0}.__getitem__))
    queue.workers.update(ready(WorkerState("one", 1, "old", 4, 4), WorkerState("two", 1, "new", 4, 4)))

    assert ["two", "two", "one"] == list(handed(queue, ticket("A1"), ticket("B1"), ticket("C1")).values())


def test_a_worker_without_the_weights_or_the_memory_is_passed_over() -> None:
    needs = JobNeeds(names=frozenset({"imagenet"}), memory="imagenet by net", pixels=512 * 512)
    queue = queue_of(
        worker("none", lacks=("imagenet",)), worker("small", largest={"imagenet by net": 256 * 256}), worker("fits")
    )

    assert {"A1": "fits", "B1": "fits"} == handed(queue, ticket("A1", needs=needs), ticket("B1", needs=needs))


def test_what_no_worker_can_paint_goes_to_one_that_says_why() -> None:
    queue = queue_of(worker("one", lacks=("imagenet",)))

    assert {"A1": "one"} == handed(queue, ticket("A1", needs=JobNeeds(names=frozenset({"imagenet"}))))


def test_a_job_waits_for_the_only_worker_with_its_weights() -> None:
    queue = queue_of(worker("one", lacks=("imagenet",)), worker("two", free=0, trouble="it is starting"))

    assert {"B1": "one"} == handed(queue, ticket("A1", needs=JobNeeds(names=frozenset({"imagenet"}))), ticket("B1"))


def test_a_worker_in_trouble_takes_nothing() -> None:
    queue = queue_of(worker("one", trouble="it has work and makes no progress"), worker("two", free=1))

    assert {"A1": "two"} == handed(queue, ticket("A1"), ticket("B1"))


def test_a_job_larger_than_every_worker_starts_on_an_empty_one() -> None:
    queue = queue_of(worker("one"), worker("two"))
    first = handed(queue, ticket("A1", 3))

    assert {"one", "two"} == {*first.values(), *handed(queue, ticket("B1", 9)).values()}


@given(st.integers(1, 4), st.integers(0, 2**32))
def test_every_job_starts_once_and_no_worker_has_more_pictures_than_slots(count: int, seed: int) -> None:
    draw = random.Random(seed)
    queue = queue_of(*(worker(str(number)) for number in range(count)))
    waiting = {f"{draw.choice('ABCDE')}{n}": draw.choice((1, 1, 2, 3, 4)) for n in range(30)}
    for job, pictures in waiting.items():
        queue.add(ticket(job, pictures, isolated=draw.random() < 0.1))
    started: list[str] = []
    while len(started) < 30 or queue.running:
        while (one := queue.next()) is not None:
            started.append(one.job_id)
        for load in queue.workers:
            assert load.pictures <= 4
            assert not load.isolated or len(load.jobs) == 1
        assert queue.running, "jobs wait although every worker is idle"
        queue.ended(draw.choice(queue.running).job_id)

    assert sorted(waiting) == sorted(started)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_two_people_who_both_wait_get_equal_shares_on_any_number_of_workers(count: int) -> None:
    """One asks for single pictures, the other for four at a time; jobs of equal cost per picture, ends at random."""
    draw = random.Random(count)
    queue = queue_of(*(worker(str(number)) for number in range(count)))
    had = Counter[str]()
    for number in range(400):
        queue.add(Ticket(f"A{number}", "A", 1.0, 1, running_limit=99))
        if number % 4 == 0:
            queue.add(Ticket(f"B{number}", "B", 4.0, 4, running_limit=99))
    for _ in range(200 * count):
        while (one := queue.next()) is not None:
            queue.workers.seen(one.job_id)
            queue.workers.update(ready(*(worker(w.state.name, free=4 - w.pictures) for w in queue.workers)))
        ending = draw.choice(queue.running)
        had[ending.owner] += int(ending.cost)
        queue.ended(ending.job_id)
        queue.workers.update(ready(*(worker(w.state.name, free=4 - w.pictures) for w in queue.workers)))
        if had.total() > 300:
            break

    assert abs(had["A"] - had["B"]) <= 4 * (count + 2)
