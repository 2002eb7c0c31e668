"""The v-diffusion nets: equal to their formulas, as large as published, and every weight has a gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._dynamo.backends.debugging import aot_eager

from engine.catalogue.registry import PUBLISHED, Kind
from engine.errors import WeightsError
from engine.loaders.checkpoint import blueprint
from engine.nets.flags import read_v_diffusion_flags
from engine.nets.v_diffusion import VDiffusionNet, build_v_diffusion
from engine.runtime.tuning import Compiler
from tests.engine.nets.v_written_out import v_of
from tests.engine.tiny import fill

SMALL = {"image_size": 16, "widths": "8,12,16", "num_res_blocks": 2, "attention_resolutions": "8,4", "mapping": 24}
KINDS: dict[str, dict[str, object]] = {
    "reads text": {"context_dim": 6, "num_head_channels": 4},
    "plain": {"num_head_channels": 4},
    "ported": {"num_head_channels": 4, "ported": True},
    "ported, with a last ReLU": {"num_head_channels": 4, "ported": True, "last_relu": True},
}


def small(**flags: object) -> VDiffusionNet:
    net = build_v_diffusion({**SMALL, **flags}).eval()
    with torch.no_grad():
        fill(net)
    return net


def asked(net: VDiffusionNet) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(2, 3, 16, 24, generator=generator)
    context = torch.randn(2, 6, generator=generator) if net.flags.context_dim else None
    return x, torch.tensor([0.2, 0.85]), context


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_v_is_what_the_formulas_say(kind: str) -> None:
    net = small(**KINDS[kind])
    x, t, context = asked(net)
    ported, last_relu = (bool(KINDS[kind].get(name)) for name in ("ported", "last_relu"))
    expected = v_of(
        net.state_dict(), x, t, context, levels=3, blocks=2, attends={1, 2}, head=4, ported=ported, last_relu=last_relu
    )

    torch.testing.assert_close(expected, net(x, t, context), atol=1e-4, rtol=1e-3)
    assert expected.std() > 0.01


@torch.no_grad()
def test_without_text_the_embedding_is_zero() -> None:
    net = small(**KINDS["reads text"])
    x, t, _ = asked(net)

    assert torch.equal(net(x, t, torch.zeros(2, 6)), net(x, t))


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_reaches_every_weight(kind: str) -> None:
    net = small(**KINDS[kind])
    x, t, context = asked(net)
    net(x, t, context).square().sum().backward()

    assert [] == [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum()]


@pytest.mark.parametrize(
    ("name", "millions"),
    [("cc12m-1-cfg", 602.9), ("cc12m-1", 602.9), ("yfcc-1", 481.4), ("yfcc-2", 968.3), ("danbooru-128", 564.9),
     ("imagenet-128-v", 290.3), ("wikiart-128", 243.9), ("wikiart-256", 291.1)],
)  # fmt: skip
def test_published_nets_have_the_published_number_of_weights(name: str, millions: float) -> None:
    net = blueprint(build_v_diffusion, PUBLISHED[name].flags)

    assert Kind.V_DIFFUSION is PUBLISHED[name].kind
    assert millions == round(sum(p.numel() for p in net.parameters()) / 1e6, 1)


def test_less_memory_gives_the_same_gradient() -> None:
    net = small(**KINDS["reads text"]).requires_grad_(False)
    found = []
    for checkpointing in (False, True):
        net.checkpointing = checkpointing
        x, t, context = asked(net)
        leaf = x.clone().requires_grad_()
        found.append(torch.autograd.grad(net(leaf, t, context).square().sum(), leaf)[0])

    torch.testing.assert_close(found[0], found[1])


@torch.no_grad()
def test_half_precision_stays_near_and_leaves_the_net_as_float() -> None:
    net = small(**KINDS["reads text"])
    x, t, context = asked(net)
    expected = net(x, t, context)
    found = net.set_torso_dtype(torch.bfloat16)(x, t, context)

    assert torch.float32 == found.dtype == net.mapping[0].main[0].weight.dtype  # type: ignore[index, union-attr]
    assert (found - expected).std() < 0.05 * expected.std()


def test_it_compiles_as_one_graph() -> None:
    net = small(**KINDS["reads text"]).requires_grad_(False)
    compiler = Compiler(backend=aot_eager)
    x, t, context = asked(net)
    expected = net(x, t, context)
    compiler.take(net)
    found, compiled = compiler.step("v", lambda: net(x, t, context))
    torch._dynamo.reset()

    assert compiled, compiler.problem
    torch.testing.assert_close(expected, found)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"num_channels": 128}, "Unknown v-diffusion flag “num_channels”; did you mean “num_head_channels”"),
        ({"widths": "128"}, "two or more widths"),
        ({"widths": "128,wide"}, "widths='wide' is not a whole number"),
        ({"ported": "perhaps"}, "ported='perhaps' is not true or false"),
        ({"free_guidance": True}, "needs context_dim"),
        ({"image_size": 100}, "image_size=100 is not a multiple of 64"),
    ],
)
def test_impossible_flags_are_refused_in_words(flags: dict[str, Any], sentence: str) -> None:
    with pytest.raises(WeightsError, match=sentence):
        read_v_diffusion_flags(flags)
