"""The client: every attempt ends exactly once, also when the child dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from engine.client.local import LocalEngine, _Run
from engine.client.supervisor import EngineProcess, SupervisorTimeouts
from engine.client.transport import Loopback, take_socket
from engine.environment import child_environment
from engine.errors import DreamError, EngineRestarting, EngineUnusable
from engine.protocol.framing import WireError, encode, read_message
from engine.protocol.messages import Event, Failure, Job, Picture, Progress, Ready, Result
from engine.requests.request import UpscaleRequest, build_request
from tests.fork_server import FAKE

EXECUTED = (sys.executable, "-u", "-m", "tests.fake_engine")
"""The fake engine as a process of its own, not forked from a warm one."""
QUICK = SupervisorTimeouts(backoff=(0.05, 0.2), tries=2, stall=900)


class Client:
    """A started engine and all events so far."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine = engine
        self.seen: list[Event] = []
        self._changed = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.engine.events():
            self.seen.append(event)
            self._changed.set()

    async def until(self, wanted: Callable[[list[Event]], bool], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not wanted(self.seen):
                self._changed.clear()
                await self._changed.wait()

    async def submit(self, job: str, prompt: str = "a cat", attempt: int = 1, count: int = 1) -> None:
        request = build_request(prompt, seed=1, count=count)
        await self.engine.submit(Job(job, attempt, "somebody", request), {})

    def ends(self, job: str) -> list[Result | Failure]:
        return [e for e in self.seen if isinstance(e, Result | Failure) and e.job_id == job]

    @property
    def readies(self) -> list[Ready]:
        return [e for e in self.seen if isinstance(e, Ready)]


@contextlib.asynccontextmanager
async def started(*, step: float = 0.02, **options: object) -> AsyncIterator[Client]:
    environ = {**os.environ, "DREAMBOT_FAKE_STEP": str(step)}
    engine = LocalEngine(**{"command": FAKE, "timeouts": QUICK, "environ": environ, **options})  # type: ignore[arg-type]
    await engine.start()
    client = Client(engine)
    try:
        yield client
    finally:
        await engine.close()


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    if status.parent.parent.is_dir() and Path("/proc/self").exists():
        return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return True
    return False


async def test_ready_comes_first_and_a_job_ends_in_its_pictures_and_one_result() -> None:
    async with started() as client:
        await client.until(lambda seen: bool(seen))
        await client.submit("a", count=2)
        await client.until(lambda _: bool(client.ends("a")))

    assert isinstance(client.seen[0], Ready)
    assert [0, 1] == [e.index for e in client.seen if isinstance(e, Picture)]
    assert [Result] == [type(end) for end in client.ends("a")]


async def test_a_job_cannot_be_handed_over_before_the_engine_is_ready() -> None:
    async with started() as client:
        with pytest.raises(EngineRestarting):
            await client.submit("a")


@pytest.mark.parametrize(("paints", "pauses"), [(True, ["0.1", "0.1"]), (False, ["0.1", "0.2"])])
async def test_the_pause_grows_only_for_engines_that_finish_nothing(
    caplog: pytest.LogCaptureFixture, paints: bool, pauses: list[str]
) -> None:
    async with started(timeouts=SupervisorTimeouts(backoff=(0.1, 30.0))) as client:
        for life in (1, 2):
            await client.until(lambda _, life=life: len({ready.pid for ready in client.readies}) == life)  # type: ignore[misc]
            if paints:
                await client.submit(f"good {life}")
                await client.until(lambda _, life=life: bool(client.ends(f"good {life}")))  # type: ignore[misc]
            await client.submit(f"bad {life}", "die")
            await client.until(lambda _, life=life: bool(client.ends(f"bad {life}")))  # type: ignore[misc]
        await client.until(lambda _: len({ready.pid for ready in client.readies}) == 3)

    told = [record.getMessage() for record in caplog.records if "started again in" in record.getMessage()]
    assert pauses == [message.split(" in ")[1].removesuffix(" s.") for message in told]


async def test_killing_the_engine_fails_what_runs_and_it_comes_back(tmp_path: Path) -> None:
    async with started(data=tmp_path, step=0.2) as client:
        await client.until(lambda seen: bool(seen))
        await client.submit("a")
        await client.submit("b", attempt=3)
        await client.until(lambda seen: any(isinstance(e, Progress) for e in seen))
        first = int((tmp_path / "engine.pid").read_text())
        os.kill(first, signal.SIGKILL)
        await client.until(lambda _: bool(client.ends("a") and client.ends("b")))
        assert client.engine.ready is None
        await client.until(lambda _: client.readies[-1].pid != first)
        await client.submit("a", attempt=2)
        await client.until(lambda _: len(client.ends("a")) == 2)

        assert ["EngineRestarting", 3] == [client.ends("b")[0].error, client.ends("b")[0].attempt]
        assert [(1, Failure), (2, Result)] == [(end.attempt, type(end)) for end in client.ends("a")]
        assert str(client.readies[-1].pid) == (tmp_path / "engine.pid").read_text().strip()


async def test_a_child_that_dies_by_itself_is_answered_for_too() -> None:
    async with started() as client:
        await client.until(lambda seen: bool(seen))
        await client.submit("a", "die")
        await client.until(lambda _: bool(client.ends("a")))

        assert "EngineRestarting" == client.ends("a")[0].error


async def test_a_child_that_dies_with_something_unread_has_died_like_any_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(data=tmp_path) as client:
        await client.until(lambda seen: bool(seen))
        child = int((tmp_path / "engine.pid").read_text())
        os.kill(child, signal.SIGSTOP)
        await client.submit("a")  # which it will never read, so that its death resets the connection
        os.kill(child, signal.SIGKILL)
        await client.until(lambda seen: len(client.readies) == 2)
    assert "EngineRestarting" == client.ends("a")[0].error
    assert [] == [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


async def test_cancel_ends_the_attempt_that_is_meant() -> None:
    async with started() as client:
        await client.until(lambda seen: bool(seen))
        await client.submit("a", "hang", attempt=2)
        await client.engine.cancel("a", 1)
        await client.engine.cancel("unknown", 1)
        await client.submit("b")
        await client.until(lambda _: bool(client.ends("b")))
        assert [] == client.ends("a")
        await client.engine.cancel("a", 2)
        await client.until(lambda _: bool(client.ends("a")))

        assert "Cancelled" == client.ends("a")[0].error


async def test_an_engine_that_cannot_start_says_why_in_words() -> None:
    command = (sys.executable, "-c", "raise SystemExit('no GPU driver was found')")
    async with started(command=command) as client:
        await client.until(lambda seen: bool(seen))

        assert 0 == client.readies[0].slots
        assert "The engine cannot start: no GPU driver was found" == client.readies[0].unavailable["engine"]
        with pytest.raises(EngineUnusable, match="no GPU driver"):
            await client.submit("a")


async def test_words_of_an_engine_reach_log_and_members_without_control_characters(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="engine.client.supervisor")
    command = (sys.executable, "-c", "raise SystemExit('\\x1b[2J\\x1b]0;title\\x07no GPU\\x9b')")
    async with started(command=command) as client:
        await client.until(lambda seen: bool(seen))
        said = client.readies[0].unavailable["engine"]

    logged = [record.getMessage() for record in caplog.records if "no GPU" in record.getMessage()]
    assert "no GPU" in said and logged
    assert not [text for text in (said, *logged) if not set(text).isdisjoint("\x1b\x07\x9b")]


async def test_a_command_that_does_not_exist_is_said_so() -> None:
    async with started(command=("/no/such/python",)) as client:
        await client.until(lambda seen: bool(seen))

        assert "/no/such/python" in client.readies[0].unavailable["engine"]


async def test_a_child_that_speaks_another_language_is_ended_not_waited_for() -> None:
    code = "import os, socket; s = socket.socket(fileno=int(os.environ['DREAMBOT_ENGINE_FD']))\n"
    code += "s.sendall(b'HTTP/1.1 200 OK'); import time; time.sleep(60)"
    async with started(command=(sys.executable, "-c", code)) as client:
        await client.until(lambda seen: bool(seen))

        assert "engine" in client.readies[0].unavailable


async def test_an_engine_that_hangs_before_its_first_progress_is_restarted() -> None:
    timeouts = SupervisorTimeouts(backoff=(0.05, 0.2), tries=5, stall=0.6)
    async with started(timeouts=timeouts) as client:
        await client.until(lambda seen: bool(seen))
        await client.submit("a", "stall")
        await client.until(lambda _: bool(client.ends("a")))
        await client.until(lambda _: client.readies[-1].pid != client.readies[0].pid)

        assert "EngineRestarting" == client.ends("a")[0].error


async def test_a_stopped_engine_is_restarted_after_some_times_its_slowest_step() -> None:
    timeouts = SupervisorTimeouts(backoff=(0.05, 0.2), tries=5, stall=900, stall_steps=20, stall_least=0.5)
    async with started(timeouts=timeouts) as client:
        await client.until(lambda seen: bool(seen))
        await client.submit("a", "slowly")
        await client.until(lambda seen: sum(isinstance(event, Progress) for event in seen) >= 2)
        assert not client.engine.pulse.stalled
        os.kill(client.readies[0].pid, signal.SIGSTOP)
        await client.until(lambda _: bool(client.ends("a")))
        await client.until(lambda _: client.readies[-1].pid != client.readies[0].pid)

    assert "EngineRestarting" == client.ends("a")[0].error


def test_the_silence_allowed_follows_the_slowest_step_within_bounds() -> None:
    timeouts = SupervisorTimeouts()

    assert 900 == timeouts.silence(0), "nothing is known before the first steps"
    assert 60 == timeouts.silence(0.1)
    assert 300 == timeouts.silence(10)
    assert 900 == timeouts.silence(300)


async def test_a_stopped_engine_counts_as_stalled_before_it_is_restarted() -> None:
    timeouts = SupervisorTimeouts(stall=900, stall_least=900)
    async with started(timeouts=timeouts) as client:
        await client.until(lambda seen: bool(seen))
        await client.submit("a", "hang")
        client.engine._supervisor._heard -= 451

        assert 451 <= client.engine.pulse.stalled


async def test_an_engine_that_only_repeats_that_it_is_ready_is_restarted() -> None:
    code = """
import os, socket, time
from engine.protocol.framing import SyncWire
from engine.protocol.messages import Ready
wire = SyncWire(socket.socket(fileno=int(os.environ["DREAMBOT_ENGINE_FD"])))
for turn in range(10**9):
    wire.send(Ready("idle", os.getpid(), "CPU", 1 + turn % 2, ("pixels",), (), ("primer",)))
    time.sleep(0.05)
"""
    timeouts = SupervisorTimeouts(backoff=(0.05, 0.2), stall=0.8)
    async with started(command=(sys.executable, "-c", code), timeouts=timeouts) as client:
        await client.until(lambda seen: bool(seen))
        await client.submit("a")
        await client.until(lambda _: bool(client.ends("a")))

    assert "EngineRestarting" == client.ends("a")[0].error


async def test_a_job_with_a_large_picture_can_be_submitted_to_and_cancelled_in_a_stopped_engine() -> None:
    timeouts = SupervisorTimeouts(backoff=(0.05, 0.2), cancel=0.1)
    async with started(timeouts=timeouts) as client:
        await client.until(lambda seen: bool(seen))
        os.kill(client.readies[0].pid, signal.SIGSTOP)
        request = build_request("a cat", seed=1)
        await client.engine.submit(Job("a", 1, "somebody", request), {"0" * 64: bytes(30 * 2**20)})
        await client.engine.cancel("a", 1)
        await client.until(lambda _: bool(client.ends("a")))
        os.kill(client.readies[0].pid, signal.SIGKILL)
        await client.until(lambda _: len({ready.pid for ready in client.readies}) == 2)

    assert ["Cancelled"] == [end.error for end in client.ends("a")]


async def test_blobs_are_only_taken_for_jobs_in_progress_and_no_larger_than_their_images() -> None:
    engine = LocalEngine(FAKE)
    engine._runs["a"] = _Run(Job("a", 2, "somebody", build_request("a cat", seed=1, size="256x256", count=3)))
    enlarged = UpscaleRequest(image="0" * 64, scale=4, width=100, height=50)
    engine._runs["b"] = _Run(Job("b", 1, "somebody", enlarged))

    assert 4 * 256 * 256 < engine.frame_budget("Picture", {"job_id": "a", "attempt": 2}) < 5 * 2**20  # type: ignore[operator]
    assert 16 * 4 * 5000 < engine.frame_budget("Picture", {"job_id": "b", "attempt": 1}) < 5 * 2**20  # type: ignore[operator]
    assert 3 * 2**20 == engine.frame_budget("Progress", {"job_id": "a", "attempt": 2})
    assert 0 == engine.frame_budget("Ready", {}) == engine.frame_budget("Result", {"job_id": "a", "attempt": 2})
    for stranger in ({"job_id": "a", "attempt": 1}, {"job_id": [], "attempt": 2}, {}, None, []):
        assert engine.frame_budget("Picture", stranger) is None, "its blobs are skipped"


async def test_a_message_over_its_budget_breaks_the_connection_and_one_without_is_skipped() -> None:
    reader = asyncio.StreamReader()
    for index, size in enumerate((10, 300_000, 20)):
        for piece in encode(Picture("a", 1, index, bytes(size), {})):
            reader.feed_data(piece)
    budgets: list[int | None] = [10, None, 19]

    def budget(kind: str, body: Any) -> int | None:
        assert "Picture" == kind and body["png"] is None
        return budgets[body["index"]]

    first = await read_message(reader, budget)
    with pytest.raises(WireError, match="20 bytes of blobs is over its limit of 19"):
        await read_message(reader, budget)

    assert isinstance(first, Picture) and 0 == first.index


async def test_close_leaves_no_child_and_ends_the_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child goes when its connection closes; it is not killed, however slow the machine is."""
    end = EngineProcess.end
    monkeypatch.setattr(EngineProcess, "end", lambda child: end(child, 60))
    monkeypatch.setattr(EngineProcess, "kill", lambda child: pytest.fail("it was killed"))
    async with started(data=tmp_path) as client:
        await client.until(lambda seen: bool(seen))
        pid = client.readies[0].pid
        await client.submit("a", "hang")

    assert not is_running(pid)
    assert not (tmp_path / "engine.pid").exists()
    await asyncio.wait_for(client._reader, 10)
    assert "EngineRestarting" == client.ends("a")[0].error


async def test_draining_lets_jobs_finish_and_takes_no_more() -> None:
    async with started() as client:
        await client.until(lambda seen: bool(seen))
        await client.submit("a")
        draining = asyncio.create_task(client.engine.drain(10))
        await asyncio.sleep(0)
        with pytest.raises(EngineRestarting):
            await client.submit("b")
        await draining
        await client.until(lambda _: bool(client.ends("a")))

    assert isinstance(client.ends("a")[0], Result)


async def test_questions_are_answered_and_refusals_are_errors() -> None:
    async with started() as client:
        await client.until(lambda seen: bool(seen))
        answer = await client.engine.embed(texts=["a", "b"])
        with pytest.raises(DreamError, match="not a picture"):
            await client.engine.embed(images=[b"no picture"])

    assert 2 == len(answer.vectors)


async def test_a_question_fails_when_the_engine_dies() -> None:
    async with started() as client:
        await client.until(lambda seen: bool(seen))
        os.kill(client.readies[0].pid, signal.SIGSTOP)
        asked = asyncio.create_task(client.engine.embed(texts=["a"]))
        await asyncio.sleep(0.05)
        os.kill(client.readies[0].pid, signal.SIGKILL)

        with pytest.raises(EngineRestarting):
            await asked


def test_the_child_gets_no_secret() -> None:
    given = {
        "DISCORD_TOKEN": "t", "DREAMBOT_PLAYGROUND": "p", "AWS_SECRET_ACCESS_KEY": "s", "GITHUB_TOKEN": "g",
        "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1", "OMP_NUM_THREADS": "3",
    }  # fmt: skip

    passed = child_environment(given, device="cpu", threads="auto")

    assert {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1", "OMP_NUM_THREADS": "3"}.items() <= passed.items()
    assert set() == {"DISCORD_TOKEN", "DREAMBOT_PLAYGROUND", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN"} & set(passed)
    assert ("cpu", "auto") == (passed["DREAMBOT_DEVICE"], passed["DREAMBOT_THREADS"])


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
async def test_the_running_child_really_has_no_secret() -> None:
    environ = {**os.environ, "DISCORD_TOKEN": "a-very-secret-token"}
    async with started(command=EXECUTED, environ=environ) as client:
        await client.until(lambda seen: bool(seen))
        raw = Path(f"/proc/{client.readies[0].pid}/environ").read_bytes()

    assert b"a-very-secret-token" not in raw


async def test_a_loopback_connection_needs_the_secret() -> None:
    link = await Loopback.make()
    port = int(link.environ["DREAMBOT_ENGINE_PORT"])
    joining = asyncio.create_task(link.accept())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"0" * 64)
    assert b"" == await asyncio.wait_for(reader.read(), 5)
    writer.close()

    _, friend = await asyncio.open_connection("127.0.0.1", port)
    friend.write(link.secret.encode() + b"hello")
    streams = await asyncio.wait_for(joining, 5)

    assert b"hello" == await streams[0].readexactly(5)
    friend.close()
    streams[1].close()


async def test_a_loopback_connection_that_says_nothing_leaves_room_for_the_child() -> None:
    link = await Loopback.make()
    joining, environ = asyncio.create_task(link.accept()), link.environ
    reader, writer = await asyncio.open_connection("127.0.0.1", int(environ["DREAMBOT_ENGINE_PORT"]))
    writer.write_eof()
    assert b"" == await asyncio.wait_for(reader.read(), 5)
    writer.close()

    with await asyncio.to_thread(take_socket, environ) as sock:
        streams = await asyncio.wait_for(joining, 5)
        sock.sendall(b"hello")
        assert b"hello" == await streams[0].readexactly(5)
        streams[1].close()
    assert {} == environ, "a child of the child knows nothing of it"


def test_an_engine_that_nobody_started_says_so() -> None:
    with pytest.raises(LookupError, match="must be started by its client"):
        take_socket({})


async def test_a_child_joins_over_loopback_where_nothing_can_be_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.client.supervisor.offer", Loopback.make)
    async with started(command=EXECUTED) as client:
        await client.until(lambda seen: bool(seen))
        await client.submit("a")
        await client.until(lambda _: bool(client.ends("a")))

    assert isinstance(client.ends("a")[0], Result)
