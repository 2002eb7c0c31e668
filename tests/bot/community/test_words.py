"""Descriptions and explanations: what is planted in the vectors is found, and nothing else is claimed."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.community.words.chart import WIDTH, explanation_chart
from bot.community.words.clip_reader import ClipReader
from bot.community.words.describe import Description, describe
from bot.community.words.explain import Explanation, TextFit, asked_texts, explain, prompt_texts
from bot.community.words.word_lists import THINGS, styles_for, with_article
from bot.errors import Refused
from bot.views.community.words import ID, description_payload, explanation_payload
from engine.errors import PromptError
from engine.images.lettering import drawable, fitting, length
from engine.images.opening import open_own
from engine.images.pictures import to_png
from engine.primer.vocabulary import unknown_words
from engine.protocol.messages import Embeddings
from engine.requests.request import build_request

DIM = 64


def vector_of(words: Sequence[str]) -> np.ndarray:
    """The mean of a fixed vector per word."""
    rows = [
        np.random.default_rng(int.from_bytes(hashlib.sha256(w.encode()).digest()[:4], "big")).normal(size=DIM)
        for w in words
    ]
    total = np.sum(rows, axis=0)
    return total / np.linalg.norm(total)


class WordEngine:
    """Texts lie at the mean of their words; the picture lies where *scene* lies."""

    def __init__(self, scene: str) -> None:
        self.scene, self.questions = scene, 0

    async def embed(
        self, *, texts: Sequence[str] = (), images: Sequence[bytes] = (), perceptor: str = "", pulls: bool = False
    ) -> Embeddings:
        self.questions += 1
        rows = [*(vector_of(text.replace(",", "").split()) for text in texts)]
        rows += [vector_of(self.scene.split()) for _ in images]
        found = tuple(tuple(map(float, row)) for row in rows)
        return Embeddings("1", found, perceptor, scale=20.0, pulls=tuple(1.0 + n for n, _ in enumerate(texts)))


@functools.cache
def picture(size: tuple[int, int] = (96, 64)) -> bytes:
    return to_png(Image.new("RGB", size, "teal"))


async def described(scene: str, perceptor: str = "primer-grader") -> Description:
    return await describe(ClipReader(WordEngine(scene)), perceptor, picture())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "scene",
    ["an owl", "a red castle", "a blue boat on the sea", "a green dragon in a forest at night",
     "a watercolour of a red rose"],
)  # fmt: skip
async def test_the_first_prompt_is_what_is_in_the_picture(scene: str) -> None:
    found = await described(scene)

    assert scene == found.prompts[0].text
    assert found.prompts[0].cosine == pytest.approx(1.0, abs=1e-3)
    assert 4 == len({one.text for one in found.prompts})
    assert sorted((one.cosine for one in found.prompts), reverse=True) == [one.cosine for one in found.prompts]
    assert found.things[0].text in scene


async def test_equal_pictures_have_equal_descriptions_and_texts_are_asked_once() -> None:
    engine = WordEngine("a red castle")
    reader = ClipReader(engine)  # type: ignore[arg-type]
    first = await describe(reader, "primer-grader", picture())
    asked = engine.questions
    assert first == await describe(reader, "primer-grader", picture())
    assert engine.questions == asked + 1  # the picture alone


async def test_a_small_clip_is_only_asked_about_words_that_it_knows() -> None:
    found = await described("a red castle")
    assert [] == [word for one in found.prompts for word in unknown_words(one.text)]
    assert len(styles_for("ViT-B/32")) > len(styles_for("primer-grader"))


def test_things_have_articles() -> None:
    assert ("an owl", "a red bus") == (with_article("owl"), with_article("red bus"))
    assert ("hina dolls", "red owls") == (with_article("hina dolls"), with_article("red owls"))
    assert len(THINGS) > 650


@given(st.lists(st.sampled_from(THINGS), min_size=1, max_size=4, unique=True))
def test_the_answer_fits_discords_limits(things: list[str]) -> None:
    from bot.community.words.describe import Seen

    seen = tuple(Seen(with_article(thing), 0.5) for thing in things)
    payload = description_payload(Description("x" * 60, seen, seen, seen, seen, "why"))
    assert len(payload.embeds[0]) <= 6000
    view = payload.new_view()
    assert view is not None
    assert all(len(item.custom_id) <= ID for item in view.children)  # type: ignore[attr-defined]


async def test_shares_are_the_softmax_and_pulls_add_up() -> None:
    reader = ClipReader(WordEngine("an owl"))  # type: ignore[arg-type]
    found = await explain(reader, "ViT-B/32", picture(), [("an owl", 1.0), ("a fox", 2.0)])

    owl, fox = found.fits
    assert owl.cosine == pytest.approx(1.0, abs=1e-3)
    assert owl.share / fox.share == pytest.approx(math.exp(20 * (owl.cosine - fox.cosine)), rel=1e-3)
    assert (owl.pull, fox.pull) == pytest.approx((1 / 5, 4 / 5))


async def test_texts_that_a_small_clip_cannot_read_are_named() -> None:
    reader = ClipReader(WordEngine("an owl"))  # type: ignore[arg-type]
    found = await explain(reader, "primer-grader", picture(), [("an owl", 1.0), ("zeitgeist", 1.0)])
    assert (("an owl",), ("zeitgeist",)) == (tuple(fit.text for fit in found.fits), found.unread)
    with pytest.raises(Refused, match="does not know any of these words"):
        await explain(reader, "primer-grader", picture(), [("zeitgeist", 1.0)])


def test_asked_texts_are_read_like_a_prompt() -> None:
    assert (("a fox", 2.0), ("an owl", 1.0)) == asked_texts("a fox:2 | an owl")
    with pytest.raises(Refused, match="9 texts are too many"):
        asked_texts("|".join("abcdefghi"))
    with pytest.raises(PromptError) as mistake:
        asked_texts("fox | owl:")
    assert 9 == mistake.value.position


def test_of_a_long_prompt_the_heaviest_parts_are_explained() -> None:
    request = build_request(" | ".join(f"part {n} :{1 + n}" for n in range(10)))
    assert [f"part {n}" for n in range(2, 10)] == [text for text, _ in prompt_texts(request)]


TEXTS = st.text(min_size=1, max_size=300)


@given(st.lists(TEXTS, min_size=1, max_size=8), st.booleans())
def test_a_chart_shows_any_text_at_its_width(texts: list[str], pulls: bool) -> None:
    fits = tuple(TextFit(text, 0.3, 1 / len(texts), 1 / len(texts), -1.5) for text in texts)
    found = Explanation("primer-grader", fits)
    chart = explanation_chart(picture(), found, pulls=pulls)
    image = open_own(chart)
    assert (WIDTH, True) == (image.width, image.height > 200)
    payload = explanation_payload(found, chart)
    assert len(payload.embeds[0]) <= 6000
    assert len(payload.embeds[0].description or "") <= 4096


@given(TEXTS, st.integers(40, 400))
def test_text_is_cut_to_its_width(text: str, width: int) -> None:
    assert length(fitting(text, 24, width), 24) <= width
    assert drawable(drawable(text)) == drawable(text)


class WaitingEngine(WordEngine):
    """Answers about a fox only once it is let go."""

    def __init__(self) -> None:
        super().__init__("fox")
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()

    async def embed(self, *, texts: Sequence[str] = (), **given: Any) -> Embeddings:
        if "a fox" in texts:
            self.asked.set()
            await self.let_go.wait()
        return await super().embed(texts=texts, **given)


async def test_questions_at_the_same_time_may_push_each_others_texts_out_of_the_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.community.words.clip_reader.REMEMBERED", 4)
    engine = WaitingEngine()
    reader = ClipReader(engine)  # type: ignore[arg-type]
    await reader.texts("primer", ["an owl", "a cat"])
    first = asyncio.create_task(reader.texts("primer", ["an owl", "a cat", "a fox"]))
    await engine.asked.wait()

    assert 200 == len(await reader.texts("primer", [f"{number} dogs" for number in range(200)]))
    engine.let_go.set()

    np.testing.assert_allclose((await first)[1], vector_of(["a", "cat"]), atol=1e-6)
