"""Every test: one torch thread (two are up to 100 times slower on tiny nets), no stray configuration, no deadlines."""

from __future__ import annotations

import base64
import contextlib
import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
for name in ("DISCORD_TOKEN", "DREAMBOT_CONFIG", "DREAMBOT_DATA", "DREAMBOT_PLAYGROUND"):
    os.environ.pop(name, None)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of children would compile the same modules again
sys.dont_write_bytecode = False

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402 (after the environment is set)

from tests.wire import schemas  # noqa: E402

settings.register_profile("dreambot", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dreambot")

ROOT = Path(__file__).parents[1]
NEW_BLOCKS = 100_000
"""Memory blocks since the last freeze after which the heap is frozen again."""
signal.signal(signal.SIGINT, signal.default_int_handler)  # CI runners may have it ignored, nohup the other
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True, scope="session")
def _forked_engines() -> Iterator[None]:
    """Fake engines are forked from one warm process; importing all that they need takes 0.85 CPU seconds each time."""
    from tests.fork_server import start_fake_or_real

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.client.supervisor.start_child", start_fake_or_real)
        yield


@pytest.fixture(autouse=True, scope="session")
def _counted_children(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Coverage also counts the two children that start without an environment and without site."""
    config = os.environ.get("COVERAGE_PROCESS_CONFIG")
    if config is None:
        yield
        return
    from engine.images import decoder
    from engine.weights.formats import pytorch_file

    alone = json.loads(base64.b64decode(config)) | {"patch": ["_exit", "fork"]}  # "subprocess" would set the variable
    config = base64.b64encode(json.dumps(alone).encode()).decode()
    start = f"import os, coverage; os.environ.update(COVERAGE_PROCESS_CONFIG='{config}'); "
    start += "coverage.process_startup(); del os.environ['COVERAGE_PROCESS_CONFIG']; "
    script = tmp_path_factory.mktemp("counted") / "pickle_index.py"
    found = f"import sys; sys.path.append({str(Path(pytest.__file__).parents[1])!r}); {start}sys.path.pop(); "
    script.write_text(f"{found}import runpy; runpy.run_path({str(pytorch_file.SCRIPT)!r}, run_name='__main__')")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder, "_PATH", decoder._PATH + start)
        patch.setattr(pytorch_file, "SCRIPT", script)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """What is imported and collected lives as long as the process; the garbage collector need not look at it."""
    gc.disable()
    try:
        if os.environ.get("PYTEST_XDIST_WORKER") == "gw1" and session.config.args == ["tests"]:
            _import_from_the_end()
        return (yield)
    finally:
        _freeze()
        gc.set_threshold(10_000, 20, 20)
        gc.enable()


@pytest.fixture(autouse=True, scope="module")
def _frozen_heap() -> None:
    """What earlier files have imported and cached made each collection take up to 0.2 s."""
    if sys.getallocatedblocks() - _freeze.blocks > NEW_BLOCKS:  # type: ignore[attr-defined]
        _freeze()


def _freeze() -> None:
    gc.collect()
    gc.freeze()
    _freeze.blocks = sys.getallocatedblocks()  # type: ignore[attr-defined]


def _import_from_the_end() -> None:
    """In a new checkout two workers compile all tests at the same time; so one begins at the other end."""
    files = sorted(Path(__file__).parent.rglob("test_*.py"), reverse=True)
    for file in files[: len(files) // 2]:
        with contextlib.suppress(Exception, pytest.skip.Exception):  # collecting the file will tell
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))


def pytest_report_header() -> str:
    """The line that says whether exchanges with the local Discord are judged."""
    return schemas.verdict()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Repeats the line at the end, because quiet runs have no header."""
    terminalreporter.write_line(schemas.verdict())
