from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from engine.errors import WeightsError
from engine.nets.adm import build_adm
from engine.nets.flags import read_flags
from tests.golden import TOLERANCE, distance, golden, seeded

PRIMER = {
    "image_size": 16,
    "num_channels": 32,
    "channel_mult": "1,2",
    "num_res_blocks": 1,
    "attention_resolutions": "4",
    "num_heads": 1,
    "resblock_updown": True,
    "predict_xstart": True,
    "context_dim": 8,
    "patch": 2,
}
GOLDEN = ("adm_uncond_256_style", "adm_lsun_style", "adm_portrait_style", "adm_class_cond_new_attention")


def primer_like(**flags: object) -> torch.nn.Module:
    torch.manual_seed(0)
    net = build_adm({**PRIMER, **flags}).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return net


@pytest.mark.parametrize("name", GOLDEN)
def test_the_forward_pass_is_the_references(name: str) -> None:
    file = golden(name)
    net = build_adm(file.metadata["flags"]).eval()
    file.fill(net)
    size = file.metadata["flags"]["image_size"]
    y = torch.tensor([3, 907]) if file.metadata["flags"]["class_cond"] else None
    with torch.no_grad():
        out = net(seeded((2, 3, size, size), 7), torch.tensor([13, 801]), y)
    assert distance(file["forward"], out) < TOLERANCE


@pytest.mark.parametrize("name", GOLDEN)
def test_the_state_dict_has_the_references_names_in_its_order(name: str) -> None:
    file = golden(name)
    assert file.names == list(build_adm(file.metadata["flags"]).state_dict())


@pytest.mark.parametrize(
    ("flags", "millions"),
    [
        ({"image_size": 256, "num_channels": 256, "num_head_channels": 64}, 552.8),
        ({"image_size": 512, "num_channels": 256, "num_head_channels": 64}, 558.0),
    ],
)
def test_the_published_nets_have_their_published_sizes(flags: dict[str, object], millions: float) -> None:
    with torch.device("meta"):
        net = build_adm(
            {
                **flags,
                "attention_resolutions": "32,16,8",
                "resblock_updown": True,
                "learn_sigma": True,
                "use_fp16": True,
            }
        )
    assert millions == pytest.approx(sum(p.numel() for p in net.parameters()) / 1e6, abs=0.05)


