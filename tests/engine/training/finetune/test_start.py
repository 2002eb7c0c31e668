"""What a run can begin with, and the files of the reference trainer."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from engine.catalogue.registry import find_entry
from engine.errors import InvalidRequest, ModelUnavailable, WeightsError
from engine.loaders.checkpoint import blueprint
from engine.nets.adm import build_adm
from engine.training.finetune.options import read_words
from engine.training.finetune.start import load_start
from tests.engine.training.finetune.test_options import ARTICLE
from tests.engine.training.finetune.tiny import FLAGS, tiny_net


def shapes(flags: Mapping[str, object]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in blueprint(build_adm, flags).state_dict().items()}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """As the reference trainer writes them after 500 steps."""
    net = tiny_net()
    torch.save(net.state_dict(), tmp_path / "model000500.pt")
    torch.save({name: tensor + 1 for name, tensor in net.state_dict().items()}, tmp_path / "ema_0.9999_000500.pt")
    torch.save(torch.optim.AdamW(net.parameters()).state_dict(), tmp_path / "opt000500.pt")
    return tmp_path


def test_weights_of_the_reference_trainer_are_told_apart(files: Path) -> None:
    raw = load_start(str(files / "model000500.pt"), FLAGS)
    averaged = load_start(str(files / "ema_0.9999_000500.pt"), FLAGS)
    assert "ema_0.9999_000500.pt holds the averaged weights" in raw.note
    assert "" == averaged.note
    bias = "out.2.bias"
    torch.testing.assert_close(raw.net.state_dict()[bias] + 1, averaged.net.state_dict()[bias])
    with pytest.raises(WeightsError, match=r"“opt000500\.pt” holds the optimiser's state"):
        load_start(str(files / "opt000500.pt"), FLAGS)


def test_weights_of_another_net_are_refused(files: Path) -> None:
    with pytest.raises(WeightsError, match="does not hold the net that its flags describe"):
        load_start(str(files / "model000500.pt"), {**FLAGS, "num_channels": 32})


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"There is no file absent\.pt"):
        load_start("absent.pt", {})


def test_the_articles_weights_have_its_name_and_its_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="run python -m engine weights download bedrooms"):
        load_start("lsun-bedroom", {})
    flags, _ = read_words(ARTICLE.split())
    entry = find_entry("bedrooms")
    assert shapes(entry.flags) == shapes({**entry.flags, **flags})


def test_scratch_is_the_same_for_the_same_seed() -> None:
    one, two, other = (load_start("scratch", FLAGS, seed).net.state_dict() for seed in (1, 1, 2))
    assert torch.equal(one["input_blocks.0.0.weight"], two["input_blocks.0.0.weight"])
    assert not torch.equal(one["input_blocks.0.0.weight"], other["input_blocks.0.0.weight"])
