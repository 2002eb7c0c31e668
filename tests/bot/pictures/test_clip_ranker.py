"""The ranker's questions to the engine, its ranking, and its sentences."""

from __future__ import annotations

import asyncio
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from bot.errors import PictureGone, Refused
from bot.models.job import JobRow, Ranking
from bot.pictures import ranking as critic
from bot.pictures.ranking import SIDE, ClipRanker, ordered
from bot.views.result import ranking_text
from engine.images.pictures import to_png
from engine.protocol.messages import Embeddings
from engine.requests.request import build_request
from tests.bot.fakes import FakeEngine
from tests.bot.samples import done, enlarged


class Eye(FakeEngine):
    """Sees red, green and blue; reads the same three words."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, ...]] = []
        self.sizes: list[tuple[int, int]] = []
        self.wait = 0.0

    async def embed(
        self, *, texts: Sequence[str] = (), images: Sequence[bytes] = (), perceptor: str = "", pulls: bool = False
    ) -> Embeddings:
        await asyncio.sleep(self.wait)
        if texts:
            self.asked.append(tuple(texts))
            rows = [tuple(float(word in text) for word in ("red", "green", "blue")) for text in texts]
            return Embeddings("1", tuple(rows), perceptor)
        pictures = [Image.open(io.BytesIO(data)) for data in images]
        self.sizes += [picture.size for picture in pictures]
        pixels = [picture.convert("RGB").getpixel((0, 0)) for picture in pictures]
        return Embeddings("1", tuple(tuple(value / 255 for value in pixel) for pixel in pixels), perceptor)  # type: ignore[union-attr]


def painted(tmp_path: Path, prompt: str, *colours: str) -> JobRow:
    """A finished job with a picture of each colour."""
    row = done(pictures=len(colours))
    pictures = []
    for picture, colour in zip(row.pictures, colours, strict=True):
        path = tmp_path / f"{picture.index}.png"
        path.write_bytes(to_png(Image.new("RGB", (800, 400), colour)))
        pictures.append(dataclasses.replace(picture, path=path))
    return dataclasses.replace(row, request=build_request(prompt, seed=1), pictures=tuple(pictures))


async def test_the_picture_that_fits_comes_first(tmp_path: Path) -> None:
    ranking = await ClipRanker(Eye()).rank(painted(tmp_path, "green", "red", "blue", "lime"))

    assert ((2, 1.0), "primer-grader", "") == (ranking.order[0], ranking.perceptor, ranking.note)


async def test_what_is_unwanted_comes_last(tmp_path: Path) -> None:
    ranking = await ClipRanker(Eye()).rank(painted(tmp_path, "blue | red:-0.5", "red", "lime", "blue"))

    assert [2, 1, 0] == [index for index, _ in ranking.order]


async def test_words_that_the_judge_cannot_read_are_left_out_of_it(tmp_path: Path) -> None:
    eye = Eye()

    await ClipRanker(eye).rank(painted(tmp_path, "red | zzzz | the", "red", "blue"))
    with pytest.raises(Refused, match=r"primer.*, the model that scores pictures, does not know any word"):
        await ClipRanker(eye).rank(painted(tmp_path, "zzzz", "red", "blue"))

    assert [("red",)] == eye.asked


async def test_large_pictures_travel_small_and_a_second_question_not_at_all(tmp_path: Path) -> None:
    eye = Eye()
    judge, job = ClipRanker(eye), painted(tmp_path, "red", "red", "blue")

    assert await judge.rank(job) == await judge.rank(job)

    assert [(SIDE, SIDE // 2)] * 2 == eye.sizes


async def test_a_busy_engine_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(critic, "SECONDS", 0.01)
    eye = Eye()
    eye.wait = 5

    with pytest.raises(Refused, match="too busy to rank"):
        await ClipRanker(eye).rank(painted(tmp_path, "red", "red", "blue"))


async def test_nothing_is_ranked_where_there_is_no_choice(tmp_path: Path) -> None:
    with pytest.raises(PictureGone):
        await ClipRanker(Eye()).rank(painted(tmp_path, "red", "red"))
    with pytest.raises(Refused, match="upscaled"):
        await ClipRanker(Eye()).rank(enlarged())


def test_a_lead_is_said_in_figures_and_no_lead_is_a_matter_of_taste() -> None:
    clear = ranking_text(Ranking(((2, 0.41), (0, 0.385), (1, 0.1)), "ViT-B/32"))
    even = ranking_text(Ranking(((1, 0.411), (0, 0.4105)), "ViT-B/32", note="It guided them itself."))

    assert clear.startswith("**Image 3 matches the prompt best, 0.025 ahead of image 1.**\n1. Image 3 · 0.410\n")
    assert "Images 2 and 1 match the prompt equally well; choose by taste." in even
    assert even.endswith("-# It guided them itself.")


@pytest.mark.parametrize(
    ("facts", "order", "words"),
    [
        (
            [{"grade": 0.1, "grader": "RN50"}, {"grade": 0.2, "grader": "RN50"}],
            [1, 0],
            "Scored by RN50, which did not guide",
        ),
        ([{"grade": 0.1, "grader": "primer"}, {"grade": 0.2}], [1, 0], "Scored by primer, the CLIP that guided them."),
        ([{"grade": 0.9}, {}], [1, 0], "Ranked by the CLIP that guided them, because no other"),
        ([{}, {"clip_score": None}], [0, 1], "Not ranked, because no model could score them."),
        ([{}, {"clip_score": float("nan")}], [0, 1], "Not ranked, because no model could score them."),
    ],
)
def test_pictures_are_ordered_by_who_has_scored_them(
    facts: list[dict[str, object]], order: list[int], words: str
) -> None:
    job = done(pictures=2)
    pictures = tuple(
        dataclasses.replace(one, facts={**one.facts, **more}) for one, more in zip(job.pictures, facts, strict=True)
    )
    found = ordered(dataclasses.replace(job, pictures=pictures))

    assert order == [picture.index for picture in found.pictures]
    assert found.words.startswith(words)
    assert found.judged != words.startswith("Not")
