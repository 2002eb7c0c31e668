from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.environment import child_environment
from engine.errors import WeightsError
from engine.models import MODELS
from engine.upscalers import upscaler_names
from engine.weights import table
from engine.weights.entry import Kind
from engine.weights.own import VARIABLE, OwnModel, find_own, given_own, read_own, share_own
from engine.weights.table import entries
from tests.engine.weights.made import TINY

MINE = {"file": "~/mine.pt", "flags": TINY}


def test_a_model_of_ones_own_is_found_in_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        """
        [queue]
        total = 3

        [models.my-paintings]
        file = "~/runs/ema_0.9999_058000.pt"
        size = [256, 192]
        flags = { image_size = 256, num_channels = 128, num_heads = 1, attention_resolutions = "16" }
        defaults = { steps = 60 }
        """
    )
    own = find_own({"DREAMBOT_CONFIG": str(config)})
    entry, model = own["my-paintings"].entry("my-paintings"), own["my-paintings"].model("my-paintings")
    assert str(Path.home() / "runs" / "ema_0.9999_058000.pt") == entry.file
    assert ((256, 192), 32, {"steps": 60}) == (model.size, model.multiple, model.defaults["clip_diffusion"])


def test_without_a_configuration_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert {} == find_own({})


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"mine": {**MINE, "flaks": {}}}, r"models\.mine\.flaks: Extra inputs"),
        (
            {"mine": {**MINE, "flags": {**TINY, "num_chanels": 3}}},
            r"models\.mine\.flags: .*did you mean “num_channels”",
        ),
        ({"mine": {**MINE, "sha256": "abc"}}, r"models\.mine\.sha256: “abc” is no SHA-256"),
        ({"Mine!": MINE}, r"models\.Mine!: a model's name has up to 40"),
        ({"imagenet-256": MINE}, r"models\.imagenet-256: that name is taken"),
        ({"primer": MINE}, r"models\.primer: that name is taken"),
        ({"mine": {**MINE, "size": [101, 101]}}, r"models\.mine: mine cannot paint 101×101"),
        ({"mine": {**MINE, "defaults": {"stepz": 3}}}, r"models\.mine: .*stepz"),
        ({"mine": {**MINE, "defaults": {"steps": 0}}}, r"models\.mine: steps"),
        ({"mine": 3}, r"models\.mine: "),
        ({"mine": {"file": "~/mine.pt"}}, r"models\.mine: a diffusion model needs its flags"),
        ({"lanczos": {"kind": "upscaler", "file": "x"}}, r"models\.lanczos: that name is taken"),
        ({"mine": {**MINE, "kind": "upscaler"}}, r"models\.mine: an upscaler has no flags; its file says all"),
        ({"mine": {**MINE, "kind": "clip"}}, r"models\.mine\.kind: .*'diffusion' or 'upscaler'"),
    ],
)
def test_a_mistake_is_named_with_its_place(tables: object, words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        read_own(tables)


def test_an_upscaler_of_ones_own_is_no_model_to_paint_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_own", {})
    environ: dict[str, str] = {}

    share_own(read_own({"my-faces": {"kind": "upscaler", "file": "/w/4x-faces.safetensors"}}), environ)

    assert (Kind.UPSCALER, "/w/4x-faces.safetensors") == (entries()["my-faces"].kind, entries()["my-faces"].file)
    assert "my-faces" in upscaler_names() and "my-faces" not in MODELS
    assert not given_own(environ)["my-faces"].paints


def test_every_field_says_what_it_is_for() -> None:
    assert [] == [name for name, field in OwnModel.model_fields.items() if not field.description]


def test_an_engine_is_told_of_them_by_its_environment() -> None:
    own = read_own({"mine": MINE})
    environ = child_environment({VARIABLE: json.dumps({"mine": MINE})}, device="cpu", threads="1")
    assert own == given_own(environ)
    assert {} == given_own({})
    with pytest.raises(WeightsError, match="DREAMBOT_MODELS is not JSON"):
        given_own({VARIABLE: "{"})
