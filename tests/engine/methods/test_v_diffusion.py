"""clip_diffusion with the nets of v-diffusion: their samplers written out, their conditions, their files."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.catalogue.models import MODELS, add_models, build_model
from engine.catalogue.registry import Entry, Kind, add_entries
from engine.errors import InvalidRequest, ModelUnavailable, WeightsError
from engine.images.tensors import noise
from engine.loaders.diffusion import DiffusionNet, read_diffusion
from engine.loaders.verify import check_contents
from engine.memory_planning.dry_run import dry_run
from engine.methods import clip_diffusion
from engine.methods._diffusion.state import Sample
from engine.nets.kernels import freeze
from engine.nets.v_diffusion import build_v_diffusion
from engine.requests.request import build_request
from engine.runtime.runtime import Runtime
from engine.weights.store.folder import Folder
from engine.weights.store.hashed_file import open_hashed
from tests.engine.diffusion.walks import cosine_moment
from tests.engine.methods.seen import pixels
from tests.engine.tiny import fill, job_of, paint, tiny_perceptor
from tests.engine.weights.made import saved
from tests.registered import registrations_undone

FLAGS: dict[str, object] = {
    "image_size": 32, "widths": "8,8,16", "num_res_blocks": 1, "attention_resolutions": "8", "num_head_channels": 8,
    "context_dim": 16, "mapping": 16, "free_guidance": True,
}  # fmt: skip
METHOD = clip_diffusion.METHOD
CPU = torch.device("cpu")


def tiny_v(**flags: object) -> DiffusionNet:
    net = build_v_diffusion({**FLAGS, **flags}).eval().requires_grad_(False)
    fill(net)
    return DiffusionNet(net, "0" * 64)


@pytest.fixture(params=[True, False], ids=["free guidance", "always told"])
def runtime(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    """A runtime with the tiny net as the model “tiny”."""
    flags = {**FLAGS, "free_guidance": request.param}
    entry = Entry("tiny", Kind.V_DIFFUSION, "the tiny net", "/w/tiny.pth", "free", flags=flags, perceptor="primer")
    with registrations_undone():
        add_models([replace(build_model(entry), defaults={"clip_diffusion": {"cfg_scale": 1.0}})])
        add_entries([entry])
        found = Runtime.open("cpu")
        found.net("diffusion:tiny", lambda: tiny_v(free_guidance=request.param))
        found.net("perceptor:primer", tiny_perceptor)
        yield found


def begin(runtime: Runtime, settings: dict[str, str], prompt: str = "an owl", **request: object) -> list[Sample]:
    settings = {"steps": "6", "cutouts": "2", **settings}
    return METHOD.begin(job_of(prompt, settings, **{"model": "tiny", "seed": 7, **request}), {}, runtime)  # type: ignore[arg-type]


def free(runtime: Runtime) -> bool:
    return MODELS["tiny"].free_guidance


def spliced(t: float) -> float:
    """The author's schedule of times, for one number."""
    big = t * (1 + 0.80074257 - 0.48536712)
    if big < 0.80074257:
        return big
    log_snr = -math.log(math.expm1(1e-4 + 10 * (big + 0.48536712 - 0.80074257) ** 2))
    alpha, sigma = (1 / (1 + math.exp(-sign * log_snr)) for sign in (1, -1))
    return math.atan2(math.sqrt(sigma), math.sqrt(alpha)) / math.pi * 2


def written_out(model: Callable[[Tensor, Tensor], Tensor], x: Tensor, steps: int, *, plms: bool) -> Tensor:
    """DDIM without noise, or PLMS of fourth order that begins with an improved Euler step, of v-diffusion-pytorch."""
    times = [spliced(k / steps) for k in range(steps, 0, -1)]
    old: list[Tensor] = []
    pred = x

    def look(x: Tensor, time: float) -> tuple[Tensor, Tensor]:
        alpha, sigma = math.cos(time * math.pi / 2), math.sin(time * math.pi / 2)
        v = model(x, torch.full((len(x),), time))
        return x * alpha - v * sigma, x * sigma + v * alpha

    def transfer(x: Tensor, eps: Tensor, one: float, two: float) -> Tensor:
        (a, s), (b, r) = ((math.cos(t * math.pi / 2), math.sin(t * math.pi / 2)) for t in (one, two))
        return (x - eps * s) / a * b + eps * r

    for i, time in enumerate(times):
        pred, eps = look(x, time)
        if i == steps - 1:
            return pred
        lean = eps
        if plms and not old:
            lean = (eps + look(transfer(x, eps, time, times[i + 1]), times[i + 1])[1]) / 2
        elif plms:
            weights = {1: (3, -1, 0, 0), 2: (23, -16, 5, 0), 3: (55, -59, 37, -9)}[min(len(old), 3)]
            lean = sum(w * e for w, e in zip(weights, [eps, *old], strict=False)) / sum(weights)  # type: ignore[assignment]
        x = transfer(x, lean, time, times[i + 1])
        old = [eps, *old][:3]
    return pred


