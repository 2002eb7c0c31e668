"""The order of packages: imports only run down. Lazy and `TYPE_CHECKING` imports count like any other."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LAYERS = (
    "bot.__main__",
    "bot.app",
    "bot.playground",
    "bot.bot",
    "bot.cogs",
    "bot.views",
    "bot.services",
    "bot.community",
    "bot.actions",
    "bot.delivery",
    "bot.jobs",
    "bot.embeds",
    "bot.pictures",
    "bot.operations",
    "bot.interactions",
    "bot.requests",
    "bot.policy",
    "bot.storage",
    "bot.scheduling",
    "bot.config",
    "bot.models",
    "bot.playground.server.fault_switches",
    "bot.playground.server.local",
    "bot.playground.server.tls",
    "bot.playground.server.rest",
    "bot.playground.server.gateway",
    "bot.playground.server.actions",
    "bot.playground.server.validation",
    "bot.playground.server.world",
    "bot.playground.server",
    "bot.retry",
    "bot.text",
    "bot.errors",
    "engine.__main__",
    "engine.cli",
    "engine.api",
    "engine.film",
    "engine.evaluation",
    "engine.primer",
    "engine.training",
    "engine.worker",
    "engine.memory_planning",
    "engine.upscalers",
    "engine.methods",
    "engine.guidance",
    "engine.perceptors",
    "engine.loaders",
    "engine.runtime",
    "engine.router",
    "engine.client",
    "engine.protocol",
    "engine.weights",
    "engine.requests",
    "engine.catalogue",
    "engine.diffusion",
    "engine.images",
    "engine.nets",
    "engine.environment",
    "engine.primer.vocabulary",
    "engine.errors",
)
"""From the top down. A module belongs to the longest entry that names it; it imports its own entry and those below."""

UPWARD: set[str] = set()
"""Imports that still run up: module or package → layer. Entries are only ever removed."""

CIRCLES: set[str] = set()
"""A module of each circle of files that still exists. Entries are only ever removed."""

BOT_MAY_USE = {
    "engine.client",
    "engine.environment",
    "engine.errors",
    "engine.film.camera",
    "engine.film.plan",
    "engine.film.scenes",
    "engine.perceptors.judge_choice",
    "engine.images.decoder",
    "engine.images.decoder_server",
    "engine.images.foreign",
    "engine.images.icons",
    "engine.images.lettering",
    "engine.images.opening",
    "engine.images.pictures",
    "engine.images.timelapse",
    "engine.images.vector_file",
    "engine.catalogue.models",
    "engine.primer.vocabulary",
    "engine.protocol.messages",
    "engine.requests.icons",
    "engine.requests.options.classes",
    "engine.requests.prompts",
    "engine.requests.request",
    "engine.requests.upscaling",
    "engine.router.settings",
    "engine.weights.store.custom_models",
    "engine.weights.store.toml_file",
    "engine.weights.store.trained_models",
}
"""All that the bot may import of the engine."""

PLUGINS = ("engine/methods", "engine/upscalers", "bot/cogs")
"""Packages whose public modules never import one another."""

TORCH_FREE = sorted(
    BOT_MAY_USE
    | {
        "bot.__main__",
        "bot.bot",
        "bot.jobs.service",
        "bot.playground.supervisor",
        "engine",
        "engine.cli.main",
        "engine.primer.captions.parsing",
        "engine.primer.painter.sheet",
        "engine.primer.tasks.dataset",
        "engine.protocol.framing",
        "engine.router.main",
        "engine.weights.store.download",
    }
)


def python_files(place: str) -> list[Path]:
    return sorted((ROOT / place).rglob("*.py"))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for top in ("bot", "engine") for path in python_files(top)}


def resolve(name: str) -> str | None:
    """The module of ours that the dotted *name* lies in."""
    parts = name.split(".")
    return next((head for end in range(len(parts), 0, -1) if (head := ".".join(parts[:end])) in MODULES), None)


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """The whole syntax tree of *path*."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def named(path: Path) -> Iterator[str]:
    """Every dotted name that *path* imports, anywhere in it."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def imports() -> dict[str, set[str]]:
    """Module → the modules of ours that it imports; a package's `__init__` above the module does not count."""
    found = {module: {resolve(name) for name in named(path)} for module, path in MODULES.items()}
    return {
        module: {other for other in others if other and other != module and not is_within(module, other)}
        for module, others in found.items()
    }


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def layer(module: str) -> str | None:
    return max((entry for entry in LAYERS if is_within(module, entry)), key=len, default=None)


