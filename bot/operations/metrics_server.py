"""Figures for machines, on loopback only: /metrics in Prometheus' format, /health as JSON (503 when all is not well).

Off unless `[monitor] port` is set. Nothing here names a person, a server or a prompt.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.errors import ConfigError
from bot.operations.metrics import Tally
from bot.operations.status import Figures

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
NAMES = (LOOPBACK, "localhost")
"""Hosts that may be asked for: a web page that resolves its own name to 127.0.0.1 is none of them."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Monitor:
    """The small web server."""

    def __init__(self, port: int, look: Callable[[], Awaitable[Figures]]) -> None:
        self._look = look
        self._runner: web.AppRunner | None = None
        self.port = port
        """Where it listens; 0 = nowhere."""

    async def start(self) -> None:
        """Listen, if the settings say so. Raises ConfigError for a port that is taken."""
        if not self.port:
            return
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health", self._health)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, LOOPBACK, self.port).start()
        except OSError as error:
            raise ConfigError(
                f"[monitor] port: {self.port} cannot be used ({error.strerror}); choose another."
            ) from error
        log.info("figures at http://%s:%d/metrics, health at /health", LOOPBACK, self.port)

    async def close(self) -> None:
        """Idempotent."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _metrics(self, request: web.Request) -> web.Response:
        _check_host(request)
        text = exposition(await self._look())
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})

    async def _health(self, request: web.Request) -> web.Response:
        _check_host(request)
        figures = await self._look()
        body = {
            "status": figures.trouble or "ok",
            "discord": figures.connected,
            "database": figures.can_write,
            "disk": figures.has_room,
            "engine": figures.ready is not None and "engine" not in figures.ready.unavailable,
            "waiting": figures.waiting,
            "running": figures.running,
        }
        return web.json_response(body, status=503 if figures.trouble else 200)


def exposition(figures: Figures) -> bytes:
    """All figures as Prometheus reads them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(_metrics(figures)))
    return generate_latest(registry)


class _Once(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._found = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._found


def _metrics(figures: Figures) -> Iterator[Metric]:
    seen, ready = figures.measures, figures.ready
    yield _gauge("jobs_waiting", "Jobs in the queue.", figures.waiting)
    yield _gauge("jobs_running", "Jobs that the engine paints.", figures.running)
    yield _counter("jobs_ended", "Jobs that have ended, by state.", "state", seen.ends)
    yield _histogram("job_wait_seconds", "From submission to hand-over.", seen.waits)
    yield _histogram("job_duration_seconds", "From hand-over to the end, of finished jobs.", seen.lasted)
    yield _histogram("step_seconds", "One step of a picture.", seen.steps)
    yield _histogram("eta_error_seconds", "Between the end and the time that was held likely.", seen.misses)
    yield _counter("eta_in_range", "Jobs that ended within the range that was promised.", "", {"": seen.in_range})
    yield _counter("discord_requests", "Requests about messages, by what they did.", "kind", seen.requests)
    yield _counter("discord_refusals", "How such requests failed.", "trouble", seen.refusals)
    yield _counter("errors_logged", "Errors, by logger.", "logger", seen.errors)
    yield _gauge("deliveries_owed", "Ends and pings that were not told yet.", figures.owed)
    yield _gauge("connected", "1 while Discord's gateway is there.", int(figures.connected))
    yield _gauge("database_up", "1 while the store answers and can be written to.", int(figures.can_write))
    up = ready is not None and "engine" not in ready.unavailable
    yield _gauge("engine_up", "1 while the engine takes jobs.", int(up))
    yield _gauge("engine_free_slots", "Pictures that the engine could take now.", ready.slots if ready else 0)
    yield _counter("engine_restarts", "How often the engine has ended.", "", {"": figures.pulse.ends})
    yield _gauge("pictures_bytes", "Disk that pictures, attachments and ways to pictures take.", figures.kept_bytes)
    yield _gauge("disk_free_bytes", "Disk that is left.", figures.free_bytes)
    memory = GaugeMetricFamily("dreambot_memory_bytes", "Resident memory, by process.", labels=["process"])
    for process, held in figures.memory.items():
        memory.add_metric([process], held)
    yield memory


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"dreambot_{name}", text, value=value)


def _counter(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(f"dreambot_{name}", text, labels=[label] if label else [])
    for key, value in values.items():
        family.add_metric([key] if label else [], value)
    return family


def _histogram(name: str, text: str, tally: Tally) -> Metric:
    reached, buckets = 0, []
    for bound, number in zip((*map(str, tally.bounds), "+Inf"), tally.counts, strict=True):
        reached += number
        buckets.append((bound, reached))
    return HistogramMetricFamily(f"dreambot_{name}", text, buckets=buckets, sum_value=tally.total)


def _check_host(request: web.Request) -> None:
    if request.host.rpartition(":")[0] not in NAMES and request.host not in NAMES:
        raise web.HTTPForbidden(text="This is for this machine only.")
