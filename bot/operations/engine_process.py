"""Starts the engine as a child of the bot: one process, or a router with several workers."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from bot.config.sections import EngineSection
from engine.client.local import LocalEngine
from engine.client.supervisor import DEFAULT_COMMAND, SupervisorTimeouts
from engine.environment import MemoryRules
from engine.router.settings import RaySettings, RouterSettings, router_timeouts


def local_engine(settings: EngineSection, folder: Path | None, environ: Mapping[str, str] = os.environ) -> LocalEngine:
    """The engine of *settings*, not started yet. *folder*: the data folder, which keeps compiled networks."""
    timeouts = _timeouts(settings)
    python = settings.python or sys.executable
    command, variables = (python, *DEFAULT_COMMAND[1:]), dict[str, str]()
    if (workers := router_settings(settings)) is not None:
        variables, timeouts = workers.variables, router_timeouts(timeouts)
        command = (python, "-m", "engine.router.main")
        if workers.ray is not None:  # the token of the cluster, among others
            variables |= {name: value for name, value in environ.items() if name.startswith("RAY_")}
    return LocalEngine(
        command,
        data=folder,
        environ=environ,
        threads=settings.threads or "auto",
        device=settings.worker_devices[0],
        memory=MemoryRules(settings.nets_megabytes, settings.idle_minutes),
        compiled=folder / "compiled" if folder and settings.compile == "on" else None,
        timeouts=timeouts,
        variables=variables,
    )


def router_settings(settings: EngineSection) -> RouterSettings | None:
    """The settings of the router; None if a single process paints."""
    devices, ray = settings.worker_devices, None
    if settings.workers == "ray":
        ray = RaySettings.model_validate(settings.ray.model_dump())
    elif len(devices) == 1:
        return None
    return RouterSettings(
        devices=() if ray else devices,
        threads=str(settings.threads or "auto"),
        timeouts=_timeouts(settings),
        ray=ray,
    )


def _timeouts(settings: EngineSection) -> SupervisorTimeouts:
    return SupervisorTimeouts(stall=settings.stall_seconds, stall_steps=settings.stall_steps)
