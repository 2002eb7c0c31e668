"""When which message may be edited; time is only a number here."""

from __future__ import annotations

import asyncio

import pytest

from bot.delivery.edit_limiter import EditBudget, EditLimiter, MessageKey, Urgency

ONE, TWO = MessageKey("one", "studio"), MessageKey("two", "studio")
ELSEWHERE = MessageKey("three", "gallery")


def test_a_message_has_a_burst_of_two_and_then_one_edit_per_three_seconds() -> None:
    pace = EditBudget(3.0, 2)
    times, now = [], 100.0

    for _ in range(5):
        now += pace.wait(ONE, Urgency.PROGRESS, now)
        pace.take(ONE, Urgency.PROGRESS, now)
        times.append(now - 100)

    assert [0, 0, 3, 6, 9] == pytest.approx(times)


def test_an_end_does_not_wait_for_its_message_or_channel() -> None:
    pace = EditBudget(3.0, 2)
    for _ in range(4):
        pace.take(ONE, Urgency.PROGRESS, 100.0)

    assert 0 < pace.wait(ONE, Urgency.PROGRESS, 100.0)
    assert 0 == pace.wait(ONE, Urgency.FINAL, 100.0)


def test_messages_of_one_channel_share_its_limit() -> None:
    pace = EditBudget(3.0, 2)
    for n in range(3):
        pace.take(MessageKey(n, "studio"), Urgency.PROGRESS, 100.0)

    assert 1.2 == pytest.approx(pace.wait(TWO, Urgency.PROGRESS, 100.0))
    assert 0 == pace.wait(ELSEWHERE, Urgency.PROGRESS, 100.0)


def test_the_whole_bot_has_one_limit_and_ends_a_larger_one() -> None:
    pace = EditBudget(3.0, 2, per_second=4, finals=20)
    for n in range(8):
        pace.take(MessageKey(n, n), Urgency.PROGRESS, 100.0)

    assert 0.25 == pytest.approx(pace.wait(ONE, Urgency.PROGRESS, 100.0))
    assert 0 == pace.wait(ONE, Urgency.FINAL, 100.0)
    for n in range(20):
        pace.take(MessageKey(n, n), Urgency.FINAL, 100.0)
    assert 0.05 == pytest.approx(pace.wait(ONE, Urgency.FINAL, 100.0))


def test_ends_delay_progress_by_a_bounded_time() -> None:
    pace = EditBudget(3.0, 2, per_second=4)
    for n in range(1000):
        pace.take(MessageKey(n, n), Urgency.FINAL, 100.0 + n / 20)

    assert 2 <= pace.wait(ONE, Urgency.PROGRESS, 150.0) <= 2.5


async def test_ends_go_on_while_progress_waits_for_the_whole_bot() -> None:
    turns = Turns(EditBudget(60.0, 1, per_second=0.01))
    running = asyncio.create_task(turns.edit_limiter.run())
    for n in range(8):
        await turns.ask(MessageKey(n, n), Urgency.PROGRESS)
    stuck = asyncio.create_task(turns.ask(MessageKey("stuck", 1), Urgency.PROGRESS))

    for n in range(10):
        await asyncio.wait_for(turns.ask(MessageKey(f"end {n}", n), Urgency.FINAL), 2)

    assert not stuck.done()
    for task in (running, stuck):
        task.cancel()


def test_places_in_the_queue_wait_longer_than_progress() -> None:
    pace = EditBudget(3.0, 2)
    pace.take(ONE, Urgency.PROGRESS, 100.0)

    assert 0 == pace.wait(ONE, Urgency.PROGRESS, 100.0)
    assert 15 == pace.wait(ONE, Urgency.QUEUE_POSITION, 100.0)


def test_a_turn_that_was_not_needed_is_given_back() -> None:
    pace = EditBudget(3.0, 1)
    pace.take(ONE, Urgency.PROGRESS, 100.0)
    pace.give_back(ONE, 100.0)

    assert 0 == pace.wait(ONE, Urgency.PROGRESS, 100.0)


def test_a_clock_that_is_set_back_costs_nothing() -> None:
    pace = EditBudget(3.0, 2)
    pace.take(ONE, Urgency.PROGRESS, 100.0)

    assert 0 == pace.wait(ONE, Urgency.PROGRESS, 50.0)


