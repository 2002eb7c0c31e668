"""Who may import whom (down only), held with fresh interpreters and by reading the imports of every file."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

BOT_MAY_USE = {
    "engine.client.local",
    "engine.errors",
    "engine.images.timelapse",
    "engine.guidance.judge_choice",
    "engine.protocol.messages",
    "engine.catalogue.models",
    "engine.images.pictures",
    "engine.primer.vocabulary",
    "engine.requests.prompts",
    "engine.requests.request",
    "engine.images.vector_file",
    "engine.weights.store.custom_models",
}
"""All that the bot may know of the engine."""

FORBIDDEN = {
    "engine": ("bot", "discord"),
    "engine/nets": ("engine.guidance", "engine.diffusion", "engine.methods", "engine.runtime.runtime"),
    "engine/diffusion": ("engine.nets", "engine.guidance", "engine.methods", "engine.runtime.runtime"),
    "bot/storage": ("discord", "bot.cogs", "bot.views", "bot.delivery.service"),
    "bot/scheduling/fair_queue.py": ("discord", "aiosqlite"),
    "bot/policy/quota.py": ("discord",),
    "bot/jobs/service.py": ("discord",),
    "bot/playground/server": (
        "bot.bot",
        "bot.cogs",
        "bot.views",
        "bot.delivery.service",
        "bot.jobs.service",
        "bot.storage",
    ),
}
"""Place → what nothing in it may import."""

PLUGINS = ("engine/methods", "engine/upscalers", "bot/cogs")
"""Folders whose files never import one another."""

TORCH_FREE = sorted(
    BOT_MAY_USE
    | {"bot.__main__", "bot.bot", "bot.jobs.service", "bot.playground.supervisor", "engine.protocol.framing"}
)


def python_files(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.suffix else sorted(path.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module that *path* imports, anywhere in it; `from a import b` counts as a and as a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("place", FORBIDDEN)
def test_nothing_imports_upwards(place: str) -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in python_files(place)
        for module in imports(path)
        if any(is_within(module, package) for package in FORBIDDEN[place])
    ]

    assert [] == found


def test_the_bot_knows_only_the_torch_free_face_of_the_engine() -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in python_files("bot")
        for module in imports(path)
        if is_within(module, "engine")
        and module not in {"engine", "engine.primer"}
        and not any(is_within(module, allowed) for allowed in BOT_MAY_USE)
    ]

    assert [] == found


@pytest.mark.parametrize("folder", PLUGINS)
def test_plugins_do_not_import_one_another(folder: str) -> None:
    package = folder.replace("/", ".")
    names = {path.stem for path in python_files(folder)} - {"__init__"}
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in python_files(folder)
        if not path.stem.startswith("_")
        for module in imports(path)
        if module.startswith(package + ".")
        and module.split(".")[2] in names - {path.stem}
        and module.split(".")[2][0] != "_"
    ]

    assert [] == found


@pytest.mark.parametrize("module", TORCH_FREE)
def test_it_is_imported_without_torch(module: str) -> None:
    code = f"import sys, {module}; print(sorted(m for m in ('torch', 'open_clip', 'spandrel') if m in sys.modules))"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert ("[]", 0) == (done.stdout.strip(), done.returncode), done.stderr


def test_files_stay_small_enough_to_be_read() -> None:
    lines = {
        path.relative_to(ROOT): path.read_text(encoding="utf-8").count("\n")
        for place in ("bot", "engine")
        for path in python_files(place)
    }

    assert {} == {str(path): count for path, count in lines.items() if count > 400}
