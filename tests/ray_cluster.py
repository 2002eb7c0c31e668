"""A Ray cluster of two nodes in this machine, each with room for one worker; its processes can be killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

PLACE = {"painter": 1}
"""Custom resource that a worker takes; each node has one."""
HEAD = {
    "include_dashboard": False,
    "include_log_monitor": False,
    "_system_config": {
        "health_check_period_ms": 300,
        "health_check_failure_threshold": 3,
        "gcs_rpc_server_reconnect_timeout_s": 5,
    },
}
"""Options of the head. Ray notices a dead raylet within a second, and a dead head within five instead of 60 seconds."""


class RayCluster:
    """*head* runs Ray's control service, and the router joins through it; *other* is a second machine."""

    def __init__(self) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        utils = pytest.importorskip("ray.cluster_utils", reason="pip install dreambot[ray]")
        self._made: Any = utils.Cluster(shutdown_at_exit=False)  # else only the main thread may start nodes
        self.head = self.add(**HEAD)
        self.other = self.add()

    @property
    def settings(self) -> dict[str, Any]:
        """`RaySettings` with a worker on each node."""
        return {"address": self._made.address, "workers": 2, "gpus_per_worker": 0, "resources": PLACE}

    def add(self, **options: Any) -> Any:
        """Add a node with room for one worker; the first one is the head."""
        return self._made.add_node(num_cpus=1, resources=PLACE, object_store_memory=2**27, **options)

    def remove(self, node: Any) -> None:
        """Kill what is left of a node."""
        self._made.remove_node(node, allow_graceful=False)

    def replace_other(self) -> None:
        """Start the second node again after its raylet died."""
        self.remove(self.other)
        self.other = self.add()

    def restart(self) -> None:
        """Start both nodes again after the head died, at the same address."""
        port = int(self._made.address.rpartition(":")[2])
        self.remove(self.other)
        self.remove(self.head)
        self.head = self.add(**HEAD, gcs_server_port=port)
        self.other = self.add()

    def close(self) -> None:
        self._made.shutdown()


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """A cluster for the duration of the context. Skips the test where Ray is not installed."""
    cluster = RayCluster()
    try:
        yield cluster
    finally:
        cluster.close()


def pid_of(node: Any, process: str) -> int:
    """The pid of a node's `raylet`, or of the head's `gcs_server`."""
    return int(node.all_processes[process][0].process.pid)


def raylet_above(pid: int) -> int:
    """The pid of the raylet under which a worker's process runs."""
    return next(one.pid for one in psutil.Process(pid).parents() if "raylet" in one.name())
