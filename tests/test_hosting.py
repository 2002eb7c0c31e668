"""What the pages for hosts say is true of the code: numbers, messages, settings, figures, file names."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import discord
import pytest
import yaml

from bot.config.settings import Config, load_config
from bot.operations.doctor_discord import INVITED
from bot.operations.metrics_server import exposition
from tests.bot.operations.test_metrics import figures, lived

ROOT = Path(__file__).parent.parent
HOSTING = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")
SECURITY = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
PAGES = HOSTING + SECURITY
UNTRIED = ("Dockerfile", "compose.yaml")
GONE_AFTER = 12.0
"""Seconds after the drain within which the bot says that it is gone."""


def sources() -> str:
    """All code, with the quotes between two parts of one text taken out."""
    files = [path for name in ("bot", "engine") for path in (ROOT / name).rglob("*.py")]
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text(encoding="utf-8") for path in files))


def test_the_invitation_asks_for_what_the_bot_needs() -> None:
    address = discord.utils.oauth_url(1, permissions=INVITED, scopes=("bot", "applications.commands"))

    assert f"`{INVITED.value}`" in HOSTING
    assert address.replace("client_id=1&", "client_id=YOUR_APPLICATION_ID&") in HOSTING.splitlines()
    assert not INVITED.administrator


def test_every_message_in_the_list_of_troubles_is_one_that_is_said() -> None:
    table = HOSTING.partition("## Problems")[2].partition("\n## ")[0]
    first_cells = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    messages = [message for cell in first_cells for message in re.findall(r"`([^`]+)`", cell)]
    code = sources()

    assert len(messages) > 15
    unknown = [m for m in messages if not m.startswith("The database cannot be used: ") and not said(m, code)]
    assert [] == unknown


def said(message: str, code: str) -> bool:
    """Whether the code holds *message*, numbers and names in it aside."""
    pattern = re.escape(message).replace("\\-9", r"(-9|%s)")
    return re.search(pattern, code) is not None


@pytest.mark.parametrize(("section", "key"), sorted(set(re.findall(r"`\[(\w+)\] (\w+)`", PAGES))))
def test_every_setting_that_is_named_exists(section: str, key: str) -> None:
    assert key in type(getattr(Config(), section)).model_fields


def test_every_figure_that_is_named_is_served() -> None:
    metrics = figures().metrics
    lived(metrics)
    metrics.errors.labels("x").inc()
    served = exposition(figures(metrics)).decode()

    for name in set(re.findall(r"dreambot_\w+", HOSTING)):
        assert re.search(rf"^{name}\b", served, re.MULTILINE), name


@pytest.mark.parametrize("name", UNTRIED)
def test_what_was_never_run_says_so(name: str) -> None:
    assert "Not tested: written on a machine without" in (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_knows_every_line_of_the_unit(tmp_path: Path) -> None:
    unit = (ROOT / "docs" / "dreambot.service").read_text(encoding="utf-8")
    there = tmp_path / "dreambot.service"
    there.write_text(unit.replace("/opt/dreambot/.venv/bin/python", sys.executable), encoding="utf-8")

    said = subprocess.run(["systemd-analyze", "verify", there], capture_output=True, text=True)

    assert (0, "") == (said.returncode, said.stderr)


def test_draining_kills_no_process() -> None:
    needed = Config().queue.drain_seconds + GONE_AFTER
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    unit = (ROOT / "docs" / "dreambot.service").read_text(encoding="utf-8")

    for service in compose["services"].values():
        assert needed <= int(service["stop_grace_period"].removesuffix("s"))
    assert needed <= int(re.findall(r"TimeoutStopSec=(\d+)", unit)[0])


def test_what_the_image_is_made_of_is_there() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = [name for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE) for name in line.split()[:-1]]

    assert {"bot", "engine", "pyproject.toml"} <= set(copied)
    assert [] == [name for name in copied if not (ROOT / name).exists()]


def test_pages_lead_to_pages_that_exist() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", SECURITY))))
def test_every_defence_has_the_test_that_is_named(named: str) -> None:
    path, _, function = named.partition("::")

    assert re.search(rf"def {function or 'test_'}", (ROOT / path).read_text(encoding="utf-8")), named


def test_every_threat_names_a_test() -> None:
    rows = [line for line in SECURITY.splitlines() if line.startswith("| ") and not line.startswith("| Threat")]

    assert len(rows) > 20
    assert [] == [row for row in rows if "`tests/" not in row.rpartition(" | ")[2]]


NOT_LOCKED = {"train", "wandb"}
"""Extras that neither CI nor the image installs: logs for TensorBoard and Weights & Biases."""


def test_the_locks_hold_the_tested_versions_with_hashes() -> None:
    """Of everything but PyTorch, whose CPU builds have no lock."""
    locked: dict[str, str] = {}
    for name in ("run.txt", "dev.txt", "ray.txt", "cuda.txt"):
        text = (ROOT / ".packaging" / "locks" / name).read_text(encoding="utf-8")
        for block in re.split(r"\n(?=[a-z])", text)[1:]:
            assert "--hash=sha256:" in block
            package, version = re.match(r"([\w.-]+)==([\w.+-]+)", block).groups()  # type: ignore[union-attr]
            locked[canonical(package)] = version
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    tested = {canonical(package): version for package, version in re.findall(r"^([\w.-]+)==(\S+)", constraints, re.M)}

    assert {} == {name: version for name, version in tested.items() if locked.get(name) not in (None, version)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: extra for name, extra in project["optional-dependencies"].items() if name not in NOT_LOCKED}
    declared = [*project["dependencies"], *itertools.chain(*extras.values())]
    names = {canonical(re.split(r"[^\w.-]", text)[0]) for text in declared}
    assert set() == names - locked.keys() - {"dreambot"}


def canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def test_the_manifest_for_kubernetes_has_settings_that_are_right(tmp_path: Path) -> None:
    manifest = (ROOT / "docs" / "dreambot-kuberay.yaml").read_text(encoding="utf-8")
    parts = {part["kind"]: part for part in yaml.safe_load_all(manifest)}
    path = tmp_path / "config.toml"
    path.write_text(parts["ConfigMap"]["data"]["config.toml"], encoding="utf-8")

    settings = load_config(path, {}).engine

    assert ("ray", 1.0) == (settings.workers, settings.ray.gpus_per_worker)
    assert settings.ray.workers == parts["RayCluster"]["spec"]["workerGroupSpecs"][0]["replicas"]
    assert 1 == parts["Deployment"]["spec"]["replicas"]
    assert "env -u DISCORD_TOKEN ray start" in manifest


def test_unit_image_and_workflow_have_the_defences_that_are_promised() -> None:
    unit, image = (ROOT / "docs" / "dreambot.service").read_text(), (ROOT / "Dockerfile").read_text()
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text()

    assert {"UMask=0077", "StateDirectoryMode=0700"} <= set(unit.splitlines())
    assert re.findall(r"-r \.packaging/locks", image) == re.findall(
        r"(?<=--require-hashes )-r \.packaging/locks", image
    )
    assert "--require-hashes -r" in image
    assert "pip-audit" in workflow
