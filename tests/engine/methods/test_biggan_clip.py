from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from engine.catalogue.models import IMAGENET, MODELS, add_models
from engine.errors import DreamError, InvalidRequest
from engine.images.opening import open_own
from engine.memory_planning.dry_run import dry_run
from engine.memory_planning.meta_memory import LiveBytes
from engine.methods import Finished, Step, find_method
from engine.methods.biggan_clip import (
    METHOD,
    BigganClip,
    BigganImage,
    class_loss,
    class_weights,
    prior_gradient,
    prior_loss,
    updated,
)
from engine.perceptors.perceptor_loader import class_vectors, load_perceptor
from engine.protocol.messages import Job, Submit
from engine.protocol.replay_record import read_record, read_replay_plan, replay_request
from engine.requests.request import BigganClipOptions, build_request, parse_settings, request_from_json, request_to_json
from engine.runtime.runtime import Runtime
from tests.engine.methods.easels import PROMPT, Easel, tiny_biggan
from tests.engine.methods.seen import encoded, noisy_picture
from tests.engine.tiny import job_of, paint
from tests.engine.workshop import Workshop
from tests.registered import registrations_undone

INIT = "f" * 64
QUICK = {"steps": "6", "cutouts": "2", "classes": "all"}


@pytest.fixture
def easel(biggan: Easel) -> Easel:
    return biggan


@pytest.mark.parametrize("settings", [{"max_classes": "5"}, {"latents": "one"}, {"truncation": "0.4"}])
def test_so_they_do_however_they_are_read(easel: Easel, settings: dict[str, str]) -> None:
    before = easel.near(PROMPT, "2", learning_rate="0.000001", **settings)
    assert easel.near(PROMPT, "20", **settings) > before + 0.01


def test_every_block_has_numbers_of_its_own_or_all_have_the_same(easel: Easel) -> None:
    each, one = (easel.begin(settings={"latents": way})[0] for way in ("each", "one"))
    assert [(5, 1016), (1, 1016)] == [tuple(state.parameters.shape) for state in (each, one)]
    z, classes = one.parameters[None, :, :16], one.parameters[None, :, 16:].sigmoid()
    full = tiny_biggan().net(z.expand(-1, 5, -1), classes.expand(-1, 5, -1), torch.ones(1))
    torch.testing.assert_close(full, METHOD.decode(tiny_biggan(), [one], one.parameters[None]))


def test_with_all_classes_each_begins_faintly_as_in_big_sleep(easel: Easel) -> None:
    logits = easel.begin()[0].parameters[:, 16:]
    assert -3.9 == pytest.approx(float(logits.mean()), abs=0.02)
    assert 0.3 == pytest.approx(float(logits.std()), abs=0.02)
    z = easel.begin(count=40)
    assert 1 == pytest.approx(float(torch.stack([s.parameters[:, :16] for s in z]).std()), abs=0.05)


@pytest.mark.parametrize("most", ["0", "3"])
def test_it_begins_with_the_classes_that_are_named_and_little_else(easel: Easel, most: str) -> None:
    (state,) = easel.begin(settings={"classes": "980:3+483", "max_classes": most})
    options = state.options
    weights = class_weights(state.parameters[:, 16:], options.max_classes, options.class_temperature)
    assert [980, 483] == weights[0].topk(2).indices.tolist()
    rest = float(weights[0].sum() - weights[0].topk(2).values.sum())
    assert rest < 1 and weights[0, 980] > 0.5
    if most == "0":
        assert [0.75, 0.25] == pytest.approx(weights[0, [980, 483]].tolist())


def test_the_likely_classes_are_those_whose_names_are_nearest_to_all_prompts(easel: Easel, runtime: Runtime) -> None:
    (state,) = easel.begin("a fox | snow:-0.4", {"classes": "likely"})
    perceptor = load_perceptor("primer", runtime)
    direction = perceptor.encode_text(["a fox"])[0] - 0.4 * perceptor.encode_text(["snow"])[0]
    near = class_vectors("primer", runtime) @ direction
    begun = state.parameters[:, 16:].sigmoid()[0].topk(3).indices
    torch.testing.assert_close(near.topk(3).values, near[begun].sort(descending=True).values)
    assert all(f"{IMAGENET[number]} ({number})" in state.notes[-1] for number in begun.tolist())
    assert state.notes[-1].startswith("It began with the classes ")


