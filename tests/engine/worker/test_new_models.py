"""A worker sees models and adapters that are trained, trained again or deleted while it runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from engine.catalogue.models import MODELS
from engine.errors import ModelUnavailable
from engine.loaders.diffusion import load_diffusion_net, net_key
from engine.methods import clip_diffusion
from engine.methods._diffusion.state import Sample
from engine.primer.tasks.remake import load_diffusion
from engine.protocol.messages import Failure, Job, Ready, Submit
from engine.requests.options.clip_views import WeightedAdapter
from engine.requests.prompts import Prompt
from engine.requests.request import DreamRequest, PixelsOptions
from engine.runtime.runtime import Runtime
from engine.training.finetune.lora import adapter_tensors, add_adapters
from engine.training.finetune.result import Provenance, install_adapter
from engine.weights.store.trained_models import refresh_trained_models
from tests.engine.tiny import job_of
from tests.engine.workshop import TinyMethod, Workshop
from tests.registered import registrations_undone

FLAGS = {"image_size": 64, "num_channels": 32, "channel_mult": [1, 2], "context_dim": 8}
MINE = {"file": "w.safetensors", "flags": FLAGS, "base": "primer"}


@pytest.fixture(autouse=True)
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(tmp_path))
    with registrations_undone():
        yield tmp_path / "trained"


def put(trained: Path, name: str = "mine") -> None:
    (trained / name).mkdir(parents=True)
    (trained / name / "model.json").write_text(json.dumps(MINE))


def submit(shop: Workshop, job: str, model: str = "mine", steps: int = 6) -> None:
    prompts, options = (Prompt(text="a cat"),), PixelsOptions(steps=steps)
    request = DreamRequest(prompts=prompts, model=model, options=options, width=32, height=32)
    shop.handle(Submit(Job(job, 1, "somebody", request), {}))


def told(shop: Workshop) -> list[list[str]]:
    """The names in each `Ready`, without repetitions."""
    found: list[list[str]] = []
    for event in shop.events:
        if isinstance(event, Ready):
            assert event.trained is not None
            if not found or found[-1] != [*event.trained]:
                found.append([*event.trained])
    return found


def test_its_client_hears_of_a_new_model_and_of_its_end(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.worker.worker.LOOK_SECONDS", 0.02)
    shop = Workshop()
    shop.run_until(lambda: [[]] == told(shop))
    put(trained)
    shop.run_until(lambda: [[], ["mine"]] == told(shop))
    assert "mine" in next(e for e in reversed(shop.events) if isinstance(e, Ready)).unavailable, "its file is missing"
    shutil.rmtree(trained)
    shop.run_until(lambda: [[], ["mine"], []] == told(shop))
    assert "mine" not in MODELS


def test_a_model_in_use_is_forgotten_after_its_last_picture(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(trained)
    monkeypatch.setattr("engine.worker.worker.LOOK_SECONDS", 0.0)
    shop = Workshop(TinyMethod(pause=0.01))
    submit(shop, "a", steps=30)
    shop.run_until_step("a", 2)
    shutil.rmtree(trained)
    shop.run_until_step("a", 25)
    assert "mine" in MODELS
    shop.run("a")
    assert 1 == len(shop.pictures("a"))
    shop.run_until(lambda: told(shop)[-1] == [])
    assert "mine" not in MODELS


def test_a_job_finds_what_was_just_trained_and_fails_in_words_for_what_is_gone(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Workshop()
    shop.run_until(lambda: bool(shop.events))
    put(trained)
    submit(shop, "a")
    shop.run("a")
    assert 1 == len(shop.pictures("a"))

    shutil.rmtree(trained)
    monkeypatch.setattr("engine.worker.worker.LOOK_SECONDS", 0.0)
    shop.run_until(lambda: "mine" not in MODELS)
    submit(shop, "b")
    shop.run("b")
    failure = shop.ends["b"]
    assert isinstance(failure, Failure)
    assert ("InvalidRequest", True) == (failure.error, failure.message.startswith("There is no model “mine”"))


def train_ink(trained: Path, seed: int) -> None:
    """An adapter of the small model, in the folder and known to this process."""
    net = load_diffusion()
    add_adapters(net, 2)
    torch.manual_seed(seed)
    for name, parameter in net.named_parameters():
        if name.endswith(".b"):
            torch.nn.init.normal_(parameter, std=0.03)
    install_adapter(adapter_tensors(net), Provenance("ink", "primer", "0" * 64, "As this.", 5, 2, 0.1, {}), trained)
    refresh_trained_models()


def test_an_adapter_trained_again_is_used_fresh_and_never_in_the_middle_of_a_picture(trained: Path) -> None:
    runtime, ink, method = Runtime.open("cpu"), (WeightedAdapter("ink", 0.5),), clip_diffusion.METHOD

    def begun(seed: int) -> Sample:
        settings = {"steps": "3", "cutouts": "1", "adapter": "ink:0.5"}
        (state,) = method.begin(job_of("a fox", settings, seed=seed), {}, runtime)
        return state

    train_ink(trained, 1)
    old_key, first = net_key("primer", ink), begun(1)
    old = load_diffusion_net("primer", runtime, ink)
    plain = load_diffusion_net("primer", runtime)

    train_ink(trained, 2)
    second = begun(2)
    new = load_diffusion_net("primer", runtime, ink)
    assert method.batch_key(first) != method.batch_key(second)
    assert old.adapters != new.adapters and old.adapters.startswith("ink:0.5 ")
    assert load_diffusion_net("primer", runtime, ink, first.net_key) is old
    assert load_diffusion_net("primer", runtime, ink, second.net_key) is new
    assert load_diffusion_net("primer", runtime) is plain, "it has no adapter"

    fresh = Runtime.open("cpu")  # as if memory had been short
    with pytest.raises(ModelUnavailable, match="Its weights were replaced while this picture was painted"):
        load_diffusion_net("primer", fresh, ink, old_key)
