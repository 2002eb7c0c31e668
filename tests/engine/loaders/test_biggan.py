from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.catalogue.models import MODELS
from engine.catalogue.registry import PUBLISHED, Kind, find_entry
from engine.errors import ModelUnavailable, WeightsError
from engine.loaders.biggan import BigganNet, folded, read_biggan
from engine.loaders.checkpoint import blueprint
from engine.methods.biggan_clip import METHOD
from engine.nets.biggan import Biggan, build_biggan
from engine.nets.flags import read_biggan_flags
from engine.requests.request import BigganClipOptions, build_options, build_request
from engine.runtime.runtime import Runtime
from engine.weights.store.folder import Folder, missing_weights
from engine.worker.capabilities import find_capabilities
from tests.engine.weights.made import Harm, put, saved
from tests.golden import golden

BIGGANS = {name: entry for name, entry in PUBLISHED.items() if entry.kind is Kind.BIGGAN}
CPU = torch.device("cpu")
TINY: dict[str, object] = {
    "output_dim": 16, "z_dim": 2, "class_embed_dim": 2, "channel_width": 4, "num_classes": 5,
    "layers": [[False, 16, 8], [True, 8, 4], [False, 4, 2], [True, 2, 1]], "attention_layer_position": 3, "n_stats": 3,
}  # fmt: skip


def tiny_tensors() -> dict[str, Tensor]:
    """As the reference saves them: every weight but the embeddings' beside the vectors of its spectral norm."""
    generator = torch.Generator().manual_seed(3)
    tensors = {}
    for name, value in Biggan(read_biggan_flags(TINY)).state_dict().items():
        made = torch.randn(value.shape, generator=generator)
        made = made.abs() + 0.5 if name.endswith("running_vars") else made
        if made.ndim > 1 and name.endswith(".weight") and not name.startswith("embeddings"):
            u, v = torch.randn(len(made), generator=generator), torch.randn(made[0].numel(), generator=generator)
            tensors |= {f"{name}_orig": made, f"{name}_u": u, f"{name}_v": v}
        else:
            tensors[name] = made
    return tensors


def load(tmp_path: Path, content: bytes) -> BigganNet:
    folder = Folder(tmp_path / "weights")
    entry = put(folder, content, file="net.bin", kind=Kind.BIGGAN)
    return read_biggan(replace(entry, flags=TINY), folder, CPU)


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    state = blueprint(build_biggan, BIGGANS[name].flags).state_dict()
    return {key: tuple(tensor.shape) for key, tensor in state.items()}


@pytest.mark.parametrize(
    ("name", "parameters", "mebibytes"),
    [("biggan-deep-128", 50.4, 201), ("biggan-deep-256", 55.9, 224), ("biggan-deep-512", 56.2, 225)],
)
def test_every_net_is_built_at_full_size_and_counts_what_the_reference_says(
    name: str, parameters: float, mebibytes: float
) -> None:
    """Its parameters, and the file's size: that is all tensors, statistics and spectral norms among them."""
    net = blueprint(build_biggan, BIGGANS[name].flags)
    assert parameters == pytest.approx(sum(p.numel() for p in net.parameters()) / 1e6, abs=0.05)
    found = shapes(name)
    normed = [s for key, s in found.items() if len(s) > 1 and key.endswith(".weight") and "embeddings" not in key]
    vectors = sum(shape[0] + torch.Size(shape[1:]).numel() for shape in normed)
    size = 4 * (vectors + sum(torch.Size(shape).numel() for shape in found.values()))
    assert mebibytes == pytest.approx(size / 2**20, abs=0.7)
    assert BIGGANS[name].size == pytest.approx(size, rel=0.002)


@pytest.mark.parametrize("name", BIGGANS)
def test_names_and_shapes_are_the_references(name: str) -> None:
    found = shapes(name)
    blocks = {"biggan-deep-128": 10, "biggan-deep-256": 12, "biggan-deep-512": 14}[name]
    last = f"generator.layers.{blocks}.conv_3.weight"
    expected = {
        "embeddings.weight": (128, 1000),
        "generator.gen_z.weight": (32768, 256),
        "generator.layers.0.bn_0.running_means": (51, 2048),
        "generator.layers.0.conv_1.weight": (512, 512, 3, 3),
        "generator.layers.0.conv_3.bias": (2048,),
        "generator.layers.8.gamma": (1,),
        "generator.conv_to_rgb.weight": (128, 128, 3, 3),
        last: (128, 64 if blocks < 14 else 32, 1, 1),
    }
    assert expected == {key: found.get(key) for key in expected}
    assert {re.sub(r"\d+", "#", key) for key in found} == patterns_of_the_golden_net()


