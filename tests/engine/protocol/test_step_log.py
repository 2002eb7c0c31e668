"""How steps were run is written down in few words, and read from a stranger's PNG with suspicion."""

from __future__ import annotations

import json

import pytest

from engine.protocol.replay_record import (
    MOST_STEPS,
    ReplayPlan,
    StepConditions,
    StepLog,
    read_replay_plan,
    read_step_log,
)

ALONE, CROWDED = StepConditions(1, 1), StepConditions(8, 2)


def test_a_stretch_of_equal_steps_is_one_row() -> None:
    course = StepLog()
    for terms in (ALONE, CROWDED, CROWDED, ALONE):
        course = course.appended(terms)

    assert [[1, 1, 0, 1], [8, 2, 0, 2], [1, 1, 0, 1]] == course.rows
    assert [ALONE, CROWDED, CROWDED, ALONE] == [course.at(step) for step in range(course.steps)]
    assert course == read_step_log(json.loads(json.dumps(course.rows)))


def test_steps_of_compiled_nets_have_rows_of_their_own() -> None:
    course = StepLog().appended(ALONE).appended(ALONE._replace(compiled=True))

    assert [[1, 1, 0, 1], [1, 1, 0, 1, 1]] == course.rows
    assert course == read_step_log(json.loads(json.dumps(course.rows)))


def test_beyond_its_end_the_last_terms_hold_and_without_any_the_usual_ones() -> None:
    assert CROWDED == StepLog().appended(ALONE).appended(CROWDED).at(99)
    assert StepConditions() == StepLog().at(3)


def test_steps_that_are_done_again_are_forgotten() -> None:
    course = StepLog().appended(ALONE).appended(CROWDED).appended(CROWDED)

    assert [[1, 1, 0, 1], [8, 2, 0, 1]] == course.first(2).rows
    assert [] == course.first(0).rows


@pytest.mark.parametrize(
    "rows",
    [
        None,
        "[[1, 1, 0, 5]]",
        {"0": [1, 1, 0, 5]},
        [1, 1, 0, 5],
        [[1, 1, 0]],
        [[1, 1, 0, 5, 5]],
        [[1, 1, 0, 5, 0]],
        [[1, 1, 0, 5, True]],
        [[1, 1, 0, 5, 1, 1]],
        [[1, 1, 0, 5], None],
        [[0, 1, 0, 5]],
        [[257, 1, 0, 5]],
        [[1, -1, 0, 5]],
        [[1, 1 << 40, 0, 5]],
        [[1, 1, 17, 5]],
        [[1, 1, 0, 0]],
        [[1, 1, 0, MOST_STEPS + 1]],
        [[1, 1, 0, MOST_STEPS], [2, 1, 0, 1]],
        [[True, 1, 0, 5]],
        [[1.0, 1, 0, 5]],
        [[1, 1, 0, 1]] * (MOST_STEPS + 1),
    ],
)
def test_rows_that_cannot_be_ours_are_no_course(rows: object) -> None:
    assert StepLog() == read_step_log(rows)


@pytest.mark.parametrize(("bucket", "used"), [(4, 4), (0, 1), (2**40, 1), ("4", 1), (True, 1), (None, 1)])
def test_an_old_record_has_one_bucket_for_all_steps_if_that_is_sensible(bucket: object, used: int) -> None:
    plan = read_replay_plan({"bucket": bucket})

    assert {StepConditions(used)} == {plan.steps.at(step) for step in range(2000)}
    assert not plan.finish.entries


@pytest.mark.parametrize("core", [0, 31, 2**40, "96", True, None, [96]])
def test_only_a_sensible_size_of_tiles_is_used(core: object) -> None:
    assert 0 == read_replay_plan({"upscaler_core": core}).core
    assert 96 == read_replay_plan({"upscaler_core": 96}).core


def test_a_script_is_all_that_a_record_holds() -> None:
    resolved = {
        "bucket": 2,
        "course": [[8, 1, 0, 3], [2, 1, 0, 4]],
        "upscaler_course": [[3, 1, 0, 1]],
        "upscaler_core": 96,
    }

    plan = read_replay_plan(resolved)

    assert isinstance(plan, ReplayPlan)
    assert (resolved["course"], resolved["upscaler_course"], 96) == (plan.steps.rows, plan.finish.rows, plan.core)
