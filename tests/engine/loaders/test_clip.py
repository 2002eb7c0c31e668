from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch

from engine.catalogue.registry import CLIPS, clip_named
from engine.errors import ModelUnavailable, WeightsError
from engine.loaders.checkpoint import NoInit
from engine.perceptors.open_clip import from_open_clip, from_openai, load_open_clip, open_clip, read_clip, shape_of
from engine.weights.store.hashed_file import open_hashed
from tests.engine.weights.made import Harm, saved

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.nn.Module, Path]:
    """A tiny CLIP, and the file that OpenAI would have made of it: a program with a number beside the weights."""
    torch.manual_seed(0)
    net = open_clip.CLIP(
        32,
        open_clip.CLIPVisionCfg(layers=1, width=64, patch_size=16, image_size=32),
        open_clip.CLIPTextCfg(context_length=77, vocab_size=49408, width=64, heads=1, layers=1),
        quick_gelu=True,
    ).eval()
    path = tmp_path_factory.mktemp("clip") / "ViT-B-32.pt"
    torch.jit.script(holder({**net.state_dict(), "input_resolution": torch.tensor(32)})).save(str(path))
    return net, path


def holder(state: dict[str, torch.Tensor]) -> torch.nn.Module:
    """A module that does nothing but have these tensors under these names."""
    root = torch.nn.Module()
    for name, tensor in state.items():
        *parents, last = name.split(".")
        place = root
        for parent in parents:
            if not hasattr(place, parent):
                place.add_module(parent, torch.nn.Module())
            place = place.get_submodule(parent)
        place.register_buffer(last, tensor)
    return root


def test_a_script_with_the_published_hash_becomes_a_perceptor(script: tuple[torch.nn.Module, Path]) -> None:
    net, path = script
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = dataclasses.replace(CLIPS[0], sha256=sha256)
    with open_hashed(path, "ViT-B/32") as opened:
        loaded = from_openai(entry, opened, CPU)
    expected = from_open_clip("tiny", net, CPU)
    picture = torch.linspace(0, 1, 3072).view(1, 3, 32, 32)
    assert ("ViT-B-32", sha256, 32) == (loaded.id, loaded.sha256, loaded.size)
    torch.testing.assert_close(expected.encode_image(picture), loaded.encode_image(picture), rtol=0, atol=5e-3)
    torch.testing.assert_close(expected.encode_text(["a fox"]), loaded.encode_text(["a fox"]), rtol=0, atol=5e-3)


def test_a_script_with_another_hash_is_not_opened(script: tuple[torch.nn.Module, Path]) -> None:
    with (
        open_hashed(script[1], "ViT-B/32") as opened,
        pytest.raises(WeightsError, match="is not opened: its SHA-256 is"),
    ):
        read_clip(opened, CLIPS[0].sha256)


def test_even_the_right_hash_lets_only_scripts_in(tmp_path: Path) -> None:
    path = tmp_path / "ViT-B-32.pt"
    path.write_bytes(saved({"state_dict": Harm(tmp_path / "harm")}))
    with (
        open_hashed(path, "ViT-B/32") as opened,
        pytest.raises(WeightsError, match="is not one of OpenAI's CLIP files"),
    ):
        read_clip(opened, opened.sha256)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", ["ViT-B/32", "ViT-L/14@336px", "RN50x64"])
def test_a_clip_that_is_not_here_says_how_to_get_it(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(
        ModelUnavailable, match=f"“{name}” are not downloaded; run python -m engine weights download {name}"
    ):
        load_open_clip(name, CPU, {"DREAMBOT_WEIGHTS": str(tmp_path)})


QUICK = [("ViT-B-32", "laion400m_e32"), ("RN50", "yfcc15m"), ("ViT-B-16", "dfn2b"), ("RN101-quickgelu", "yfcc15m")]
PLAIN = [("ViT-B-32", "laion2b_s34b_b79k"), ("ViT-B-16", "laion400m_e32")]


@pytest.mark.parametrize(("architecture", "tag"), QUICK + PLAIN)
def test_the_activation_is_the_one_that_the_weights_were_trained_with(
    architecture: str, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = open_clip.create_model
    nets: list[torch.nn.Module] = []

    def without_download(name: str, *, pretrained: str, **options: object) -> torch.nn.Module:
        with torch.device("meta"), NoInit():
            return create(name, **{**options, "device": "meta"})

    monkeypatch.setattr(open_clip, "create_model", without_download)
    monkeypatch.setattr("engine.perceptors.open_clip.from_open_clip", lambda name, net, *_: nets.append(net))

    load_open_clip(f"{architecture}/{tag}", torch.device("meta"))
    shape_of(f"{architecture}/{tag}")

    found = ["QuickGELU" in {type(module).__name__ for module in net.modules()} for net in nets]
    assert [(architecture, tag) in QUICK] * 2 == found


@pytest.mark.parametrize("name", ["ViT-B-32/openai", "ViT-B-32-quickgelu/openai", "ViT-B-32", "ViT-B/32"])
def test_openai_s_tag_is_the_catalogue_s_file(
    name: str, script: tuple[torch.nn.Module, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_clip, "create_model", lambda *_, **__: pytest.fail("open_clip downloads it"))
    (tmp_path / "ViT-B-32.pt").write_bytes(b"another file")
    with pytest.raises(ModelUnavailable, match=r"ViT-B-32\.pt has 12 bytes instead of 353,976,522"):
        load_open_clip(name, CPU, {"DREAMBOT_WEIGHTS": str(tmp_path)})


def test_all_nine_are_known_by_both_spellings() -> None:
    assert 9 == len({entry.sha256 for entry in CLIPS})
    spelled = ("RN50", "RN101", "RN50x4", "RN50x16", "RN50x64", "ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-L-14-336")
    for name in spelled:
        entry = clip_named(name)
        assert entry is not None and clip_named(entry.name) is entry
        assert entry.sources[0] == open_clip.get_pretrained_url(name, "openai")
        assert entry.sha256 in entry.sources[0]
