"""Tiles cover a picture once, and nobody sees where they met."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from engine.errors import DreamError, InvalidRequest, ModelUnavailable, WeightsError
from engine.messages import Job
from engine.nets.compact import Compact, compact_from
from engine.pictures import to_png
from engine.requests import UpscaleRequest
from engine.runtime import Runtime
from engine.steps import Failed, Finished, Running
from engine.tensors import to_image, to_tensor
from engine.torchvision_compat import ensure_torchvision
from engine.upscalers import Upscaler, find_upscaler, lanczos, primer, upscaler_names
from engine.upscalers._tiles import MAX_OUTPUT, cut


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    torch.set_num_threads(1)
    return Runtime("cpu")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small net of random weights in the place of the real one."""
    path = tmp_path / "upscaler.safetensors"
    torch.manual_seed(0)
    save_file(Compact(8, 3).state_dict(), path, {"flags": json.dumps({})})
    monkeypatch.setattr(primer, "WEIGHTS", path)
    monkeypatch.setattr(primer, "CPU_CORE", 24)
    return path


@pytest.fixture
def fresh(weights: Path) -> Runtime:
    return Runtime("cpu")


def grain(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def enlarged(upscaler: Upscaler[object], image: Image.Image, scale: int, runtime: Runtime) -> Image.Image:
    state = upscaler.enlarge("a", 0, image, scale, runtime)
    while True:
        step = upscaler.advance([state], runtime)[0]
        assert not isinstance(step, Failed)
        if isinstance(step, Finished):
            return step.image


def difference(a: Image.Image, b: Image.Image) -> int:
    assert a.size == b.size
    return int(np.abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int)).max())


@pytest.mark.parametrize(("width", "height"), [(1, 1), (24, 24), (25, 24), (100, 37), (7, 300)])
def test_cores_cover_every_pixel_once_and_windows_stay_inside(width: int, height: int) -> None:
    seen = np.zeros((height, width), dtype=int)
    tiles = cut(width, height, core=24, context=5)

    for tile in tiles:
        left, top, right, bottom = tile.core
        seen[top:bottom, left:right] += 1
        assert tile.window[0] >= 0 and tile.window[1] >= 0
        assert tile.window[2] <= width and tile.window[3] <= height

    assert (seen == 1).all()
    assert 1 == len({(t.window[2] - t.window[0], t.window[3] - t.window[1]) for t in tiles})


def test_every_core_has_its_context_unless_the_picture_ends() -> None:
    for tile in cut(100, 90, core=24, context=5):
        (wl, wt, wr, wb), (left, top, right, bottom) = tile.window, tile.core
        assert left - wl >= min(5, left) and top - wt >= min(5, top)
        assert wr - right >= min(5, 100 - right) and wb - bottom >= min(5, 90 - bottom)


@pytest.mark.parametrize("size", [(70, 50), (24, 24), (10, 90)])
def test_the_net_has_no_seams(fresh: Runtime, size: tuple[int, int]) -> None:
    image = grain(*size)
    net = primer._load(fresh.device).net
    with torch.no_grad():
        whole = to_image(net(to_tensor(image)[None])[0])

    assert difference(whole, enlarged(primer.UPSCALER, image, 4, fresh)) <= 1


@pytest.mark.parametrize("scale", [2, 3, 8])
def test_other_scales_have_no_seams_either(fresh: Runtime, scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image = grain(60, 52)
    tiled = enlarged(primer.UPSCALER, image, scale, fresh)
    monkeypatch.setattr(primer, "CPU_CORE", 1000)

    assert (60 * scale, 52 * scale) == tiled.size
    assert difference(enlarged(primer.UPSCALER, image, scale, fresh), tiled) <= 1


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lanczos_has_no_seams(runtime: Runtime, scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image = grain(70, 50)
    whole = enlarged(lanczos.UPSCALER, image, scale, runtime)
    monkeypatch.setattr(lanczos, "CORE", 24)

    assert (70 * scale, 50 * scale) == whole.size
    assert difference(whole, enlarged(lanczos.UPSCALER, image, scale, runtime)) == 0


def test_lanczos_is_lanczos(runtime: Runtime) -> None:
    image = grain(9, 7).resize((70, 50), Image.Resampling.BICUBIC)

    assert (
        difference(image.resize((210, 150), Image.Resampling.LANCZOS), enlarged(lanczos.UPSCALER, image, 3, runtime))
        <= 2
    )


def test_pictures_of_one_size_go_through_the_net_together_and_come_out_alike(fresh: Runtime) -> None:
    images = [grain(30, 30), grain(30, 30).transpose(Image.Transpose.ROTATE_90)]
    states = [primer.UPSCALER.enlarge("a", i, image, 4, fresh) for i, image in enumerate(images)]
    assert 1 == len({primer.UPSCALER.lane(state) for state in states})

    while states[0].step < states[0].steps:
        steps = primer.UPSCALER.advance(states, fresh)

    for image, step in zip(images, steps, strict=True):
        assert difference(enlarged(primer.UPSCALER, image, 4, fresh), step.image) <= 1


def test_a_preview_shows_what_is_done(fresh: Runtime) -> None:
    state = primer.UPSCALER.enlarge("a", 0, grain(60, 60), 4, fresh)

    step = primer.UPSCALER.advance([state], fresh)[0]

    assert isinstance(step, Running)
    assert (240, 240) == step.preview().size


def upscale_job(image: Image.Image, scale: int) -> tuple[Job, dict[str, bytes]]:
    png = to_png(image)
    sha = hashlib.sha256(png).hexdigest()
    request = UpscaleRequest(image=sha, scale=scale, width=image.width, height=image.height)
    return Job("a", 1, "", request), {sha: png}


@pytest.mark.parametrize("name", upscaler_names())
def test_a_job_that_would_become_too_large_says_which_scale_would_do(name: str, fresh: Runtime) -> None:
    with pytest.raises(InvalidRequest, match=f"{MAX_OUTPUT} is the most, so 2 is the largest scale"):
        find_upscaler(name).begin(*upscale_job(Image.new("RGB", (8000, 4)), 4), fresh)


def test_missing_weights_are_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> None:
    monkeypatch.setattr(primer, "WEIGHTS", tmp_path / "absent.safetensors")

    assert "not installed" in primer.UPSCALER.missing()
    with pytest.raises(ModelUnavailable, match="lanczos"):
        primer._load(runtime.device)


def test_weights_of_another_architecture_are_refused(weights: Path, runtime: Runtime) -> None:
    save_file({"conv.weight": torch.zeros(1)}, weights, {"flags": "{}"})

    with pytest.raises(WeightsError, match="compact"):
        primer._load(runtime.device)


def test_an_unknown_upscaler_is_named(runtime: Runtime) -> None:
    with pytest.raises(DreamError, match="lanczos, primer"):
        find_upscaler("magic")


def test_the_compact_net_is_the_one_that_spandrel_knows() -> None:
    ensure_torchvision()
    import spandrel

    torch.manual_seed(0)
    ours = Compact(16, 4).eval()
    theirs = spandrel.ModelLoader("cpu").load_from_state_dict(dict(ours.state_dict()))
    x = torch.rand(1, 3, 20, 24)

    assert ("Compact", 4) == (theirs.architecture.id, theirs.scale)
    with torch.no_grad():
        assert torch.allclose(theirs.model(x), ours(x), atol=1e-6)


def test_a_compact_net_is_rebuilt_from_the_shapes_of_its_weights() -> None:
    net = Compact(16, 4, 2)

    again = compact_from(net.state_dict())
    again.load_state_dict(net.state_dict())

    assert (2, 6) == (again.scale, again.reach)
