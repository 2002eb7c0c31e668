"""Metrics count what happened; Prometheus and `/engine` show the same."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bot.config.logging import RedactingFormatter
from bot.config.sections import MonitorSection
from bot.embeds.engine import engine_embed
from bot.models.job import JobState, QueuePosition, Update
from bot.operations.metrics import ErrorCount, Metrics, Timing, totals
from bot.operations.metrics_server import MetricsServer, exposition
from bot.operations.status import Shards, Status
from engine.client.local import Pulse
from engine.protocol.messages import Ready, WorkerState
from tests.bot.core import free_port, running_core
from tests.bot.fakes import FakeClock
from tests.bot.samples import NOW, done, job, running

READY = Ready("local", 7, "cuda:0", 3, ("clip_diffusion",), ("primer",), ("primer",), {"wikiart": "not downloaded"})
PLACE = QueuePosition(1, 1, NOW - 8, NOW - 6, NOW - 2, ready=NOW - 4)


def figures(metrics: Metrics | None = None, **changes: object) -> Status:
    usual = {
        "metrics": metrics or Metrics(FakeClock(NOW), FakeClock(0.0)),
        "ready": READY,
        "pulse": Pulse(),
        "connected": True,
        "shards": Shards({0: True}, {0: 0.05}, {0: 1}),
        "database": True,
        "unwritable": "",
        "has_room": True,
        "waiting": 2,
        "running": 1,
        "owed": 0,
        "kept_bytes": 5_000_000_000,
        "free_bytes": 70_000_000_000,
        "memory": {"bot": 90 * 2**20, "engine": 2 * 2**30},
    }
    return Status(**{**usual, **changes})  # type: ignore[arg-type]


def lived(metrics: Metrics) -> None:
    """One job waits two seconds, is painted for eight, and ends two seconds after the range that was promised."""
    metrics.hear(Update(job(), place=PLACE))
    metrics.hear(running(3))
    metrics.hear(running(4))
    metrics.hear(Update(done()))


def test_waits_steps_ends_and_forecasts_are_counted_once() -> None:
    metrics = Metrics(FakeClock(NOW))
    lived(metrics)

    assert (1, 2.0) == (metrics.waits.count, metrics.waits.total)
    assert (1, 8.0) == (metrics.durations.count, metrics.durations.total)
    assert (2, 0.4) == (metrics.steps.count, metrics.steps.median)
    assert (1, 4.0, 0) == (metrics.misses.count, metrics.misses.total, totals(metrics.in_range)[""])
    assert {"done": 1} == totals(metrics.ended)


def test_an_end_within_the_promised_range_is_a_hit() -> None:
    metrics = Metrics(FakeClock(NOW))
    metrics.hear(Update(job(), place=replace(PLACE, latest=NOW + 2)))
    metrics.hear(Update(done()))

    assert 1 == totals(metrics.in_range)[""]


def test_a_second_attempt_waits_anew_and_nothing_is_remembered_of_ended_jobs() -> None:
    metrics = Metrics(FakeClock(NOW))
    metrics.hear(Update(job(state=JobState.RUNNING)))
    metrics.hear(Update(job(state=JobState.RUNNING, attempt=2)))
    metrics.hear(Update(job(state=JobState.FAILED, attempt=2)))

    assert 2 == metrics.waits.count
    assert (set(), {}) == (metrics._started, metrics._forecasts)


def test_requests_are_counted_by_kind_by_trouble_and_by_minute() -> None:
    ticks = FakeClock(0.0)
    metrics = Metrics(FakeClock(NOW), ticks)
    metrics.sent("edit")
    ticks.advance(50)
    metrics.sent("edit", "gone")
    metrics.sent("post")

    assert ({"edit": 2, "post": 1}, {"gone": 1}, 3) == (
        totals(metrics.requests),
        totals(metrics.refusals),
        metrics.per_minute(),
    )
    ticks.advance(20)
    assert 2 == metrics.per_minute()


def test_values_fall_into_the_bucket_whose_bound_they_do_not_pass() -> None:
    registry = CollectorRegistry()
    timing = Timing("x", "X.", (1.0, 2.0), registry)
    for value in (0.5, 1.0, 1.5, 7.0):
        timing.add(value)

    assert (4, 10.0, 1.5) == (timing.count, timing.total, timing.median)
    assert [2, 3, 4] == [registry.get_sample_value("dreambot_x_bucket", {"le": le}) for le in ("1.0", "2.0", "+Inf")]


def test_errors_are_counted_by_logger() -> None:
    metrics = Metrics()
    logger = logging.getLogger("bot.somewhere")
    handler = ErrorCount(metrics)
    logger.addHandler(handler)
    logger.warning("not yet")
    logger.error("now")
    logger.removeHandler(handler)

    assert {"bot.somewhere": 1} == totals(metrics.errors)


def test_prometheus_reads_what_was_measured() -> None:
    metrics = Metrics(FakeClock(NOW), FakeClock(0.0))
    lived(metrics)
    metrics.sent("edit", "later")

    text = exposition(figures(metrics, pulse=Pulse(ends=3))).decode()

    for line in (
        "dreambot_jobs_waiting 2.0",
        'dreambot_jobs_ended_total{state="done"} 1.0',
        'dreambot_job_wait_seconds_bucket{le="2.0"} 1.0',
        'dreambot_job_wait_seconds_bucket{le="1.0"} 0.0',
        "dreambot_job_duration_seconds_sum 8.0",
        'dreambot_step_seconds_bucket{le="+Inf"} 2.0',
        "dreambot_eta_error_seconds_count 1.0",
        'dreambot_discord_refusals_total{trouble="later"} 1.0',
        "dreambot_engine_up 1.0",
        'dreambot_shard_connected{shard="0"} 1.0',
        'dreambot_shard_latency_seconds{shard="0"} 0.05',
        "dreambot_engine_restarts_total 3.0",
        'dreambot_memory_bytes{process="engine"} 2.147483648e+09',
    ):
        assert line in text.splitlines()
    assert re.fullmatch(r"(# (HELP|TYPE) .*\n|dreambot_\w+(\{[^}]*\})? [-+.\deE]+(Inf)?\n)+", text)


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({}, ""),
        ({"ready": None}, ""),
        ({"connected": False}, "not connected to Discord"),
        ({"connected": False, "shards": Shards({0: True, 1: False}, {}, {})}, "not connected to Discord (shard 1)"),
        ({"pulse": Pulse(stalled=True)}, "the engine is stalled"),
        ({"database": False}, "the database cannot be read"),
        ({"unwritable": "The database cannot be used: database is locked."}, "database is locked"),
        ({"has_room": False}, "the disk is nearly full and no new jobs are taken"),
        ({"ready": replace(READY, unavailable={"engine": "The engine cannot start: no driver"})}, "cannot start"),
    ],
)
def test_health_is_whether_the_bot_can_do_its_work(changes: dict[str, object], trouble: str) -> None:
    found = figures(**changes).trouble

    assert trouble in found
    assert bool(trouble) == bool(found)


def test_members_see_what_can_be_painted_and_hosts_everything() -> None:
    metrics = Metrics(FakeClock(NOW), FakeClock(0.0))
    lived(metrics)
    found = figures(metrics, pulse=Pulse(ends=2, last_words="CUDA error: out of memory"))

    member, host = engine_embed(found, host=False), engine_embed(found, host=True)

    assert "The engine runs on cuda:0 and can take 3 more pictures now.\n1 job running, 2 waiting." in str(
        member.description
    )
    assert ["Methods", "Models", "Upscalers"] == [field.name for field in member.fields]
    fields = {field.name: field.value for field in host.fields}
    assert "engine restarted 2 times" in str(fields["Since"])
    assert "0% ended within the range; median error 4 s" == fields["Forecasts"]
    assert "bot 90 MB, engine 2048 MB" == fields["Memory"]
    assert "CUDA error: out of memory" == fields["Last engine error"]
    assert "wikiart: not downloaded" == fields["Not available"]


def test_hosts_see_each_shard_what_is_owed_and_how_nets_were_compiled() -> None:
    shards = Shards({0: True, 1: False}, {}, {0: 7})
    found = figures(shards=shards, owed=3, ready=replace(READY, compiled="2 of 3 nets"))

    fields = {field.name: str(field.value) for field in engine_embed(found, host=True).fields}
    lines = fields["Discord"].splitlines()[1:]

    assert ["shard 0: connected, 7 servers", "shard 1: **not connected**, 0 servers", "3 not delivered yet"] == lines
    assert "2 of 3 nets" == fields["Compiled"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ready": None, "pulse": Pulse(1, 7.6)}, "The engine stopped and restarts in 8 s. No job is lost."),
        ({"ready": None}, "The engine is starting."),
        ({"pulse": Pulse(stalled=True)}, "The engine is stalled"),
        ({"ready": replace(READY, unavailable={"engine": "no driver"})}, "The engine cannot start: no driver"),
    ],
)
def test_an_engine_that_is_down_says_when_it_comes_back(changes: dict[str, object], words: str) -> None:
    assert words in str(engine_embed(figures(**changes), host=False).description)


def test_a_log_for_machines_is_one_object_per_line_and_redacted() -> None:
    try:
        raise RuntimeError("at /webhooks/1/aW50ZXJhY3Rpb24abc/messages")
    except RuntimeError as error:
        record = logging.LogRecord("bot.x", logging.ERROR, "", 0, "it %s", ("broke",), (type(error), error, None))

    line = RedactingFormatter("json").format(record)
    read = json.loads(line)
    assert ("it broke", "error", "bot.x", True) == (
        read["event"],
        read["level"],
        read["logger"],
        "RuntimeError: at /webhooks/1/[token]/messages" in read["exception"],
    )
    assert "\n" not in line


async def test_a_core_is_measured_from_its_updates(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        metrics = Metrics(core.clock, core.clock)
        core.jobs.registry.subscribe(metrics.hear)
        asked = await core.ask()
        await core.handed(asked.id)
        core.clock.advance(5)
        core.engine.paint(asked.id)
        await core.until_state(asked.id, JobState.DONE)
        await core.until(lambda: bool(totals(metrics.ended)))

        assert (1, 1, 5.0, 1) == (
            totals(metrics.ended)["done"],
            metrics.waits.count,
            metrics.durations.total,
            metrics.misses.count,
        )


def test_each_of_several_workers_has_figures() -> None:
    workers = (
        WorkerState("cuda:0", 11, "Card", 4, 3, memory=2**30),
        WorkerState("cuda:1", 12, "Card", 4, 0, ends=3, trouble="it is starting"),
    )

    text = exposition(figures(ready=replace(READY, workers=workers))).decode()

    assert 'dreambot_worker_info{device="Card",pid="11",worker="cuda:0"} 1.0' in text
    assert 'dreambot_worker_up{worker="cuda:1"} 0.0' in text
    assert 'dreambot_worker_free_slots{worker="cuda:0"} 3.0' in text
    assert 'dreambot_worker_restarts{worker="cuda:1"} 3.0' in text
    assert "dreambot_worker" not in exposition(figures()).decode()


def test_the_embed_of_the_engine_names_the_worker_in_trouble_and_its_last_error() -> None:
    workers = (
        WorkerState("cuda:0", 11, "Card", 4, 3, memory=2**30),
        WorkerState("cuda:1", 0, "Card", 4, 0, ends=3, last_words="no kernel image", trouble="it is starting"),
    )

    embed = engine_embed(figures(ready=replace(READY, workers=workers)), host=True)
    [shown] = [field.value for field in embed.fields if field.name == "Workers"]

    assert shown is not None
    assert [
        "cuda:0: Card, process 11, 1024 MB; 3 of 4 slots free",
        "cuda:1: Card, process unknown, restarted 3 times; **accepts no jobs: it is starting** "
        "(last error: no kernel image)",
    ] == shown.splitlines()
    assert "Workers" not in {field.name for field in engine_embed(figures(), host=True).fields}


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit of descriptors")
async def test_without_free_descriptors_the_server_logs_one_error_and_waits() -> None:
    import resource

    async def look() -> Status:
        return figures()

    server, errors, told = MetricsServer(MonitorSection(port=free_port()), look), list[object](), asyncio.Event()

    def handle(_: object, context: dict[str, object]) -> None:
        errors.append(context["message"])
        told.set()

    await server.start()
    assert server._runner is not None
    [address] = server._runner.addresses
    clients = [socket.socket() for _ in range(2)]
    asyncio.get_running_loop().set_exception_handler(handle)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (clients[0].fileno(), hard))
        for client in clients:
            client.connect(address)
        await asyncio.wait_for(told.wait(), 10)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for client in clients:
            client.close()
        await server.close()

    assert ["socket.accept() out of system resource"] == errors
