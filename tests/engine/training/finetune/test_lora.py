"""Low-rank adapters."""

from pathlib import Path

import pytest
import torch

from engine.errors import WeightsError
from engine.loaders.diffusion import adapt, read_adapter
from engine.nets.adm import UNetModel
from engine.training.finetune.lora import adapter_tensors, add_adapters, merged
from engine.training.finetune.result import Provenance, install_adapter
from engine.weights.store.hashed_file import open_hashed
from tests.engine.training.finetune.tiny import tiny_net, tiny_run

X, T = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([10, 500])


def test_new_adapters_change_nothing_and_merged_ones_compute_the_same() -> None:
    net = tiny_net(dropout=0).eval()
    torch.nn.init.normal_(net.out[2].weight, std=0.1)
    before, names = net(X, T), net.state_dict().keys()
    adapted = add_adapters(net, 4)
    assert {"middle_block.1.qkv", "middle_block.1.proj_out", "output_blocks.0.0.in_layers.2"} <= {*adapted}
    torch.testing.assert_close(before, net(X, T))
    for parameter in net.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    plain = merged(net)
    assert names == plain.state_dict().keys()
    assert not torch.allclose(before, plain(X, T))
    torch.testing.assert_close(net(X, T), plain(X, T))


def test_a_run_with_adapters_moves_them_alone(tmp_path: Path) -> None:
    net = tiny_net()
    torch.nn.init.normal_(net.out[2].weight, std=0.1)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    run = tiny_run(tmp_path, net, lora=2)
    run.run()
    after = run.result().state_dict()
    moved = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert moved
    assert moved <= {f"{name}.weight" for name in run.adapted}
    again = tiny_run(tmp_path, tiny_net(), lora=2)
    assert again.resume()
    assert all(torch.equal(tensor, after[name]) for name, tensor in again.result().state_dict().items())


MADE = Provenance("ink", "primer", "0" * 64, "As this program.", 24, 6, 0.1, {})


def trained_adapters(size: float = 0.05) -> UNetModel:
    net = tiny_net(dropout=0).eval()
    torch.nn.init.normal_(net.out[2].weight, std=0.1)
    add_adapters(net, 4)
    for name, parameter in net.named_parameters():
        if name.endswith(".b"):
            torch.nn.init.normal_(parameter, std=size)
    return net.requires_grad_(False)


def unadapted(net: UNetModel) -> UNetModel:
    """The net below the adapters."""
    plain = merged(net)
    originals = {
        name.replace("parametrizations.weight.original", "weight"): tensor
        for name, tensor in net.state_dict().items()
        if "parametrizations.weight.0" not in name
    }
    plain.load_state_dict(originals)
    return plain


def test_an_adapter_from_its_file_computes_what_was_trained(tmp_path: Path) -> None:
    trained = trained_adapters(size=1e-3)
    folder = install_adapter(adapter_tensors(trained), MADE, tmp_path)
    net = unadapted(trained)
    before = net(X, T)
    with open_hashed(folder / "weights.safetensors", "ink") as opened:
        adapter, _ = read_adapter(opened)
    adapt(net, adapter, 1.0)
    moved, wanted = net(X, T) - before, trained(X, T) - before
    assert wanted.abs().max() > 0
    torch.testing.assert_close(moved, wanted, rtol=0.02, atol=0.02 * float(wanted.detach().abs().max()))
    assert "low-rank adapter for the model primer" in (folder / "README.md").read_text()


def test_the_strength_of_an_adapter_scales_its_change(tmp_path: Path) -> None:
    trained = trained_adapters()
    folder = install_adapter(adapter_tensors(trained), MADE, tmp_path)
    with open_hashed(folder / "weights.safetensors", "ink") as opened:
        adapter, _ = read_adapter(opened)
    half, twice = unadapted(trained), unadapted(trained)
    adapt(half, adapter, 0.5)
    adapt(twice, adapter, 0.25)
    adapt(twice, adapter, 0.25)
    torch.testing.assert_close(half(X, T), twice(X, T))
    assert not torch.allclose(half(X, T), unadapted(trained)(X, T))


@pytest.mark.parametrize("flags", [{"num_channels": 32}, {"channel_mult": (1,)}])
def test_an_adapter_of_another_net_is_refused_and_changes_nothing(tmp_path: Path, flags: dict[str, object]) -> None:
    folder = install_adapter(adapter_tensors(trained_adapters()), MADE, tmp_path)
    with open_hashed(folder / "weights.safetensors", "ink") as opened:
        adapter, _ = read_adapter(opened)
    other = tiny_net(**flags)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(WeightsError, match="“ink” does not fit its model: its layer"):
        adapt(other, adapter, 1.0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.state_dict().items())


def test_a_file_without_pairs_of_matrices_is_no_adapter(tmp_path: Path) -> None:
    tensors = adapter_tensors(trained_adapters())
    tensors.popitem()
    folder = install_adapter(tensors, MADE, tmp_path)
    with (
        open_hashed(folder / "weights.safetensors", "ink") as opened,
        pytest.raises(WeightsError, match="is not an adapter"),
    ):
        read_adapter(opened)
