from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from torch import Tensor

from engine.errors import WeightsError
from engine.nets.flags import VqganFlags, read_vqgan_flags
from engine.nets.vqgan import Vqgan, nearest, straight_through
from tests.golden import Golden, distance, golden

EXACT = 1e-5
SMALL: dict[str, object] = {
    "n_embed": 16, "embed_dim": 4, "z_channels": 8, "resolution": 32, "ch": 8, "ch_mult": [1, 2],
    "num_res_blocks": 1, "attn_resolutions": [8], "norm_groups": 4, "patch": 2,
}  # fmt: skip


def flags_of(file: Golden) -> VqganFlags:
    ours = {k: v for k, v in file.metadata["ddconfig"].items() if k not in ("double_z", "dropout")}
    return read_vqgan_flags(ours | {name: int(file.metadata[name]) for name in ("n_embed", "embed_dim")})


@pytest.fixture(scope="module")
def reference() -> tuple[Golden, Vqgan]:
    file = golden("vqgan_taming")
    net = Vqgan(flags_of(file)).eval().requires_grad_(False)
    file.fill(net)
    return file, net


def small(**changed: object) -> Vqgan:
    torch.manual_seed(0)
    return Vqgan(read_vqgan_flags({**SMALL, **changed})).eval().requires_grad_(False)


def test_its_state_dict_has_the_references_names(reference: tuple[Golden, Vqgan]) -> None:
    file, net = reference
    assert {name: tuple(shape) for name, shape in file.metadata["state_dict"]} == {
        name: tuple(tensor.shape) for name, tensor in net.state_dict().items()
    }


def test_what_is_to_be_quantised_is_the_references(reference: tuple[Golden, Vqgan]) -> None:
    file, net = reference
    assert distance(file["pre_quant"], net.encode(file["image"])) < EXACT


def test_the_codes_are_the_references_all_of_them(reference: tuple[Golden, Vqgan]) -> None:
    file, net = reference
    indices = net.indices(file["pre_quant"])
    assert torch.equal(file["indices"], indices)
    assert distance(file["z_q"], net.lookup(indices)) < EXACT


def test_the_picture_is_the_references(reference: tuple[Golden, Vqgan]) -> None:
    file, net = reference
    assert distance(file["decoded"], net.decode(file["z_q"])) < EXACT
    assert distance(file["decoded"], net.decode(net.lookup(net.indices(net.encode(file["image"]))))) < EXACT


def test_a_vector_of_the_codebook_is_nearest_to_itself() -> None:
    codebook = torch.randn(32, 6, generator=torch.Generator().manual_seed(0))
    numbers = torch.arange(32).view(2, 4, 4)
    assert torch.equal(numbers, nearest(codebook[numbers].permute(0, 3, 1, 2), codebook))


def test_the_gradient_passes_the_codebook_as_if_it_were_not_there() -> None:
    z = torch.randn(1, 4, 2, 2, requires_grad=True)
    z_q = torch.randn(1, 4, 2, 2)
    out = straight_through(z, z_q)
    torch.testing.assert_close(z_q, out.detach())
    (gradient,) = torch.autograd.grad((out * 3).sum(), z)
    assert torch.equal(torch.full_like(z, 3), gradient)


def test_a_gumbel_net_takes_the_vector_with_the_highest_score() -> None:
    net = small(gumbel=True, embed_dim=8)
    z = torch.randn(2, 8, 3, 5, generator=torch.Generator().manual_seed(1))
    scores = torch.einsum("nchw,kc->nkhw", z, net.quantize.proj.weight[:, :, 0, 0])  # type: ignore[union-attr]
    scores = scores + net.quantize.proj.bias[None, :, None, None]  # type: ignore[union-attr]
    assert torch.equal(scores.argmax(1), net.indices(z))
    assert (2, 8, 3, 5) == net.lookup(net.indices(z)).shape


def sides(net: Vqgan, picture: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    z = net.encode(picture)
    return tuple(z.shape), tuple(net.decode(z).shape)


def test_pictures_may_have_any_sides_that_the_factor_divides() -> None:
    net = small()
    assert 4 == net.flags.factor
    assert ((1, 4, 6, 10), (1, 3, 24, 40)) == sides(net, torch.zeros(1, 3, 24, 40))


def test_a_patch_changes_the_work_and_not_the_sides() -> None:
    fine = small(patch=1, ch_mult=[1, 2, 2])
    assert 4 == fine.flags.factor
    assert ((1, 4, 6, 10), (1, 3, 24, 40)) == sides(fine, torch.zeros(1, 3, 24, 40))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"codes": 3}, "Unknown VQGAN flag “codes”; available: attn_resolutions, ch, "),
        ({"ch": 40}, "multiples of norm_groups=32; 40 is not"),
        ({"n_embed": 0}, "n_embed=0 is not a whole number from 1 to 1048576"),
        ({"ch": 10**9}, "ch=1000000000 is not a whole number"),
        ({"ch_mult": [1] * 11}, "ch_mult of a VQGAN has 11 numbers; 1 to 10 are allowed"),
        ({"ch_mult": []}, "has 0 numbers"),
        ({"ch_mult": "1,x"}, "ch_mult='x' is not a whole number"),
        ({"gumbel": "perhaps"}, "gumbel='perhaps' is not true or false"),
        ({"in_channels": 1}, "in_channels=3 and out_ch=3"),
        ({"gumbel": True, "embed_dim": 64}, "z_channels must equal embed_dim"),
    ],
)
def test_invalid_flags_are_refused(flags: dict[str, object], words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        read_vqgan_flags(flags)


def test_flags_survive_a_weights_file() -> None:
    flags = read_vqgan_flags(SMALL)
    assert flags == read_vqgan_flags(asdict(flags))
    assert read_vqgan_flags({"ch_mult": "1,2,4"}) == read_vqgan_flags({"ch_mult": [1, 2, 4]})
