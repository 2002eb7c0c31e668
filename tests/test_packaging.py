"""The wheel: one top-level package, `dreambot`, that runs without the checkout."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def backend() -> ModuleType:
    pytest.importorskip("setuptools", minversion="77")
    spec = importlib.util.spec_from_file_location("backend", ROOT / ".packaging" / "backend.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_imports_and_module_names_get_the_prefix(backend: ModuleType) -> None:
    source = 'from bot.jobs import x\nfrom engine import y\nRUN = ("-m", "engine.worker.main", "engine.pid", "bot")\n'

    assert (
        "from dreambot.bot.jobs import x\nfrom dreambot.engine import y\n"
        'RUN = ("-m", "dreambot.engine.worker.main", "engine.pid", "bot")\n'
    ) == backend.rewritten(source, {"engine.worker.main", "bot.jobs", "engine", "bot"})


def test_an_import_that_cannot_be_rewritten_is_refused(backend: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"import bot\.jobs"):
        backend.rewritten("import bot.jobs\n", {"bot.jobs"})


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_the_first_play_says_what_it_fetches_and_shows_how_far_it_is(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shown = subprocess.run(["make", "-n", "play"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    installs = [line for line in shown.splitlines() if "pip install" in line]
    assert any("torch" in line for line in installs)
    assert not any("-q" in line.split() for line in installs)
    assert "size of each download" in shown
    assert "several GB" in shown


@pytest.mark.slow
def test_an_installed_wheel_paints_without_the_checkout(tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "-q")
    subprocess.run([*pip, "wheel", ".", "--no-deps", "-w", str(tmp_path)], cwd=ROOT, check=True, timeout=600)
    (wheel,) = tmp_path.glob("dreambot-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {"dreambot"} == {n.split("/")[0] for n in archive.namelist() if ".dist-info/" not in n}
        archive.extractall(tmp_path / "site")

    def run(module: str, *arguments: str) -> str:
        # The base interpreter reads no .pth files, so an editable install cannot hide a missing prefix.
        path = os.pathsep.join([str(tmp_path / "site"), sysconfig.get_path("purelib")])
        done = subprocess.run(
            [getattr(sys, "_base_executable", sys.executable), "-m", module, *arguments],
            env={**os.environ, "PYTHONPATH": path},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout

    run("dreambot.engine", "dream", "a red circle", "--out", "circle.png", "--set", "steps=2")
    assert (tmp_path / "circle.png").is_file()
    assert "starts on" in run("dreambot.bot", "doctor")


@pytest.mark.parametrize("script", ["dreambot", "dream"])
def test_console_scripts_name_functions_that_exist(script: str) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(rf'^{script} = "(.+):(.+)"$', text, re.MULTILINE)

    assert found and callable(getattr(importlib.import_module(found[1]), found[2]))