def test_of_an_init_picture_it_begins_with_what_clip_sees_in_it_and_holds_on_to_its_colours(easel: Easel) -> None:
    sha, images = encoded(noisy_picture())

    def left(weight: str) -> float:
        settings = {"init_weight": weight, "steps": "40", "learning_rate": "0.2", "ema_decay": "0"}
        picture = easel.finish(easel.begin(settings=settings, init_image=sha, images=images))[0]
        wanted = np.asarray(noisy_picture().resize((32, 32), Image.Resampling.LANCZOS)).astype(int)
        return float(np.square(picture - wanted).mean())

    assert left("10000") < left("0") - 100
    settings = {"classes": "likely"}
    assert easel.begin(settings=settings)[0].notes != easel.begin("x", settings)[0].notes
    seen = [easel.begin(words, settings, init_image=sha, images=images)[0].notes for words in (PROMPT, "an owl")]
    assert seen[0] == seen[1]


def test_a_target_picture_pulls_too(easel: Easel) -> None:
    sha, images = encoded(noisy_picture())
    plain = easel.finish(easel.begin())[0]
    assert not np.array_equal(plain, easel.finish(easel.begin(target_image=sha, images=images))[0])


def test_of_the_strongest_classes_each_is_weighed_against_those_that_are_weaker() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0, 0.0]])
    expected = torch.zeros(1, 4)
    expected[0, 0] = F.softmax(logits / 2, -1)[0, 0]
    expected[0, 2] = F.softmax(logits[:, 1:] / 2, -1)[0, 1]
    torch.testing.assert_close(expected, class_weights(logits, 2, 2.0))
    cold = class_weights(logits, 1, 0.05)
    torch.testing.assert_close(torch.tensor([[1.0, 0, 0, 0]]), cold)


def test_normal_numbers_are_less_strange_than_others() -> None:
    normal = torch.randn(8, 4096, generator=torch.Generator().manual_seed(0))
    assert 4 == pytest.approx(float(prior_loss(normal / normal.square().mean().sqrt())), abs=0.2)
    others = normal * 2, normal + 1, normal.abs(), normal.exp(), normal.sign()
    assert all(prior_loss(other) > prior_loss(normal) + 0.5 for other in others)


def test_the_crowd_is_all_classes_but_the_strongest() -> None:
    weights = torch.tensor([[0.9, 0.1, 0.2], [0.0, 0.0, 0.7]])
    assert (25.0 + 100.0) / 4 == pytest.approx(float(class_loss(weights)))


def test_weights_of_zero_leave_the_numbers_to_clip(easel: Easel) -> None:
    states = [easel.begin(settings=one)[0] for one in ({}, {"latent_weight": "0", "class_weight": "0"})]
    some, none = prior_gradient(states, 16)
    assert not torch.equal(torch.zeros_like(some), some)
    assert torch.equal(torch.zeros_like(none), none)


def test_less_truncation_means_numbers_that_spread_less_and_are_kept_so(easel: Easel) -> None:
    wide, narrow = (easel.begin(settings={"truncation": spread})[0] for spread in ("1", "0.25"))
    torch.testing.assert_close(wide.parameters[:, :16] / 4, narrow.parameters[:, :16])
    gradients = prior_gradient([wide, narrow], 16)[..., :16]
    torch.testing.assert_close(4 * gradients[0], gradients[1], rtol=1e-3, atol=1e-4)


def test_adam_moves_as_pytorchs_does_and_the_average_forgets_the_beginning_evenly(easel: Easel) -> None:
    (state,) = easel.begin(settings={"learning_rate": "0.2", "ema_decay": "0.9"})
    expected = state.parameters.clone().requires_grad_()
    reference = torch.optim.Adam([expected], lr=0.2)
    seen: list[Tensor] = [expected.detach().clone()]
    for step in range(3):
        expected.grad = torch.randn(expected.shape, generator=torch.Generator().manual_seed(step))
        changed = updated([state], expected.grad[None])
        reference.step()
        seen.append(expected.detach().clone())
        for name, values in changed.items():
            setattr(state, name, values[0])
        state.step += 1
    torch.testing.assert_close(expected.detach(), state.parameters, atol=1e-5, rtol=1e-5)
    shares = torch.tensor([0.9**age for age in (3, 2, 1, 0)])
    average = (torch.stack(seen) * (shares / shares.sum())[:, None, None]).sum(0)
    torch.testing.assert_close(average, state.average, atol=1e-5, rtol=1e-5)


def test_the_finished_picture_is_that_of_the_average(easel: Easel) -> None:
    (state,) = easel.begin(settings={"ema_decay": "0.9", "learning_rate": "0.5"})
    picture = easel.finish([state])[0]
    average, last = (
        METHOD.decode(tiny_biggan(), [state], numbers[None])[0] for numbers in (state.average, state.parameters)
    )
    painted = [((p.permute(1, 2, 0) + 1) / 2 * 255).round().numpy() for p in (average, last)]
    assert np.array_equal(painted[0], picture)
    assert not np.array_equal(painted[1], picture)


