"""Low-rank adapters."""

from pathlib import Path

import torch

from engine.training.finetune.lora import add_adapters, merged
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
