"""The engine process: reads commands, steps the worker, writes events. Exits when its connection closes.

Three threads: one reads commands, one writes events, and the main one steps. Only `_serve` imports torch.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import queue
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.client.supervisor import UNUSABLE_STATUS
from engine.client.transport import take_socket
from engine.environment import COMPILED_VARIABLE, LOCAL, SHARING_VARIABLE, WORKER_VARIABLE, MemoryRules
from engine.errors import DreamError
from engine.protocol.framing import SyncWire, WireError
from engine.protocol.messages import Cancel, Drain, Embed, Event, Restart, Submit

if TYPE_CHECKING:
    from engine.worker.event_loop import Loop
    from engine.worker.worker import Worker

EXIT_SECONDS = 2.0
"""Seconds until the process exits after its connection closed. A step may take minutes."""

log = logging.getLogger(__name__)


def main() -> int:
    """Serves until the connection closes or, after `Drain`, the submitted jobs have ended. Returns the exit status."""
    _prepare_process()
    try:
        wire = SyncWire(take_socket())
    except (LookupError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        return _serve(wire)
    except DreamError as error:  # usually an unusable device; the client shows this line
        print(error, file=sys.stderr)
        return UNUSABLE_STATUS


def _serve(wire: SyncWire) -> int:
    from engine.runtime.runtime import Runtime
    from engine.runtime.tuning import make_compiler
    from engine.weights.store.custom_models import add_custom_models, shared_custom_models
    from engine.worker.event_loop import Loop
    from engine.worker.worker import Worker

    add_custom_models(shared_custom_models(os.environ))
    outbox, loop = Outbox(wire), Loop()
    memory = MemoryRules.of(os.environ)
    folder = os.environ.get(COMPILED_VARIABLE)
    compiler = make_compiler(Path(folder) if folder else None)
    device, sharing = os.environ.get("DREAMBOT_DEVICE", "auto"), int(os.environ.get(SHARING_VARIABLE) or "1")
    runtime = Runtime.open(device, models=memory.nets_bytes, compiler=compiler, sharing=sharing)
    threads = os.environ.get("DREAMBOT_THREADS") or "auto"
    name = os.environ.get(WORKER_VARIABLE) or LOCAL
    worker = Worker(runtime, loop, outbox.put, name=name, threads=threads, idle_seconds=memory.idle_seconds)
    loop.post(worker.warm_up)
    threading.Thread(target=_read, args=(wire, worker, loop), name="reader", daemon=True).start()
    try:
        loop.run(worker)
    finally:  # also after DeviceLost: the client notices the closed connection and restarts
        worker.close()
        outbox.close()
        wire.close()
    return 0


class Outbox:
    """Queue of events with a writing thread, so that a slow client does not stop the loop."""

    def __init__(self, wire: SyncWire) -> None:
        self._wire = wire
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._writer.start()

    def put(self, event: Event) -> None:
        self._events.put(event)

    def close(self) -> None:
        """Waits up to `EXIT_SECONDS` for queued events to be sent."""
        self._events.put(None)
        self._writer.join(EXIT_SECONDS)

    def _write(self) -> None:
        while (event := self._events.get()) is not None:
            try:
                self._wire.send(event)
            except OSError:  # the reader notices the closed connection, too, and ends the process
                return


def _read(wire: SyncWire, worker: Worker, loop: Loop) -> None:
    """Posts commands to the loop until the connection closes or a message is invalid."""
    try:
        while (message := wire.receive()) is not None:
            if not isinstance(message, Submit | Cancel | Embed | Drain | Restart):
                raise WireError(f"A client does not send {type(message).__name__}.")
            loop.post(partial(worker.handle, message))
    except (WireError, OSError) as error:
        log.error("The connection broke: %s", error)
    loop.post(loop.stop)
    threading.Timer(EXIT_SECONDS, os._exit, (0,)).start()


def _prepare_process() -> None:
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.captureWarnings(True)
    # The client handles these at a shutdown: it drains the engine, then closes the connection.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if number := getattr(signal, name, None):  # Windows has no SIGHUP
            signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # loading and encoding threads must not keep the process alive
