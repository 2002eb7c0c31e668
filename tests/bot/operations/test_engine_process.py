"""From [engine] to processes: one engine, or a router with workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.config.sections import EngineSection
from bot.config.settings import Config, load_config
from bot.errors import ConfigError
from bot.operations.engine_process import local_engine, router_settings
from engine.router.settings import RouterSettings


def engine(**settings: object) -> EngineSection:
    return Config.model_validate({"engine": settings}).engine


def child(settings: EngineSection, environ: dict[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command and the environment of the process that would be started."""
    supervisor = local_engine(settings, None, environ)._supervisor
    return tuple(supervisor._command), dict(supervisor._environ)


@pytest.mark.parametrize("settings", [{}, {"device": "cuda:1"}, {"devices": ("cpu",)}, {"workers": 1}])
def test_one_device_needs_no_router(settings: dict[str, object]) -> None:
    command, environ = child(engine(**settings), {})

    assert router_settings(engine(**settings)) is None
    assert "engine.worker.main" == command[-1]
    assert "DREAMBOT_ROUTER" not in environ


def test_each_device_gets_a_worker() -> None:
    command, environ = child(engine(devices=("cuda:0", "cuda:1"), threads=3, stall_seconds=100.0), {})
    told = RouterSettings.of(environ)

    assert "engine.router.main" == command[-1]
    assert (("cuda:0", "cuda:1"), "3", 100.0) == (told.devices, told.threads, told.timeouts.stall)


def test_more_workers_than_devices_share_them_in_turn() -> None:
    found = router_settings(engine(devices=("cuda:0", "cuda:1"), workers=3))

    assert found is not None
    assert ("cuda:0-1", "cuda:1", "cuda:0-2") == found.names


def test_the_token_of_a_ray_cluster_reaches_its_router_and_no_other_process() -> None:
    secrets = {"RAY_AUTH_TOKEN": "of the cluster", "DISCORD_TOKEN": "of the bot"}
    _, ray = child(engine(workers="ray", ray={"workers": 3, "resources": {"big": 1.0}}), secrets)
    _, plain = child(engine(devices=("cpu", "cpu")), secrets)

    assert (3, {"big": 1.0}) == ((told := RouterSettings.of(ray).ray) and told.workers, told and told.resources)
    assert ("of the cluster", None) == (ray.get("RAY_AUTH_TOKEN"), plain.get("RAY_AUTH_TOKEN"))
    assert "of the bot" not in {*ray.values(), *plain.values()}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("workers = 0", "workers is “local”, “ray” or a number from 1 to 64"),
        ('workers = "many"', "workers is “local”, “ray” or a number from 1 to 64"),
        ("workers = true", "workers is “local”, “ray” or a number from 1 to 64"),
        ('devices = ["cuda:0", ""]', "devices holds an empty name"),
        ("[engine.ray]\nworkers = 0", r"\[engine.ray\] workers: 0 is not valid; it must be at least 1"),
        ("[engine.ray]\nwokers = 2", "did you mean “workers”"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[engine]\n{text}\n", encoding="utf-8")

    with pytest.raises(ConfigError, match=words):
        load_config(path, {})
