"""Trained models in the table of own models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.weights.store.custom_models import CustomModel, find_trained_models, share_custom_models

FLAGS = {"image_size": 64, "num_channels": 32, "channel_mult": [1, 2], "context_dim": 8}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    for name, text in {
        "good": json.dumps({"file": "w.safetensors", "flags": FLAGS, "base": "primer"}),
        "cut": '{"file": "w',
        "odd": json.dumps({"file": "w.safetensors", "flags": {"colours": 3}}),
        "imagenet-256": json.dumps({"file": "w.safetensors", "flags": FLAGS}),
    }.items():
        (tmp_path / "trained" / name).mkdir(parents=True)
        (tmp_path / "trained" / name / "model.json").write_text(text)
    return {"DREAMBOT_WEIGHTS": str(tmp_path)}


def test_tables_that_cannot_be_used_are_left_out_with_a_warning(
    environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert ["good"] == [*find_trained_models(environ)]
    assert 3 == len(caplog.records)


def test_a_model_from_the_primer_paints_like_it(environ: dict[str, str]) -> None:
    model = find_trained_models(environ)["good"].model("good")
    assert ("good", "primer", "primer", 4, True) == (
        model.name, model.finish, model.perceptor, model.scale, model.reads
    )  # fmt: skip


def test_the_configuration_hides_a_trained_model_of_its_name(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.weights.store.custom_models.add_custom_models", lambda own: None)
    own = {"good": CustomModel(file="other.pt", flags={"image_size": 64})}
    share_custom_models(own, environ)
    assert "other.pt" == json.loads(environ["DREAMBOT_MODELS"])["good"]["file"]
