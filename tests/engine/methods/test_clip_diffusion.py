from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from engine.catalogue import registry
from engine.catalogue.registry import Entry, Kind
from engine.errors import InvalidRequest
from engine.guidance.cutouts import NoiseKey
from engine.guidance.feature_distance import feature_distance
from engine.images.tensors import to_signed, to_tensor
from engine.methods import Failed, Finished, Running
from engine.methods.clip_diffusion import METHOD, Sample
from engine.perceptors.perceptor import Perceptor
from engine.perceptors.perceptor_loader import load_perceptor
from engine.runtime.runtime import Runtime
from engine.runtime.tuning import Threads
from engine.worker.job_state import ImageTask, JobRun, Stage
from engine.worker.scheduler import StepScheduler
from tests.engine.tiny import gaussian_runtime, job_of, paint, tiny_net, tiny_perceptor, tiny_runtime

PROMPT = "a red circle on a blue background"
QUICK = {"steps": "5", "cutouts": "2"}


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return tiny_runtime()


@pytest.fixture(scope="module")
def plain() -> Runtime:
    """With a net that has no mind of its own, so that only guidance decides."""
    return gaussian_runtime()


def begin(
    runtime: Runtime, prompt: str = PROMPT, settings: dict[str, str] | None = None, **request: object
) -> list[Sample]:
    return METHOD.begin(job_of(prompt, {**QUICK, **(settings or {})}, **{"seed": 7, **request}), {}, runtime)


def finish(runtime: Runtime, states: list[Sample]) -> list[np.ndarray]:
    return [pixels(step) for step in paint(METHOD, states, runtime)]


def pixels(step: object) -> np.ndarray:
    assert isinstance(step, Finished), step
    return np.asarray(step.image).astype(int)


def png(image: Image.Image) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return hashlib.sha256(buffer.getvalue()).hexdigest(), buffer.getvalue()


def test_a_picture_is_as_large_as_asked_for_before_its_finish(runtime: Runtime) -> None:
    assert (48, 80, 3) == finish(runtime, begin(runtime, size="320x192"))[0].shape


def test_a_preview_is_the_predicted_picture_and_outlives_later_steps(runtime: Runtime) -> None:
    states = begin(runtime)
    (first,) = METHOD.advance(states, runtime)
    assert isinstance(first, Running) and first.preview is not None
    before = first.preview().tobytes()
    METHOD.advance(states, runtime)
    assert before == first.preview().tobytes()
    assert (64, 64) == first.preview().size


@pytest.mark.slow
def test_between_neighbours_that_join_and_leave_a_picture_stays_as_it_was_to_the_bit(runtime: Runtime) -> None:
    alone, watched = begin(runtime), begin(runtime)
    neighbours = [begin(runtime, prompt, {"steps": n}, seed=seed)[0] for prompt, n, seed in COMPANY]
    for state in (*alone, *watched, *neighbours):
        state.bucket = 8
    expected = finish(runtime, alone)[0]
    present = neighbours[:3]
    for step in range(5):
        group = [*present[:2], *watched, *present[2:]]
        steps = METHOD.advance(group, runtime)
        present = [
            s for s, answer in zip(group, steps, strict=True) if s is not watched[0] and isinstance(answer, Running)
        ]
        present += neighbours[3 + step : 4 + step]
    assert np.array_equal(expected, pixels(steps[group.index(watched[0])]))


COMPANY = [
    ("an owl", "3", 1),
    ("a green house | fog:0.4", "9", 2),
    ("a boat", "2", 3),
    ("a star", "7", 4),
    ("snow", "5", 5),
    ("a cat", "6", 6),
    ("a rocket", "4", 8),
]


def test_in_another_bucket_a_picture_is_the_same_within_rounding(runtime: Runtime) -> None:
    alone, among = begin(runtime), begin(runtime, count=8)
    assert np.abs(finish(runtime, alone)[0] - finish(runtime, among)[0]).max() <= 1


