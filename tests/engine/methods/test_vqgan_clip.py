from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.errors import DreamError, InvalidRequest
from engine.loaders.vqgan import clamp_with_grad
from engine.methods import Finished
from engine.methods.vqgan_clip import METHOD, from_corners
from engine.requests.request import VqganClipOptions, build_request, parse_settings
from engine.runtime.runtime import Runtime
from tests.engine.methods.easels import PROMPT, Easel, tiny_vqgan
from tests.engine.methods.seen import encoded, noisy_picture
from tests.engine.tiny import paint

INIT = "f" * 64


@pytest.fixture
def easel(vqgan: Easel) -> Easel:
    return vqgan


def test_a_picture_is_as_large_as_asked_for_before_its_finish(easel: Easel) -> None:
    assert (48, 80, 3) == easel.finish(easel.begin(size="320x192"))[0].shape


def test_what_is_painted_consists_of_vectors_of_the_codebook() -> None:
    net = tiny_vqgan()
    z = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        picture = net.paint(z)
        again = net.paint(net.net.lookup(net.net.quantize.indices(z)))  # type: ignore[operator]
    torch.testing.assert_close(picture, again)


def test_the_grid_stays_within_the_bounds_of_the_codebook(easel: Easel) -> None:
    states = easel.begin(settings={"learning_rate": "2"})
    easel.finish(states)
    low, high = tiny_vqgan().bounds
    assert bool(((states[0].parameters >= low[0]) & (states[0].parameters <= high[0])).all())


def test_a_number_beyond_the_bounds_hears_only_what_leads_it_back() -> None:
    x = torch.tensor([2.0, 2.0, -2.0, -2.0, 0.5], requires_grad=True)
    clamped = clamp_with_grad(x, -1, 1)
    assert [1, 1, -1, -1, 0.5] == clamped.tolist()
    (gradient,) = torch.autograd.grad(clamped, x, torch.tensor([1.0, -1, 1, -1, 3]))
    assert [1, 0, 0, -1, 3] == gradient.tolist()


def test_an_init_picture_is_what_painting_starts_from_and_can_be_held_on_to(easel: Easel) -> None:
    sha, images = encoded(noisy_picture())

    def left(weight: str) -> float:
        (state,) = easel.begin(settings={"init_weight": weight, "steps": "20"}, init_image=sha, images=images)
        before = state.parameters.clone()
        easel.finish([state])
        return float((state.parameters - before).square().mean())

    (begun,) = easel.begin(init_image=sha, images=images)
    assert begun.held is not None and torch.equal(begun.held, begun.parameters)
    assert left("1000") < left("0") / 2


