from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from engine.errors import WeightsError
from engine.loaders.checkpoint import read_checkpoint
from engine.loaders.diffusion import read_diffusion_net
from engine.nets.adm import build_adm
from tests.engine.tiny import NET


def saved(path: Path, net: nn.Module, flags: object) -> Path:
    tensors = {name: tensor.half() for name, tensor in net.state_dict().items()}
    save_file(tensors, path, {"flags": json.dumps(flags)})
    return path


def test_a_file_says_itself_which_net_it_holds(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = build_adm(NET)
    path = saved(tmp_path / "net.safetensors", net, NET)
    loaded = read_diffusion_net(path, torch.device("cpu"), torch.float32)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == loaded.sha256
    assert net.flags == loaded.flags
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(loaded.net.state_dict()[name], tensor, rtol=1e-3, atol=1e-3)
    assert not any(p.requires_grad for p in loaded.net.parameters())


def test_weights_of_another_net_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.safetensors", nn.Linear(2, 2), NET)
    with pytest.raises(WeightsError, match="“net” do not fit their net"):
        read_diffusion_net(path, torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", (2**40).to_bytes(8, "little") + b"{}"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"“net\.safetensors” is not a weights file"):
        read_checkpoint(path)


def test_a_file_without_flags_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="is not a weights file"):
        read_checkpoint(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"“net\.safetensors” cannot be read: No such file"):
        read_checkpoint(tmp_path / "net.safetensors")