def patterns_of_the_golden_net() -> set[str]:
    ends = "weight_orig", "weight_u", "weight_v"
    names = (n.rpartition(".")[0] + ".weight" if n.endswith(ends) else n for n in golden("biggan_deep").names)
    return {re.sub(r"\d+", "#", name) for name in names}


def test_a_checkpoint_becomes_the_net_with_its_spectral_norms_folded(tmp_path: Path) -> None:
    tensors = tiny_tensors()
    net = load(tmp_path, saved(tensors)).net
    w, u, v = (tensors[f"generator.layers.0.conv_1.weight_{end}"] for end in ("orig", "u", "v"))
    expected = w / torch.einsum("o,oi,i->", u, w.flatten(1), v)
    torch.testing.assert_close(expected, net.generator.layers[0].conv_1.weight, check_stride=False)  # type: ignore[union-attr]
    torch.testing.assert_close(tensors["embeddings.weight"], net.embeddings.weight.data)
    assert not any(parameter.requires_grad or parameter.is_meta for parameter in net.parameters())


def test_a_checkpoint_as_pytorch_wrote_them_in_2019_is_read(tmp_path: Path) -> None:
    """A pickle of an ordered dictionary, which remembers the versions of the modules and of their spectral norms."""
    tensors = OrderedDict(tiny_tensors())
    versions = {"": {"version": 1}, "generator.gen_z": {"version": 1, "spectral_norm": {"weight.version": 1}}}
    tensors._metadata = OrderedDict(versions)  # type: ignore[attr-defined]
    old, new = (load(tmp_path / str(archive), saved(tensors, archive=archive)) for archive in (False, True))
    for name, tensor in old.net.state_dict().items():
        assert torch.equal(tensor, new.net.state_dict()[name]), name


def without(*names: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tiny_tensors().items() if name not in names}


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (without("generator.bn.bias"), "does not hold the net that its flags describe: generator.bn.bias is missing"),
        (tiny_tensors() | {"extra": torch.ones(1)}, "extra is unknown"),
        (tiny_tensors() | {"embeddings.weight": torch.ones(2, 6)}, r"embeddings.weight is \[2, 6\] instead of"),
        (without("generator.gen_z.weight_v"), "the spectral norm of generator.gen_z lacks a vector that fits"),
        (without("generator.gen_z.weight_orig"), "generator.gen_z.weight is missing"),
        (tiny_tensors() | {"generator.gen_z.weight_u": torch.ones(3)}, "generator.gen_z lacks a vector that fits"),
        (tiny_tensors() | {"generator.gen_z.weight_u": torch.zeros(1024)}, "the spectral norm of generator.gen_z is 0"),
        (
            tiny_tensors() | {"generator.gen_z.weight_u": torch.full((1024,), torch.nan)},
            "“generator.gen_z.weight_u” holds numbers that are not finite",
        ),
        (
            tiny_tensors() | {"generator.bn.running_vars": torch.full((3, 4), -1.0)},
            "generator.bn.running_vars holds variances below 0",
        ),
    ],
)
def test_another_net_is_refused_in_one_sentence(tmp_path: Path, tensors: dict[str, Tensor], words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        load(tmp_path, saved(tensors))


def test_a_checkpoint_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="“imagenet-256” is not a BigGAN but a checkpoint of the kind diffusion"):
        read_biggan(find_entry("imagenet-256"), Folder(tmp_path), CPU)


def test_a_checkpoint_that_would_run_code_runs_none(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not safe to read: it wants to run"):
        load(tmp_path, saved({**tiny_tensors(), "extra": Harm(tmp_path / "harm")}))
    assert not (tmp_path / "harm").exists()


def test_what_is_folded_already_stays_as_it_is() -> None:
    tensors = {"a.weight": torch.ones(2, 2), "a.bias": torch.ones(2)}
    assert tensors == folded(tensors, "a file")


@pytest.mark.parametrize("name", BIGGANS)
def test_every_net_is_a_model_of_one_size_that_says_what_it_lacks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    model = MODELS[name]
    side = int(name.rpartition("-")[2])
    assert ((side, side), side, side, 1000) == (model.size, model.smallest, model.largest, model.classes)
    options = build_options(model, "", {})
    assert isinstance(options, BigganClipOptions) and (0.07, "likely") == (options.learning_rate, options.classes)
    command = f"not downloaded; run python -m engine weights download --trust {name} ViT-B/32"
    assert command == missing_weights(model)
    unavailable = find_capabilities("w", 1, "CPU", 1).unavailable
    assert command == unavailable[name]
    assert unavailable["biggan_clip"] == unavailable["biggan-deep-512"]
    with pytest.raises(ModelUnavailable, match=f"run python -m engine weights download --trust {name}"):
        METHOD.load(build_request("a fox", model=name), Runtime.open("cpu"))
