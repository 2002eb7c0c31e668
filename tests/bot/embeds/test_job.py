"""How a job looks at each moment of its life."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.embeds.job import Parent, all_notes, embed_for, footer
from bot.models.comparison import Comparison, Way
from bot.models.job import JobRow, JobState, Kind, Origin, QueuePosition, Update
from bot.pictures.ranking import best
from bot.policy.word_filter import enforced
from engine.catalogue.models import MODELS
from engine.requests.request import build_request
from tests.bot.samples import NOW, done, enlarged, job, picture, progress, running


def text(update: Update, **options: object) -> str:
    return embed_for(update, now=NOW, **options).description or ""  # type: ignore[arg-type]


def place(position: int, waiting: int) -> QueuePosition:
    return QueuePosition(position, waiting, NOW + 5, NOW + 60, NOW + 90)


def test_a_waiting_job_shows_its_place_and_a_time_that_ticks() -> None:
    update = Update(job("castle:2 | fog"), place=place(3, 5))

    assert f"**castle ×2 · fog**\n\nNumber 3 of 5 in the queue · ready <t:{NOW + 90:.0f}:R> · 1.64 units" == text(
        update
    )


def test_the_first_in_line_knows_it() -> None:
    assert "Next in line · ready" in text(Update(job(), place=place(1, 1)))


def test_a_job_that_the_engine_died_under_is_told_that_nothing_is_lost() -> None:
    assert "This job" in text(Update(job(crash_count=1), place=place(1, 1)))


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (0, "▱▱▱▱▱▱▱▱▱▱ 0% · step 0 of 25"),
        (15, "▰▰▰▰▰▰▱▱▱▱ 60% · step 15 of 25"),
        (24, "▰▰▰▰▰▰▰▰▰▰ 96% · step 24 of 25"),
    ],
)
def test_painting_shows_a_bar_and_the_step(step: int, line: str) -> None:
    assert line in text(running(step))


def test_painting_shows_when_it_will_be_ready() -> None:
    assert f"· ready <t:{NOW + 4:.0f}:R>" in text(running(15))


def test_the_last_moments_are_not_counted_down() -> None:
    assert "ready" not in text(running(24))


def test_before_the_first_step_there_is_no_bar() -> None:
    assert "Getting ready to paint …" in text(Update(job(state=JobState.RUNNING)))


@pytest.mark.parametrize(("painted", "awaited"), [(2, True), (3, False)])
def test_a_sheet_whose_pictures_are_painted_is_not_counted_down(painted: int, awaited: bool) -> None:
    ways = tuple(Way(label=text, request=build_request(text, seed=1)) for text in ("an owl", "a fox", "a cat"))
    pictures = tuple(picture(index) for index in range(painted))
    sheet = replace(job(state=JobState.RUNNING), request=Comparison(ways=ways), pictures=pictures)

    shown = text(Update(sheet, progress(20, 75)))

    assert f"{painted} of 3 painted" in shown
    assert awaited == ("ready" in shown)


def test_enlarging_counts_tiles() -> None:
    update = Update(replace(enlarged(), state=JobState.RUNNING), progress(3, 9))

    assert "tile 3 of 9" in text(update)


def test_a_result_speaks_through_its_picture() -> None:
    embed = embed_for(Update(done("an owl in fog")), now=NOW, picture="abc123def4.png")

    assert "**an owl in fog**" == embed.description
    assert "attachment://abc123def4.png" == embed.image.url
    assert "seed 7 · 256×256 · 15 steps · clip_diffusion · primer · 8.0\u00a0s" == embed.footer.text


def test_a_result_names_its_adapters() -> None:
    plain = build_request("an owl")
    options = plain.options.model_copy(update={"adapter": "ink:0.5"})
    inked = plain.model_copy(update={"options": options})
    assert " · clip_diffusion · primer + ink:0.5 · " in footer(done(request=inked))


def test_a_grid_names_all_seeds_and_scores() -> None:
    assert "seeds 7–9 · 256×256 · 15 steps · clip_diffusion · primer · 8.0\u00a0s" == footer(done(pictures=3))


def test_a_missing_score_is_left_out() -> None:
    row = replace(done(), pictures=(picture(0, clip_score=None),))

    assert "CLIP" not in footer(row)


def test_the_engines_notes_are_shown_small_and_once() -> None:
    noted = tuple(picture(index, notes=["The engine is *tired*."]) for index in range(2))

    assert "-# The engine is \\*tired\\*." in text(Update(replace(done(), pictures=noted)))
    assert 1 == text(Update(replace(done(), pictures=noted))).count("tired")


def test_a_failure_says_why_and_that_nothing_was_charged() -> None:
    failed = job(state=JobState.FAILED, error_text="The numbers became NaN.")

    assert "**an owl**\n\nThe numbers became NaN.\nNothing was charged." == text(Update(failed))


def test_an_apology_that_mentions_the_charge_is_not_repeated() -> None:
    failed = job(state=JobState.FAILED, error_text="Sorry. Nothing was charged; try again.")

    assert 1 == text(Update(failed)).count("charged")


def test_a_cancelled_job_says_so() -> None:
    assert "**an owl**\n\nCancelled. Nothing was charged." == text(Update(job(state=JobState.CANCELLED)))


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("remix", "-# Remix of [picture](https://x) by <@99> · requested by <@30>"),
        ("variation", "-# Variation of [picture](https://x) by <@99> · requested by <@30>"),
        ("again", "-# Same prompt, new seed: [picture](https://x) by <@99> · requested by <@30>"),
    ],
)
def test_a_child_names_its_parent(kind: Kind, line: str) -> None:
    assert line in text(Update(child(kind)), parent=Parent(99, "https://x", None, 1))


def test_ones_own_parent_needs_no_name() -> None:
    assert "-# Variation of [picture](https://x) · requested by <@30>\n" in text(
        Update(child("variation"), place=place(1, 1)), parent=Parent(30, "https://x", None, 1)
    )


def test_a_parent_whose_message_is_gone_is_named_without_a_link() -> None:
    assert "-# Variation of picture by <@99>" in text(Update(child("variation")), parent=Parent(99, "", None, 1))


def test_the_picture_of_a_grid_is_named_by_its_number() -> None:
    row = replace(child("variation"), origin=replace(child("variation").origin, parent_index=2))

    assert "[image 3](https://x)" in text(Update(row), parent=Parent(99, "https://x", None, 4))


def test_an_enlarged_picture_keeps_the_words_of_its_parent() -> None:
    update = Update(replace(enlarged(), state=JobState.DONE))
    parent = Parent(30, "https://x", build_request("a fox in fog"), 1)

    assert "**a fox in fog**\n-# Upscaled 4× to 1024×1024: [picture](https://x) · requested by <@30>" == text(
        update, parent=parent
    )


def test_the_best_picture_has_the_highest_score_and_the_first_wins_ties() -> None:
    pictures = (picture(0, 0.2), picture(1, 0.3), picture(2, 0.3), picture(3, clip_score=None))

    assert 1 == best(pictures).index
    assert 0 == best((picture(0, clip_score=None), picture(1, clip_score=None))).index


def child(kind: Kind) -> JobRow:
    origin = Origin(channel_id=20, user_id=30, user_name="Alice", guild_id=10, kind=kind, parent_job="parent")
    return job(origin=origin)


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.DONE])
@pytest.mark.parametrize("prompt", ["a dragn owl", "an owl"])
def test_words_that_a_server_always_avoids_are_not_told_to_be_unknown(state: JobState, prompt: str) -> None:
    from engine.perceptors.perceptor_loader import readable

    row = enforced(replace(done(prompt) if state is JobState.DONE else job(prompt)), "gorefest | splatter")
    heard = readable(row.request, MODELS[row.request.model])[1]  # type: ignore[union-attr, arg-type]
    if state is JobState.DONE:
        row = replace(row, pictures=(picture(0, notes=[*heard, "Steps were left out."]),))
    assert "gorefest" in heard[0]

    notes = all_notes(row)

    assert ("dragn" in prompt) == any("I don’t know “dragn”" in note for note in notes)
    assert not any(word in note for note in notes for word in ("gorefest", "splatter"))
    assert (state is JobState.DONE) == ("Steps were left out." in notes)


def test_an_unknown_word_of_a_person_is_named_even_if_the_server_avoids_it() -> None:
    [note] = all_notes(enforced(job("a gorefest"), "gorefest"))

    assert note.startswith("I don’t know “gorefest”")
