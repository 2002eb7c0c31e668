"""Trained models: their folder is read again and again, and what changes in it is registered."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.catalogue.models import DEFAULT_MODEL, MODELS
from engine.catalogue.registry import PUBLISHED, entries, find_entry
from engine.requests.request import known_adapters
from engine.weights.store import trained_models
from engine.weights.store.custom_models import CustomModel, shared_custom_models
from engine.weights.store.trained_models import (
    MOST,
    TableReader,
    bounded,
    refresh_trained_models,
    share_custom_models,
)
from tests.registered import registrations_undone

FLAGS = {"image_size": 64, "num_channels": 32, "channel_mult": [1, 2], "context_dim": 8}
GOOD: dict[str, object] = {"file": "/elsewhere/weights.safetensors", "flags": FLAGS, "base": "primer"}
INK: dict[str, object] = {"kind": "adapter", "file": "weights.safetensors", "adapts": "primer"}


@pytest.fixture(autouse=True)
def _undone() -> Iterator[None]:
    with registrations_undone():
        yield


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return tmp_path / "trained"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"DREAMBOT_WEIGHTS": str(tmp_path)}


def put(trained: Path, name: str, table: object) -> Path:
    """The table *name*, written as the trainer does: under another name, then renamed."""
    text = table if isinstance(table, str) else json.dumps(table)
    (trained / name).mkdir(parents=True, exist_ok=True)
    fresh = trained / name / "model.json.new"
    fresh.write_text(text)
    fresh.replace(trained / name / "model.json")
    return trained / name


def test_what_is_trained_while_a_process_runs_is_known_and_what_is_deleted_is_forgotten(
    trained: Path, environ: dict[str, str]
) -> None:
    assert {} == refresh_trained_models(environ, keep=())
    put(trained, "mine", GOOD)
    put(trained, "ink", INK)
    assert ["ink", "mine"] == [*refresh_trained_models(environ, keep=())]
    assert ("mine", "primer", "primer", 4, True) == (
        MODELS["mine"].name, MODELS["mine"].finish, MODELS["mine"].perceptor, MODELS["mine"].scale, MODELS["mine"].reads
    )  # fmt: skip
    assert ["ink"] == [*known_adapters("primer")]

    shutil.rmtree(trained / "mine")
    assert "mine" in refresh_trained_models(environ), "a job that begins forgets nothing"
    assert "mine" in refresh_trained_models(environ, keep={"mine"}), "a picture in progress still needs it"
    assert ["ink"] == [*refresh_trained_models(environ, keep=())]
    assert "mine" not in MODELS and "mine" not in entries()
    shutil.rmtree(trained)
    assert {} == refresh_trained_models(environ, keep=())
    assert {DEFAULT_MODEL, *PUBLISHED} >= {*MODELS}


def test_a_model_trained_again_has_its_new_hash_and_classes(trained: Path, environ: dict[str, str]) -> None:
    classed = {"file": "w", "flags": {**FLAGS, "context_dim": 0, "class_cond": True}}
    put(trained, "mine", {**classed, "sha256": "a" * 64, "classes": ["cat", "dog"]})
    first = refresh_trained_models(environ, keep=())
    before = MODELS["mine"]
    put(trained, "mine", {**classed, "sha256": "b" * 64, "classes": ["ape", "bee"]})
    second = refresh_trained_models(environ)
    assert first != second
    assert ("b" * 64, ("ape", "bee")) == (find_entry("mine").sha256, MODELS["mine"].class_names)
    assert ("cat", "dog") == before.class_names, "a picture in progress keeps what it began with"


def test_the_weights_are_those_beside_the_table_wherever_the_folder_is(
    trained: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    put(trained, "mine", GOOD)
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"")
    put(trained, "linked", {**GOOD, "file": str(other)})
    refresh_trained_models(environ)
    assert str(trained / "mine" / "weights.safetensors") == find_entry("mine").file
    assert str(other) == find_entry("linked").file, "a file that the host has named"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('{"file": "w', "model.json cannot be read: "),
        ("[" * 100_000, "model.json cannot be read: "),
        ("[]", "The trained model mine is left out: "),
        ("null", "The trained model mine is left out: "),
        ({**GOOD, "flags": {"colours": 3}}, "colours"),
        ({**GOOD, "flags": {**FLAGS, "channel_mult": "x"}}, "left out"),
        ({"file": "w", "flags": {**FLAGS, "num_channels": 1e300}}, "left out"),
        ({"file": "w", "flags": FLAGS, "size": [10**9, 10**9]}, "left out"),
        ({**GOOD, "defaults": {"steps": "many"}}, "left out"),
        ({**INK, "adapts": ""}, "left out"),
        ({**GOOD, "title": "x" * 300_000}, "it has more than 200,000 characters"),
        ("\x00\x01", "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_complained_about_once(
    trained: Path, environ: dict[str, str], caplog: pytest.LogCaptureFixture, table: object, words: str
) -> None:
    put(trained, "mine", table)
    for _ in range(3):
        assert {} == refresh_trained_models(environ, keep=())
    (record,) = caplog.records
    assert words in record.getMessage() and "mine" in record.getMessage()
    put(trained, "mine", GOOD)
    assert ["mine"] == [*refresh_trained_models(environ, keep=())]
    put(trained, "mine", table)
    assert {} == refresh_trained_models(environ, keep=())
    assert 2 == len(caplog.records), "it was all right in between"


def test_names_that_no_model_can_have_are_complained_about_once(
    trained: Path, environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    unprintable = [os.fsdecode(b"\xff")] if sys.platform == "linux" else []
    for name in (*unprintable, "imagenet-256", "primer", "auto", "My Model"):
        put(trained, name, GOOD)
    put(trained, ".unfinished", GOOD)
    (trained / "notes.txt").write_text("")
    (trained / "empty").mkdir()
    for _ in range(3):
        assert {} == refresh_trained_models(environ, keep=())
    assert 4 + len(unprintable) == len(caplog.records)
    assert MODELS["imagenet-256"].title == PUBLISHED["imagenet-256"].title


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in folders")
def test_links_in_circles_and_pipes_are_left_out(
    trained: Path, environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    put(trained, "mine", GOOD)
    (trained / "loop").symlink_to("loop")
    (trained / "up").symlink_to(trained)
    (trained / "table").mkdir()
    (trained / "table" / "model.json").symlink_to("model.json")
    (trained / "pipe").mkdir()
    os.mkfifo(trained / "pipe" / "model.json")
    for _ in range(3):
        assert ["mine"] == [*refresh_trained_models(environ, keep=())]
    assert 3 == len(caplog.records)


def test_a_folder_that_cannot_be_read_for_a_moment_forgets_nothing(
    trained: Path, environ: dict[str, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(trained, "mine", GOOD)
    refresh_trained_models(environ, keep=())

    def stale(path: object) -> object:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr("engine.weights.store.trained_models.os.scandir", stale)
        for _ in range(3):
            assert ["mine"] == [*refresh_trained_models(environ, keep=())]
    assert ["Stale" in record.getMessage() for record in caplog.records] == [True]


def test_only_changed_tables_are_read(trained: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(200):
        put(trained, f"m{number}", GOOD)
    assert 200 == len(refresh_trained_models(environ, keep=()))
    table, read = trained_models._table, list[Path]()

    def reading(path: Path) -> str:
        read.append(path)
        return table(path)

    monkeypatch.setattr(trained_models, "_table", reading)
    monkeypatch.setattr(trained_models, "read_custom_models", lambda tables: pytest.fail("it has not changed"))
    assert 200 == len(refresh_trained_models(environ, keep=()))
    assert [] == read


def test_there_are_limits_and_the_log_names_them(
    trained: Path, environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    reader, texts = TableReader(), {f"m{number:04}": json.dumps(GOOD) for number in range(MOST + 7)}
    for _ in range(2):
        assert sorted(texts)[:MOST] == [*reader.models(texts)]
    assert "7 of 507 trained models are left out" in caplog.records[0].getMessage()
    assert 1 == len(caplog.records)
    assert ["a", "b"] == [*bounded({"a": "x" * 400_000, "c": "x" * 400_000, "b": "x" * 400_000})]


def test_the_configuration_hides_a_trained_model_of_its_name_in_every_process(
    trained: Path, environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    put(trained, "mine", GOOD)
    put(trained, "other", GOOD)
    own = {"mine": CustomModel(file="/w/other.pt", flags={"image_size": 64})}
    with caplog.at_level(logging.WARNING):
        share_custom_models(own, environ)
    assert own == shared_custom_models(environ), "a child reads the folder itself"
    for _ in range(2):
        assert ["other"] == [*refresh_trained_models(environ, keep=())]
        assert "/w/other.pt" == find_entry("mine").file
        assert not MODELS["mine"].finish and MODELS["other"].finish
    assert [] == caplog.records
