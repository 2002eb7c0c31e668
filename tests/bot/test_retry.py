"""Long-lived tasks continue after an exception."""

from __future__ import annotations

import asyncio

import pytest

from bot import retry
from bot.errors import ShuttingDown, StoreError
from bot.retry import EVENT_TRIES, repeated, supervise


async def test_a_task_that_crashes_is_logged_and_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.0)
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise ZeroDivisionError("in the forecast")

    await supervise("the forecast", work)

    assert 3 == runs
    assert 2 == caplog.text.count("the forecast crashed")


@pytest.mark.parametrize("fails", [0, 2, EVENT_TRIES])
async def test_an_event_is_handled_again_after_an_error_of_the_store(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fails: int
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.0)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.0)
    seen: list[int] = []

    @repeated
    async def on_star(event: int) -> None:
        seen.append(event)
        if len(seen) <= fails:
            raise StoreError("The database cannot be used: locked.")

    await on_star(7)

    assert [7] * min(fails + 1, EVENT_TRIES) == seen
    assert (fails == EVENT_TRIES) == (f"on_star failed {EVENT_TRIES} times" in caplog.text)


async def test_an_event_that_comes_while_the_bot_closes_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    @repeated
    async def on_star() -> None:
        raise ShuttingDown("The bot is restarting.")

    with caplog.at_level("INFO"):
        await on_star()

    assert ["INFO"] == [record.levelname for record in caplog.records]


async def test_a_task_is_cancelled_with_its_supervisor() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(supervise("it", work))
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert ended.is_set()
