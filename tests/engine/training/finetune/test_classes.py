"""Nets with classes: whose pictures belong to which, what is trained of them, and a model that paints each by name."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from pathlib import Path

import pytest
import torch

from engine.catalogue.models import MODELS
from engine.errors import InvalidRequest, WeightsError
from engine.evaluation.prompts import dream
from engine.requests.request import build_request
from engine.runtime.runtime import Runtime
from engine.training.finetune.pictures import read_classes
from engine.training.finetune.result import export
from engine.training.finetune.start import load_start
from engine.weights.store.custom_models import read_custom_models
from engine.weights.store.trained_models import share_custom_models
from tests.engine.training.finetune.tiny import curve
from tests.engine.training.finetune.workshop import SMALL, environ, painted_folder, training

__all__ = ["environ"]
CLASSES = {**SMALL, "class_cond": True, "norm_groups": 32, "num_channels": 32}
"""guided-diffusion can build it."""
FILES = ("dog/a.png", "cat/b.png", "cat/deep/c.png", "cat_4.png")


def test_a_class_is_the_folder_or_what_precedes_the_underscore() -> None:
    assert (("cat", "dog"), [1, 0, 0, 0]) == read_classes(FILES)
    with pytest.raises(InvalidRequest, match=r"plain.png has no class \(1 of 5 files have none\): make a folder"):
        read_classes((*FILES, "plain.png"))
    with pytest.raises(InvalidRequest, match=r"The files have 1,001 classes; the limit is 1,000\."):
        read_classes([f"{number}_a.png" for number in range(1001)])


def test_only_the_classes_of_the_folder_are_trained(tmp_path: Path, environ: Mapping[str, str]) -> None:
    """The embedding gets its first gradient in the third step: the convolutions behind it are zero at first."""
    run = training(painted_folder(tmp_path / "in", *FILES), tmp_path / "runs", flags=CLASSES, steps=4).tuner
    before = run.net.label_emb.weight.detach().clone()
    run.run()
    moved = (run.net.label_emb.weight != before).any(1)
    assert [0, 1] == moved.nonzero().flatten().tolist()


def test_a_resumed_run_needs_the_same_classes(tmp_path: Path, environ: Mapping[str, str]) -> None:
    folder = painted_folder(tmp_path / "in", *FILES)
    whole = training(folder, tmp_path / "runs", flags=CLASSES)
    whole.tuner.run()
    assert curve(whole.tuner) == curve(training(folder, tmp_path / "runs", flags=CLASSES).tuner)
    (folder / "dog").rename(folder / "hound")
    with pytest.raises(WeightsError, match=r"classes \['cat', 'dog'\] \(now \['cat', 'hound'\]\)"):
        training(folder, tmp_path / "runs", flags=CLASSES)


def test_the_model_paints_its_classes_by_number_and_by_name(tmp_path: Path, environ: MutableMapping[str, str]) -> None:
    made = training(painted_folder(tmp_path / "in", *FILES), tmp_path / "runs", flags=CLASSES, perceptor="primer")
    made.tuner.run()
    with torch.no_grad():  # two steps hardly tell the classes apart
        made.tuner.averaged.label_emb.weight[1] += 3
        made.tuner.averaged.out[2].weight.normal_(generator=torch.Generator().manual_seed(0), std=0.1)
    card = (made.finish() / "README.md").read_text()
    assert "0. cat\n1. dog" in card
    share_custom_models({}, environ)
    assert (2, ("cat", "dog"), "primer") == (
        MODELS["mine"].classes, MODELS["mine"].class_names, MODELS["mine"].perceptor
    )  # fmt: skip
    runtime, shown = Runtime.open("cpu"), {}
    for label in ("0", "cat", "1", "dog", "-1"):
        options = {"class_id": label, "steps": "4", "clip_guidance_scale": "0"}
        (image,) = dream(["a red circle"], runtime, options, model="mine")
        shown[label] = image.tobytes()
    assert shown["0"] == shown["cat"] != shown["dog"] == shown["1"]
    with pytest.raises(InvalidRequest, match=r"class_id=2 is not a class of mine.*: its classes are 0 cat, 1 dog\."):
        build_request("a red circle", model="mine", settings={"class_id": "2"})

    flags = export("mine", tmp_path / "ema.pt")
    assert "--class_cond True" in flags
    again = load_start(str(tmp_path / "ema.pt"), CLASSES).net.state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in made.tuner.result().state_dict().items())


def test_published_weights_without_classes_learn_them(tmp_path: Path, environ: MutableMapping[str, str]) -> None:
    """As `--from imagenet-256 --class_cond True` does; at first every class paints as the weights do."""
    begun = training(painted_folder(tmp_path / "in", *FILES), tmp_path / "runs")
    begun.tuner.run()
    begun.finish()
    share_custom_models({}, environ)
    start = load_start("mine", {"class_cond": "True"})
    assert "The weights have no classes; they begin alike and are learned." == start.note
    x, t = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([10, 900])
    plain = load_start("mine", {}).net
    torch.testing.assert_close(plain.eval()(x, t), start.net.eval()(x, t, y=torch.tensor([0, 999])))


def test_a_net_that_reads_captions_has_no_classes() -> None:
    with pytest.raises(InvalidRequest, match=r"primer reads captions and has no classes; leave class_cond out\."):
        load_start("primer", {"class_cond": "True"})


def test_the_table_of_a_model_names_classes_of_such_nets_only() -> None:
    table = {"file": "w.pt", "flags": {"image_size": 64}, "classes": ["cat"]}
    with pytest.raises(WeightsError, match=r"models.mine: .*classes need a diffusion model with class_cond"):
        read_custom_models({"mine": table})
