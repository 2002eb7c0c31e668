"""Pictures are embedded while nothing waits, again when the perceptor changes, and from the database after damage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot.community.gallery.embedder import PictureEmbedder, PictureIndexer
from bot.models.job import JobState
from engine.errors import EngineRestarting
from engine.images.pictures import to_png
from engine.protocol.messages import Embeddings
from tests.bot.core import ANN, Core, count, dream, running_core


class Eye:
    """An engine that sees brightness; counts what it is asked."""

    def __init__(self, perceptor: str = "clip", weights: str = "abc", dim: int = 8) -> None:
        self.perceptor, self.weights, self.dim = perceptor, weights, dim
        self.seen = 0
        self.down = False

    async def embed(
        self, *, texts: Sequence[str] = (), images: Sequence[bytes] = (), perceptor: str = "", pulls: bool = False
    ) -> Embeddings:
        if self.down:
            raise EngineRestarting("The engine restarts.")
        self.seen += len(images)
        vectors = []
        for one in (*texts, *images):
            vector = np.random.default_rng(len(one)).standard_normal(self.dim)
            vectors.append(tuple(float(n) for n in vector / np.linalg.norm(vector)))
        return Embeddings("1", tuple(vectors), self.perceptor, weights=self.weights)


async def painted(core: Core, pictures: int = 1) -> str:
    job = await core.ask(ANN, dream(count=pictures))
    await core.handed(job.id)
    core.engine.paint(job.id)
    done = await core.until_state(job.id, JobState.DONE)
    for picture in done.pictures:
        assert picture.path is not None
        picture.path.write_bytes(to_png(Image.new("RGB", (16 + picture.index, 16), "red")))
    return job.id


def embedder(core: Core, eye: Eye, busy: bool = False) -> PictureEmbedder:
    indexer = PictureIndexer(core.store, lambda _: False)
    return PictureEmbedder(core.store, eye, indexer, "clip", lambda: busy)  # type: ignore[arg-type]


async def worked(core: Core, eye: Eye) -> PictureEmbedder:
    """A new run of the bot, until every picture is embedded."""
    made = embedder(core, eye)
    await made._open()
    await made._indexer.catch_up()
    while await made._embed_some():
        pass
    return made


async def test_every_picture_is_embedded_once_also_over_a_restart(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=4) as core:
        eye = Eye()
        for _ in range(3):
            await painted(core, 2)
        await worked(core, eye)
        assert 6 == eye.seen

        again = await worked(core, eye)

        assert 6 == eye.seen
        assert again._table is not None
        assert 6 == len(again._table.pictures)


async def test_nothing_is_embedded_before_a_waiting_job(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        await painted(core)
        eye = Eye()
        made = embedder(core, eye, busy=True)
        await made._indexer.catch_up()

        assert not await made._embed_some()
        assert 0 == eye.seen


@pytest.mark.parametrize("change", [{"weights": "def"}, {"perceptor": "other"}])
async def test_another_perceptor_or_other_weights_embed_everything_again(
    tmp_path: Path, change: dict[str, object]
) -> None:
    async with running_core(tmp_path) as core:
        await painted(core)
        await worked(core, Eye())
        perceptor, old = await embedder(core, Eye()).of_text("a fox")
        new = Eye(**change)  # type: ignore[arg-type]
        made = embedder(core, new)
        await made._open()
        assert 1 == len(await made.nearest(perceptor, old, 9, 400, ANN))

        await made.of_text("a fox")

        assert [] == await made.nearest(perceptor, old, 9, 400, ANN)  # of the former perceptor
        assert 1 == await count(core.store, "picture_index", "due = 1 AND vector IS NULL")
        while await made._embed_some():
            pass
        assert 1 == new.seen
        assert 1 == len(await made.nearest(*await made.of_text("a fox"), 9, 400, ANN))


async def test_a_damaged_table_is_filled_from_the_database(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        eye = Eye()
        await painted(core)
        first = await worked(core, eye)
        assert first._table is not None
        first._table._vectors.path.write_bytes(b"damaged")

        again = await worked(core, eye)

        assert again._table is not None
        assert 1 == len(again._table.pictures) == eye.seen


async def test_an_unreadable_picture_is_tried_once(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job_id, eye = await painted(core), Eye()
        [picture] = (await core.row(job_id)).pictures
        assert picture.path is not None
        picture.path.write_bytes(b"no picture")

        await worked(core, eye)

        assert 0 == eye.seen
        assert 1 == await count(core.store, "picture_index", "due = 0 AND vector IS NULL")


async def test_an_engine_that_is_away_is_asked_later(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        await painted(core)
        eye = Eye()
        eye.down = True
        with pytest.raises(EngineRestarting):
            await worked(core, eye)

        eye.down = False
        await worked(core, eye)

        assert 1 == eye.seen
