"""The router process: starts the workers of its settings and serves its client. Exits when its connection closes.

kill -HUP PID      restarts the workers one after the other, each after its present jobs
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from engine.client.supervisor import UNUSABLE_STATUS
from engine.client.transport import BUFFER, take_socket
from engine.environment import COMPILED_VARIABLE, SHARING_VARIABLE, WORKER_VARIABLE, MemoryRules
from engine.errors import DreamError
from engine.router.managed_worker import ManagedWorker, WatchedEngine
from engine.router.ray_cluster import join_cluster, leave_cluster
from engine.router.router import Router
from engine.router.settings import RouterSettings


def main() -> int:
    """Serves until the connection closes or the jobs before `Drain` have ended. Returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the client handles these, and then closes the connection
        if number := getattr(signal, name, None):  # Windows has no SIGHUP
            signal.signal(number, signal.SIG_IGN)
    try:
        return asyncio.run(serve(dict(os.environ)))
    except (LookupError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except DreamError as error:  # the client shows this line
        print(error, file=sys.stderr)
        return UNUSABLE_STATUS


async def serve(environ: Mapping[str, str]) -> int:
    """Raises EngineUnusable for settings that describe no workers, LookupError without a client."""
    settings = RouterSettings.of(environ)
    start = None
    if settings.ray is not None:
        start = await join_cluster(settings.ray)
    memory, compiled = MemoryRules.of(environ), environ.get(COMPILED_VARIABLE)

    def worker(name: str, device: str) -> ManagedWorker:
        make_engine = partial(
            WatchedEngine,
            command=settings.command or None,
            environ=environ,
            threads=settings.threads_each,
            device=device,
            memory=memory,
            compiled=Path(compiled) if compiled else None,
            timeouts=settings.timeouts,
            variables={WORKER_VARIABLE: name, SHARING_VARIABLE: str(settings.sharing(device))},
            start=start,
        )
        return ManagedWorker(name, make_engine)

    devices = settings.devices or ("auto",) * len(settings.names)
    workers = list(map(worker, settings.names, devices))
    streams = await asyncio.open_connection(sock=take_socket(), limit=BUFFER)
    router = Router(streams, workers)
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, router.roll)
    try:
        await router.serve()
    finally:
        if settings.ray is not None:
            await leave_cluster()
    return 0


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)
