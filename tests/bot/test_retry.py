"""Long-lived tasks go on after an exception."""

from __future__ import annotations

import asyncio

import pytest

from bot import retry
from bot.retry import supervise


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