@pytest.mark.parametrize("jobs", [200])
def test_many_jobs_make_a_bounded_number_of_edits(jobs: int) -> None:
    pace, edits, now = EditBudget(3.0, 2), 0, 100.0

    while now < 160:
        for n in range(jobs):
            if pace.wait(MessageKey(n, n % 5), Urgency.PROGRESS, now) <= 0:
                pace.take(MessageKey(n, n % 5), Urgency.PROGRESS, now)
                edits += 1
        now += 0.05

    assert edits <= 4 * 60 + 8


class Turns:
    """A turnstile at work, and who went through it."""

    def __init__(self, pace: EditBudget) -> None:
        self.edit_limiter = EditLimiter(pace)
        self.order: list[str] = []

    async def ask(self, spot: MessageKey, urgency: Urgency) -> None:
        await self.edit_limiter.turn(spot, urgency)
        self.order.append(str(spot.message))


async def test_the_most_urgent_goes_first() -> None:
    turns = Turns(EditBudget(0.05, 1, per_second=1000))
    waiting = [Urgency.QUEUE_POSITION, Urgency.FINAL, Urgency.PROGRESS]
    asking = [asyncio.create_task(turns.ask(MessageKey(urgency.name, n), urgency)) for n, urgency in enumerate(waiting)]
    await asyncio.sleep(0)
    running = asyncio.create_task(turns.edit_limiter.run())

    await asyncio.wait_for(asyncio.gather(*asking), 2)

    assert ["FINAL", "PROGRESS", "QUEUE_POSITION"] == turns.order
    running.cancel()


class CountingBudget(EditBudget):
    asked = 0

    def wait(self, key: MessageKey, urgency: Urgency, now: float) -> float:
        self.asked += 1
        return super().wait(key, urgency, now)


async def test_a_crowd_that_waits_for_the_whole_bot_is_not_asked_one_by_one() -> None:
    budget = CountingBudget(0.01, 1, per_second=20)
    turns = Turns(budget)
    asking = [asyncio.create_task(turns.ask(MessageKey(n, n), Urgency.PROGRESS)) for n in range(100)]
    await asyncio.sleep(0)
    running = asyncio.create_task(turns.edit_limiter.run())

    await asyncio.wait(asking[:12])

    running.cancel()
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert budget.asked <= 2 * len(turns.order)


async def test_a_job_that_ends_while_it_waits_goes_through_at_once() -> None:
    turns = Turns(EditBudget(60.0, 1))
    running = asyncio.create_task(turns.edit_limiter.run())
    await turns.ask(ONE, Urgency.PROGRESS)
    second = asyncio.create_task(turns.ask(ONE, Urgency.PROGRESS))
    await asyncio.sleep(0.01)
    assert not second.done()

    turns.edit_limiter.hurry(ONE, Urgency.FINAL)

    await asyncio.wait_for(second, 1)
    running.cancel()


async def test_who_stops_waiting_takes_no_turn() -> None:
    turns = Turns(EditBudget(60.0, 1))
    running = asyncio.create_task(turns.edit_limiter.run())
    await turns.ask(ONE, Urgency.PROGRESS)
    second = asyncio.create_task(turns.ask(ONE, Urgency.PROGRESS))
    await asyncio.sleep(0.01)

    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    turns.edit_limiter.hurry(ONE, Urgency.FINAL)

    assert ["one"] == turns.order
    running.cancel()


@pytest.mark.parametrize("turns", range(4))
async def test_a_turnstile_that_is_stopped_in_the_moment_of_news_stops(turns: int) -> None:
    edit_limiter = EditLimiter(EditBudget(3.0, 2))
    running = asyncio.create_task(edit_limiter.run())
    for _ in range(2):
        await edit_limiter.turn(ONE, Urgency.PROGRESS)
    waiting = asyncio.create_task(edit_limiter.turn(ONE, Urgency.PROGRESS))  # for seconds
    await asyncio.sleep(0.02)

    edit_limiter.give_back(ONE)
    for _ in range(turns):  # of the loop, within which the news arrives
        await asyncio.sleep(0)
    running.cancel()

    done, _ = await asyncio.wait({running}, timeout=2)
    assert running in done
    assert running.cancelled()
    waiting.cancel()


def test_full_buckets_are_dropped() -> None:
    budget = EditBudget(3.0, 2)
    for number in range(5000):
        budget.take(MessageKey(number, number), Urgency.PROGRESS, now=10.0 * number)

    assert len(budget._buckets) < 600
    assert len(budget._places) < 600