@pytest.mark.parametrize("sampler", ["ddim", "plms"])
@torch.no_grad()
def test_it_walks_as_its_author_wrote(runtime: Runtime, sampler: str) -> None:
    net = runtime.net("diffusion:tiny", tiny_v).net
    more = {"order": "4"} if sampler == "plms" else {"eta": "0"}
    scale = 3.0 if free(runtime) else 1.0
    (state,) = begin(
        runtime, {"clip_guidance_scale": "0", "sampler": sampler, "cfg_scale": f"{scale:g}", "steps": "8", **more}
    )
    told = state.own.targets.vectors[:1]

    def model(x: Tensor, t: Tensor) -> Tensor:
        blank = net(x, t, torch.zeros(1, 16))
        out: Tensor = scale * net(x, t, told) + (1 - scale) * blank
        return out

    expected = written_out(model, noise(7, 0, 0, "x_T", (3, 32, 32))[None], 8, plms=sampler == "plms")
    paint(METHOD, [state], runtime)

    torch.testing.assert_close(expected[0], state.x, atol=2e-3, rtol=2e-3)


def test_clip_guides_it_too_and_a_batch_changes_nothing(runtime: Runtime) -> None:
    together, (alone,) = begin(runtime, {}, count=2), begin(runtime, {}, seed=8)
    alone.bucket = 2
    plain = begin(runtime, {"clip_guidance_scale": "0"})
    many, one = paint(METHOD, together, runtime), paint(METHOD, [alone], runtime)
    (unguided,) = paint(METHOD, plain, runtime)

    assert (pixels(many[1]) == pixels(one[0])).all()
    assert (pixels(many[0]) != pixels(unguided)).any()


def test_a_step_in_less_memory_is_the_same(runtime: Runtime) -> None:
    (roomy,), (narrow,) = begin(runtime, {}), begin(runtime, {})
    assert METHOD.reduce_memory(narrow, runtime)
    for state in (roomy, narrow):
        METHOD.advance([state], runtime)
    runtime.memory.levels.clear()

    torch.testing.assert_close(roomy.x, narrow.x, atol=1e-4, rtol=1e-3)


def test_a_net_that_was_always_told_hears_negative_weights_in_one_sum(runtime: Runtime) -> None:
    (state,) = begin(runtime, {}, "an owl | fog:-0.4")
    assert state.condition is not None
    if free(runtime):
        assert state.condition.negative is not None
        assert begin(runtime, {"cfg_scale": "3"})[0].options.cfg_scale == 3
        return
    both = state.own.targets
    summed = both.weights @ both.vectors

    assert state.condition.negative is None
    assert torch.allclose(summed / summed.norm(), state.condition.positive)
    with pytest.raises(InvalidRequest, match="never trained without a prompt: only cfg_scale=1"):
        begin(runtime, {"cfg_scale": "3"})


def entry_for(path: Path, content: bytes) -> Entry:
    digest = hashlib.sha256(content).hexdigest()
    return Entry("net", Kind.V_DIFFUSION, "a net", path.name, "free", (), digest, len(content), flags=FLAGS)


def test_a_checkpoint_file_is_read_and_a_wrong_or_missing_one_is_refused_in_words(tmp_path: Path) -> None:
    net = tiny_v().net
    content = saved(net.state_dict())
    folder, entry = Folder(tmp_path), entry_for(tmp_path / "net.pth", content)
    with pytest.raises(ModelUnavailable, match="net"):
        read_diffusion(entry, folder, CPU, torch.float32)
    folder.file(entry).write_bytes(content)
    found = read_diffusion(entry, folder, CPU, torch.float32)
    x, t, told = torch.ones(1, 3, 32, 32), torch.tensor([0.5]), torch.ones(1, 16)

    assert torch.equal(freeze(net, CPU)(x, t, told), found.net(x, t, told)) and entry.sha256 == found.sha256
    with open_hashed(folder.file(entry), "net") as opened:
        assert "" == check_contents(opened, entry)
        with pytest.raises(WeightsError, match="does not hold the net that its flags describe"):
            check_contents(opened, replace(entry, flags={**FLAGS, "widths": "8,8,8"}))


@pytest.mark.parametrize("model", ["cc12m-1-cfg", "yfcc-2", "wikiart-128"])
def test_memory_is_planned_without_the_weights(model: str) -> None:
    request = build_request("an owl", model=model, seed=1, settings={"cutouts": "1"})
    found = dry_run(METHOD, request, torch.float16)  # type: ignore[arg-type]
    halves = {"cc12m-1-cfg": 602.9e6, "yfcc-2": 968.3e6, "wikiart-128": 243.9e6}[model] * 2

    assert halves == pytest.approx(found.models[f"diffusion:{model}"], rel=0.03)
    assert "perceptor:ViT-B/16" in found.models and found.step > 0


def test_the_walk_knows_the_moments_of_its_times() -> None:
    walk = tiny_v().schedule("4")

    for stop, k in ((3, 4), (0, 1)):
        assert cosine_moment(spliced(k / 4)).alpha_bar == pytest.approx(walk.at(stop).alpha_bar, rel=1e-6)


def test_a_published_net_takes_less_memory_at_the_first_level() -> None:
    request = build_request("an owl", model="wikiart-128", seed=7, settings={"cutouts": "1"})
    roomy, frugal = (dry_run(METHOD, request, torch.float32, level).step for level in (0, 1))

    assert frugal < 0.6 * roomy, "the net recomputes its activations in the backward pass"
