"""Which buttons there are, and that their custom ids say everything."""

from __future__ import annotations

from dataclasses import replace

import pytest
from discord import ui

from bot.models.job import JobRow, JobState
from bot.views.base import MODAL_ID, custom_id
from bot.views.discovery import BUTTONS, ITEMS
from bot.views.forms import modal_values
from bot.views.layout import buttons_for, private_buttons_for
from bot.views.result import DeleteModal, RemixModal
from tests.bot.samples import done, enlarged, job


def labels(view: ui.View) -> list[list[str]]:
    """Labels of buttons by row; of a menu its options."""
    rows = [line["components"] for line in view.to_components()]
    return [[one["label"] for item in row for one in item.get("options", [item])] for row in rows]


def public(row: JobRow, reports: bool = False) -> list[list[str]]:
    return labels(buttons_for(row, reports))


EDGES = [
    "Extend to the left", "Extend to the right", "Extend upwards", "Extend downwards", "Zoom out", "Show as a pattern",
]  # fmt: skip


async def test_an_unfinished_job_can_be_cancelled() -> None:
    assert [["Cancel"]] == public(job())
    assert [["Cancel"]] == public(job(state=JobState.RUNNING))


async def test_a_picture_offers_report_only_where_reports_are_taken() -> None:
    first = ["Upscale", "Variation", "Again", "Remix", "Star"]
    assert [first, ["Info", "More like this", "Delete"], EDGES] == public(done())
    assert [first, ["Info", "More like this", "Delete", "Report"], EDGES] == public(done(), reports=True)


async def test_a_picture_offers_what_its_method_and_shape_allow() -> None:
    wide = done()
    wide = replace(wide, pictures=(replace(wide.pictures[0], width=512),))
    assert [*EDGES[:-1], "Crop to a square", EDGES[-1]] == public(wide)[2]
    assert EDGES[-1:] == public(done(method="pixels"))[2]
    gone = replace(wide, pictures=(replace(wide.pictures[0], path=None),))
    assert 2 == len(public(gone))


async def test_a_grid_has_two_rows_of_buttons_and_two_menus() -> None:
    assert [
        ["U1", "U2", "U3", "U4", "Again"],
        ["V1", "V2", "V3", "V4", "Remix"],
        ["Image 1", "Image 2", "Image 3", "Image 4"],
        ["Vote", "Which is best?", "More like this", "Info", "Delete", "Report"],
    ] == public(done(pictures=4), reports=True)


async def test_the_largest_grid_still_fits_into_a_message() -> None:
    row = done(pictures=10)

    assert [5, 5, 5, 5] == [len(one) for one in public(row)[:4]]
    assert ["Again", "Remix", "⭐ Star one …", "Vote", "Which is best?", "More like this", "Info", "Delete"] == public(
        row
    )[4]
    assert ["Again", "Remix", "Info", "⭐ Star one …", "Post here"] == labels(private_buttons_for(row, True, {0}))[4]


async def test_a_starred_picture_offers_to_take_the_star_back() -> None:
    assert ["Upscale", "Variation", "Again", "Remix", "Star"] == labels(private_buttons_for(done(), True, ()))[0]
    assert [
        ["Upscale", "Variation", "Again", "Remix"],
        ["Info", "More like this", "Unstar", "Post here"],
        EDGES,
    ] == labels(private_buttons_for(done(), True, {0}))


async def test_an_upscaled_picture_has_no_prompt_to_remix() -> None:
    assert [["Upscale", "Star"], ["Info", "More like this", "Delete"]] == public(enlarged())


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
async def test_what_came_to_nothing_can_be_tried_again(state: JobState) -> None:
    assert [["Again", "Remix", "Delete"]] == public(job(state=state))


async def test_every_view_holds_dynamic_items_only_and_never_times_out() -> None:
    for row in (job(), done(), done(pictures=4), enlarged()):
        for view in (buttons_for(row, True), private_buttons_for(row, True, False)):
            assert view.timeout is None
            assert all(isinstance(item, tuple(ITEMS)) for item in view.children)


async def test_every_send_gets_a_view_of_its_own() -> None:
    assert buttons_for(done()) is not buttons_for(done())


@pytest.mark.parametrize("kind", BUTTONS)
async def test_a_button_is_known_by_its_custom_id_and_no_other_is(kind: type) -> None:
    text = custom_id(kind.action, "abc123def4", 3)  # type: ignore[attr-defined]

    assert [kind] == [one for one in BUTTONS if one.__discord_ui_compiled_template__.fullmatch(text)]


@pytest.mark.parametrize("modal", [RemixModal, DeleteModal])
async def test_a_modal_is_known_by_its_custom_id(modal: type[RemixModal] | type[DeleteModal]) -> None:
    found = MODAL_ID.fullmatch(modal(done()).custom_id)

    assert found
    assert "abc123def4" == found["job"]
    assert not any(one.__discord_ui_compiled_template__.fullmatch(found.string) for one in ITEMS)


async def test_forms_are_read_in_both_of_discords_shapes() -> None:
    label = {"type": 18, "component": {"type": 4, "custom_id": "prompt", "value": "a fox"}}
    row = {"type": 1, "components": [{"type": 4, "custom_id": "negative", "value": ""}]}

    assert {"prompt": "a fox", "negative": ""} == modal_values({"components": [label, row]})
