"""The router and its Ray actors, with a stand-in for Ray in this process."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from engine.errors import EngineUnusable
from engine.protocol.messages import Drain, Ready
from engine.router import ray_cluster
from engine.router.ray_cluster import RayEngine, WorkerActor, join_cluster, leave_cluster
from engine.router.settings import RaySettings
from tests.fork_server import FAKE, start_fake_or_real

SETTINGS = RaySettings(gpus_per_worker=0.5, resources={"painter": 1})


def no_blobs(kind: str, body: Any) -> int:
    return 0


class RayError(Exception):
    pass


def failing(words: str) -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise RayError(words)

    return fail


class Handle:
    """Handle of an actor: a call returns a task; a stream yields references that must be awaited."""

    def __init__(self, ray: LocalRay, actor: Any) -> None:
        self.ray, self.actor = ray, actor

    def __getattr__(self, name: str) -> Any:
        return Call(self, getattr(self.actor, name))


class Call:
    def __init__(self, handle: Handle, call: Callable[..., Any]) -> None:
        self.handle, self.call = handle, call

    def options(self, **_: object) -> Call:
        return self

    def remote(self, *args: object) -> Any:
        if inspect.isasyncgenfunction(self.call):
            return self.references()
        return asyncio.ensure_future(self.handle.ray.fault(self.call.__name__) or self.call(*args))

    async def references(self) -> AsyncIterator[Awaitable[bytes]]:
        async for data in self.call():
            if lost := self.handle.ray.fault("output"):
                await lost
            reference: asyncio.Future[bytes] = asyncio.Future()
            reference.set_result(data)
            yield reference


class LocalRay:
    """The part of the module `ray` that the router uses. *faults*: name of a method → what is called instead."""

    class exceptions:  # noqa: N801 (the module's name)
        RayError = RayError

    def __init__(self) -> None:
        self.joined: dict[str, Any] = {}
        self.actors: list[Handle] = []
        self.killed: list[Handle] = []
        self.faults: dict[str, Callable[[], Awaitable[Any]]] = {}
        self.left = False

    def fault(self, name: str) -> Any:
        return self.faults[name]() if name in self.faults else None

    def init(self, **options: Any) -> None:
        self.joined = options

    def remote(self, **options: Any) -> Callable[[type], Any]:
        def actor(kind: type) -> Any:
            class Remote:
                @staticmethod
                def remote(*args: object) -> Handle:
                    self.actors.append(Handle(self, kind(*args)))
                    self.actors[-1].options = options
                    return self.actors[-1]

            return Remote

        return actor

    def kill(self, handle: Handle) -> None:
        self.killed.append(handle)
        if handle.actor._child is not None:
            handle.actor._child.kill()

    def shutdown(self) -> None:
        self.left = True


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> LocalRay:
    local = LocalRay()
    monkeypatch.setitem(sys.modules, "ray", local)
    monkeypatch.setattr(ray_cluster, "start_child", start_fake_or_real)
    return local


async def started(settings: RaySettings = SETTINGS, **variables: str) -> RayEngine:
    engine = await (await join_cluster(settings))(FAKE, {"PATH": "", "DREAMBOT_WORKER": "ray-1", **variables})
    assert isinstance(engine, RayEngine)
    return engine


async def test_an_actor_forwards_both_ways_and_says_how_its_process_ended(ray: LocalRay) -> None:
    engine = await started()

    ready = await engine.read(no_blobs)
    engine.write(Drain())
    while await engine.read(no_blobs) is not None:
        pass

    assert isinstance(ready, Ready) and (ready.worker, ready.pid) == ("ray-1", engine.pid)
    with pytest.raises(ConnectionResetError):
        engine.write(Drain())
    [actor] = ray.actors
    assert 0 == await actor.actor._child.end()
    assert {"num_cpus": 1, "num_gpus": 0.5, "resources": {"painter": 1}} == {
        name: actor.options[name] for name in ("num_cpus", "num_gpus", "resources")
    }


async def test_ending_an_engine_ends_its_process_and_kills_its_actor(ray: LocalRay) -> None:
    engine = await started()
    await engine.read(no_blobs)

    assert 0 == await engine.end()
    assert ray.actors == ray.killed


async def test_an_actor_writes_pieces_in_the_order_of_their_numbers() -> None:
    class Child:
        class _Writer:
            written = b""

            def write(self, data: bytes) -> None:
                self.written += data

            async def drain(self) -> None:
                pass

        streams = None, _Writer()

    actor = WorkerActor(FAKE, {})
    actor._child = Child()  # type: ignore[assignment]
    for number in (2, 0, 3, 1):
        await actor.take(number, b"%d" % number)

    assert b"0123" == Child.streams[1].written


async def test_a_worker_has_the_environment_and_weights_of_its_machine_and_no_secret(
    ray: LocalRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments = []

    async def start(command: Any, environ: Any) -> Any:
        environments.append(dict(environ))
        return await start_fake_or_real(command, environ)

    monkeypatch.setattr(ray_cluster, "start_child", start)
    monkeypatch.setenv("DREAMBOT_WEIGHTS", "/here")
    await (await started(DREAMBOT_WEIGHTS="/there", SECRET="x")).end()
    monkeypatch.delenv("DREAMBOT_WEIGHTS")
    await (await started(RaySettings(gpus_per_worker=0), DREAMBOT_WEIGHTS="/there", SECRET="x")).end()

    assert [("auto", "/here"), ("cpu", "/there")] == [
        (e["DREAMBOT_DEVICE"], e["DREAMBOT_WEIGHTS"]) for e in environments
    ]
    assert not any("SECRET" in environ for environ in environments)
    assert {os.environ["PATH"]} == {environ["PATH"] for environ in environments}


async def test_a_lost_machine_ends_the_stream_and_its_error_is_the_last_word(ray: LocalRay) -> None:
    ray.faults["output"] = failing("The node died.\nTraceback …")
    engine = await started()

    assert None is await engine.read(no_blobs)
    assert ["The node died."] == list(engine.last_words)
    with pytest.raises(ConnectionResetError):
        engine.write(Drain())
    assert -1 == await engine.end()


async def test_an_actor_that_cannot_say_how_its_process_ended_is_killed(ray: LocalRay) -> None:
    engine = await started()
    await engine.read(no_blobs)
    ray.faults["end"] = failing("The actor died.")

    assert -1 == await engine.end()
    assert ray.actors == ray.killed


async def test_a_worker_without_a_place_is_told_and_its_actor_does_not_wait_on(
    ray: LocalRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "PLACE_SECONDS", 0)
    ray.faults["start"] = asyncio.Event().wait

    with pytest.raises(TimeoutError, match=r"no machine with 0\.5 free GPUs and \{'painter': 1\.0\} for it"):
        await started()
    assert ray.actors == ray.killed


async def test_a_worker_that_ray_cannot_start_is_an_error_in_its_own_words(ray: LocalRay) -> None:
    ray.faults["start"] = failing("Traceback …\nOSError: no such file")

    with pytest.raises(OSError, match="Ray could not start it: OSError: no such file"):
        await started()


@pytest.mark.parametrize(("address", "more"), [("auto", {}), ("local", {"include_dashboard": False, "num_cpus": 3})])
async def test_a_cluster_is_joined_and_left(
    ray: LocalRay, monkeypatch: pytest.MonkeyPatch, address: str, more: dict[str, object]
) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    await join_cluster(RaySettings(address=address, workers=3))
    assert not ray.left
    await leave_cluster()

    assert ray.left
    assert more == {name: ray.joined[name] for name in ray.joined if name in ("include_dashboard", "num_cpus")}
    assert address == ray.joined["address"]
    assert "1" == os.environ["RAY_USAGE_STATS_ENABLED"]  # what the host has set


async def test_a_cluster_that_cannot_be_joined_is_named(ray: LocalRay, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise ConnectionError("nobody answers")

    monkeypatch.setattr(ray, "init", refuse)

    with pytest.raises(EngineUnusable, match=r"cluster “10\.0\.0\.1:6379” cannot be joined: nobody answers"):
        await join_cluster(RaySettings(address="10.0.0.1:6379"))