def test_lanes_tell_apart_what_cannot_be_painted_together(easel: Easel) -> None:
    def batch_key(settings: dict[str, str] | None = None, **request: object) -> object:
        return METHOD.batch_key(easel.begin(PROMPT, settings, **request)[0])

    assert batch_key() == batch_key({"steps": "9", "truncation": "0.4", "max_classes": "7", "tv_scale": "3"}, seed=3)
    assert 3 == len({batch_key(), batch_key({"cutouts": "3"}), batch_key({"latents": "one"})})


def test_facts_say_how_near_it_came_and_what_painted_it(easel: Easel) -> None:
    (step,) = paint(METHOD, easel.begin(), easel.runtime)
    assert isinstance(step, Finished)
    assert {"clip_score", "embedding", "perceptor", "notes", "resolved"} == set(step.facts)
    assert "0" * 64 == step.facts["resolved"]["weights"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("steps=1", r"steps=1 is out of range \(2–2000\)"),
        ("learning_rate=0", "learning_rate=0 is out of range"),
        ("truncation=0", "truncation=0 is out of range"),
        ("truncation=1.5", "truncation=1.5 is out of range"),
        ("ema_decay=1", "ema_decay=1 is out of range"),
        ("latents=two", "latents=two is not one of its values"),
        ("cut_kind=disco", "cut_kind=disco is not one of its values"),
        ("init_weight=1", "init_weight=1 needs an init picture"),
        ("target_weight=2", "target_weight=2 needs a target picture"),
        ("cut_power=2", "changes nothing with cut_kind=big_sleep"),
        ("class_temperature=3", "class_temperature=3 is one of max_classes"),
        ("classes=vulcano", "has no class “vulcano”; did you mean “volcano”"),
        ("classes=-3", "“-3” is neither likely nor all nor a class, as in 980:2"),
        ("classes=", "is not of the form"),
        ("classes=980+", "“” is neither likely"),
        ("classes=1000", "Unknown class 1000 of BigGAN-deep, 256 pixels. Available: 0 to 999"),
        ("classes=5:0", r"the weight 0 is out of range"),
        ("classes=5:101", r"the weight 101 is out of range \(> 0, ≤ 100\)"),
        ("classes=5+7+5", "names 5 twice; give it a weight instead, as in 5:2"),
        ("classes=5+7 max_classes=1", "names 2 to begin with, and max_classes=1 lets fewer mix"),
        (f"classes={'+'.join(map(str, range(21)))}", "classes names 21; the limit is 20"),
        ("perceptors=nobody", "There is no CLIP “nobody”"),
        ("profile=fast", "not biggan_clip: take method=clip_diffusion, or profile=bigsleep"),
    ],
)
def test_what_cannot_be_is_refused_in_words(settings: str, words: str) -> None:
    with pytest.raises(DreamError, match=words):
        build_request(PROMPT, model="biggan-deep-256", settings=parse_settings(settings))


def test_a_net_with_other_classes_cannot_begin_with_imagenets(biggan: Easel) -> None:
    own = replace(MODELS["tiny"], name="own", classes=10)
    with registrations_undone():
        add_models([own])
        with pytest.raises(InvalidRequest, match="ImageNet's 1000 classes, and the tiny net has 10 others"):
            build_request(PROMPT, model="own")
        with pytest.raises(InvalidRequest, match="max_classes=10 limits nothing: the tiny net has 10 classes"):
            build_request(PROMPT, model="own", settings={"classes": "all", "max_classes": "10"})


def test_it_paints_one_size_alone_and_takes_no_mask() -> None:
    with pytest.raises(InvalidRequest, match="cannot paint 256×128; all its pictures are 256×256"):
        build_request(PROMPT, model="biggan-deep-256", size="256x128")
    with pytest.raises(InvalidRequest, match="biggan_clip does not support a mask"):
        build_request(PROMPT, model="biggan-deep-256", init_image=INIT, mask_image=INIT)


def test_an_init_picture_is_held_by_default() -> None:
    def weight(**request: object) -> object:
        options = build_request(PROMPT, model="biggan-deep-256", **request).options  # type: ignore[arg-type]
        assert isinstance(options, BigganClipOptions)
        return options.init_weight.plain

    assert [0, 300, 0, 5] == [
        weight(),
        weight(init_image=INIT),
        weight(init_image=INIT, settings={"init_weight": "0"}),
        weight(init_image=INIT, settings={"init_weight": "5"}),
    ]
    varied = build_request(PROMPT, model="biggan-deep-256").starting_from(INIT)
    assert isinstance(varied.options, BigganClipOptions) and 300 == varied.options.init_weight.plain


