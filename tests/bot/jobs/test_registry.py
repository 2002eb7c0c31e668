"""The registry of unfinished jobs: forecasts of many waiting jobs cost little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.scheduling.throughput import Workload
from tests.bot.core import ANN, config, running_core


async def test_a_waiting_job_is_priced_once_however_often_the_queue_is_forecast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced, of = list[object](), Workload.of

    def counted(request: Any, *given: Any) -> Workload:
        priced.append(request)
        return of(request, *given)

    async with running_core(tmp_path, config(queue={"per_user": 20}), engine_up=False) as core:
        monkeypatch.setattr(Workload, "of", counted)
        for _ in range(10):
            await core.ask(ANN)
            core.clock.advance(60)
            assert core.jobs.registry.waiting()

    assert 10 == len(priced)
