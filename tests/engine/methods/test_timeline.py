"""Prompts that change on the way: every method, its condition, and its record."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from engine.errors import InvalidRequest
from engine.guidance.targets import FUZZY_COPIES
from engine.methods import find_method
from engine.perceptors.perceptor_loader import load_perceptor
from engine.requests.request import METHODS, build_request, request_from_json, request_to_json
from tests.engine.methods.easels import EASELS, Easel
from tests.engine.tiny import job_of, tiny_runtime

CHANGING = "0: a red circle | 3: an owl"


GUIDED = [name for name in EASELS if METHODS[name].guided]


@pytest.fixture(scope="module", params=GUIDED)
def easel(request: pytest.FixtureRequest) -> Iterator[Easel]:
    with EASELS[request.param]() as found:
        yield found


def values(state: object) -> torch.Tensor:
    found = state.x if hasattr(state, "x") else state.parameters  # type: ignore[attr-defined]
    assert isinstance(found, torch.Tensor)
    return found


def after(easel: Easel, prompt: str, steps: int) -> torch.Tensor:
    (state,) = easel.begin(prompt)
    for _ in range(steps):
        easel.method.advance([state], easel.runtime)
    return values(state)


def test_a_prompt_changes_at_its_step_and_not_before(easel: Easel) -> None:
    assert torch.equal(after(easel, CHANGING, 3), after(easel, "a red circle", 3))
    assert not torch.equal(after(easel, CHANGING, 4), after(easel, "a red circle", 4))
    assert torch.equal(after(easel, "0: a red circle | 0.5: an owl", 4), after(easel, CHANGING, 4))


def test_what_stands_before_the_timeline_holds_in_all_of_it(easel: Easel) -> None:
    (state,) = easel.begin("snow:0.5 | 0: a red circle | 3: an owl")
    texts = [
        easel.begin(prompt)[0].clip_targets[0].targets for prompt in ("snow:0.5 | a red circle", "snow:0.5 | an owl")
    ]

    for step, expected in ((2, texts[0]), (3, texts[1])):
        state.step = step
        assert torch.equal(expected.vectors, state.clip_targets[0].targets.vectors)
        assert torch.equal(expected.weights, state.clip_targets[0].targets.weights)
    assert torch.equal(texts[1].positive, state.own.targets.positive), "the end is what the picture is scored by"


def test_pictures_of_different_phases_share_a_batch_and_stay_the_same(easel: Easel) -> None:
    (alone,), (watched,), (late,) = easel.begin(CHANGING), easel.begin(CHANGING), easel.begin(CHANGING, seed=3)
    for state in (alone, watched, late):
        state.bucket = 2
    for step in range(4):
        easel.method.advance([alone], easel.runtime)
        easel.method.advance([watched, late] if step > 1 else [watched], easel.runtime)

    assert torch.equal(values(alone), values(watched))
    assert 2 == late.step and late.clip_targets is not watched.clip_targets


def test_a_stored_request_paints_the_same_timeline(easel: Easel) -> None:
    job = job_of(CHANGING, easel.settings, **{"seed": 7, **easel.asks})  # type: ignore[arg-type]
    again = request_from_json(request_to_json(job.request))

    assert job.request == again and [0, 3] == [prompt.since for prompt in again.prompts]  # type: ignore[union-attr]


def test_fuzzy_replaces_every_prompt_by_copies_around_it(easel: Easel) -> None:
    plain, fuzzy = (easel.begin("an owl:2 | fog", {"fuzzy": value})[0] for value in ("0", "0.3"))
    found, usual = fuzzy.clip_targets[0].targets, plain.clip_targets[0].targets
    copies = found.vectors[:FUZZY_COPIES]

    assert torch.allclose(copies.norm(dim=1), torch.ones(FUZZY_COPIES), atol=1e-5)
    assert torch.allclose(found.weights[:FUZZY_COPIES], usual.weights[0] / FUZZY_COPIES)
    turned = copies @ usual.vectors[0]
    assert np.allclose(turned.mean(), 1 / np.sqrt(1.09), atol=0.03)
    assert torch.equal(fuzzy.own.targets.vectors, plain.own.targets.vectors), "the score is that of the prompt itself"


def test_the_condition_of_a_network_that_reads_changes_too() -> None:
    runtime = tiny_runtime()
    method = find_method("clip_diffusion")
    job = job_of(CHANGING, {"steps": "6", "cutouts": "2", "skip_steps": "2", "clip_guidance_scale": "0"}, seed=7)
    (state,) = method.begin(job, {}, runtime)
    first = state.condition.positive
    method.advance([state], runtime)

    assert 3 == state.step_of_all, "steps that are skipped count"
    assert not torch.equal(first, state.condition.positive)
    (owl,) = method.begin(job_of("an owl", {"steps": "6"}, seed=7), {}, runtime)
    assert torch.equal(owl.condition.positive, state.condition.positive)


def guided_by(easel: Easel, **settings: str) -> object:
    easel.runtime.net("perceptor:primer-grader", lambda: load_perceptor("primer", easel.runtime))
    (state,) = easel.begin(settings={"perceptors": "primer+primer-grader", **settings})
    return state


def test_every_clip_has_its_own_number_of_cutouts_and_its_own_steps(easel: Easel) -> None:
    if "clip_cutouts" not in easel.begin()[0].options.model_dump():
        pytest.skip("one CLIP guides it")
    state = guided_by(easel, perceptors="primer+primer-grader:[1]*3+[0]*3", clip_cutouts="2/[5]*2+[3]*4")
    seen = []
    for step in range(6):
        state.step = step  # type: ignore[attr-defined]
        found = state.objective  # type: ignore[attr-defined]
        seen.append([(eye.weight, recipe.total) for eye, recipe in zip(found.clip_targets, found.recipes, strict=True)])

    assert [(1, 2)] * 6 == [first for first, _ in seen]
    assert [(1, 5), (1, 5), (1, 3), (0, 3), (0, 3), (0, 3)] == [second for _, second in seen]


def test_a_clip_without_weight_changes_nothing_and_one_with_the_usual_cuts_is_the_usual_one(easel: Easel) -> None:
    if "clip_cutouts" not in easel.begin()[0].options.model_dump():
        pytest.skip("one CLIP guides it")
    (alone,), (both,) = easel.begin(), easel.begin(settings={"perceptors": "primer+primer-grader"})
    muted = guided_by(easel, perceptors="primer+primer-grader:[0]*5+[1]*1")
    same = guided_by(easel, clip_cutouts="2/2")
    fewer = guided_by(easel, clip_cutouts="2/1")
    for state in (alone, both, muted, same, fewer):
        easel.method.advance([state], easel.runtime)

    assert torch.equal(values(alone), values(muted)) and torch.equal(values(both), values(same))
    assert not torch.equal(values(both), values(fewer)) and not torch.equal(values(both), values(alone))


def test_a_higher_memory_level_sees_the_cuts_of_every_clip(easel: Easel) -> None:
    if "clip_cutouts" not in easel.begin()[0].options.model_dump():
        pytest.skip("one CLIP guides it")
    roomy, narrow = (guided_by(easel, clip_cutouts="2/5") for _ in range(2))
    while easel.method.reduce_memory(narrow, easel.runtime):  # type: ignore[attr-defined]
        pass
    assert 5 == narrow.objective.parts  # type: ignore[attr-defined]
    for state in (roomy, narrow):
        easel.method.advance([state], easel.runtime)
    easel.runtime.memory.levels.clear()

    torch.testing.assert_close(values(roomy), values(narrow), atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"clip_cutouts": "32/16"}, "clip_cutouts names 2 CLIPs and perceptors 1"),
        ({"clip_cutouts": "0"}, "“0” is not a number of cutouts"),
        ({"clip_cutouts": "[4]*x"}, "clip_cutouts, character 5: a count like 400 is expected here"),
        ({"perceptors": "primer:[0]*10"}, "needs numbers from 0 to 100, not all of them 0"),
        ({"fuzzy": "3"}, "fuzzy=3 is out of range"),
    ],
)
def test_impossible_views_are_refused_in_words(settings: dict[str, str], sentence: str) -> None:
    for method in ("clip_diffusion", "vqgan_clip"):
        with pytest.raises(InvalidRequest, match=re.escape(sentence)):
            build_request("an owl", method=method, settings=settings)