@pytest.mark.parametrize("start", ["codes", "pixels"])
def test_every_start_follows_from_the_seed_alone(easel: Easel, start: str) -> None:
    first, again, other = (easel.begin(settings={"start": start}, seed=seed)[0].parameters for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_gradient_goes_evenly_from_corner_to_corner(easel: Easel) -> None:
    corners = torch.rand(3, 2, 2, generator=torch.Generator().manual_seed(0))
    picture = from_corners(corners, 5, 9)
    torch.testing.assert_close(corners, picture[:, ::4, ::8])
    torch.testing.assert_close(corners.mean((1, 2)), picture[:, 2, 4])
    assert (4, 8, 8) == easel.begin(settings={"start": "gradient"})[0].parameters.shape


def test_a_target_picture_and_a_noise_prompt_pull_too(easel: Easel) -> None:
    sha, images = encoded(noisy_picture())
    plain = easel.finish(easel.begin())[0]
    assert not np.array_equal(plain, easel.finish(easel.begin(target_image=sha, images=images))[0])
    (noisy,) = easel.begin(settings={"noise_prompts": "7:0.5+9:-0.2"})
    weights = noisy.clip_targets[0].targets.weights
    assert [1, 0.5, -0.2] == pytest.approx((weights / weights[0])[:3].tolist())
    assert [1] == noisy.own.targets.weights[:1].tolist()  # it judges by the words
    assert not np.array_equal(plain, easel.finish([noisy])[0])


def test_schedules_run_from_the_first_step_to_the_last(easel: Easel, runtime: Runtime) -> None:
    (state,) = easel.begin(settings={"cutouts": "[2]*1+[3]*1", "steps": "6"})
    seen = []
    for _ in range(6):
        seen.append(state.objective.recipe.count)
        METHOD.advance([state], runtime)
    assert [2, 2, 2, 3, 3, 3] == seen


def test_the_rate_stays_or_falls_to_nothing(easel: Easel) -> None:
    def rates(decay: str) -> list[float]:
        (state,) = easel.begin(settings={"decay": decay, "learning_rate": "0.1"})
        found = []
        for step in (0, 3):
            state.step = step
            found.append(state.rate)
        return found

    assert [0.1, 0.1] == rates("none")
    assert [0.1, 0.05] == pytest.approx(rates("cosine"))


def test_adam_and_adamw_move_as_pytorchs_do(easel: Easel) -> None:
    gradients = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    unbounded = SimpleNamespace(bounds=(-1e9, 1e9))
    for name, optimizer in (("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)):
        (state,) = easel.begin(settings={"optimizer": name, "learning_rate": "0.2", "decay": "none"})
        expected = state.parameters.clone().requires_grad_()
        reference = optimizer([expected], lr=0.2)
        for gradient in gradients:
            expected.grad = gradient
            reference.step()
            for field, values in METHOD.update(unbounded, [state], gradient[None]).items():  # type: ignore[arg-type]
                setattr(state, field, values[0])
            state.step += 1
        torch.testing.assert_close(expected.detach(), state.parameters, atol=1e-5, rtol=1e-5)


def test_lanes_tell_apart_what_cannot_be_painted_together(easel: Easel) -> None:
    def batch_key(settings: dict[str, str] | None = None, **request: object) -> object:
        return METHOD.batch_key(easel.begin(PROMPT, settings, **request)[0])

    assert batch_key() == batch_key(
        {"steps": "9", "learning_rate": "0.3", "optimizer": "adamw", "tv_scale": "3"}, seed=3
    )
    assert 4 == len(
        {batch_key(), batch_key({"cutouts": "3"}), batch_key(size="320x256"), batch_key({"cut_kind": "padded"})}
    )


def test_facts_say_how_near_it_came_and_what_was_not_understood(easel: Easel) -> None:
    (step,) = paint(METHOD, easel.begin("a red circle in cyberpunk"), easel.runtime)
    assert isinstance(step, Finished)
    assert {"clip_score", "embedding", "perceptor", "notes", "resolved"} == set(step.facts)
    assert "cyberpunk" in step.facts["notes"][0]  # type: ignore[index]
    assert "0" * 64 == step.facts["resolved"]["weights"]  # type: ignore[index]


def test_the_shipped_small_model_is_loaded_and_says_no_to_words_it_cannot_read() -> None:
    runtime = Runtime.open("cpu")
    METHOD.load(build_request(PROMPT, method="vqgan_clip"), runtime)
    assert {"vqgan:primer", "perceptor:primer"} == set(runtime.cache.sizes)
    with pytest.raises(InvalidRequest, match="I don’t know"):
        METHOD.load(build_request("cyberpunk", method="vqgan_clip"), runtime)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("steps=1", r"steps=1 is out of range \(2–2000\)"),
        ("learning_rate=0", "learning_rate=0 is out of range"),
        ("learning_rate=nan", "learning_rate=nan"),
        ("optimizer=sgd", "optimizer=sgd is not one of its values"),
        ("cut_kind=disco", "cut_kind=disco is not one of its values"),
        ("cutouts=[4]*2+[0]*2", "cutouts"),
        ("init_weight=1", "init_weight=1 needs an init picture"),
        ("target_weight=2", "target_weight=2 needs a target picture"),
        ("cut_kind=padded cut_power=2", "changes nothing with cut_kind=padded"),
        ("perceptors=nobody", "There is no CLIP “nobody”"),
        ("noise_prompts=x", "noise_prompts: “x” is not a seed with a weight"),
        ("noise_prompts=7:1000", "the weight 1000 is too large"),
        ("noise_prompts=7:-1", "weights add up to zero"),
        (f"noise_prompts={'+'.join('123456789')}", "names 9 seeds; the limit is 8"),
        ("sampler=ddim", "vqgan_clip has no option “sampler”"),
        ("profile=fast", "not vqgan_clip: take method=clip_diffusion, or profile=vqganclip"),
    ],
)
def test_what_cannot_be_is_refused_in_words(settings: str, words: str) -> None:
    with pytest.raises(DreamError, match=words):
        build_request(PROMPT, method="vqgan_clip", settings=parse_settings(settings))


def test_what_contradicts_a_picture_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="start=pixels and an init picture are two starts"):
        build_request(PROMPT, method="vqgan_clip", init_image=INIT, settings={"start": "pixels"})
    with pytest.raises(InvalidRequest, match="vqgan_clip does not support a mask"):
        build_request(PROMPT, method="vqgan_clip", init_image=INIT, mask_image=INIT)


def test_going_on_from_a_picture_takes_half_of_the_steps() -> None:
    request = build_request(PROMPT, method="vqgan_clip", steps=50, settings={"start": "gradient"})
    options = request.starting_from(INIT).options
    assert isinstance(options, VqganClipOptions)
    assert (25, "codes") == (options.steps, options.start)