def submit(shop: Workshop, job: str, seed: int = 7, count: int = 1) -> None:
    request = job_of(PROMPT, {**QUICK, "steps": "16"}, model="tiny", seed=seed, count=count).request
    shop.handle(Submit(Job(job, 1, "somebody", request), {}))


def steps_of(shop: Workshop, job: str) -> int:
    attempt = shop.worker._jobs.find(job)
    return attempt.tasks[0].steps_done if attempt and attempt.tasks else 0


def test_what_was_painted_among_others_is_painted_again_to_the_bit_from_its_record(runtime: Runtime) -> None:
    shop = Workshop(runtime=runtime, find=find_method)
    submit(shop, "watched")
    shop.run_until(lambda: steps_of(shop, "watched") >= 2)
    submit(shop, "pair", seed=60, count=2)
    shop.run("watched", "pair")
    first = shop.pictures("watched")[0]
    record = read_record(first.png)

    again = Workshop(runtime=runtime, find=find_method)
    again.worker.submit(Job("again", 1, "somebody", replay_request(record)), {}, read_replay_plan(record["resolved"]))
    again.run("again")

    assert [1, 3] == [bucket for bucket, *_ in record["resolved"]["course"]], "it was alone, then with others"
    assert first.facts["sha256"] == again.pictures("again")[0].facts["sha256"]


class Narrow(BigganClip):
    """Two views of one picture fit into memory."""

    def __init__(self) -> None:
        self.refused = 0

    def advance(self, states: list[BigganImage], runtime: Runtime) -> list[Step]:
        if sum(s.objective.recipe.total / s.objective.parts for s in states) > 2:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().advance(states, runtime)


@pytest.mark.slow
def test_where_memory_runs_out_steps_are_made_lighter_and_the_picture_is_the_same(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.cache, "shed", lambda *_, **__: False)  # the tiny nets come from no file
    pictures, narrow = [], Narrow()
    for method in (METHOD, narrow):
        shop = Workshop(runtime=runtime, find=lambda _, method=method: method)
        request = job_of(PROMPT, {**QUICK, "cutouts": "8", "steps": "3"}, model="tiny", seed=7, count=2).request
        shop.handle(Submit(Job("a", 1, "somebody", request), {}))
        shop.run("a")
        pictures.append([np.asarray(open_own(shop.pictures("a")[i].png), dtype=int) for i in (0, 1)])
    runtime.memory.levels.clear()
    assert narrow.refused >= 3
    assert all(np.abs(roomy - light).max() <= 3 for roomy, light in zip(*pictures, strict=True))


def test_classes_that_came_in_a_record_are_looked_at_again(runtime: Runtime) -> None:
    request = job_of(PROMPT, {"classes": "5"}, model="tiny").request
    METHOD.load(request, runtime)
    foreign = request.model_copy(update={"options": request.options.model_copy(update={"classes": "1000"})})
    with pytest.raises(InvalidRequest, match="Unknown class 1000 of the tiny net"):
        METHOD.load(foreign, runtime)
    written = request_to_json(request).replace('"classes":"5"', '"classes":"five"')
    with pytest.raises(InvalidRequest, match="“five” is neither likely"):
        request_from_json(written)


@pytest.mark.parametrize("settings", [{"cutouts": "8"}, {"cutouts": "8", "max_classes": "3", "latents": "one"}])
def test_a_step_takes_as_much_memory_as_it_was_said_to_before_it_began(biggan: Easel, settings: dict[str, str]) -> None:
    request = job_of(PROMPT, {**QUICK, **settings}, model="tiny").request
    runtime = Runtime.open("cpu")
    runtime.net("biggan:tiny", tiny_biggan)
    states = METHOD.begin(Job("a", 1, "", request), {}, runtime)
    with LiveBytes(torch.device("cpu")) as live:
        METHOD.advance(states, runtime)
    expected = dry_run(METHOD, request, torch.float32).step
    assert live.peak == pytest.approx(expected, rel=0.05, abs=2**20)


@pytest.mark.slow
def test_the_published_nets_are_rehearsed_at_full_size_without_their_files() -> None:
    request = build_request("a fox", model="biggan-deep-512")
    found = dry_run(METHOD, request, torch.float32)
    assert {"biggan:biggan-deep-512", "perceptor:ViT-B/32"} == set(found.models)
    assert 10**9 < found.step < 3 * 10**9
    assert dry_run(METHOD, request, torch.float32, 5).step < 0.7 * found.step
