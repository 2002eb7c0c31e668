from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.catalogue.models import MODELS
from engine.catalogue.registry import PUBLISHED, Entry, Kind, find_entry
from engine.errors import ModelUnavailable, WeightsError
from engine.loaders.checkpoint import blueprint
from engine.loaders.vqgan import VqganNet, read_vqgan
from engine.nets.flags import read_vqgan_flags
from engine.nets.vqgan import Vqgan, build_vqgan
from engine.requests.request import VqganClipOptions, build_options
from engine.weights.store.folder import Folder, missing_weights
from tests.engine.weights.made import Harm, lightning, put, saved
from tests.golden import golden

VQGANS = {name: entry for name, entry in PUBLISHED.items() if entry.kind is Kind.VQGAN}
CPU = torch.device("cpu")
TINY: dict[str, object] = {
    "n_embed": 8, "embed_dim": 4, "z_channels": 4, "resolution": 16, "ch": 32, "ch_mult": (1, 1),
    "num_res_blocks": 1, "attn_resolutions": (8,),
}  # fmt: skip


def tiny_tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    state = Vqgan(read_vqgan_flags(TINY)).state_dict()
    return {name: 0.05 * torch.randn(value.shape, generator=generator) for name, value in state.items()}


def with_training() -> dict[str, Tensor]:
    """As training leaves it: the losses' nets are in it too."""
    return {
        **tiny_tensors(),
        "loss.discriminator.main.0.weight": torch.ones(3),
        "loss.perceptual_loss.lin0": torch.ones(1),
    }


def load(tmp_path: Path, content: bytes) -> VqganNet:
    folder = Folder(tmp_path / "weights")
    entry = put(folder, content, file="net.ckpt", kind=Kind.VQGAN)
    fields = {name: getattr(entry, name) for name in Entry.__slots__}
    return read_vqgan(Entry(**{**fields, "flags": TINY}), folder, CPU)


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in blueprint(build_vqgan, VQGANS[name].flags).state_dict().items()}


def test_the_net_with_16384_codes_counts_what_the_reference_counts() -> None:
    """343 tensors and 76.1 million numbers, as other programs that load this checkpoint have counted."""
    found = shapes("vqgan-imagenet-16384")
    assert 343 == len(found)
    assert 76.1e6 == pytest.approx(sum(torch.Size(shape).numel() for shape in found.values()), abs=0.05e6)


@pytest.mark.parametrize("name", VQGANS)
def test_every_net_is_built_at_full_size_and_differs_from_the_others_in_its_codebook_and_grid(name: str) -> None:
    found, wide = shapes(name), shapes("vqgan-imagenet-16384")
    assert 4 * sum(torch.Size(shape).numel() for shape in found.values()) < VQGANS[name].size
    codes = int(name.rpartition("-")[2]) if name[-1].isdecimal() else 8192
    if name == "vqgan-gumbel-8192":
        assert (codes, 256) == found["quantize.embed.weight"]
        assert (codes, 256, 1, 1) == found["quantize.proj.weight"]
        assert 8 == read_vqgan_flags(VQGANS[name].flags).factor
        assert {"decoder.up.3.attn.2.q.weight", "encoder.down.3.attn.1.q.weight"} <= found.keys()
    else:
        assert (codes, 256) == found["quantize.embedding.weight"]
        assert 16 == read_vqgan_flags(VQGANS[name].flags).factor
        book = "quantize.embedding.weight"
        assert {k: s for k, s in wide.items() if k != book} == {k: s for k, s in found.items() if k != book}


def test_names_are_patterned_like_the_golden_nets() -> None:
    import re

    golden_names = {re.sub(r"\d+", "#", name) for name in golden("vqgan_taming").names}
    assert golden_names == {re.sub(r"\d+", "#", name) for name in shapes("vqgan-imagenet-1024")}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lightning(with_training()), id="lightning"),
        pytest.param(saved({"state_dict": with_training()}), id="plain"),
        pytest.param(
            saved({"state_dict": {f"first_stage_model.{k}": v for k, v in with_training().items()}
                   | {"transformer.head.weight": torch.ones(2), "cond_stage_model.x": torch.ones(1)}}),
            id="within a transformer",
        ),
    ],
)  # fmt: skip
def test_a_checkpoint_becomes_the_net_without_what_training_needed(tmp_path: Path, content: bytes) -> None:
    net = load(tmp_path, content).net
    expected = tiny_tensors()
    assert all(torch.equal(expected[name], tensor) for name, tensor in net.state_dict().items())
    assert not any(parameter.requires_grad or parameter.is_meta for parameter in net.parameters())


def test_another_net_is_refused_in_one_sentence(tmp_path: Path) -> None:
    tensors = tiny_tensors() | {"quantize.embedding.weight": torch.ones(16, 4)}
    with pytest.raises(WeightsError, match=r"quantize.embedding.weight is \[16, 4\] instead of \[8, 4\]"):
        load(tmp_path, saved({"state_dict": tensors}))
    with pytest.raises(ModelUnavailable, match="“imagenet-256” is not a VQGAN but a checkpoint of the kind diffusion"):
        read_vqgan(find_entry("imagenet-256"), Folder(tmp_path), CPU)


def test_a_checkpoint_that_would_run_code_runs_none(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not safe to read: it wants to run"):
        load(tmp_path, saved({"state_dict": {**tiny_tensors(), "extra": Harm(tmp_path / "harm")}}))
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", VQGANS)
def test_every_vqgan_is_a_model_with_the_notebooks_settings(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    model = MODELS[name]
    options = build_options(model, "", {})
    assert isinstance(options, VqganClipOptions)
    assert (0.1, 32, "none") == (options.learning_rate, options.cutouts.plain, options.decay)
    assert ("vqgan_clip",) == model.methods and 16 == model.multiple
    command = f"not downloaded; run python -m engine weights download --trust {name} ViT-B/32"
    assert command == missing_weights(model)
