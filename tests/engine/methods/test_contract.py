"""The contract of `engine.methods.Method`, held by every method."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from engine.methods import Failed, Finished, Running, method_names
from engine.methods._shared import filled
from engine.perceptors.perceptor_loader import load_perceptor
from engine.requests.request import METHODS
from tests.engine.methods.easels import EASELS, PROMPT, Easel
from tests.engine.methods.seen import pixels
from tests.engine.tiny import paint

WITHOUT_DETERMINISTIC_KERNEL = {
    "adaptive_max_pool2d_backward", "_adaptive_avg_pool2d_backward", "avg_pool3d_backward", "bincount", "cumsum",
    "embedding_bag", "grid_sampler_2d_backward", "histc", "kthvalue", "median", "nll_loss2d_forward", "put_",
    "reflection_pad1d_backward", "reflection_pad2d_backward", "upsample_bicubic2d_backward",
    "upsample_bilinear2d_backward", "upsample_linear1d_backward",
}  # fmt: skip
"""Operations that `torch.use_deterministic_algorithms` refuses on CUDA."""
SCORED = ("clip_score", "embedding", "perceptor", "notes", "resolved")


@pytest.fixture(scope="module", params=list(EASELS))
def easel(request: pytest.FixtureRequest) -> Iterator[Easel]:
    with EASELS[request.param]() as found:
        yield found


def values(state: object) -> torch.Tensor:
    """What a step changes."""
    found = state.x if hasattr(state, "x") else state.parameters  # type: ignore[attr-defined]
    assert isinstance(found, torch.Tensor)
    return found


def test_every_method_is_held_to_it() -> None:
    assert set(EASELS) == set(method_names()) == set(METHODS)


def test_steps_are_counted_previews_drawn_and_the_last_step_finishes(easel: Easel) -> None:
    (state,) = easel.begin()
    steps = [easel.method.advance([state], easel.runtime)[0] for _ in range(state.steps)]

    assert [1, 2, 3, 4, 5] == [step.step for step in steps if isinstance(step, Running)]
    first, last = steps[0], steps[-1]
    assert isinstance(first, Running) and first.preview and isinstance(last, Finished)
    assert "RGB" == first.preview().mode == last.image.mode
    assert set(SCORED) <= set(last.facts)
    if state.options.guided:
        assert -1 <= last.facts["clip_score"] <= 1  # type: ignore[operator]
    else:
        assert last.facts["clip_score"] is last.facts["embedding"] is None
    assert [6] == [row[3] for row in last.facts["resolved"]["course"]]  # type: ignore[index]


def test_the_seed_decides_the_image(easel: Easel) -> None:
    first, again, other = (easel.finish(easel.begin(seed=seed))[0] for seed in (7, 7, 8))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("count", [2, 3])
def test_one_image_of_a_batch_is_repeated_to_the_bit_in_a_batch_of_that_size(easel: Easel, count: int) -> None:
    many, (alone,) = easel.begin(count=count), easel.begin(seed=7 + count - 1)
    alone.bucket = count

    assert np.array_equal(easel.finish(many)[-1], easel.finish([alone])[0])
    assert [[count, 1, 0, 6]] == many[0].step_log.rows, "on a CPU a batch is as large as there are images"


def test_an_image_is_the_same_to_the_bit_among_images_that_join_later(easel: Easel) -> None:
    (alone,), (watched,) = easel.begin(), easel.begin()
    late = [easel.begin(prompt, seed=i)[0] for i, prompt in enumerate(("an owl", "snow | fog:-0.3"))]
    for state in (alone, watched, *late):
        state.bucket = 4
    key = easel.method.batch_key
    expected = easel.finish([alone])[0]
    for step in range(6):
        together = [state for state in late[: step // 2] if key(state) == key(watched)]
        steps = easel.method.advance([*together, watched], easel.runtime)

    assert np.array_equal(expected, pixels(steps[-1]))


def test_an_image_that_is_not_finite_fails_alone(easel: Easel) -> None:
    states, alone = easel.begin(count=2), easel.begin(count=2)
    values(states[1])[0] = float("nan")
    expected, steps = easel.method.advance(alone, easel.runtime), easel.method.advance(states, easel.runtime)

    assert isinstance(steps[1], Failed) and "step 1 of 6" in str(steps[1].error)
    assert isinstance(expected[0], Running) and isinstance(steps[0], Running)
    assert torch.equal(values(alone[0]), values(states[0]))


def test_a_higher_memory_level_paints_the_same_and_is_remembered(easel: Easel) -> None:
    if not easel.begin()[0].options.guided:
        pytest.skip("no cutouts take memory, which could be scored one by one")
    method, runtime = easel.method, easel.runtime
    (roomy,), (narrow,) = easel.begin(), easel.begin()
    narrow.bucket = 2
    assert method.reduce_memory(narrow, runtime) and 1 == narrow.bucket, "a replay gives up its batch first"
    reached = 0
    while method.reduce_memory(narrow, runtime):
        reached += 1
    expected, found = (method.advance([state], runtime)[0] for state in (roomy, narrow))

    assert isinstance(expected, Running) and isinstance(found, Running)
    torch.testing.assert_close(values(roomy), values(narrow), atol=1e-3, rtol=1e-2)
    assert 1 <= reached == narrow.memory_level == easel.begin()[0].memory_level
    runtime.memory.levels.clear()


def test_only_images_with_equal_batch_keys_share_a_step(easel: Easel) -> None:
    def key(settings: dict[str, str] | None = None, prompt: str = PROMPT, **request: object) -> object:
        return easel.method.batch_key(easel.begin(prompt, settings, **request)[0])

    assert key() == key({"steps": "9"}, seed=3) == key(prompt="an owl")
    if easel.begin()[0].options.guided:
        assert key() != key({"cutouts": "3"})


def test_an_image_comes_nearer_to_its_prompt_and_a_negative_one_pushes_away(easel: Easel) -> None:
    if not easel.begin()[0].options.guided:
        pytest.skip("no CLIP draws it anywhere")
    if "cfg_scale" in easel.begin()[0].options.model_dump():
        pytest.skip("its network reads the text; test_clip_diffusion measures CLIP's part")
    still = easel.near(PROMPT, "5", learning_rate="0.000001")

    assert easel.near(PROMPT, "15") > still + 0.02
    assert easel.near(f"{PROMPT}:-1", "15") < still - 0.02


def test_several_clips_can_guide_where_the_method_takes_them(easel: Easel) -> None:
    if "perceptors" not in easel.begin()[0].options.model_dump():
        pytest.skip("it has no option for that")
    easel.runtime.net("perceptor:primer-grader", lambda: load_perceptor("primer", easel.runtime))
    (both,) = easel.begin(settings={"perceptors": "primer+primer-grader:0.5"})
    assert [1, 0.5] == [target.weight for target in both.clip_targets]
    (step,) = paint(easel.method, [both], easel.runtime)

    assert isinstance(step, Finished) and "primer+primer" == step.facts["resolved"]["perceptor"]  # type: ignore[index]


def test_words_that_were_not_understood_are_noted(easel: Easel) -> None:
    if not easel.begin()[0].model.limited_words:
        pytest.skip("its model reads every word")
    assert "cyberpunk" in easel.begin("a red circle in cyberpunk")[0].notes[0]


def test_batches_are_filled_up_to_powers_of_two_except_on_a_cpu(easel: Easel) -> None:
    states = easel.begin(count=3)

    assert 3 == len(filled(states, torch.device("cpu")))
    assert list(map(id, [*states, states[0]])) == list(map(id, filled(states, torch.device("cuda"))))
    states[0].bucket = 8
    assert 8 == len(filled(states, torch.device("cpu"))), "a replay repeats the batch of the first time"


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the names of all operations on floating-point tensors, including the backward pass."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if args and isinstance(args[0], torch.Tensor) and args[0].is_floating_point():
            self.names.add(func._schema.name.removeprefix("aten::"))
        return func(*args, **(kwargs or {}))


def test_a_step_on_cuda_needs_deterministic_kernels_only(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda self: True))
    changed = {"augment": "vqganclip", "tv_scale": "1"} if easel.begin()[0].options.guided else {}
    (state,) = easel.begin(settings=changed)
    with Operations() as operations:
        easel.method.advance([state], easel.runtime)

    assert len(operations.names) > 10
    assert not operations.names & WITHOUT_DETERMINISTIC_KERNEL