def test_gradients_reach_every_weight_and_the_picture() -> None:
    net = primer_like()
    x = torch.randn(2, 3, 16, 16, requires_grad=True)
    context = torch.randn(2, 8)
    net(x, torch.tensor([5, 900]), context=context, context_mask=torch.tensor([True, False])).square().sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert [] == [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_checkpointing_changes_no_gradient_even_with_frozen_weights() -> None:
    gradients = []
    for use_checkpoint in (False, True):
        net = primer_like(use_checkpoint=use_checkpoint).requires_grad_(False)
        x = torch.linspace(-1, 1, 768).view(1, 3, 16, 16).requires_grad_()
        net(x, torch.tensor([5])).square().sum().backward()
        gradients.append(x.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=0)


def test_a_mask_drops_the_text_of_one_sample_only() -> None:
    net = primer_like()
    x, t, context = torch.randn(2, 3, 16, 16), torch.tensor([5, 900]), torch.randn(2, 8)
    with torch.no_grad():
        masked = net(x, t, context=context, context_mask=torch.tensor([True, False]))
        kept, dropped = net(x, t, context=context), net(x, t)
    torch.testing.assert_close(masked, torch.stack([kept[0], dropped[1]]), rtol=1e-5, atol=1e-5)
    assert (kept[1] - dropped[1]).abs().max() > 1e-3


def test_a_patch_lets_the_net_see_a_smaller_map_with_more_channels() -> None:
    net = primer_like(patch=4, attention_resolutions="2")
    assert (32, 48, 3, 3) == net.input_blocks[0][0].weight.shape
    assert (1, 3, 16, 24) == net(torch.randn(1, 3, 16, 24), torch.tensor([1])).shape


@pytest.mark.parametrize("learn_sigma", [False, True])
@pytest.mark.parametrize("part", ["fine", "reader"])
def test_a_part_that_is_added_later_changes_nothing_before_it_has_learned(part: str, learn_sigma: bool) -> None:
    plain = primer_like(learn_sigma=learn_sigma)
    richer = build_adm({**PRIMER, part: 16, "learn_sigma": learn_sigma}).eval()
    missing, unexpected = richer.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert missing
    assert all(name.startswith(type(richer).later) for name in missing)
    x, t, context = torch.randn(2, 3, 16, 24), torch.tensor([9, 400]), torch.randn(2, 8)
    torch.testing.assert_close(plain(x, t, context=context), richer(x, t, context=context))


def copying_net(*copy: float) -> torch.nn.Module:
    """A net that copies every sketch alike. *copy*: scale and shift of three channels, and the share."""
    plain = primer_like(patch=4, attention_resolutions="2", fine=16, sketch=4, predict_xstart=True)
    net = build_adm({**asdict(plain.flags), "copies": True}).eval()
    missing, unexpected = net.load_state_dict(plain.state_dict(), strict=False)
    assert ["copy.linear.weight", "copy.linear.bias"] == missing
    assert not unexpected
    if copy:
        net.copy.linear.bias.copy_(torch.tensor(copy))
    return net


@torch.no_grad()
def test_a_copy_that_is_added_later_changes_nothing_before_it_has_learned() -> None:
    plain = primer_like(patch=4, attention_resolutions="2", fine=16, sketch=4, predict_xstart=True)
    x, t, sketch, context = (
        torch.randn(2, 3, 16, 16),
        torch.tensor([9, 400]),
        torch.randn(2, 4, 16, 16),
        torch.randn(2, 8),
    )
    assert torch.equal(plain(x, t, context=context, sketch=sketch), copying_net()(x, t, context=context, sketch=sketch))


@torch.no_grad()
def test_the_sketch_is_copied_where_it_covers_and_where_the_text_is_told() -> None:
    x, t, context = torch.randn(1, 3, 16, 16), torch.tensor([400]), torch.randn(1, 8)
    sketch = torch.zeros(1, 4, 16, 16)
    sketch[..., :8] = torch.tensor([0.5, -0.25, 0.75, 1.0]).view(4, 1, 1)
    before, net = copying_net()(x, t, context=context, sketch=sketch), copying_net(0, 0, 0, 0, 0, 0, 1)
    copied = net(x, t, context=context, sketch=sketch)
    torch.testing.assert_close(copied[..., :8], sketch[:, :3, :, :8])
    assert torch.equal(copied[..., 8:], before[..., 8:])
    half = copying_net(0, 0, 0, 0, 0, 0, 0.5)(x, t, context=context, sketch=sketch)
    torch.testing.assert_close(half, (before + copied) / 2)
    untold = net(x, t, context=context, sketch=sketch, context_mask=torch.tensor([False]))
    torch.testing.assert_close(untold, net(x, t, sketch=torch.zeros_like(sketch)))


@torch.no_grad()
def test_a_copy_is_tinted() -> None:
    x, t, context, sketch = torch.randn(1, 3, 16, 16), torch.tensor([400]), torch.randn(1, 8), torch.ones(1, 4, 16, 16)
    tinted = copying_net(-0.5, 0, 0, 0, 0.25, 0, 1)(x, t, context=context, sketch=sketch)
    torch.testing.assert_close(tinted, torch.tensor([0.5, 1.25, 1.0]).view(1, 3, 1, 1).expand_as(tinted))


def test_a_reader_sees_what_no_single_layer_can() -> None:
    net = primer_like(reader=32)
    torch.nn.init.normal_(net.reader.out.weight)
    context = torch.tensor([[1.0, *[0.0] * 7], [-1.0, *[0.0] * 7], [0.0] * 8])
    up, down, level = net.reader(context)
    assert (up + down - 2 * level).abs().max() > 1e-2  # a linear map would give 0


def test_a_fine_head_looks_at_half_the_patch() -> None:
    net = primer_like(patch=4, attention_resolutions="2", fine=16)
    assert (16, 2 * 3 * 2**2, 3, 3) == net.fine.stem.weight.shape
    x = torch.randn(1, 3, 16, 16, requires_grad=True)
    net(x, torch.tensor([9]))[..., 8, 8].sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0


@torch.no_grad()
def test_a_picture_of_three_by_three_tokens_is_rounded_alike_wherever_it_stands_in_its_batch() -> None:
    net = primer_like(
        channel_mult="1,2,3", num_channels=64, attention_resolutions="2", num_head_channels=32, num_heads=4
    )
    x, t, context = torch.randn(2, 3, 24, 24), torch.tensor([9, 400]), torch.randn(2, 8)
    there = net(x.flip(0), t.flip(0), context=context.flip(0)).flip(0)
    assert torch.equal(net(x, t, context=context), there)


def test_half_precision_is_kept_to_the_convolutions_of_the_torso() -> None:
    net = primer_like().set_torso_dtype(torch.bfloat16)
    types = {name: p.dtype for name, p in net.named_parameters()}
    assert torch.bfloat16 == types["middle_block.0.in_layers.2.weight"] == types["middle_block.1.qkv.weight"]
    assert torch.float32 == types["middle_block.0.in_layers.0.weight"] == types["out.2.weight"]
    x = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        assert distance(primer_like()(x, torch.tensor([9])), net(x, torch.tensor([9]))) < 0.05


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"num_chanels": 64}, "did you mean “num_channels”"),
        ({"image_size": 40}, "channel_mult is missing"),
        ({"fine": 16, "patch": 1}, "needs an even patch; patch is 1"),
        ({"copies": True}, "“copies” needs fine, sketch, context_dim"),
        ({"reader": 16, "context_dim": 0}, "needs context_dim"),
        ({"num_channels": "many"}, "num_channels='many'"),
        ({"use_fp16": "True,"}, "use_fp16='True,'"),
        ({"image_size": 64, "predict_v": True, "predict_xstart": True}, "Only one of predict_xstart and predict_v"),
        ({"use_neighborhood_attention": True}, "neighbourhood attention"),
    ],
)
def test_a_wrong_flag_is_named(flags: dict[str, object], words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        read_flags(flags)


def test_the_width_has_a_second_name() -> None:
    assert read_flags({"image_size": 64, "num_channels": 96}) == read_flags({"image_size": 64, "model_channels": 96})


def test_a_width_below_one_may_be_given_as_a_flag() -> None:
    assert (0.5, 1.0, 2.0) == read_flags({"image_size": 32, "channel_mult": "0.5,1,2"}).channel_mult
