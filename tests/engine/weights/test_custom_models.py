from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from engine.catalogue import registry as table
from engine.catalogue.models import MODELS
from engine.catalogue.registry import Kind, entries
from engine.environment import child_environment
from engine.errors import WeightsError
from engine.upscalers import upscaler_names
from engine.weights.store.custom_models import (
    VARIABLE,
    CustomModel,
    find_custom_models,
    read_custom_models,
    shared_custom_models,
)
from engine.weights.store.folder import weights_folder
from engine.weights.store.trained_models import share_custom_models
from tests.engine.loaders.test_biggan import TINY as ASLEEP_FLAGS
from tests.engine.loaders.test_vqgan import TINY as CODES_FLAGS
from tests.engine.weights.made import TINY

MINE = {"file": "~/mine.pt", "flags": TINY}
CODES: dict[str, object] = {"kind": "vqgan", "file": "~/codes.ckpt", "flags": CODES_FLAGS}
ASLEEP: dict[str, object] = {"kind": "biggan", "file": "~/asleep.bin", "flags": ASLEEP_FLAGS}


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
    own = find_custom_models({"DREAMBOT_CONFIG": str(config)})
    entry, model = own["my-paintings"].entry("my-paintings"), own["my-paintings"].model("my-paintings")
    assert str(Path.home() / "runs" / "ema_0.9999_058000.pt") == entry.file
    assert ((256, 192), 32, {"steps": 60}) == (model.size, model.multiple, model.defaults["clip_diffusion"])


def test_a_user_without_a_home_has_no_shared_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)

    assert weights_folder({"DREAMBOT_WEIGHTS": str(tmp_path)}).also == ()


def test_a_home_folder_that_does_not_exist_is_said() -> None:
    with pytest.raises(WeightsError, match="no such home folder"):
        weights_folder({"DREAMBOT_WEIGHTS": "~nobody-of-this-name/x"})
    with pytest.raises(WeightsError, match=r"models.mine.file.*no such home folder"):
        read_custom_models({"mine": {"kind": "upscaler", "file": "~nobody-of-this-name/x.pth"}})


def test_without_a_configuration_there_are_no_own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert {} == find_custom_models({})


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"mine": {**MINE, "flaks": {}}}, r"models\.mine\.flaks: Extra inputs"),
        (
            {"mine": {**MINE, "flags": {**TINY, "num_chanels": 3}}},
            r"models\.mine\.flags: .*did you mean “num_channels”",
        ),
        ({"mine": {**MINE, "sha256": "abc"}}, r"models\.mine\.sha256: “abc” is not a SHA-256"),
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
        ({"mine": {**MINE, "kind": "clip"}}, r"models\.mine\.kind: .*'upscaler' or 'adapter'"),
        ({"mine": {"file": "x", "kind": "adapter"}}, r"models\.mine: an adapter, and nothing else, needs adapts"),
        ({"mine": {**MINE, "adapts": "primer"}}, r"models\.mine: an adapter, and nothing else, needs adapts"),
        ({"none": {"file": "x", "kind": "adapter", "adapts": "primer"}}, r"models\.none: that name is taken"),
        ({"mine": {**CODES, "flags": {"codes": 3}}}, r"models\.mine\.flags: Unknown VQGAN flag “codes”"),
        ({"mine": {**CODES, "flags": {"double_z": True}}}, r"models\.mine\.flags: double_z marks a KL autoencoder"),
        ({"mine": {**CODES, "size": [40, 40]}}, r"models\.mine: mine cannot paint 40×40; the nearest size is 32×32"),
        ({"mine": {"file": "x", "kind": "vqgan"}}, r"models\.mine: a vqgan model needs its flags"),
        ({"mine": {**CODES, "defaults": {"eta": 1}}}, r"models\.mine: eta"),
        ({"mine": {**ASLEEP, "flags": {"layers": [[True, 16, 4]]}}}, r"models\.mine\.flags: Block 0 of the BigGAN"),
        ({"mine": {**ASLEEP, "size": [64, 64]}}, r"models\.mine: mine .* 64×64; all its pictures are 16×16"),
        (
            {"mine": {**ASLEEP, "defaults": {"classes": "7"}}},
            r"models\.mine: Unknown class 7 of mine\. Available: 0 to 4",
        ),
        ({"mine": {**ASLEEP, "defaults": {"classes": "likely"}}}, r"models\.mine: classes=likely .* mine has 5 others"),
    ],
)
def test_a_mistake_is_named_with_its_place(tables: object, words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        read_custom_models(tables)


def test_an_upscaler_of_ones_own_is_no_model_to_paint_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_own", {})
    environ = {"DREAMBOT_WEIGHTS": str(tmp_path)}

    share_custom_models(
        read_custom_models({"my-faces": {"kind": "upscaler", "file": "/w/4x-faces.safetensors"}}), environ
    )

    assert (Kind.UPSCALER, "/w/4x-faces.safetensors") == (entries()["my-faces"].kind, entries()["my-faces"].file)
    assert "my-faces" in upscaler_names() and "my-faces" not in MODELS
    assert not shared_custom_models(environ)["my-faces"].paints


def test_codes_and_sleepers_of_ones_own_are_models_of_their_methods_in_every_process() -> None:
    config = tomllib.loads(
        """
        [models.codes]
        kind = "vqgan"
        file = "/w/last.ckpt"
        flags = { n_embed = 4096, resolution = 384, ch_mult = [1, 1, 2, 2, 4], double_z = false, dropout = 0.0 }
        size = [384, 256]
        defaults = { learning_rate = 0.2 }

        [models.asleep]
        kind = "biggan"
        file = "/w/asleep.bin"
        flags = { output_dim = 16, num_classes = 7, attention_layer_position = 1, layers = [[true, 16, 8], [true, 8, 4], [false, 4, 2], [false, 2, 1]] }
        """  # noqa: E501 - inline tables of TOML stand in one line
    )
    told = json.dumps(
        {name: model.model_dump(exclude_unset=True) for name, model in read_custom_models(config["models"]).items()}
    )
    own = shared_custom_models({VARIABLE: told})
    codes, asleep = (own[name].model(name) for name in ("codes", "asleep"))
    assert (("vqgan_clip",), (384, 256), 16, 128) == (codes.methods, codes.size, codes.multiple, codes.smallest)
    assert {"learning_rate": 0.2, "augment": "vqganclip"} == codes.defaults["vqgan_clip"]
    assert (("biggan_clip", "biggan"), (16, 16), 7) == (asleep.methods, asleep.size, asleep.classes)
    assert {"classes": "all"} == asleep.defaults["biggan_clip"]
    assert [Kind.VQGAN, Kind.BIGGAN] == [own[name].entry(name).kind for name in own]


def test_every_field_says_what_it_is_for() -> None:
    assert [] == [name for name, field in CustomModel.model_fields.items() if not field.description]


def test_an_engine_is_told_of_them_by_its_environment() -> None:
    own = read_custom_models({"mine": MINE})
    environ = child_environment({VARIABLE: json.dumps({"mine": MINE})}, device="cpu", threads="1")
    assert own == shared_custom_models(environ)
    assert {} == shared_custom_models({})
    with pytest.raises(WeightsError, match="DREAMBOT_MODELS is not JSON"):
        shared_custom_models({VARIABLE: "{"})
