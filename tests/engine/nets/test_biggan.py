from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.errors import WeightsError
from engine.loaders.biggan import folded
from engine.nets.biggan import Biggan
from engine.nets.flags import BigganFlags, read_biggan_flags
from tests.engine.tiny import fill
from tests.golden import Golden, distance, golden

EXACT = 1e-5
POWER_ITERATIONS = 5
SMALL: dict[str, object] = {
    "output_dim": 16, "z_dim": 4, "class_embed_dim": 4, "channel_width": 4, "num_classes": 6,
    "layers": [[False, 16, 16], [True, 16, 8], [False, 8, 4], [True, 4, 2], [False, 2, 1]],
    "attention_layer_position": 3, "n_stats": 6,
}  # fmt: skip
Z, CLASSES = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0)), torch.full((2, 6, 6), 0.2)


def published(file: Golden) -> dict[str, Tensor]:
    """The reference's state dict, its spectral norms beside the weights."""
    tensors = file.weights
    for name in list(tensors):
        if name.endswith("running_vars"):
            tensors[name] = tensors[name].abs() + 0.5
        elif name.endswith("weight_orig"):
            stem = name.removesuffix("orig")
            tensors[f"{stem}u"], tensors[f"{stem}v"] = singular_vectors(tensors[name])
    return tensors


def singular_vectors(weight: Tensor) -> tuple[Tensor, Tensor]:
    matrix = weight.flatten(1)
    v = F.normalize(torch.ones(matrix.shape[1]), dim=0)
    for _ in range(POWER_ITERATIONS):
        u = F.normalize(matrix @ v, dim=0)
        v = F.normalize(matrix.T @ u, dim=0)
    return u, v


@pytest.fixture(scope="module")
def reference() -> tuple[Golden, Biggan]:
    file = golden("biggan_deep")
    net = Biggan(read_biggan_flags(file.metadata["config"])).eval().requires_grad_(False)
    net.load_state_dict(folded(published(file), "golden"))
    return file, net


def small(**changed: object) -> Biggan:
    net = Biggan(read_biggan_flags({**SMALL, **changed})).eval().requires_grad_(False)
    fill(net)
    return net


@pytest.mark.parametrize("truncation", [0.43, 1.0])
def test_the_picture_is_the_references(reference: tuple[Golden, Biggan], truncation: float) -> None:
    file, net = reference
    z, classes = (file[name][:, None].expand(-1, net.flags.conditions, -1) for name in ("z", "class_vector"))
    found = net(z, classes, torch.full((2,), truncation))
    assert distance(file[f"out_truncation_{truncation}"], found) < EXACT


def test_folding_leaves_the_references_names_with_one_weight_for_three_tensors(
    reference: tuple[Golden, Biggan],
) -> None:
    file, net = reference
    ends = "weight_orig", "weight_u", "weight_v"
    names = {name.rpartition(".")[0] + ".weight" if name.endswith(ends) else name for name in file.names}
    assert names == set(net.state_dict())


def test_a_folded_weight_has_the_largest_singular_value_one(reference: tuple[Golden, Biggan]) -> None:
    _, net = reference
    generator = net.generator
    norms = [torch.linalg.matrix_norm(part.weight, 2) for part in (generator.gen_z, generator.layers[0].bn_0.scale)]  # type: ignore[union-attr,arg-type]
    assert [1, 1] == pytest.approx([float(norm) for norm in norms], rel=0.1)  # power iterations come near


@pytest.mark.parametrize(("truncation", "expected"), [(0.0, 0.0), (0.2, 1.0), (0.25, 1.25), (0.38, 1.9), (1.0, 5.0)])
def test_between_two_truncations_the_nearer_one_counts_more(truncation: float, expected: float) -> None:
    norm = small().generator.bn
    norm.running_means.copy_(torch.arange(6.0)[:, None].expand(-1, 4))
    norm.weight.fill_(1.0)
    norm.bias.zero_()
    standing = small().generator._index(torch.tensor([truncation]))
    assert -expected == pytest.approx(float(norm(torch.zeros(1, 4, 2, 2), standing)[0, 0, 0, 0]), abs=1e-3)


def test_every_picture_of_a_batch_has_its_own_truncation() -> None:
    net = small()
    for name, buffer in net.named_buffers():
        if "means" in name:
            buffer.copy_(torch.randn(buffer.shape, generator=torch.Generator().manual_seed(len(name))))
    both = net(Z, CLASSES, torch.tensor([0.3, 0.9]))
    for i, truncation in enumerate((0.3, 0.9)):
        torch.testing.assert_close(net(Z[i : i + 1], CLASSES[:1], torch.tensor([truncation]))[0], both[i])
    assert distance(both[0], net(Z[:1], CLASSES[:1], torch.tensor([0.9]))[0]) > 0.01


def test_the_first_grid_and_every_block_have_their_own_condition() -> None:
    net, truncation = small(), torch.ones(2)
    plain = net(Z, CLASSES, truncation)
    for number in range(net.flags.conditions):
        z = Z.clone()
        z[:, number] += 1
        assert distance(plain, net(z, CLASSES, truncation)) > 1e-4, number


def test_attention_precedes_the_block_of_its_flag() -> None:
    names = [type(layer).__name__ for layer in small().generator.layers]
    assert ["GenBlock"] * 3 + ["SelfAttn"] + ["GenBlock"] * 2 == names


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"codes": 3}, "Unknown BigGAN flag “codes”; available: attention_layer_position, channel_width, "),
        ({"z_dim": 0}, "z_dim=0 is not a whole number from 1 to 4096"),
        ({"channel_width": 10**9}, "channel_width=1000000000 is not a whole number"),
        ({"z_dim": 8}, "must equal z_dim"),
        ({"n_stats": 1}, "n_stats=1 is not a whole number from 2"),
        ({"eps": 0}, "eps=0.0 is not a number between 0 and 1"),
        ({"output_dim": 32}, "produce 16 pixels per side, but output_dim=32"),
        ({"layers": []}, "a list of 1 to 64 blocks"),
        ({"layers": "[[true"}, "is not a list of blocks"),
        ({"layers": [[1, 16, 16]]}, r"\[doubles, input width, output width\]"),
        ({"layers": [[True, 16, 99]]}, "layers=99 is not a whole number from 1 to 16"),
        ({"layers": [[True, 8, 8]]}, "Block 0 of the BigGAN has input width 8; the output before it has 16"),
        ({"layers": [[True, 16, 4]]}, "must keep or halve its width; input 16, output 4"),
        ({"layers": [[True, 16, 16]]}, "The last block of a BigGAN must have output width 1"),
        ({"channel_width": 2}, "at least three channels"),
        ({"attention_layer_position": 5}, "attention_layer_position=5 is outside the 5 blocks"),
        ({"attention_layer_position": 4, "channel_width": 3}, "multiple of 8 channels; it has 6"),
    ],
)
def test_invalid_flags_are_refused(flags: dict[str, object], words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        read_biggan_flags({**SMALL, **flags})


def test_flags_survive_a_weights_file() -> None:
    flags = read_biggan_flags(SMALL)
    assert flags == read_biggan_flags(asdict(flags))
    assert BigganFlags() == read_biggan_flags({"layers": "[[false,16,16],[true,16,16],[false,16,16],[true,16,8],"
        "[false,8,8],[true,8,4],[false,4,4],[true,4,2],[false,2,2],[true,2,1]]"})  # fmt: skip
