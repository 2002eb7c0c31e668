from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from engine.errors import ModelUnavailable, WeightsError
from engine.memory_planning.meta_memory import LiveBytes
from engine.perceptors.open_clip import from_open_clip, load_open_clip, open_clip, shape_of, tokenizer
from engine.perceptors.perceptor import Perceptor
from tests.engine.tiny import tiny_perceptor
from tests.golden import TOLERANCE, Golden, distance, golden
from tests.shared import shared

CPU = torch.device("cpu")


def clip_of(file: Golden) -> torch.nn.Module:
    """The file's CLIP, as open_clip builds it, filled."""
    config = file.metadata["config"]
    layers = config["vision_layers"]
    net = open_clip.CLIP(
        config["embed_dim"],
        open_clip.CLIPVisionCfg(
            layers=tuple(layers) if isinstance(layers, list) else layers,
            width=config["vision_width"],
            patch_size=config["vision_patch_size"],
            image_size=config["image_resolution"],
        ),
        open_clip.CLIPTextCfg(
            context_length=config["context_length"],
            vocab_size=config["vocab_size"],
            width=config["transformer_width"],
            heads=config["transformer_heads"],
            layers=config["transformer_layers"],
        ),
        quick_gelu=True,
    )
    file.fill(net)
    with torch.no_grad():
        net.logit_scale.fill_(4.6052)
    return net.eval()


@pytest.mark.parametrize("name", ["clip_vit", "clip_resnet"])
def test_both_towers_and_the_pictures_gradient_are_the_references(name: str) -> None:
    file = golden(name)
    net = clip_of(file)
    image = file["image"].clone().requires_grad_()
    features, text = net.encode_image(image), net.encode_text(file["tokens"].long())
    features.square().sum().backward()
    logits = (
        net.logit_scale.exp()
        * torch.nn.functional.normalize(features, dim=-1)
        @ (torch.nn.functional.normalize(text, dim=-1).T)
    )
    assert image.grad is not None
    assert distance(file["image_features"], features.detach()) < TOLERANCE
    assert distance(file["text_features"], text.detach()) < TOLERANCE
    assert distance(file["logits_per_image"], logits.detach()) < TOLERANCE
    assert distance(file["image_grad_of_sum_of_squares"], image.grad) < TOLERANCE


def test_a_perceptor_normalises_what_comes_in_and_what_goes_out() -> None:
    file = golden("clip_vit")
    perceptor = from_open_clip("tiny", clip_of(file), CPU)
    assert (48, 32) == (perceptor.size, perceptor.dim)
    mean, std = (
        torch.tensor(v).view(1, 3, 1, 1) for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    expected = torch.nn.functional.normalize(file["image_features"], dim=-1)
    assert distance(expected, perceptor.encode_image(file["image"] * std + mean)) < TOLERANCE


def test_a_clip_whose_image_tower_is_timms_embeds_images() -> None:
    with LiveBytes():
        perceptor = shape_of("convnext_base_w/laion2b_s13b_b82k")
        seen = perceptor.encode_image(torch.empty(1, 3, perceptor.size, perceptor.size, device="meta"))

    assert (1, perceptor.dim) == seen.shape == (1, 640)


def test_texts_become_openais_tokens() -> None:
    tokens = tokenizer()
    for text, ids in json.loads(shared("golden", "clip_tokens.json").read_text()).items():
        assert ids + [0] * (77 - len(ids)) == tokens([text])[0].tolist(), text


def test_openais_clips_read_75_tokens_and_say_what_they_leave_out() -> None:
    perceptor = Perceptor("tiny", tiny_perceptor().towers, tokenizer(), size=32, dim=16)
    assert "" == perceptor.unread("cat " * 75)
    assert "dog, and a house" == perceptor.unread("cat " * 75 + "dog, and  a house")
    assert "" == perceptor.unread("")


def test_an_unknown_name_is_answered_with_known_names() -> None:
    with pytest.raises(ModelUnavailable, match="There is no CLIP “ViT-Z”; available: primer, ViT-B/32"):
        load_open_clip("ViT-Z", CPU)


def test_a_file_without_a_published_hash_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "ViT-B-32.pt"
    path.write_bytes(b"not what its name says")
    with pytest.raises(WeightsError, match="none of OpenAI's nine"):
        load_open_clip(str(path), CPU)
