"""init_distance=lpips: by VGG16 where its files are, else by the first CLIP at about the same hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.guidance.cutouts import NoiseKey
from engine.guidance.feature_distance import feature_distance
from engine.images.tensors import to_signed, to_tensor
from engine.methods import Finished, clip_diffusion
from engine.methods.clip_diffusion import METHOD
from engine.nets.vgg_lpips import Lpips, LpipsHeads, VggStages
from engine.perceptors.perceptor_loader import load_perceptor
from engine.runtime.runtime import Runtime
from engine.weights.store.folder import VARIABLE
from tests.engine.methods.test_clip_diffusion import half_red, png
from tests.engine.tiny import gaussian_runtime, job_of, paint

PROMPT = "a red circle on a blue background"


@pytest.fixture
def runtime() -> Runtime:
    return gaussian_runtime()


def held_at(primer: Runtime, **settings: str) -> tuple[float, tuple[str, ...], dict[str, object]]:
    """How far a picture ends from its init as the guide sees it, its notes and what the record says."""
    sha, data = png(half_red())
    init = to_signed(to_tensor(half_red().resize((64, 64))))[None]
    common = {"steps": "10", "skip_steps": "5", "clip_guidance_scale": "0", "shift_max": "0.5"}
    (state,) = METHOD.begin(job_of(PROMPT, {**common, **settings}, seed=7, init_image=sha), {sha: data}, primer)
    (step,) = paint(METHOD, [state], primer)
    assert isinstance(step, Finished)
    painted = to_signed(to_tensor(step.image))[None]
    distance = feature_distance(load_perceptor("primer", primer), painted, init, [NoiseKey(1, 0, 0)])
    return float(distance), tuple(step.facts["notes"]), dict(step.facts["resolved"])  # type: ignore[arg-type, call-overload]


def test_without_the_files_of_lpips_the_first_clip_holds_about_as_well_at_the_notebooks_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    primer = Runtime.open("cpu")
    free, _, _ = held_at(primer)
    held, notes, resolved = held_at(primer, init_scale="1000", init_distance="lpips")
    by_maps, _, _ = held_at(primer, init_scale="10000", init_distance="features")

    assert held < 0.8 * free and held == pytest.approx(by_maps, rel=0.1)
    assert any("python -m engine weights download --trust vgg16 lpips-vgg" in note for note in notes)
    assert "lpips" not in resolved


def test_lpips_holds_by_its_own_net_where_the_files_are_here(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    net = Lpips(VggStages(), LpipsHeads(), "a" * 129).eval().requires_grad_(False)
    for parameter in net.vgg.parameters():
        parameter.normal_(std=(2 / max(parameter[0].numel(), 100)) ** 0.5)
    for weight in net.heads.weights():
        weight.abs_()
    monkeypatch.setattr(clip_diffusion, "has_lpips", lambda: True)
    runtime.net("lpips", lambda: net)
    sha, data = png(half_red())
    init = to_signed(to_tensor(half_red().resize((64, 64))))[None]
    ends = []
    for scale in ("0", "30000"):
        held = {"init_scale": scale, "init_distance": "lpips"} if scale != "0" else {}
        settings = {"steps": "6", "clip_guidance_scale": "0", "shift_max": "0.5", "clamp_max": "0", **held}
        (state,) = METHOD.begin(job_of(PROMPT, settings, seed=7, init_image=sha), {sha: data}, runtime)
        (step,) = paint(METHOD, [state], runtime)
        assert isinstance(step, Finished)
        ends.append(float(net(to_signed(to_tensor(step.image))[None], init)))

    assert ends[1] < 0.9 * ends[0]
    assert "a" * 129 == step.facts["resolved"]["lpips"] and () == tuple(step.facts["notes"])  # type: ignore[index, arg-type]
