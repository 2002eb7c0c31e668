"""How a line of one's own jobs says what became of a job."""

from __future__ import annotations

import pytest

from bot.embeds.history import embed_of, option_of
from bot.models.history import HistoryLine
from bot.models.job import JobState
from tests.bot.samples import done, enlarged, job


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (HistoryLine(job()), "Queued"),
        (HistoryLine(job(state=JobState.RUNNING)), "Running"),
        (HistoryLine(job(state=JobState.CANCELLED)), "Cancelled"),
        (HistoryLine(job(state=JobState.FAILED, error_text="no *memory*")), "Failed: no \\*memory\\*"),
        (HistoryLine(job(state=JobState.FAILED)), "Failed: unknown error."),
        (HistoryLine(done()), "Done; the files have expired"),
        (HistoryLine(done(pictures=2), kept=done().pictures[0], stars=1), "Done: 2 pictures · ⭐ 1"),
        (HistoryLine(done(), undelivered="403", kept=done().pictures[0]), "Done: 1 picture, but I could not post it"),
    ],
)
def test_a_line_says_what_became_of_the_job(line: HistoryLine, words: str) -> None:
    assert words in str(embed_of(line, ()).description)


def test_an_enlarged_picture_has_the_words_of_its_original_and_a_thumbnail_where_there_is_a_file() -> None:
    line = HistoryLine(enlarged(), words="an *owl*")

    assert "an \\*owl\\*, upscaled 4×" in str(embed_of(line, ()).description)
    assert [None, "attachment://abc123def4.webp"] == [
        embed_of(line, names).thumbnail.url for names in ((), ("abc123def4.webp",))
    ]
    assert ("abc123def4", "3. an *owl*, upscaled 4×") == option_of(line, 3)[:2]
