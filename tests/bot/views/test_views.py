"""Which buttons there are, and that their custom ids say everything."""

from __future__ import annotations

import re

import pytest

from bot.models.job import JobState
from bot.views.base import custom_id
from bot.views.layout import ALL, buttons_for
from bot.views.remix_modal import FORM_ID, RemixForm, form_values
from tests.bot.samples import done, enlarged, job


def labels(row: object) -> list[list[str]]:
    return [[item["label"] for item in line["components"]] for line in buttons_for(row).to_components()]  # type: ignore[arg-type]


async def test_an_unfinished_job_can_be_cancelled() -> None:
    assert [["Cancel"]] == labels(job())
    assert [["Cancel"]] == labels(job(state=JobState.RUNNING))


async def test_a_picture_has_seven_buttons() -> None:
    assert [["Upscale", "Variation", "Again", "Remix"], ["Info", "Delete", "Report"]] == labels(done())


async def test_a_grid_has_a_button_for_each_picture() -> None:
    assert [
        ["Upscale 1", "Upscale 2"],
        ["Vary 1", "Vary 2"],
        ["Again", "Remix", "Which is best?"],
        ["Info", "Delete", "Report"],
    ] == labels(done(pictures=2))


async def test_the_largest_grid_still_fits_into_a_message() -> None:
    rows = labels(done(pictures=10))

    assert [5, 5, 5, 5, 5] == [len(row) for row in rows]


async def test_an_enlarged_picture_has_no_words_to_remix() -> None:
    assert [["Upscale", "Info", "Delete", "Report"]] == labels(enlarged())


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
async def test_what_came_to_nothing_can_be_tried_again(state: JobState) -> None:
    assert [["Again", "Remix", "Delete"]] == labels(job(state=state))


async def test_every_view_holds_dynamic_items_only_and_never_times_out() -> None:
    for row in (job(), done(), done(pictures=4), enlarged()):
        view = buttons_for(row)
        assert view.timeout is None
        assert all(isinstance(item, ALL) for item in view.children)


async def test_every_send_gets_a_view_of_its_own() -> None:
    assert buttons_for(done()) is not buttons_for(done())


@pytest.mark.parametrize("kind", ALL)
async def test_a_button_is_known_by_its_custom_id_and_no_other_is(kind: type) -> None:
    text = custom_id(kind.action, "abc123def4", 3)  # type: ignore[attr-defined]

    assert [kind] == [one for one in ALL if one.__discord_ui_compiled_template__.fullmatch(text)]


async def test_a_form_is_known_by_its_custom_id() -> None:
    found = FORM_ID.fullmatch(RemixForm(done()).custom_id)

    assert found
    assert "abc123def4" == found["job"]
    assert not any(re.fullmatch(one.__discord_ui_compiled_template__, found.string) for one in ALL)


async def test_forms_are_read_in_both_of_discords_shapes() -> None:
    label = {"type": 18, "component": {"type": 4, "custom_id": "prompt", "value": "a fox"}}
    row = {"type": 1, "components": [{"type": 4, "custom_id": "negative", "value": ""}]}

    assert {"prompt": "a fox", "negative": ""} == form_values({"components": [label, row]})