def circles() -> list[set[str]]:
    """The sets of files that import one another, directly or by way of others (found by reachability)."""

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            new = imports()[waiting.pop()] - seen
            seen |= new
            waiting.extend(new)
        return seen

    reach = {module: reachable(module) for module in MODULES}
    found = {frozenset(other for other in reach[module] if module in reach[other]) for module in MODULES}
    return [set(circle) for circle in found if len(circle) > 1]


def test_every_module_has_a_layer() -> None:
    assert [] == [m for m in MODULES if layer(m) is None and m not in {"bot", "engine"}]


def test_imports_only_run_down() -> None:
    found = set()
    for module, others in imports().items():
        for other in others:
            own, others_layer = layer(module), layer(other)
            if own and others_layer and LAYERS.index(others_layer) < LAYERS.index(own):
                known = [e for e in UPWARD if is_within(module, e.split(" → ")[0]) and e.endswith(f"→ {others_layer}")]
                found.add(known[0] if known else f"{module} → {others_layer}")

    assert UPWARD == found


def test_no_files_import_one_another_in_a_circle() -> None:
    assert CIRCLES == {next(iter(CIRCLES & circle), str(sorted(circle))) for circle in circles()}


def test_the_engine_imports_nothing_of_the_bot() -> None:
    found = [f"{m} imports {n}" for m in MODULES if is_within(m, "engine") for n in named(MODULES[m])
             if is_within(n, "bot") or is_within(n, "discord")]  # fmt: skip

    assert [] == found


@pytest.mark.parametrize("package", ["bot.jobs", "bot.scheduling", "bot.policy.quota", "bot.storage", "bot.models"])
def test_the_core_of_the_bot_imports_no_discord(package: str) -> None:
    found = [f"{m} imports {n}" for m in MODULES if is_within(m, package) for n in named(MODULES[m])
             if is_within(n, "discord")]  # fmt: skip

    assert [] == found


def test_the_bot_imports_only_the_torch_free_modules_of_the_engine() -> None:
    found = [
        f"{module} imports {other}"
        for module, others in imports().items()
        for other in others
        if is_within(module, "bot") and is_within(other, "engine") and other not in {"engine", "engine.primer"}
        if not any(is_within(other, allowed) for allowed in BOT_MAY_USE)
    ]

    assert [] == found


@pytest.mark.parametrize("folder", PLUGINS)
def test_plugins_do_not_import_one_another(folder: str) -> None:
    package = folder.replace("/", ".")
    plugins = {module for module in MODULES if module.startswith(package + ".") and "._" not in module}
    found = [f"{module} imports {other}" for module in plugins for other in imports()[module] & plugins]

    assert [] == found


def test_modules_that_must_do_without_torch_do() -> None:
    code = (
        "import importlib, sys\n"
        "for module in sys.argv[1:]:\n"
        "    importlib.import_module(module)\n"
        "    found = [name for name in ('torch', 'open_clip', 'spandrel') if name in sys.modules]\n"
        "    assert not found, f'{module} imports {found}'"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, *TORCH_FREE], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert 0 == done.returncode, done.stderr


def test_no_two_classes_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(module)

    assert {} == {name: modules for name, modules in places.items() if len(modules) > 1}


def test_files_stay_small_enough_to_be_read() -> None:
    lines = {name: path.read_text(encoding="utf-8").count("\n") for name, path in MODULES.items()}

    assert {} == {name: count for name, count in lines.items() if count > 400}


def test_packages_stay_small_enough_to_be_read() -> None:
    folders = {path.parent for path in MODULES.values()}
    count = {str(folder.relative_to(ROOT)): len(list(folder.glob("*.py"))) - 1 for folder in folders}

    assert {} == {folder: modules for folder, modules in count.items() if modules > 16}
