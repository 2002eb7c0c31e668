"""Every option of clip_diffusion in the method itself, with a primer of random weights."""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from engine.errors import InvalidRequest, ModelUnavailable
from engine.methods import Finished, Running
from engine.methods.clip_diffusion import METHOD, Sample
from engine.nets.secondary import SecondaryNet
from engine.perceptors.perceptor import Perceptor
from engine.requests.request import build_request, parse_settings
from engine.runtime.runtime import Runtime
from tests.engine.tiny import gaussian_runtime, job_of, paint, tiny_perceptor, tiny_runtime

PROMPT = "a red circle on a blue background"
SMALL = "192x192"
"""Painted at 48×48."""
ALONE = "cfg_scale=1"
"""One pass of the net instead of two; the options below act on its result, whichever it is."""
SAMPLERS = (
    "sampler=ddim",
    f"sampler=ddpm {ALONE}",
    f"sampler=plms {ALONE}",
    f"sampler=plms order=4 {ALONE}",
    f"sampler=dpmpp_2m {ALONE}",
    f"sampler=ltsp {ALONE}",
    f"sampler=stsp {ALONE}",
)
KINDS = (
    *SAMPLERS,
    f"cut_kind=classic cut_batches=2 {ALONE}",
    f"cut_kind=padded flip=0.5 {ALONE}",
    f"cut_kind=disco overview=[4]*400+[1]*600 cutouts=[1]*400+[4]*600 gray=[0.5]*400+[0]*600 {ALONE}",
    "gradient=xstart sees=blended",
    "guide_every=2 guide_from=0.2 guide_until=0.8",
    f"perlin=mixed distance=cos_spherical {ALONE}",
    f"perlin=mixed init_scale=500 init_distance=features sampler=stsp {ALONE}",
    f"symmetry=both symmetry_until=0.6 {ALONE}",
    "seamless=both sampler=plms",
    f"seamless=across clamp_max=[0.1]*300+[0.02]*700 {ALONE}",
    f"tv_scale=[100]*2+[0]*2 clip_guidance_scale=[0]*200+[2000]*800 {ALONE}",
)


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    found = tiny_runtime()
    found.net("perceptor:primer-grader", lambda: _grader())
    return found


def _grader() -> Perceptor:
    other = tiny_perceptor()
    other.id = "primer-grader"
    return other


def begin(runtime: Runtime, settings: str = "", **request: object) -> list[Sample]:
    images = request.pop("images", {})
    asked = {"steps": "5", "cutouts": "2", **parse_settings(settings)}
    job = job_of(str(request.pop("prompt", PROMPT)), asked, **{"seed": 7, **request})
    METHOD.load(job.request, runtime)  # type: ignore[arg-type]
    return METHOD.begin(job, images, runtime)  # type: ignore[arg-type]


def pixels(step: object) -> NDArray[np.int_]:
    assert isinstance(step, Finished), step
    return np.asarray(step.image).astype(int)


def alone(runtime: Runtime, settings: str, **request: object) -> NDArray[np.int_]:
    (state,) = begin(runtime, settings, **request)
    state.bucket = 2
    return pixels(paint(METHOD, [state], runtime)[0])


@pytest.fixture(scope="module")
def expected(runtime: Runtime) -> Callable[[str], NDArray[np.int_]]:
    """The small image of given settings, painted once."""
    return functools.cache(lambda settings: alone(runtime, settings, size=SMALL))


