"""Sample grids: guided by prompts for every kind of net, equal from grid to grid, one picture for each class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.errors import InvalidRequest
from engine.images.tensors import to_tensor
from engine.perceptors.perceptor_loader import read_perceptor
from engine.training.finetune import samples
from engine.training.finetune.samples import Showing, sample
from tests.engine.tiny import fill
from tests.engine.training.finetune.tiny import tiny_net
from tests.engine.training.finetune.workshop import SMALL, environ, painted_folder, training

__all__ = ["environ"]
PROMPTS = ("a red circle", "a blue circle")


def pixels(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image, np.int16)


def guided(tmp_path: Path, **options: Any) -> Showing:
    folder = painted_folder(tmp_path / "in", *(f"{i}.png" for i in range(4)))
    return training(folder, tmp_path / "runs", prompts=";".join(PROMPTS), **options).tuner.album.showing


def test_clip_moves_the_samples_of_a_net_that_reads_no_text_to_their_prompts(
    tmp_path: Path, environ: Mapping[str, str]
) -> None:
    showing = guided(tmp_path, perceptor="primer")
    net = fill_net(image_size=16)
    told = [(-1, text) for text in PROMPTS]
    clip = read_perceptor("primer", torch.device("cpu"))
    texts = clip.encode_text(PROMPTS)

    def fits(images: list[Image.Image]) -> torch.Tensor:
        views = torch.stack([to_tensor(image.resize((clip.size, clip.size))) for image in images])
        return (clip.encode_image(views) * texts).sum(1)

    with torch.no_grad():
        gain = fits(showing._guided(net, told)) - fits(sample(net, 2))
    assert float(gain.min()) > 0.05, gain


def fill_net(**flags: object) -> Any:
    """Random weights everywhere."""
    net = tiny_net(dropout=0, **flags).eval().requires_grad_(False)
    fill(net)
    return net


def test_equal_weights_give_equal_grids_with_the_prompts_below(tmp_path: Path, environ: Mapping[str, str]) -> None:
    showing = guided(tmp_path)
    first, again = (showing.paint(fill_net(image_size=16)) for _ in range(2))
    assert np.array_equal(pixels(first), pixels(again))
    assert first.height > 16  # a line of text


def test_a_clip_that_is_not_installed_is_replaced_and_named(tmp_path: Path, environ: Mapping[str, str]) -> None:
    folder = painted_folder(tmp_path / "in", "a.png", "b.png")
    usual = training(folder, tmp_path / "runs", prompts="a red circle")
    assert "The small model's CLIP guides the grids: ViT-B/32 is not downloaded; run" in usual.note
    assert {"perceptors": "primer"} == usual.tuner.album.showing.settings
    for options, message in (
        ({"perceptor": "ViT-B/16"}, r"ViT-B/16: not downloaded; run python -m engine weights download ViT-B/16"),
        ({"perceptor": "ViT-B/33"}, r"There is no CLIP “ViT-B/33”; did you mean"),
        ({"prompts": "qwxyz"}, r"“qwxyz”"),
    ):
        with pytest.raises(InvalidRequest, match=message):
            training(folder, tmp_path / "runs", **{"prompts": "a red circle", **options})


def test_a_grid_shows_every_class_and_every_prompt_of_it(
    tmp_path: Path, environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The net hears the number of the class that the caption names."""
    net, heard = fill_net(image_size=16, class_cond=True), list[list[int]]()
    net.register_forward_pre_hook(lambda _, args, given: heard.append(given["y"].tolist()), with_kwargs=True)
    sheets = list[list[str]]()

    def sheet(images: list[Image.Image], captions: list[str]) -> Image.Image:
        sheets.append(captions)
        return images[0]

    monkeypatch.setattr(samples, "contact_sheet", sheet)
    Showing(classes=("cat", "dog")).paint(net)
    assert [["cat", "dog"]] == sheets
    assert [[0, 1]] * 25 == heard

    folder = painted_folder(tmp_path / "in", "cat/a.png", "dog/b.png")
    flags = {**SMALL, "class_cond": True}
    showing = training(folder, tmp_path / "runs", flags=flags, prompts="a red circle").tuner.album.showing
    heard.clear()
    showing.paint(net)
    assert ["cat: a red circle", "dog: a red circle"] == sheets[-1]
    assert [[0, 1]] * 25 == heard
