"""`train`: what a folder's owner reads."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.loaders.checkpoint import read_checkpoint
from engine.methods.clip_diffusion import METHOD
from engine.training.finetune.options import read_words
from engine.training.finetune.start import load_start
from tests.engine.shell import Said, Shell

pytestmark = pytest.mark.usefixtures("forget_models")


def save_scenes(folder: Path, count: int, side: int = 24) -> None:
    """Different coarse colours, smoothly enlarged."""
    folder.mkdir()
    for seed in range(count):
        coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{seed}.png")


def test_prepare_counts_and_lists_what_is_left_out(shell: Shell, tmp_path: Path) -> None:
    save_scenes(tmp_path / "mine", 4)
    (tmp_path / "mine" / "0.txt").write_text("an owl")
    (tmp_path / "mine" / "cut.png").write_bytes((tmp_path / "mine" / "1.png").read_bytes()[:99])
    said = shell("train", "prepare", tmp_path / "mine", "--image_size", 16, "--sheet", "sheet.png")
    assert 0 == said.status
    assert "4 pictures, 1 of them with captions; 1 left out." == said.out.splitlines()[0]
    assert ["cut.png", "broken:"] == said.out.splitlines()[1].split()[:2]
    assert Image.open(tmp_path / "sheet.png").width > 32


def test_prepare_replaces_no_other_sheet_unless_it_is_named(shell: Shell, tmp_path: Path) -> None:
    save_scenes(tmp_path / "scenes", 3)

    for _ in range(2):
        said = shell("train", "prepare", tmp_path / "scenes", "--image-size", 16)
        assert (0, True) == (said.status, "3 pictures" in said.out), said.err

    assert ["contact-sheet.2.png", "contact-sheet.png"] == sorted(path.name for path in Path().glob("*.png"))


def test_prepare_takes_the_size_of_the_weights(shell: Shell, tmp_path: Path) -> None:
    save_scenes(tmp_path / "mine", 1)
    for source, side in ((), 64), (("--from", "lsun-bedroom"), 256), (("--from", "scratch"), 64):
        assert f"the shorter side needs {side}" in shell("train", "prepare", "mine", *source).err
    assert "There are no weights “nothing”" in shell("train", "prepare", "mine", "--from", "nothing").err


def test_prepare_refuses_a_folder_that_is_missing(shell: Shell) -> None:
    said = shell("train", "prepare", "absent")
    assert (2, "error: absent is not a folder.") == (said.status, said.err.strip())


ARGUMENTS = (
    "--image_size 8 --num_channels 16 --channel_mult 1,2 --num_res_blocks 1 --attention_resolutions 4 --num_heads 1 "
    "--learn_sigma True --lr 1e-3 --save_interval 2 --batch_size 4 --steps 2 --sample_interval 2 --ema_rate 0.9 "
    "--device cpu"
)
TINY = ARGUMENTS.split()


class Once:
    """Trains into a folder once; later tests get a copy of that folder, and what was said with their own paths."""

    def __init__(self, kept: Path) -> None:
        self._kept = kept
        self._said: tuple[Path, Said] | None = None

    def __call__(self, folder: Path, train: Callable[[], Said]) -> Said:
        if self._said is None:
            save_scenes(folder / "pictures", 5)
            self._said = folder, train()
            shutil.copytree(folder, self._kept)
            return self._said[1]
        shutil.copytree(self._kept, folder, dirs_exist_ok=True)
        first, said = self._said
        return Said(said.status, *(text.replace(str(first), str(folder)) for text in (said.out, said.err)))


@pytest.fixture(scope="module")
def model_once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    return Once(tmp_path_factory.mktemp("model") / "kept")


@pytest.fixture(scope="module")
def adapter_once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    return Once(tmp_path_factory.mktemp("adapter") / "kept")


@pytest.fixture
def trained(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_once: Once) -> Said:
    """A model “mine” after two steps."""
    monkeypatch.setenv("DREAMBOT_TRAINING", str(tmp_path / "training"))
    return model_once(tmp_path, lambda: shell("train", "pictures", "--from", "scratch", "--out", "mine", *TINY))


def test_a_trained_model_is_an_own_model_at_once(shell: Shell, trained: Said, tmp_path: Path) -> None:
    assert 0 == trained.status, trained.err
    folder = tmp_path / "no weights" / "trained" / "mine"
    assert str(folder) == trained.out.splitlines()[0]
    assert {"README.md", "model.json", "weights.safetensors"} == {path.name for path in folder.iterdir()}
    listed = shell("weights", "list", "mine").out
    assert "mine, trained from scratch" in listed
    assert "num_channels=16" in listed
    names = [line.split()[0] for line in shell("models").out.splitlines()[1:] if not line.startswith(" ")]
    assert ["primer", "lanczos", "primer", "mine"] == names[:4], "installed ones first, then your own"
    assert 0 == shell("weights", "verify", "mine").status
    assert "trained from scratch on 5 pictures" in (folder / "README.md").read_text()
    report = tmp_path / "training" / "finetune" / "mine" / "report.html"
    assert f"Report: {report}" in trained.out
    assert "A running bot offers /dream model:mine within 15 seconds." in trained.out
    assert "<th>Steps<td>2, with 4 pictures each" in report.read_text()
    assert re.search(
        r"<th>Held-out loss<td>[\d.]+ at the end, (the lowest|lowest [\d.]+ at step \d)", report.read_text()
    )
    assert "Before training" in report.read_text()


def test_the_save_with_the_lowest_loss_is_installed_unless_the_last_is_asked_for(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMBOT_TRAINING", str(tmp_path / "training"))
    losses = iter([0.2, 0.3])
    monkeypatch.setattr("engine.training.finetune.run.FineTuner.score", lambda run: next(losses))
    save_scenes(tmp_path / "pictures", 5)
    words = ("train", "pictures", "--from", "scratch", "--out", "mine", *TINY, "--save_interval", 1)
    card, report = Path("no weights/trained/mine/README.md"), Path("training/finetune/mine/report.html")

    said = shell(*words)
    assert (
        "The held-out loss was lowest at step 1: 0.2; at step 2 it was 0.3. Step 1 is installed. "
        "The same command with --last installs step 2." in said.err
    )
    assert "- Steps: 1 of 2; the run took" in card.read_text()
    assert "<th>Installed<td>step 1" in report.read_text()

    said = shell(*words, "--last")
    assert "The held-out loss was lowest at step 1: 0.2. Step 2 is installed." in said.err
    assert "- Steps: 2; the run took" in card.read_text()
    assert "<th>Installed<td>step 2" in report.read_text()


def test_a_bot_of_another_user_may_read_the_model(trained: Said, tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()
    files = (tmp_path / "no weights" / "trained" / "mine").iterdir()
    assert {usual.stat().st_mode} == {path.stat().st_mode for path in files}


def test_an_export_loads_back_equal(shell: Shell, trained: Said, tmp_path: Path) -> None:
    said = shell("train", "export", "mine", "--to", "ema_0.9_000002.pt")
    assert 0 == said.status, said.err
    flags, _ = read_words(said.out.split())
    back = load_start(str(tmp_path / "ema_0.9_000002.pt"), flags).net.state_dict()
    own = read_checkpoint(tmp_path / "no weights" / "trained" / "mine" / "weights.safetensors").tensors
    assert own.keys() == back.keys()
    assert all(torch.equal(tensor, back[name]) for name, tensor in own.items())


def test_a_trained_model_can_be_trained_on(shell: Shell, trained: Said) -> None:
    words = [word for word in TINY if word not in ("--num_channels", "16")]
    said = shell("train", "pictures", "--from", "mine", "--out", "more", *words)
    assert 0 == said.status, said.err
    assert "more, trained from mine" in shell("weights", "list", "more").out


def test_a_name_that_is_taken_is_refused(shell: Shell, tmp_path: Path) -> None:
    save_scenes(tmp_path / "pictures", 2)
    said = shell("train", "pictures", "--from", "scratch", "--out", "primer", *TINY)
    assert (2, "error: The name “primer” is taken by a model; choose another.") == (said.status, said.err.strip())


def test_a_name_of_the_configuration_is_refused_before_anything_is_trained(shell: Shell, tmp_path: Path) -> None:
    save_scenes(tmp_path / "pictures", 2)
    (tmp_path / "config.toml").write_text('[models.mine]\nfile = "w.pt"\nflags = { image_size = 64 }\n')
    said = shell("train", "pictures", "--from", "scratch", "--out", "mine", *TINY)
    assert "[models.mine] in config.toml would hide the result; choose another --out." in said.err


def test_options_are_listed(shell: Shell) -> None:
    assert "--rescale_learned_sigmas" in shell("train", "options").out


@pytest.fixture
def adapter(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapter_once: Once) -> Said:
    """A model “mine” and its adapter “ink”, after two steps each at a high learning rate; the real method paints."""
    monkeypatch.setattr("engine.methods.clip_diffusion.METHOD", METHOD)
    monkeypatch.setenv("DREAMBOT_TRAINING", str(tmp_path / "training"))
    quick = [*TINY, "--lr", 0.05, "--warmup", 0]

    def train() -> Said:
        shell("train", "pictures", "--from", "scratch", "--out", "mine", *quick)
        return shell("train", "pictures", "--from", "mine", "--out", "ink", *quick, "--lora", 2)

    return adapter_once(tmp_path, train)


DREAM = "a red circle --model mine --size 16x16 --steps 2 --seed 3 --set perceptors=primer --set cutouts=1 --device cpu"


def test_an_adapter_is_a_small_file_that_dream_takes(shell: Shell, adapter: Said, tmp_path: Path) -> None:
    assert 0 == adapter.status, adapter.err
    assert "--adapter ink" in adapter.out
    table = json.loads((tmp_path / "no weights" / "trained" / "ink" / "model.json").read_text())
    assert ("adapter", "mine") == (table["kind"], table["adapts"])
    assert "adapter of mine" in shell("weights", "list", "ink").out
    assert 0 == shell("weights", "verify", "ink").status
    words = ["a red circle", *DREAM.split()[3:]]
    plain, adapted, again = (
        shell("dream", *words, *more, "--out", f"{name}.png")
        for name, more in (("plain", ()), ("adapted", ("--adapter", "ink:1.5")), ("again", ()))
    )
    assert (0, 0, 0) == (plain.status, adapted.status, again.status), adapted.err
    pixels = [np.asarray(Image.open(tmp_path / f"{name}.png")).tobytes() for name in ("plain", "adapted", "again")]
    assert pixels[0] != pixels[1]
    assert pixels[0] == pixels[2]


def test_adapters_are_listed_and_not_taken_for_models(shell: Shell, adapter: Said) -> None:
    assert "A running bot offers /dream adapter:ink within 15 seconds." in adapter.out
    assert "adapter of mine" in next(line for line in shell("models").out.splitlines() if line.startswith("ink"))
    assert "“ink” is an adapter of mine, not a model; choose it as the adapter." in (
        shell("dream", "an owl", "--model", "ink").err
    )
    assert "“mine” is a model, not an adapter; choose it as the model." in (
        shell("dream", "an owl", "--model", "mine", "--adapter", "mine").err
    )
    assert "unknown" not in shell("weights", "list", "ink").out, "the size of its file"


def test_a_replay_wears_the_recorded_adapter(shell: Shell, adapter: Said) -> None:
    said = shell("dream", "a red circle", *DREAM.split()[3:], "--adapter", "ink", "--out", "ink.png")
    assert 0 == said.status, said.err
    assert "Equal: the same picture" in shell("dream", "--replay", "ink.png", "--device", "cpu").err


def test_adapters_can_be_merged_into_a_model(shell: Shell, trained: Said, tmp_path: Path) -> None:
    words = [word for word in TINY if word not in ("--num_channels", "16")]
    said = shell("train", "pictures", "--from", "mine", "--out", "more", *words, "--lora", 2, "--merge")
    assert 0 == said.status, said.err
    assert "num_channels=16" in shell("weights", "list", "more").out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--lora", 2), "An adapter needs a named model, which scratch is not; add --merge for a new model."),
        (("--merge",), "--merge makes a model of an adapter; give --lora too."),
    ],
)
def test_an_adapter_of_nothing_is_refused(shell: Shell, tmp_path: Path, more: tuple[object, ...], said: str) -> None:
    save_scenes(tmp_path / "pictures", 2)
    found = shell("train", "pictures", "--from", "scratch", "--out", "mine", *TINY, *more)
    assert (2, f"error: {said}") == (found.status, found.err.strip())
