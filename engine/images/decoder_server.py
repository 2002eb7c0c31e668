"""The process that forks a child for each picture, so that no picture waits for an interpreter to start. POSIX only.

It never reads a picture. Its client, `engine.images.decoder`, sends one `Order` per picture on stdin, a socket, with
two descriptors: one end of the child's stream (picture in, answer out), and one end of a line on which the server
reports an `End`. The client shuts that line down to end the child. The server ends with its client.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import struct
import time
from dataclasses import dataclass
from typing import NamedTuple

from engine.images import foreign

LOW_PRIORITY = 15
"""Niceness of a child after `Order.quick_seconds`."""


class Order(NamedTuple):
    """What the child of one picture is to do. *seconds* and *quick_seconds* count from its start."""

    share: int
    pixels: int
    alpha: bool
    nice: int
    seconds: float
    """After this time the child is ended."""
    quick_seconds: float
    """After this time the child gets LOW_PRIORITY."""

    def packed(self) -> bytes:
        return _ORDER.pack(*self)


class End(NamedTuple):
    """How a child ended. *status*: exit status, or minus the number of a signal; *late*: its time was over."""

    status: int
    late: bool
    cpu_seconds: float

    def packed(self) -> bytes:
        return _END.pack(*self)

    @classmethod
    def unpacked(cls, data: bytes) -> End:
        """Raises ValueError."""
        if len(data) != _END.size:
            raise ValueError("no report")
        return cls(*_END.unpack(data))


_ORDER = struct.Struct("<IQ?idd")
_END = struct.Struct("<i?d")


@dataclass(slots=True)
class _ForkedChild:
    pid: int
    line: socket.socket
    late_at: float
    slow_at: float
    late: bool = False

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)  # it is reaped by this process, so that its number is its own


class _Server:
    """One thread, which waits for orders, ends of children, closed lines, and times."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, _ForkedChild] = {}
        """Descriptor of the line → child."""
        self._poll = select.poll()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._poll.register(control, select.POLLIN)
        self._poll.register(self._woken, select.POLLIN)

    def run(self) -> None:
        while True:
            for fd, _ in self._poll.poll(self._patience()):
                if fd in self._children:
                    self._children[fd].kill()
                    self._poll.unregister(fd)
                elif fd == self._woken.fileno():
                    with contextlib.suppress(BlockingIOError):
                        self._woken.recv(4096)
                elif not self._take():
                    return
            self._reap()
            self._look_at_the_clock()

    def _patience(self) -> float | None:
        """Milliseconds until something is due."""
        due = [child.slow_at for child in self._children.values()]
        due += [child.late_at for child in self._children.values() if not child.late]
        return max(0.0, 1000 * (min(due) - time.monotonic())) if min(due, default=float("inf")) < float("inf") else None

    def _take(self) -> bool:
        """Fork the child of one order; False if the client is gone."""
        data, fds, _, _ = socket.recv_fds(self._control, _ORDER.size, 2)
        if len(fds) != 2:
            return False
        order, line = Order(*_ORDER.unpack(data)), socket.socket(fileno=fds[1])
        try:
            now, pid = time.monotonic(), os.fork()
            if not pid:
                _work(order, fds[0])
        except OSError:  # no process or memory is left
            line.close()
            return True
        finally:
            os.close(fds[0])
        self._poll.register(line, select.POLLIN)  # its client ends the child
        self._children[line.fileno()] = _ForkedChild(pid, line, now + order.seconds, now + order.quick_seconds)
        return True

    def _reap(self) -> None:
        for fd, child in list(self._children.items()):
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if not pid:
                continue
            end = End(os.waitstatus_to_exitcode(status), child.late, usage.ru_utime + usage.ru_stime)
            with contextlib.suppress(OSError):  # the client is gone
                child.line.send(end.packed())
            with contextlib.suppress(KeyError):
                self._poll.unregister(fd)
            child.line.close()
            del self._children[fd]

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.late_at <= now and not child.late:
                child.late = True
                child.kill()
            if child.slow_at <= now:
                child.slow_at = float("inf")
                os.setpriority(os.PRIO_PROCESS, child.pid, LOW_PRIORITY)

    def close(self) -> None:
        for child in self._children.values():
            child.kill()


def _work(order: Order, stream: int) -> None:
    """In the child: stream in place of stdin and stdout, nothing else of the server, and no return."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(stream, 0)
        os.dup2(stream, 1)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.nice(order.nice)
        foreign.answer(order.share, order.pixels, alpha=order.alpha)
        status = 0
    finally:
        os._exit(status)


def serve() -> None:
    """Until stdin closes."""
    foreign.prepare_formats()
    gc.freeze()  # the children share these pages
    server = _Server(socket.socket(fileno=os.dup(0)))
    try:
        server.run()
    finally:
        server.close()
