"""The tutorials of CONTRIBUTING.md, carried out in a copy of the source tree."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from bot import cogs
from engine.weights.store.custom_models import read_custom_models
from tests.torch_server import run_python
from tests.wire.conftest import authority, dreambot_maker, opened  # noqa: F401 (authority is a fixture)

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MODULES = {
    m[1]: m[0].removeprefix("```python\n") for m in re.finditer(r"```python\n# (\S+)\n.*?(?=```)", TEXT, re.DOTALL)
}
EDITS = re.findall(r"```diff\n--- (\S+)\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `engine/` in which the tutorials' modules exist and their edits are made."""
    root = tmp_path_factory.mktemp("tutorials")
    shutil.copytree(ROOT / "engine", root / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    for name, code in MODULES.items():
        if name.startswith("engine/"):
            (root / name).write_text(code, encoding="utf-8")
    for name, lines in EDITS:
        path = root / name
        source = path.read_text(encoding="utf-8")
        for old, new in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", lines, re.MULTILINE):
            before, after = (re.sub(r"^[-+]", "", part, flags=re.MULTILINE).rstrip("\n") for part in (old, new))
            assert 1 == source.count(before), f"{name} has no single “{before}”"
            source = source.replace(before, after)
        path.write_text(source, encoding="utf-8")
    return root


def engine(tree: Path, *arguments: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(tree)}
    done = run_python("-m", "engine", *arguments, cwd=tree, env=env)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_the_method_paints(tree: Path) -> None:
    engine(
        tree, "dream", "a red circle", "--method", "stripes", "--seed", "7", "--set", "steps=5", "--out", "stripes.png"
    )

    with Image.open(tree / "stripes.png") as image:
        row = image.convert("RGB").crop((0, 40, image.width, 41))
    assert all(high - low <= 3 for low, high in row.getextrema())  # the upscaler rounds at the tiles' edges


def test_the_upscaler_enlarges(tree: Path) -> None:
    Image.effect_noise((20, 10), 80).convert("RGB").save(tree / "small.png")

    engine(tree, "upscale", "small.png", "--upscaler", "nearest", "--scale", "3", "--out", "large.png")

    with Image.open(tree / "small.png") as small, Image.open(tree / "large.png") as large:
        assert small.resize((60, 30), Image.Resampling.NEAREST).tobytes() == large.tobytes()


async def test_the_command_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "cogs"
    folder.mkdir()
    (folder / "surprise.py").write_text(MODULES["bot/cogs/surprise.py"], encoding="utf-8")
    monkeypatch.setattr(cogs, "__path__", [*cogs.__path__, str(folder)])

    async with opened(request.getfixturevalue("authority"), tmp_path, dreambot_maker({})) as world:
        answer = await world.max.slash("surprise")
        assert "Try `/dream a " in answer.message.text
    sys.modules.pop("bot.cogs.surprise", None)


def test_the_models_are_valid() -> None:
    tables = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)]

    models = read_custom_models({name: model for table in tables for name, model in table["models"].items()})
    assert {"my-upscaler", "my-paintings"} == set(models)