@pytest.fixture(scope="module")
def failing() -> Runtime:
    """Its CLIP never has enough memory."""

    class Short(Perceptor):
        def encode_image(self, images: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("out of memory")

    found, short = tiny_runtime(), tiny_perceptor()
    short.__class__ = Short
    found.cache._entries["perceptor:primer"].value = short
    return found


@pytest.mark.parametrize("settings", KINDS)
def test_between_neighbours_at_other_steps_a_picture_stays_as_it_was_to_the_bit(
    runtime: Runtime, settings: str, expected: Callable[[str], NDArray[np.int_]]
) -> None:
    (watched,) = begin(runtime, settings, size=SMALL)
    company = [begin(runtime, f"{settings} steps={n}", seed=n, prompt="an owl | a boat", size=SMALL)[0] for n in (4, 7)]
    for state in (watched, *company):
        state.bucket = 2
    last: object = None
    METHOD.advance(company[:1], runtime)
    while not isinstance(last, Finished):
        lane = METHOD.batch_key(watched)
        group = [watched, *[s for s in company if s.step < s.steps and METHOD.batch_key(s) == lane][:1]]
        last = METHOD.advance(group, runtime)[0]
        strangers = [s for s in company if s.step < s.steps and s not in group]
        if strangers:
            METHOD.advance(strangers[:1], runtime)
    assert np.array_equal(expected(settings), pixels(last))


@pytest.mark.parametrize("settings", SAMPLERS)
def test_a_step_that_fails_has_changed_nothing_whatever_the_sampler(
    runtime: Runtime, failing: Runtime, settings: str, expected: Callable[[str], NDArray[np.int_]]
) -> None:
    states = begin(runtime, settings, size=SMALL)
    states[0].bucket = 2
    for _ in range(3):
        METHOD.advance(states, runtime)
        kept = (states[0].step, states[0].x.clone(), len(states[0].history))
        with pytest.raises(torch.OutOfMemoryError):
            METHOD.advance(states, failing)
        assert (kept[0], True, kept[2]) == (states[0].step, torch.equal(kept[1], states[0].x), len(states[0].history))
    assert np.array_equal(expected(settings), pixels(paint(METHOD, states, runtime)[0]))


def test_samplers_paint_different_pictures_and_share_no_pass(
    runtime: Runtime, expected: Callable[[str], NDArray[np.int_]]
) -> None:
    pictures = [expected(settings).tobytes() for settings in SAMPLERS]
    assert len(SAMPLERS) == len(set(pictures))
    names = {METHOD.batch_key(begin(runtime, settings)[0]) for settings in SAMPLERS}
    assert 6 == len(names)


def test_in_many_steps_all_samplers_without_noise_agree() -> None:
    plain = gaussian_runtime(predict_xstart=False)
    settings = "steps=80 clip_guidance_scale=0 {}"
    ddim = alone(plain, settings.format("eta=0"))
    for sampler in ("plms", "dpmpp_2m", "ltsp", "stsp"):
        assert np.abs(ddim - alone(plain, settings.format(f"sampler={sampler}"))).max() <= 6


def test_schedules_change_how_many_views_there_are_on_the_way(runtime: Runtime) -> None:
    (state,) = begin(runtime, "steps=10 cutouts=[2]*500+[5]*500")
    counts = []
    while state.step < state.steps:
        counts.append(state.objective.recipe.count)
        METHOD.advance([state], runtime)
    assert [2] * 5 + [5] * 5 == counts


def test_guidance_acts_within_its_interval_in_every_kth_step(runtime: Runtime) -> None:
    (state,) = begin(runtime, "steps=10 guide_from=0.2 guide_until=0.8 guide_every=2")
    acts = []
    while state.step < state.steps:
        acts.append(state.objective.acts)
        METHOD.advance([state], runtime)
    assert [False, False, True, False, True, False, True, False, False, False] == acts


def test_a_respaced_walk_stops_where_it_was_told(runtime: Runtime) -> None:
    (state,) = METHOD.begin(job_of(PROMPT, {"respacing": "2,3,5"}), {}, runtime)
    assert (10, 10) == (state.steps, len(state.schedule))
    assert 2 == sum(t < 334 for t in state.schedule.timesteps)


def test_for_independent_pixels_the_gradient_of_the_picture_alone_paints_what_the_nets_paints() -> None:
    plain = gaussian_runtime()
    settings = "steps=10 clip_guidance_scale=2000 clamp_max=0.3 shift_max=0 gradient={}"
    net, xstart = (alone(plain, settings.format(g)) for g in ("net", "xstart"))
    assert np.abs(net - alone(plain, "steps=10 clip_guidance_scale=0")).max() > 20
    assert np.abs(net - xstart).max() <= 1


def png(image: Image.Image) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return hashlib.sha256(buffer.getvalue()).hexdigest(), buffer.getvalue()


def two_halves(left: str, right: str) -> Image.Image:
    image = Image.new("RGB", (48, 48), right)
    ImageDraw.Draw(image).rectangle((0, 0, 23, 47), fill=left)
    return image


@pytest.mark.parametrize("settings", [*SAMPLERS, "seamless=both", "gradient=xstart sees=blended"])
def test_it_is_painted_only_where_the_mask_is_white(runtime: Runtime, settings: str) -> None:
    init, mask = png(two_halves("green", "orange")), png(two_halves("white", "black"))
    pictures = {"init_image": init[0], "mask_image": mask[0], "images": dict((init, mask))}
    painted = alone(runtime, settings, size=SMALL, **pictures)
    before = np.asarray(two_halves("green", "orange")).astype(int)
    assert np.abs(painted[:, 24:] - before[:, 24:]).max() <= 1
    assert np.abs(painted[:, :24] - before[:, :24]).mean() > 10


def test_holes_of_a_mask_are_painted_whatever_its_colours(runtime: Runtime) -> None:
    init, mask = two_halves("green", "orange"), two_halves("white", "white").convert("RGBA")
    mask.paste((0, 0, 0, 0), (0, 0, 24, 48))
    plain = png(two_halves("white", "black"))
    found = [
        alone(runtime, "", size=SMALL, init_image=png(init)[0], mask_image=one[0], images=dict((png(init), one)))
        for one in (png(mask), plain)
    ]

    assert np.array_equal(*found)


@pytest.mark.parametrize(("word", "flips"), [("vertical", (1,)), ("horizontal", (0,)), ("both", (0, 1))])
def test_halves_mirror_each_other(runtime: Runtime, word: str, flips: tuple[int, ...]) -> None:
    picture = alone(runtime, f"symmetry={word}", size=SMALL)
    for axis in (0, 1):
        assert (axis in flips) == bool(np.array_equal(picture, np.flip(picture, axis)))


def test_clouds_show_through_when_few_steps_are_left(runtime: Runtime) -> None:
    (state,) = begin(runtime, "perlin=gray steps=20 skip_steps=19 clip_guidance_scale=0 cfg_scale=1")
    assert state.start.init is not None
    correlation = np.corrcoef(state.x.numpy().ravel(), state.start.init.numpy().ravel())[0, 1]
    assert correlation > 0.95


def test_several_clips_guide_together_and_the_models_own_one_judges(runtime: Runtime) -> None:
    (state,) = begin(runtime, "perceptors=primer-grader:0.5+primer")
    assert [("primer-grader", 0.5), ("primer", 1.0)] == [(eye.perceptor, eye.weight) for eye in state.clip_targets]
    (step,) = paint(METHOD, [state], runtime)
    assert isinstance(step, Finished) and "primer" == step.facts["perceptor"]
    assert not np.array_equal(pixels(step), alone(runtime, ""))


def test_a_target_pictures_weight_is_among_the_prompts(runtime: Runtime) -> None:
    sha, data = png(two_halves("red", "blue"))
    (state,) = begin(runtime, "target_weight=3", target_image=sha, images={sha: data})
    assert [0.25, 0.375, 0.375, 0.0] == state.objective.targets.weights.tolist()


def with_classes() -> Runtime:
    return tiny_runtime(class_cond=True, context_dim=0)


def test_a_class_that_is_chosen_counts_and_one_that_is_not_changes_in_every_step() -> None:
    classes = with_classes()
    told = list[int]()
    net = classes.cache._entries["diffusion:primer"].value.net
    net.register_forward_pre_hook(lambda module, args, kwargs: told.append(int(kwargs["y"][0])), with_kwargs=True)

    def asked(class_id: int) -> list[int]:
        (state,) = METHOD.begin(job_of(PROMPT, {"steps": "4", "cutouts": "2"}, seed=7), {}, classes)
        state.options = state.options.model_copy(update={"class_id": class_id})
        state.model = type(state.model)(**{**_fields(state.model), "classes": 1000})
        told.clear()
        paint(METHOD, [state], classes)
        return list(told)

    assert [207] * 4 == asked(207)
    changing = asked(-1)
    assert len(set(changing)) > 1 and changing == asked(-1)


def _fields(model: object) -> dict[str, object]:
    return {name: getattr(model, name) for name in model.__dataclass_fields__}  # type: ignore[attr-defined]


def test_the_secondary_net_takes_the_gradient() -> None:
    runtime = tiny_runtime()
    torch.manual_seed(3)
    runtime.net("secondary", lambda: SecondaryNet().eval().requires_grad_(False))
    through_it, through_the_net = (begin(runtime, f"steps=2 gradient={g}") for g in ("secondary", "net"))
    METHOD.advance(through_it, runtime)
    METHOD.advance(through_the_net, runtime)
    assert not torch.equal(through_it[0].x, through_the_net[0].x)


def test_without_its_file_the_secondary_net_says_how_to_get_it(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="weights download"):
        begin(runtime, "gradient=secondary")


def test_a_size_that_the_secondary_net_cannot_see_is_refused_at_once_and_in_a_replay(runtime: Runtime) -> None:
    with pytest.raises(InvalidRequest, match=r"multiples of 128, not 320×192"):
        build_request("an owl", size="320x192", settings={"gradient": "secondary"})
    recorded = build_request("an owl", size="256x256", settings={"gradient": "secondary"})
    with pytest.raises(InvalidRequest, match=r"multiples of 128, not 320×192"):
        METHOD.load(recorded.model_copy(update={"width": 320, "height": 192}), runtime)


def test_edges_of_a_seamless_picture_fit_each_other() -> None:
    plain = gaussian_runtime()
    smooth = "steps=12 clip_guidance_scale=0 tv_scale=3000 clamp_max=0 shift_max=0 {}"

    def jump(settings: str) -> float:
        picture = alone(plain, smooth.format(settings))
        inner = np.abs(np.diff(picture, axis=1)).mean()
        return float(np.abs(picture[:, 0] - picture[:, -1]).mean() / inner)

    assert jump("seamless=none") > 1.2
    assert jump("seamless=across") < 1.2


def test_a_preview_is_there_in_every_step_of_every_sampler(runtime: Runtime) -> None:
    for settings in SAMPLERS:
        (step,) = METHOD.advance(begin(runtime, settings, size=SMALL), runtime)
        assert isinstance(step, Running) and step.preview is not None
        assert (48, 48) == step.preview().size


def test_skipped_steps_without_an_init_image_begin_with_noise_around_gray(runtime: Runtime) -> None:
    """As in Crowson's fork, whose init image is then all zeros: x = √(1 - ᾱ) · noise."""
    (late,), (first,) = (begin(runtime, f"steps=20 skip_steps={skip}") for skip in (10, 0))
    assert (10, None) == (late.steps, late.start.init)
    spread = (1 - late.schedule.at(9).alpha_bar) ** 0.5
    torch.testing.assert_close(late.x, (spread * first.x).to(late.x))