def test_a_step_that_fails_has_changed_nothing(runtime: Runtime) -> None:
    expected = finish(runtime, begin(runtime))[0]

    class Short(Perceptor):
        def encode_image(self, images: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("out of memory")

    poor = tiny_runtime()
    short = tiny_perceptor()
    short.__class__ = Short
    poor.cache._entries["perceptor:primer"].value = short
    states = begin(runtime)
    METHOD.advance(states, runtime)
    x = states[0].x.clone()
    with pytest.raises(torch.OutOfMemoryError):
        METHOD.advance(states, poor)
    assert (1, True) == (states[0].step, torch.equal(x, states[0].x))
    assert np.array_equal(expected, finish(runtime, states)[0])


def score(runtime: Runtime, prompt: str, settings: dict[str, str]) -> float:
    """Cosine with PROMPT, of four pictures painted by *prompt*."""
    states = begin(runtime, prompt, {"steps": "12", "cfg_scale": "1", **settings}, count=4)
    wanted = begin(runtime)[0].objective.targets.positive
    steps = paint(METHOD, states, runtime)
    return float(np.mean([np.dot(s.facts["embedding"], wanted.numpy()) for s in steps if isinstance(s, Finished)]))


def test_guidance_pulls_towards_the_prompt_and_a_negative_weight_pushes_away(plain: Runtime) -> None:
    free = score(plain, PROMPT, {"clip_guidance_scale": "0"})
    strong = {"clip_guidance_scale": "1000", "clamp_max": "0.3"}
    assert score(plain, PROMPT, strong) > free + 0.05
    assert score(plain, f"{PROMPT}:-1", strong) < free - 0.05


def test_without_any_pull_no_gradient_is_taken(runtime: Runtime) -> None:
    states = begin(runtime, settings={"clip_guidance_scale": "0"})
    assert not states[0].objective.acts
    METHOD.advance(states, runtime)
    assert not states[0].x.requires_grad


@pytest.mark.parametrize("loss", ["range_scale", "saturation_scale"])
def test_colours_out_of_range_are_drawn_in(loss: str) -> None:
    plain = gaussian_runtime(predict_xstart=False)

    def excess(scale: str) -> float:
        states = begin(plain, settings={loss: scale, "clip_guidance_scale": "3000", "clamp_max": "3", "shift_max": "0"})
        finish(plain, states)
        return float((states[0].x.abs() - 1).clamp_min(0).mean())

    assert excess("20000") < 0.8 * excess("0")


def test_smoothness_smooths(plain: Runtime) -> None:
    def roughness(tv: str) -> float:
        picture = finish(plain, begin(plain, settings={"tv_scale": tv, "clip_guidance_scale": "0", "clamp_max": "0"}))[
            0
        ]
        return float(np.abs(np.diff(picture, axis=0)).mean())

    assert roughness("2000") < 0.9 * roughness("0")


def half_red() -> Image.Image:
    image = Image.new("RGB", (100, 100), "blue")
    ImageDraw.Draw(image).rectangle((0, 0, 49, 99), fill="red")
    return image


def test_an_init_picture_shines_through_the_fewer_steps_are_left(runtime: Runtime) -> None:
    sha, data = png(half_red())
    reference = np.asarray(half_red().resize((64, 64))).astype(int)

    def likeness(skip: str) -> float:
        job = job_of(PROMPT, {"steps": "30", "skip_steps": skip}, seed=7, init_image=sha)
        (state,) = METHOD.begin(job, {sha: data}, runtime)
        assert 30 - int(skip) == state.steps
        x = to_levels(state.x)
        return float(np.corrcoef(x.ravel(), reference.ravel())[0, 1])

    assert likeness("29") > 0.99
    assert likeness("29") > likeness("15") > likeness("0") + 0.2


def to_levels(x: torch.Tensor) -> np.ndarray:
    return x.permute(1, 2, 0).numpy()


def test_init_scale_holds_on_to_the_init_picture(plain: Runtime) -> None:
    sha, data = png(half_red())

    def distance(scale: str) -> float:
        settings = {
            "steps": "10",
            "skip_steps": "5",
            "init_scale": scale,
            "clip_guidance_scale": "0",
            "clamp_max": "0.5",
        }
        states = METHOD.begin(job_of(PROMPT, settings, seed=7, init_image=sha), {sha: data}, plain)
        return float(np.abs(finish(plain, states)[0] - np.asarray(half_red().resize((64, 64)))).mean())

    assert distance("1000") < distance("0") - 5


def test_held_by_shapes_a_picture_ends_nearer_to_its_init_as_the_guide_sees_it() -> None:
    primer = Runtime.open("cpu")
    sha, data = png(half_red())
    init = to_signed(to_tensor(half_red().resize((64, 64))))[None]

    def distance(scale: str) -> float:
        held = {"init_scale": scale, "init_distance": "features"} if scale != "0" else {}
        settings = {"steps": "10", "skip_steps": "5", "clip_guidance_scale": "0", "shift_max": "0.5", **held}
        states = METHOD.begin(job_of(PROMPT, settings, seed=7, init_image=sha), {sha: data}, primer)
        painted = to_signed(to_tensor(Image.fromarray(finish(primer, states)[0].astype(np.uint8))))[None]
        return float(feature_distance(load_perceptor("primer", primer), painted, init, [NoiseKey(1, 0, 0)]))

    assert distance("10000") < 0.8 * distance("0")


def test_a_clip_that_hides_its_maps_cannot_hold_by_shapes() -> None:
    hiding = tiny_runtime()
    load_perceptor("primer", hiding)._maps = None
    sha, _ = png(half_red())
    job = job_of(PROMPT, {"init_scale": "1000", "init_distance": "features"}, init_image=sha)
    with pytest.raises(InvalidRequest, match="needs a CLIP that shows its feature maps; primer does not"):
        METHOD.load(job.request, hiding)


def test_a_target_picture_is_one_more_prompt(runtime: Runtime) -> None:
    sha, data = png(half_red())
    job = job_of(PROMPT, QUICK, seed=7, target_image=sha)
    (state,) = METHOD.begin(job, {sha: data}, runtime)
    assert [0.5, 0.25, 0.25, 0.0] == state.objective.targets.weights.tolist()


def test_facts_say_what_was_painted_and_how(runtime: Runtime) -> None:
    (step,) = paint(METHOD, begin(runtime, "a red circle in cyberpunk by Dali"), runtime)
    assert isinstance(step, Finished)
    assert "primer" == step.facts["perceptor"]
    assert -1 <= step.facts["clip_score"] <= 1
    assert 1 == pytest.approx(np.linalg.norm(step.facts["embedding"]), abs=1e-3)
    assert {
        "weights": "0" * 64,
        "dtype": "float32",
        "bucket": 1,
        "course": [[1, torch.get_num_threads(), 0, 5]],
        "perceptor": "primer",
        "perceptor_weights": "",
    } == step.facts["resolved"]
    (note,) = step.facts["notes"]
    assert note == "I don’t know “cyberpunk” and “dali”."


def test_words_that_the_model_has_none_of_are_refused_before_anything_is_painted(runtime: Runtime) -> None:
    job = job_of("cyberpunk Dali")
    with pytest.raises(InvalidRequest, match="I don’t know “cyberpunk” and “dali”"):
        METHOD.load(job.request, runtime)


def test_a_part_without_a_known_word_is_left_out_with_a_note(runtime: Runtime) -> None:
    (state,) = begin(runtime, "an owl | cyberpunk:-0.5")
    assert [1.0, 0.0, 0.0, 0.0] == state.objective.targets.weights.tolist()
    assert "cyberpunk" in state.notes[0]


def test_lanes_tell_apart_what_cannot_share_a_pass(runtime: Runtime) -> None:
    def batch_key(prompt: str = PROMPT, settings: dict[str, str] | None = None, **request: object) -> object:
        return METHOD.batch_key(begin(runtime, prompt, settings, **request)[0])

    assert batch_key() == batch_key("an owl", {"steps": "9", "eta": "0.3", "cfg_scale": "5", "clamp_max": "1"}, seed=3)
    others = [batch_key(settings=s) for s in ({"cutouts": "3"}, {"clip_guidance_scale": "0"}, {"cfg_scale": "1"})]
    others += [batch_key("owl|cat|boat|house|a car"), batch_key(size="320x256"), batch_key("an owl | fog:-0.3")]
    assert 7 == len({batch_key(), *others})


def test_only_images_with_equal_adapters_share_a_batch_and_their_record_names_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = {name: Entry(name, Kind.ADAPTER, name, "/w", "free.", adapts="primer") for name in ("ink", "gold")}
    monkeypatch.setattr(registry, "_own", own)
    runtime = tiny_runtime()
    for key in ("ink:1", "ink:0.5", "gold:1+ink:1"):
        runtime.net(f"diffusion:primer+{key}", lambda key=key: replace(tiny_net(), adapters=key))  # type: ignore[misc]

    def begun(adapter: str) -> Sample:
        return begin(runtime, settings={"adapter": adapter})[0]

    assert METHOD.batch_key(begun("ink+gold")) == METHOD.batch_key(begun("gold + ink:1"))
    assert 4 == len({METHOD.batch_key(begun(text)) for text in ("none", "ink", "ink:0.5", "gold+ink")})
    (step,) = paint(METHOD, [begun("ink:0.5")], runtime)
    assert isinstance(step, Finished) and "ink:0.5" == step.facts["resolved"]["adapters"]  # type: ignore[index]
    (step,) = paint(METHOD, [begun("none")], runtime)
    assert isinstance(step, Finished) and "adapters" not in step.facts["resolved"]  # type: ignore[operator]


def test_more_steps_than_the_net_was_trained_with_are_refused(runtime: Runtime) -> None:
    with pytest.raises(InvalidRequest, match="400"):
        METHOD.load(job_of(PROMPT, {"steps": "500"}).request, tiny_runtime(diffusion_steps=400))


def test_an_eps_net_with_learned_variances_paints_too() -> None:
    runtime = tiny_runtime(predict_xstart=False, learn_sigma=True, noise_schedule="linear", context_dim=0)
    states = begin(runtime, settings={"clip_guidance_scale": "1000"})
    assert states[0].condition is None
    assert (64, 64, 3) == finish(runtime, states)[0].shape


@pytest.mark.parametrize("settings", [{}, {"cutouts": "3", "cut_batches": "2"}, {"gradient": "xstart"}])
def test_with_less_memory_it_is_the_same_picture(settings: dict[str, str]) -> None:
    runtime = tiny_runtime()
    roomy = finish(runtime, begin(runtime, settings=settings))[0]

    (state,) = begin(runtime, settings=settings)
    frugal, lanes = [], {METHOD.batch_key(state)}
    while METHOD.reduce_memory(state, runtime):
        lanes.add(METHOD.batch_key(state))
        frugal.append(state.memory_level)
    thrifty = finish(runtime, [state])[0]

    assert list(range(1, len(lanes))) == frugal, "each is a lane of its own"
    assert state.objective.parts == state.objective.recipe.total, "CLIP looks at one cut at a time"
    assert np.abs(roomy - thrifty).max() <= 1


def test_what_one_picture_has_learned_about_memory_the_next_of_its_kind_knows() -> None:
    runtime = tiny_runtime()
    (first,) = begin(runtime)
    assert METHOD.reduce_memory(first, runtime)

    assert [1, 0] == [begin(runtime, seed=8)[0].memory_level, begin(runtime, size="320x192")[0].memory_level]


def test_where_nothing_pulls_nothing_can_be_saved(runtime: Runtime) -> None:
    (state,) = begin(runtime, settings={"clip_guidance_scale": "0"})

    assert not METHOD.reduce_memory(state, runtime)


def test_the_net_really_remembers_less(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, calls = tiny_runtime(), []
    monkeypatch.setattr("engine.nets.adm.checkpoint", lambda block, *inputs, **_: calls.append(1) or block(*inputs))
    (state,) = begin(runtime)

    METHOD.advance([state], runtime)
    assert not calls
    METHOD.reduce_memory(state, runtime)
    METHOD.advance([state], runtime)
    assert calls


@pytest.mark.slow
def test_out_of_memory_is_mended_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLIP can look at no more than two views here; the worker finds that out, and the picture is the same."""
    runtime = tiny_runtime()
    roomy = finish(runtime, begin(runtime, settings={"cutouts": "8"}))[0]
    encode = Perceptor.encode_image

    def narrow(self: Perceptor, views: torch.Tensor) -> torch.Tensor:
        if len(views) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return encode(self, views)

    monkeypatch.setattr(Perceptor, "encode_image", narrow)
    (state,) = begin(runtime, settings={"cutouts": "8"})
    painting = ImageTask(JobRun(job_of(PROMPT, QUICK), {}), 0, METHOD, state, Stage.PAINTING)  # type: ignore[arg-type]
    lanes, step = StepScheduler(runtime, Threads("1", 1)), None
    while not isinstance(step, Finished):
        (step,) = lanes.advance([painting])
        assert not isinstance(step, Failed), step

    assert 3 == state.memory_level
    assert np.abs(roomy - pixels(step)).max() <= 1
