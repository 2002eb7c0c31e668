"""A router with fake workers, as its client sees it: one end for every attempt, whatever becomes of a worker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from engine.client.local import LocalEngine
from engine.client.supervisor import SupervisorTimeouts
from engine.errors import DreamError, EngineUnusable
from engine.images.pictures import to_png
from engine.protocol.messages import Failure, Job, Picture, Progress, Ready, Result, WorkerState
from engine.requests.request import build_request
from engine.router.managed_worker import ManagedWorker, WatchedEngine
from engine.router.ray_cluster import join_cluster
from engine.router.router import Router, merged_ready
from engine.router.settings import ROUTER_VARIABLE, RaySettings, RouterSettings, router_timeouts
from tests.engine.client.test_local import QUICK, Client, is_running
from tests.fork_server import FAKE, ROUTER, router_of

TWO = ["cpu-1", "cpu-2"]
PNG = to_png(Image.new("RGB", (8, 8)), {})


class Workers(Client):
    """A started router and all events so far."""

    @property
    def now(self) -> dict[str, WorkerState]:
        """Worker → its latest state."""
        return {state.name: state for state in self.readies[-1].workers} if self.readies else {}

    @property
    def up(self) -> list[str]:
        return [name for name, state in self.now.items() if not state.trouble]

    async def hand(self, job: str, worker: str, prompt: str = "a cat", attempt: int = 1, count: int = 1) -> None:
        request = build_request(prompt, seed=1, count=count)
        await self.engine.submit(Job(job, attempt, "somebody", request, worker=worker), {})

    def kill(self, worker: str) -> int:
        pid = self.now[worker].pid
        os.kill(pid, signal.SIGKILL)
        return pid


@contextlib.asynccontextmanager
async def routed(
    workers: int = 2,
    *,
    step: float = 0.02,
    command: tuple[str, ...] = ROUTER,
    backoff: tuple[float, float] = QUICK.backoff,
) -> AsyncIterator[Workers]:
    """A router with so many workers, all of them up."""
    engine = LocalEngine(
        command,
        environ={**os.environ, "DREAMBOT_FAKE_STEP": str(step)},
        variables=router_of(workers, timeouts=SupervisorTimeouts(backoff=backoff, tries=QUICK.tries)),
        timeouts=router_timeouts(QUICK),
    )
    await engine.start()
    client = Workers(engine)
    try:
        await client.until(lambda _: len(client.up) == workers)
        yield client
    finally:
        await engine.close()


async def test_all_workers_are_one_engine_with_the_slots_of_all() -> None:
    async with routed(3) as client:
        ready = client.readies[-1]

    assert ("router", "3 × CPU (fake)", 12) == (ready.worker, ready.device, ready.slots)
    assert ("clip_diffusion", "clipdraw", "pixels") == ready.methods
    assert [("cpu-1", 4, 4), ("cpu-2", 4, 4), ("cpu-3", 4, 4)] == [(w.name, w.slots, w.free) for w in ready.workers]
    assert 4 == len({ready.pid, *(worker.pid for worker in ready.workers)})


async def test_a_job_goes_to_the_worker_that_it_names() -> None:
    async with routed() as client:
        await client.hand("a", "cpu-2", "hang", count=3)
        await client.until(lambda _: client.now["cpu-2"].free == 1)

        assert (5, 4) == (client.readies[-1].slots, client.now["cpu-1"].free)


async def test_pictures_pass_through_as_they_are() -> None:
    async with routed() as client:
        await client.hand("a", "cpu-1", count=2)
        await client.until(lambda _: bool(client.ends("a")))
    alone = LocalEngine(FAKE)
    await alone.start()
    direct = Client(alone)
    await direct.until(lambda seen: bool(seen))
    await direct.submit("a", count=2)
    await direct.until(lambda _: bool(direct.ends("a")))
    await alone.close()

    routed_, own = ({e.index: e.facts["sha256"] for e in c.seen if isinstance(e, Picture)} for c in (client, direct))
    assert 2 == len(own)
    assert own == routed_


async def test_a_killed_worker_fails_its_jobs_alone_and_comes_back() -> None:
    async with routed(step=0.1) as client:
        await client.hand("a", "cpu-1", "slowly a cat")
        await client.hand("b", "cpu-2", "slowly a dog")
        await client.until(lambda seen: {e.job_id for e in seen if isinstance(e, Progress)} == {"a", "b"})
        former = client.kill("cpu-1")
        await client.until(lambda _: bool(client.ends("a")))

        assert [("EngineRestarting", 1)] == [(e.error, e.attempt) for e in client.ends("a") if isinstance(e, Failure)]
        assert [] == client.ends("b")
        await client.until(lambda _: client.up == TWO and client.now["cpu-1"].pid != former)
        assert (1, "it ended with status -9, without any output") == (
            client.now["cpu-1"].ends,
            client.now["cpu-1"].last_words,
        )
        await client.hand("a", "cpu-1", attempt=2)
        await client.until(lambda _: len(client.ends("a")) == 2 and bool(client.ends("b")))

    assert [Failure, Result] == [type(end) for end in client.ends("a")]
    assert [Result] == [type(end) for end in client.ends("b")]


async def test_the_client_hears_of_a_dead_worker_before_it_hears_of_its_jobs() -> None:
    async with routed(step=0.1) as client:
        await client.hand("a", "cpu-1", "slowly a cat")
        await client.until(lambda seen: any(isinstance(e, Progress) for e in seen))
        client.kill("cpu-1")
        await client.until(lambda _: bool(client.ends("a")))
        before = client.seen[: client.seen.index(client.ends("a")[0])]

    latest = [e for e in before if isinstance(e, Ready)][-1]
    assert ["it is starting", ""] == [state.trouble for state in latest.workers]


async def test_a_job_for_a_worker_that_is_down_is_not_begun() -> None:
    async with routed(backoff=(30.0, 30.0)) as client:
        client.kill("cpu-1")
        await client.until(lambda _: client.up == ["cpu-2"])
        await client.hand("a", "cpu-1")
        await client.until(lambda _: bool(client.ends("a")))

    assert ["EngineUnusable"] == [end.error for end in client.ends("a") if isinstance(end, Failure)]


async def test_a_worker_that_crashes_again_and_again_takes_no_jobs_while_others_can() -> None:
    async with routed(step=0.005) as client:
        for crash in range(3):
            await client.until(lambda _, seen=crash: client.now["cpu-1"].ends == seen and client.up == TWO)  # type: ignore[misc]
            await client.hand(f"bad {crash}", "cpu-1", "die always")
            await client.until(lambda _, seen=crash: bool(client.ends(f"bad {seen}")))  # type: ignore[misc]
        await client.until(lambda _: "crashed 3 times" in client.now["cpu-1"].trouble)

        assert ["cpu-2"] == client.up
        client.kill("cpu-2")  # now the other is the only one
        await client.until(lambda _: client.up == ["cpu-1"])


async def test_a_job_that_is_cancelled_ends_on_its_worker() -> None:
    async with routed() as client:
        await client.hand("a", "cpu-2", "hang")
        await client.until(lambda _: client.now["cpu-2"].free == 3)
        await client.engine.cancel("a", 1)
        await client.until(lambda _: bool(client.ends("a")))

    assert ["Cancelled"] == [end.error for end in client.ends("a") if isinstance(end, Failure)]


async def test_a_newer_attempt_on_another_worker_ends_the_older_one() -> None:
    async with routed() as client:
        await client.hand("a", "cpu-1", "hang")
        await client.until(lambda _: client.now["cpu-1"].free == 3)
        await client.hand("a", "cpu-2", attempt=2)
        await client.until(lambda _: bool(client.ends("a")) and client.now["cpu-1"].free == 4)

    assert [(Result, 2)] == [(type(end), end.attempt) for end in client.ends("a")]


async def test_questions_are_answered_by_any_worker_also_while_one_is_down() -> None:
    async with routed(backoff=(30.0, 30.0)) as client:
        first = await client.engine.embed(texts=("an owl",))
        client.kill("cpu-1")
        await client.until(lambda _: client.up == ["cpu-2"])
        second = await client.engine.embed(texts=("an owl",))
        pulls = await client.engine.embed(texts=("an owl", "a fox"), images=(PNG,), pulls=True)
        with pytest.raises(DreamError, match=r"readable|image|picture"):
            await client.engine.embed(images=(b"no picture",))

    assert first.vectors == second.vectors
    assert (1.0, 2.0) == pulls.pulls


async def test_all_workers_finish_their_jobs_before_they_go() -> None:
    async with routed(step=0.05) as client:
        pids = [client.readies[-1].pid, *(state.pid for state in client.now.values())]
        await client.hand("a", "cpu-1", "slowly a cat")
        await client.hand("b", "cpu-2", count=4)
        await client.until(lambda seen: any(isinstance(e, Progress) for e in seen))
        await client.engine.drain(60)

        assert [[Result], [Result]] == [[type(end) for end in client.ends(job)] for job in ("a", "b")]
    assert [] == [pid for pid in pids if is_running(pid)]


async def test_workers_restart_one_at_a_time_and_lose_no_job() -> None:
    async with routed(step=0.05) as client:
        former = {name: state.pid for name, state in client.now.items()}
        await client.hand("a", "cpu-1", "slowly a cat")
        await client.until(lambda seen: any(isinstance(e, Progress) for e in seen))
        seen = len(client.seen)
        os.kill(client.readies[-1].pid, signal.SIGHUP)
        await client.until(
            lambda _: {n for n, s in client.now.items() if s.pid != former[n]} == set(TWO) and client.up == TWO
        )

        assert [Result] == [type(end) for end in client.ends("a")]
    troubled = [[s.name for s in e.workers if s.trouble] for e in client.seen[seen:] if isinstance(e, Ready)]
    assert all(len(names) <= 1 for names in troubled)
    assert {name for names in troubled for name in names} == set(TWO)


async def test_a_killed_router_takes_its_workers_along_and_starts_anew() -> None:
    async with routed(step=0.1) as client:
        pids = [state.pid for state in client.now.values()]
        await client.hand("a", "cpu-1", "slowly a cat")
        await client.until(lambda seen: any(isinstance(e, Progress) for e in seen))
        os.kill(client.readies[-1].pid, signal.SIGKILL)
        await client.until(lambda _: bool(client.ends("a")))
        await client.until(lambda _: client.up == TWO and not {s.pid for s in client.now.values()} & set(pids))

        async with asyncio.timeout(30):
            while any(map(is_running, pids)):
                await asyncio.sleep(0.01)


async def test_an_executed_router_executes_its_workers() -> None:
    async with routed(command=(sys.executable, "-u", "-m", "engine.router.main")) as client:
        await client.hand("a", "cpu-2")
        await client.until(lambda _: bool(client.ends("a")))

    assert [Result] == [type(end) for end in client.ends("a")]


def test_names_say_the_device_and_number_where_several_share_one() -> None:
    assert ("cuda:0", "cuda:1") == RouterSettings(devices=("cuda:0", "cuda:1")).names
    assert ("cpu-1", "cpu-2", "cuda") == RouterSettings(devices=("cpu", "cpu", "cuda")).names
    assert ("ray-1", "ray-2") == RouterSettings.model_validate({"ray": {"workers": 2}}).names


def test_workers_that_share_a_device_are_counted() -> None:
    three = RouterSettings(devices=("cuda:0", "cuda:0", "cuda:1"))
    halves = RouterSettings.model_validate({"ray": {"workers": 4, "gpus_per_worker": 0.5}})

    assert (2, 1, 2) == (three.sharing("cuda:0"), three.sharing("cuda:1"), halves.sharing("auto"))


async def test_without_ray_the_host_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(EngineUnusable, match=r"needs Ray: pip install dreambot\[ray\]"):
        await join_cluster(RaySettings())


async def test_a_router_that_cannot_work_says_why() -> None:
    engine = LocalEngine(
        (sys.executable, "-m", "engine.router.main"), variables={ROUTER_VARIABLE: "{}x"}, timeouts=QUICK
    )
    await engine.start()
    client = Workers(engine)
    try:
        await client.until(lambda _: bool(client.readies))
        assert "DREAMBOT_ROUTER does not describe any workers" in client.readies[0].unavailable["engine"]
    finally:
        await engine.close()


async def test_a_question_goes_to_a_worker_that_has_the_perceptor_and_first_to_one_that_has_loaded_it() -> None:
    def worker(name: str, pid: int, free: int, loaded: tuple[str, ...] = (), lacks: str = "") -> ManagedWorker:
        state = WorkerState(name, pid, "CPU", 4, free, loaded=loaded)
        found = ManagedWorker(name, WatchedEngine)
        ready = Ready(name, pid, "CPU", free, (), (), (), {lacks: "not downloaded"} if lacks else {}, workers=(state,))
        found.engine.ready = ready
        found.hear(ready)
        return found

    clip = "CLIP ViT-B-32"
    lacking, installed = worker("lacking", 1, 4, lacks=clip), worker("installed", 2, 3)
    loaded = worker("loaded", 3, 0, loaded=(clip,))
    streams = asyncio.StreamReader(), None

    def chosen(*workers: ManagedWorker) -> str:
        best = Router(streams, workers)._best_for(clip)  # type: ignore[arg-type]
        return best.name if best else ""

    assert "loaded" == chosen(lacking, installed, loaded)
    assert "installed" == chosen(lacking, installed)
    assert "lacking" == chosen(lacking)
    assert "" == chosen()


def test_what_was_trained_on_one_machine_is_painted_there() -> None:
    def worker(name: str, models: tuple[str, ...], trained: dict[str, str] | None, **unavailable: str) -> ManagedWorker:
        ready = Ready(name, 1, "CPU", 4, (), (), models, unavailable, trained=trained)
        found = ManagedWorker(name, WatchedEngine)
        found.engine.ready = ready
        found.hear(ready)
        return found

    def merged(*workers: ManagedWorker) -> tuple[Ready, dict[str, tuple[str, ...]]]:
        ready = merged_ready(workers, 1)
        assert ready is not None
        return ready, {state.name: state.lacks for state in ready.workers}

    both = worker("both", ("primer", "mine"), {"mine": "{1}", "ink": "{2}"})
    one = worker("one", ("primer",), {"mine": "{3}"}, mine="missing")
    none = worker("none", ("primer",), {})
    ready, lacks = merged(both, one, none)
    assert {"ink": "{2}", "mine": "{1}"} == ready.trained
    assert ("primer", "mine") == ready.models
    assert () == lacks["both"]
    assert ("adapter ink", "mine") == lacks["one"]
    assert {"adapter ink", "mine"} <= {*lacks["none"]}

    silent = worker("silent", ("primer",), None)
    assert {} == merged(none, silent)[0].trained
    assert None is merged(silent)[0].trained
