"""The safety check covers what it finds and what it cannot see; everything else passes untouched."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from PIL import Image

from bot.config.sections import SafetySection
from bot.pictures.nsfw_check import COVERED, UNCHECKED, NsfwCheck
from engine.errors import ModelUnavailable
from engine.images.opening import open_own
from engine.images.pictures import to_png
from engine.protocol.messages import Embeddings, Picture
from tests.bot.fakes import FakeEngine

ON = SafetySection(enabled=True, probes=("red",), harmless=("blue", "green"))


class SeesColours(FakeEngine):
    """A CLIP whose words are colours, and which sees the colour of the first pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, ...]] = []
        self.broken = False

    async def embed(
        self, *, texts: Sequence[str] = (), images: Sequence[bytes] = (), perceptor: str = ""
    ) -> Embeddings:
        if self.broken:
            raise ModelUnavailable(f"{perceptor} is not downloaded.")
        self.asked.append(tuple(texts))
        words = [("red", "green", "blue").index(text) for text in texts]
        seen = [open_own(image).getpixel((0, 0)).index(255) for image in images]  # type: ignore[union-attr]
        return Embeddings("1", tuple(tuple(float(i == one) for i in range(3)) for one in (*words, *seen)), perceptor)


def picture(colour: str) -> Picture:
    png = to_png(Image.new("RGB", (8, 8), colour))
    return Picture("abc", 1, 0, png, {"width": 8, "height": 8, "notes": ["Before."]})


async def test_what_fits_a_probe_best_is_covered_with_a_word_about_it() -> None:
    judged = await NsfwCheck(SeesColours(), ON).judged(picture("red"))

    assert (True, ["Before.", COVERED]) == (judged.facts["covered"], judged.facts["notes"])


async def test_what_is_harmless_passes_untouched() -> None:
    seen = picture("blue")

    assert seen is await NsfwCheck(SeesColours(), ON).judged(seen)


async def test_the_probes_are_read_once() -> None:
    engine = SeesColours()
    safety = NsfwCheck(engine, ON)
    for _ in range(3):
        await safety.judged(picture("blue"))

    assert [("red",), ("blue", "green"), (), (), ()] == engine.asked


@pytest.mark.parametrize("data", [b"no picture", None])
async def test_what_cannot_be_looked_at_is_covered(data: bytes | None) -> None:
    engine, seen = SeesColours(), picture("blue")
    engine.broken = data is None

    judged = await NsfwCheck(engine, ON).judged(Picture("abc", 1, 0, data or seen.png, {}))

    assert [UNCHECKED] == judged.facts["notes"]


async def test_a_margin_asks_for_more_certainty() -> None:
    engine = SeesColours()

    assert 1.0 == await NsfwCheck(engine, ON).excess(picture("red").png)
    strict = ON.model_copy(update={"margin": 1.5})
    assert "covered" not in (await NsfwCheck(engine, strict).judged(picture("red"))).facts
