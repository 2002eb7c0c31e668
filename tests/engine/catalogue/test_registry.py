from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.catalogue.registry import PUBLISHED, Kind, find_entry
from engine.errors import ModelUnavailable
from engine.loaders.checkpoint import blueprint
from engine.nets.adm import build_adm
from tests.shared import shared

DIFFUSION = {name: entry for name, entry in PUBLISHED.items() if entry.kind is Kind.DIFFUSION}
MILLIONS = {
    552.8: ["imagenet-256"],
    558.0: ["imagenet-512", "handpainted-cg", "isometric"],
    421.5: ["imagenet-128"],
    295.9: ["imagenet-64"],
    139.6: ["portraits", "portraits-1.5"],
    113.7: [
        *("bedrooms", "bedrooms-2400k", "clip-diffusion-art", "comics-faces", "comics-faces-2", "watercolor"),
        *("watercolor-2", "pulp-scifi", "pixel-art", "pixel-art-hard", "pixel-art-soft", "pixel-art-4k"),
    ],
}
"""Parameters as counted from the reference's own class."""


@pytest.mark.parametrize("name", DIFFUSION)
def test_every_diffusion_net_is_built_at_full_size_and_counts_what_the_reference_counts(name: str) -> None:
    state = blueprint(build_adm, DIFFUSION[name].flags).state_dict()
    millions = sum(tensor.numel() for tensor in state.values()) / 1e6
    expected = next((count for count, names in MILLIONS.items() if name in names), None)
    if expected is None:
        assert name in ("ukiyo-e", "ukiyo-e-all")  # nobody has published a count
        assert millions < 139.6  # the portraits' net without its seventh level
    else:
        assert expected == pytest.approx(millions, abs=0.05)
    assert DIFFUSION[name].size == pytest.approx(4e6 * millions, rel=0.03)


SHAPES = {
    "imagenet-256": {
        "tensors": 566,
        "input_blocks.0.0.weight": (256, 3, 3, 3),
        "time_embed.0.weight": (1024, 256),
        "input_blocks.3.0.in_layers.2.weight": (256, 256, 3, 3),
        "middle_block.1.qkv.weight": (3072, 1024, 1),
        "out.2.weight": (6, 256, 3, 3),
    },
    "imagenet-512": {"input_blocks.0.0.weight": (128, 3, 3, 3), "out.2.weight": (6, 128, 3, 3)},
    "imagenet-128": {"label_emb.weight": (1000, 1024), "out.2.weight": (6, 256, 3, 3)},
    "imagenet-64": {"label_emb.weight": (1000, 768), "out.2.weight": (6, 192, 3, 3)},
    "bedrooms": {
        "input_blocks.0.0.weight": (128, 3, 3, 3),
        "input_blocks.3.0.op.weight": (128, 128, 3, 3),
        "output_blocks.2.1.conv.weight": (512, 512, 3, 3),
        "middle_block.0.emb_layers.1.weight": (512, 512),
        "out.2.weight": (6, 128, 3, 3),
    },
}
"""Names and shapes as the reference's classes have them at these flags."""


@pytest.mark.parametrize("name", SHAPES)
def test_names_and_shapes_are_the_references(name: str) -> None:
    state = blueprint(build_adm, DIFFUSION[name].flags).state_dict()
    found = {key: tuple(tensor.shape) for key, tensor in state.items()} | {"tensors": len(state)}
    expected = SHAPES[name]
    assert expected == {key: found.get(key) for key in expected}


def test_nets_of_the_same_family_have_the_same_names_as_the_golden_ones() -> None:
    """The golden nets have fewer levels, so their names are a part of the full nets' names, but for positions."""
    from safetensors import safe_open

    for golden, name in (("adm_lsun_style", "bedrooms"), ("adm_uncond_256_style", "imagenet-256")):
        with safe_open(shared("golden", f"{golden}.safetensors"), "pt") as file:
            small = {re.sub(r"\d+", "#", key) for key, _ in json.loads(file.metadata()["state_dict"])}
        full = {re.sub(r"\d+", "#", key) for key in blueprint(build_adm, DIFFUSION[name].flags).state_dict()}
        assert small == full, name


def test_no_two_entries_share_a_file_or_a_hash() -> None:
    hashes = [entry.sha256 for entry in PUBLISHED.values() if entry.sha256]
    assert len(hashes) == len(set(hashes))
    assert len(PUBLISHED) == len({entry.file for entry in PUBLISHED.values()})


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_entry_says_where_it_comes_from_and_what_is_allowed(name: str) -> None:
    entry = PUBLISHED[name]
    assert all(re.fullmatch(r"https://[\w.-]+/\S+", url) for url in entry.sources)
    assert entry.sources or entry.page
    assert re.fullmatch(r"[0-9a-f]{64}|", entry.sha256)
    assert entry.licence.endswith(".")
    assert entry.limit >= entry.size > 0
    assert Path(entry.file).name == entry.file


def test_names_are_found_however_they_are_written() -> None:
    assert "imagenet-512" == find_entry("512x512_diffusion_uncond_finetune_008100").name
    assert "imagenet-256" == find_entry("256x256_diffusion_uncond.pt").name
    assert "ViT-B/32" == find_entry("vit-b/32").name
    with pytest.raises(ModelUnavailable, match="There are no weights “imagnet-256”; did you mean “imagenet-256”"):
        find_entry("imagnet-256")
    with pytest.raises(ModelUnavailable, match="weights list` shows all"):
        find_entry("zzz")
