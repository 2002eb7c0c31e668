"""Settings of the router, passed by its client as JSON in one environment variable."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.client.supervisor import SupervisorTimeouts
from engine.errors import EngineUnusable

ROUTER_VARIABLE = "DREAMBOT_ROUTER"


class RaySettings(BaseModel):
    """A Ray cluster. *address*: `local` starts one on this machine; `auto` joins the running one."""

    model_config = ConfigDict(frozen=True)

    address: str = "auto"
    workers: int = Field(default=1, ge=1)
    gpus_per_worker: float = Field(default=1.0, ge=0)
    resources: Mapping[str, float] = Field(default_factory=dict)
    """Custom resources of Ray that each worker reserves, besides its GPUs."""


class RouterSettings(BaseModel):
    """*devices*: torch's name of the device of each worker. With *ray*, Ray chooses the devices."""

    model_config = ConfigDict(frozen=True)

    command: tuple[str, ...] = ()
    """Command line of a worker; empty = `engine.worker.main` with the router's own Python."""
    devices: tuple[str, ...] = ()
    threads: str = "auto"
    timeouts: SupervisorTimeouts = SupervisorTimeouts()
    ray: RaySettings | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> RouterSettings:
        """Read the settings that `variables` wrote. Raises EngineUnusable."""
        try:
            return cls.model_validate_json(environ.get(ROUTER_VARIABLE, ""))
        except ValidationError as error:
            raise EngineUnusable(f"{ROUTER_VARIABLE} does not describe any workers: {error}") from error

    @property
    def variables(self) -> dict[str, str]:
        return {ROUTER_VARIABLE: self.model_dump_json()}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the workers: their device, numbered where several share it; for Ray `ray-1`, `ray-2`, …"""
        if self.ray is not None:
            return tuple(f"ray-{number}" for number in range(1, self.ray.workers + 1))
        return _numbered(self.devices)

    def sharing(self, device: str) -> int:
        """How many of the workers share *device*."""
        if self.ray is not None:
            return max(round(1 / self.ray.gpus_per_worker), 1) if self.ray.gpus_per_worker else 1
        return self.devices.count(device)

    @property
    def threads_each(self) -> str:
        """CPU threads of each worker: workers that share the processor's cores divide them."""
        sharing = self.devices.count("cpu")
        if self.threads != "auto" or self.ray is not None or sharing < 2:
            return self.threads
        return str(max((os.cpu_count() or 1) // sharing, 1))


def router_timeouts(workers: SupervisorTimeouts) -> SupervisorTimeouts:
    """The client's timeouts for the router: longer than those of the *workers*, so that the router acts first."""
    return replace(
        workers,
        start=workers.start + 60,
        stall=workers.stall * 1.5 + 60,
        stall_steps=workers.stall_steps * 2,
        stall_least=workers.stall_least * 2,
        cancel=workers.cancel + 2,
    )


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    """Each name once: `cpu-1`, `cpu-2` where one occurs twice."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(f"{name}-{seen[name]}" if names.count(name) > 1 else name)
    return tuple(found)
