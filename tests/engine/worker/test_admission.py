from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from engine.errors import WeightsError
from engine.images.pictures import to_png
from engine.methods import Finished, find_method
from engine.protocol.messages import Job
from engine.requests.request import UpscaleRequest
from engine.runtime.runtime import Runtime
from engine.worker.admission import admit
from tests.engine.upscalers.test_published import install
from tests.engine.weights.made import saved

PNG = to_png(Image.new("RGB", (8, 6), (9, 99, 199)))
SHA256 = hashlib.sha256(PNG).hexdigest()


@pytest.fixture
def wrong_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without a net, under a name that "auto" prefers."""
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(tmp_path))
    install(tmp_path, monkeypatch, "realesrgan-x4plus", saved([1, 2, 3]))


def job(upscaler: str) -> Job:
    return Job("a", 1, "", UpscaleRequest(image=SHA256, scale=4, width=8, height=6, upscaler=upscaler))


@pytest.mark.usefixtures("wrong_file")
def test_auto_passes_over_an_upscaler_that_does_not_load_and_says_so() -> None:
    runtime = Runtime.open("cpu")

    admitted = admit(job("auto"), {SHA256: PNG}, runtime, find_method)
    (step,) = admitted.painter.advance(admitted.states, runtime)

    assert isinstance(step, Finished)
    assert (32, 24) == step.image.size
    assert "primer" == step.facts["resolved"]["upscaler"]  # type: ignore[index]
    (note,) = step.facts["notes"]  # type: ignore[misc]
    assert "The upscaler “realesrgan-x4plus” cannot be used: “RealESRGAN_x4plus.pth” holds no tensors" in note


@pytest.mark.usefixtures("wrong_file")
def test_an_upscaler_that_was_named_is_not_replaced() -> None:
    with pytest.raises(WeightsError, match="holds no tensors with names"):
        admit(job("realesrgan-x4plus"), {SHA256: PNG}, Runtime.open("cpu"), find_method)
