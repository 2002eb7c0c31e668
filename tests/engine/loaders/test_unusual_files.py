"""Weights as trainers and download pages leave them: found, or refused with what the file really is."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from engine.errors import WeightsError
from engine.loaders.upscaler import describe_file
from engine.weights.formats.tensors import read_fitting
from engine.weights.store.hashed_file import open_hashed
from tests.engine.upscalers.published import TINY, tensors
from tests.engine.weights.made import rezipped, saved

UPSCALER = tensors(TINY["realesr-general"])
OTHER = {name: tensor + 1 for name, tensor in UPSCALER.items()}
DISCRIMINATOR = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 1)).state_dict()
NAN = {name: tensor * float("nan") for name, tensor in DISCRIMINATOR.items()}
INFINITE = torch.tensor(float("inf"))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.body = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))


NET = Net().state_dict()
MOVED = {name: tensor + 1 for name, tensor in NET.items()}


def prefixed(prefix: str, of: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in of.items()}


def upscaler(folder: Path, content: bytes) -> dict[str, Tensor]:
    (folder / "net.pt").write_bytes(content)
    with open_hashed(folder / "net.pt", "net") as opened:
        found: dict[str, Tensor] = describe_file(opened)[0].model.state_dict()
        return found


def fitting(folder: Path, content: bytes) -> tuple[dict[str, Tensor], str]:
    (folder / "net.pt").write_bytes(content)
    with open_hashed(folder / "net.pt", "net") as opened:
        found, choice = read_fitting(opened, Net())
        return found, str(choice)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"state_dict": UPSCALER, "best_loss": INFINITE}, id="an infinite loss beside"),
        pytest.param({"state_dict": {**prefixed("model.", UPSCALER), "best": INFINITE}}, id="an infinite loss among"),
        pytest.param(
            {"state_dict": {**prefixed("generator.", UPSCALER), **prefixed("discriminator.", NAN)}},
            id="a broken discriminator",
        ),
        pytest.param({"a": dict(list(UPSCALER.items())[1:]), "b": UPSCALER}, id="an incomplete net first"),
        pytest.param({"layers.99999.weight": torch.ones(1), **prefixed("net.", UPSCALER)}, id="an odd number"),
        pytest.param({"model": OTHER, "modelEMA": UPSCALER}, id="modelEMA"),
        pytest.param({"model": OTHER, "avg_model": UPSCALER}, id="avg_model"),
        pytest.param({"model": OTHER, "polyak": UPSCALER}, id="polyak"),
    ],
)
def test_an_upscaler_is_found_beside_what_training_left(tmp_path: Path, content: dict[str, object]) -> None:
    found = upscaler(tmp_path, saved(content))

    assert all(torch.equal(found[name], UPSCALER[name]) for name in found)


def test_a_broken_copy_is_not_replaced_by_a_worse_one(tmp_path: Path) -> None:
    broken = {name: tensor * float("nan") for name, tensor in UPSCALER.items()}

    with pytest.raises(WeightsError, match="not finite"):
        upscaler(tmp_path, saved({"params_ema": broken, "params": UPSCALER}))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"model": MOVED, "modelEMA": NET}, "the averaged weights under “modelEMA”"),
        ({"network": MOVED, "network_avg": NET}, "the averaged weights under “network_avg”"),
        ({"a": {"model": prefixed("module.", MOVED), "EMA": prefixed("_orig_mod.module.", NET)}}, "averaged"),
        (
            {
                "state_dict": {
                    **prefixed("model.", MOVED),
                    **{f"model_ema.{name.replace('.', '')}": tensor for name, tensor in NET.items()},
                }
            },
            "the averaged weights under “state_dict”, without the prefix “model_ema.”",
        ),
    ],
)
def test_averages_are_preferred_whatever_their_name(tmp_path: Path, content: dict[str, object], said: str) -> None:
    found, choice = fitting(tmp_path, saved(content))

    assert said in choice
    assert all(torch.equal(found[name], NET[name]) for name in NET)


def test_averages_without_buffers_are_completed(tmp_path: Path) -> None:
    learned = {name: tensor for name, tensor in NET.items() if "running" not in name and "num_" not in name}
    flat = {f"model_ema.{name.replace('.', '')}": tensor for name, tensor in learned.items()}

    found, _ = fitting(tmp_path, saved({**prefixed("model.", MOVED), **flat}))

    assert all(torch.equal(found[name], (NET if name in learned else MOVED)[name]) for name in NET)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("save", [saved, save_safetensors], ids=["pytorch", "safetensors"])
def test_fractions_of_every_width_are_read(tmp_path: Path, dtype: torch.dtype, save) -> None:  # type: ignore[no-untyped-def]
    narrow = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in NET.items()}

    found, _ = fitting(tmp_path, save(narrow))

    assert all(torch.equal(found[name].float(), narrow[name].float()) for name in NET)


def test_eight_bits_are_checked_for_what_is_not_finite(tmp_path: Path) -> None:
    broken = {**NET, "first.weight": (NET["first.weight"] * float("nan")).to(torch.float8_e5m2)}

    with pytest.raises(WeightsError, match="not finite"):
        fitting(tmp_path, saved(broken))


def test_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"“net\.pt” is quantised.*“first\.weight” holds int8"):
        fitting(tmp_path, saved({**NET, "first.weight": torch.ones_like(NET["first.weight"], dtype=torch.int8)}))
    with pytest.raises(WeightsError, match=r"“net\.pt” is quantised"):
        upscaler(tmp_path, saved({name: (100 * tensor).to(torch.int8) for name, tensor in UPSCALER.items()}))


@pytest.mark.parametrize("dtype", [torch.uint16, torch.complex64])
def test_an_odd_tensor_elsewhere_in_a_safetensors_file_does_no_harm(tmp_path: Path, dtype: torch.dtype) -> None:
    odd = {"other.seeds": torch.ones(3).to(dtype)}

    assert "without the prefix “net.”" in fitting(tmp_path, save_safetensors({**prefixed("net.", NET), **odd}))[1]
    with pytest.raises(WeightsError, match=r"holds a .* tensor; weights are plain tensors"):
        fitting(tmp_path, save_safetensors({**NET, "first.bias": torch.ones(4).to(dtype)}))


def test_plain_objects_of_a_trainer_do_no_harm(tmp_path: Path) -> None:
    beside = {"at": datetime.now(UTC), "rate": Decimal("0.1"), "seen": Counter(a=1), "loss": np.float64(0.5)}

    assert "under “net”" in fitting(tmp_path, saved({"net": NET, "meta": beside}))[1]


def numpy_archive() -> bytes:
    file = io.BytesIO()
    np.savez(file, weight=np.ones(3))
    return file.getvalue()


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, saved(NET))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "git lfs pull"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html>", "a web page"),
        (b'{"error": "Repository not found"}', "JSON"),
        (gzip.compress(saved(NET)), "unpack it"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(99), "unpack it"),
        (b"GGUF\x03\0\0\0" + bytes(99), "GGUF"),
        (b"\x93NUMPY\x01\0" + bytes(99), "NumPy"),
        (numpy_archive(), "NumPy"),
        (zipped("folder/net.safetensors"), "zip file with “folder/net.safetensors”; unpack it"),
    ],
)
def test_what_is_mistaken_for_weights_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(WeightsError, match=said):
        fitting(tmp_path, content)


def test_a_whole_module_is_refused_with_what_to_save_instead(tmp_path: Path) -> None:
    content = rezipped(saved(NET), data_pkl=b"c__main__\nMyNet\n(tR.")

    with pytest.raises(WeightsError, match=r"“__main__\.MyNet”.*state_dict\(\) alone"):
        fitting(tmp_path, content)


def test_averages_without_names_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As torch_ema saves them; the states of random generators are lists of tensors too."""
    averages = {"decay": 0.99, "shadow_params": list(MOVED.values()), "collected_params": None}
    with pytest.raises(WeightsError, match=r"without names .*“shadow_params”.*ema\.copy_to"):
        fitting(tmp_path, saved(averages))

    tensors, _ = fitting(tmp_path, saved({"model": NET, "ema": averages, "rng": [torch.zeros(8, dtype=torch.uint8)]}))

    assert torch.equal(NET["first.weight"], tensors["first.weight"])
    assert ["net: the averaged weights under “ema.shadow_params” have no names and are left out"] == [
        record.getMessage() for record in caplog.records if record.levelname == "WARNING"
    ]
