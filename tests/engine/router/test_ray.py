"""Workers as actors of a Ray cluster of two nodes in this machine. Skipped where Ray is not installed."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator

import psutil
import pytest

from engine.client.local import LocalEngine
from engine.client.supervisor import SupervisorTimeouts
from engine.protocol.messages import Failure, Progress, Result
from engine.router.settings import router_timeouts
from tests.engine.client.test_local import QUICK
from tests.engine.router.test_router import Workers
from tests.fork_server import ROUTER, router_of
from tests.ray_cluster import RayCluster, pid_of, ray_cluster, raylet_above

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
BOTH = ["ray-1", "ray-2"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """Two nodes, each with room for one worker; a third can be added."""
    with ray_cluster() as made:
        yield made


@contextlib.asynccontextmanager
async def joined(cluster: RayCluster, *, step: float = 0.05, workers: int = 2) -> AsyncIterator[Workers]:
    ray = {**cluster.settings, "workers": workers}
    engine = LocalEngine(
        ROUTER,
        environ={**os.environ, "DREAMBOT_FAKE_STEP": str(step)},
        variables=router_of(0, ray=ray, timeouts=SupervisorTimeouts(backoff=QUICK.backoff)),
        timeouts=router_timeouts(QUICK),
    )
    await engine.start()
    client = Workers(engine)
    try:
        await client.until(lambda _: len(client.up) == workers, 120)
        yield client
    finally:
        await engine.close()


async def test_jobs_are_painted_by_actors_and_a_killed_worker_comes_back(cluster: RayCluster) -> None:
    async with joined(cluster) as client:
        assert BOTH == client.up
        await client.hand("a", "ray-1", "slowly a cat")
        await client.hand("b", "ray-2", "slowly a dog", count=4)
        await client.until(lambda seen: {e.job_id for e in seen if isinstance(e, Progress)} == {"a", "b"})
        former = client.kill("ray-1")
        await client.until(lambda _: bool(client.ends("a")), 30)
        await client.until(lambda _: client.up == BOTH and client.now["ray-1"].pid != former, 120)
        await client.hand("a", "ray-1", attempt=2)
        await client.until(lambda _: len(client.ends("a")) == 2 and bool(client.ends("b")), 60)

    assert [Failure, Result] == [type(end) for end in client.ends("a")]
    assert [Result] == [type(end) for end in client.ends("b")]


async def test_an_actor_that_dies_takes_its_process_along_and_is_replaced(cluster: RayCluster) -> None:
    async with joined(cluster) as client:
        worker = psutil.Process(client.now["ray-2"].pid)
        actor = worker.parent()
        assert actor is not None
        await client.hand("a", "ray-2", "hang")
        await client.until(lambda _: client.now["ray-2"].free == 3)
        actor.kill()
        await client.until(lambda _: bool(client.ends("a")), 60)
        await client.until(lambda _: client.up == BOTH, 120)

        assert ["EngineRestarting"] == [end.error for end in client.ends("a") if isinstance(end, Failure)]
        psutil.wait_procs([worker], timeout=30)
        assert not worker.is_running()


async def test_a_lost_node_costs_its_jobs_and_another_node_takes_its_place(cluster: RayCluster) -> None:
    node = cluster.add()
    async with joined(cluster, workers=3) as client:
        by_node = {name: raylet_above(state.pid) for name, state in client.now.items()}
        [lost] = [name for name, raylet in by_node.items() if raylet == pid_of(node, "raylet")]
        others = sorted(set(by_node) - {lost})
        await client.hand("a", lost, "hang")
        await client.hand("b", others[0], "slowly a dog")
        await client.until(lambda _: client.now[lost].free == 3)
        cluster.remove(node)
        await client.until(lambda _: bool(client.ends("a")) and client.up == others, 120)
        await client.until(lambda _: bool(client.ends("b")), 60)
        cluster.add()
        await client.until(lambda _: len(client.up) == 3, 180)

    assert ["EngineRestarting"] == [end.error for end in client.ends("a") if isinstance(end, Failure)]
    assert [Result] == [type(end) for end in client.ends("b")]


async def test_a_killed_router_leaves_no_process_behind(cluster: RayCluster) -> None:
    async with joined(cluster) as client:
        workers = [psutil.Process(state.pid) for state in client.now.values()]
        os.kill(client.readies[-1].pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert [] == alive
        await client.until(lambda _: client.up == BOTH, 180)
