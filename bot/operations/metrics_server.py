"""The web server of `[monitor]`: /metrics for Prometheus, /health as JSON (503 if the bot cannot do its work)."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.config.sections import MonitorSection
from bot.errors import ConfigError
from bot.operations.status import Status
from engine.protocol.messages import WorkerState

log = logging.getLogger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BACKLOG = 1
"""Connections that wait. Without free file descriptors, asyncio of Python 3.11 logs this many errors at once and
schedules as many retries, so a larger number grows exponentially (https://github.com/python/cpython/issues/127529)."""


class MetricsServer:
    """Listens where the settings say. `port` is 0 if it is off."""

    def __init__(self, settings: MonitorSection, look: Callable[[], Awaitable[Status]]) -> None:
        self._settings = settings
        self._look = look
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen, if a port is set. Raises ConfigError if it cannot be used."""
        host, port = self._settings.host, self._settings.port
        if not port:
            return
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health", self._health)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, backlog=BACKLOG).start()
        except OSError as error:
            raise ConfigError(f"[monitor]: {host}:{port} cannot be used ({error.strerror}); choose another.") from error
        log.info("metrics at http://%s:%d/metrics, health at /health", host, port)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _metrics(self, request: web.Request) -> web.Response:
        self._check_host(request)
        return web.Response(body=exposition(await self._look()), headers={"Content-Type": CONTENT_TYPE})

    async def _health(self, request: web.Request) -> web.Response:
        self._check_host(request)
        status = await self._look()
        body = {
            "status": status.trouble or "ok",
            "discord": status.connected,
            "shards": {str(shard): live for shard, live in status.shards.live.items()},
            "database": status.can_write,
            "disk": status.has_room,
            "engine": status.engine_state == "up",
            "engine_state": status.engine_state,
            "workers": {worker.name: worker.trouble or "ok" for worker in status.ready.workers} if status.ready else {},
            "waiting": status.waiting,
            "running": status.running,
        }
        return web.json_response(body, status=503 if status.trouble else 200)

    def _check_host(self, request: web.Request) -> None:
        """Refuse other names on loopback: a web page may let its own name resolve to 127.0.0.1."""
        name = request.host.rpartition(":")[0] or request.host
        if _is_loopback(self._settings.host) and not _is_loopback(name):
            raise web.HTTPForbidden(text="Open this page as localhost or 127.0.0.1; other host names are refused.")


def exposition(status: Status) -> bytes:
    gauges = CollectorRegistry(auto_describe=False)
    gauges.register(_Gauges(status))
    return generate_latest(status.metrics.registry) + generate_latest(gauges)


class _Gauges(Collector):
    """Gauges that are read when Prometheus scrapes."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        """Called by prometheus_client."""
        now, ready = self._status, self._status.ready
        yield _gauge("jobs_waiting", "Queued jobs.", now.waiting)
        yield _gauge("jobs_running", "Jobs in the engine.", now.running)
        yield _gauge("deliveries_owed", "Results and pings that were not sent yet.", now.owed)
        yield _gauge("connected", "1 while every shard is connected to Discord's gateway.", now.connected)
        yield _labelled("shard_connected", "1 while this shard is connected.", "shard", now.shards.live)
        yield _labelled(
            "shard_latency_seconds", "Time from heartbeat to answer, by shard.", "shard", now.shards.latencies
        )
        yield _labelled("shard_servers", "Servers, by shard.", "shard", now.shards.servers)
        yield _gauge("database_up", "1 while the database can be read and written.", now.can_write)
        yield _gauge("engine_up", "1 while the engine takes jobs.", now.engine_state == "up")
        yield _gauge("engine_stalled", "1 while the engine has work and makes no progress.", now.pulse.stalled)
        yield _gauge("engine_free_slots", "Free picture slots of the engine.", ready.slots if ready else 0)
        yield CounterMetricFamily(
            "dreambot_engine_restarts", "Number of times the engine's process has ended.", now.pulse.ends
        )
        if ready is not None and len(ready.workers) > 1:
            yield from _worker_metrics(ready.workers)
        yield _gauge("pictures_bytes", "Disk space used by pictures, attachments and previews.", now.kept_bytes)
        yield _gauge("disk_free_bytes", "Free disk space.", now.free_bytes)
        yield _labelled("memory_bytes", "Resident memory, by process.", "process", now.memory)


def _worker_metrics(workers: Sequence[WorkerState]) -> Iterable[Metric]:
    """Gauges of each worker. *info* is always 1; its labels name device and process."""
    info = GaugeMetricFamily("dreambot_worker_info", "Device and process.", labels=["worker", "device", "pid"])
    for worker in workers:
        info.add_metric([worker.name, worker.device, str(worker.pid)], 1.0)
    yield info
    for name, text, values in (
        ("up", "1 while this worker accepts jobs.", {worker.name: not worker.trouble for worker in workers}),
        ("slots", "Pictures that it renders at a time.", {worker.name: worker.slots for worker in workers}),
        ("free_slots", "Free picture slots of this worker.", {worker.name: worker.free for worker in workers}),
        ("restarts", "Number of times its process has ended.", {worker.name: worker.ends for worker in workers}),
    ):
        yield _labelled(f"worker_{name}", text, "worker", values)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"dreambot_{name}", text, value=float(value))


def _labelled(name: str, text: str, label: str, values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(f"dreambot_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], float(value))
    return family


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
