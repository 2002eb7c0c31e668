"""The shell's fixtures: an empty folder, a tiny method in the place of the real one, a small picture."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from engine.images.pictures import to_png
from engine.weights.store.custom_models import VARIABLE
from tests.engine.shell import Said, Shell
from tests.registered import registrations_undone


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Run a command in this process and an empty folder, with a tiny method in the place of the real one."""
    from engine.cli import main as cli  # here, because it imports torch, which many tests of this folder do without
    from tests.engine.workshop import TinyMethod

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(tmp_path / "no weights"))
    monkeypatch.setattr("engine.methods.clip_diffusion.METHOD", TinyMethod())

    def run(*words: object) -> Said:
        threads = ["--threads", "1"] if words[0] in ("dream", "upscale") and "--threads" not in words else []
        monkeypatch.setattr(sys, "argv", ["engine", *map(str, words), *threads])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return Said(int(end.value.code or 0), out, err)

    return run


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.png"
    path.write_bytes(to_png(Image.linear_gradient("L").resize((40, 30))))
    return path


@pytest.fixture
def forget_models(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Models that a command registers in this process are forgotten after the test."""
    monkeypatch.setenv(VARIABLE, "")
    with registrations_undone():
        yield
