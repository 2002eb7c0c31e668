"""What earlier versions have written can be read: databases of schemas 4 and 5, as those versions left them.

`samples/schema-0004.sql` was dumped from a bot of that time: a dream and its enlargement, a failure, a cancellation,
one job that was being painted and one that waited. `samples/schema-0005.sql`, of a later time, holds a dream, its
enlargement, one job that waited, somebody who was blocked, and a message that was still to be deleted.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import bot.storage
from bot.community.gallery.embedder import PictureIndexer
from bot.community.gallery.favorites import Favorites
from bot.jobs.retention import Retention
from bot.models.audit import AuditFilter
from bot.models.gallery import Viewer
from bot.models.job import JobState
from bot.storage import DATABASE
from bot.storage.community.stars import Star
from bot.storage.database import newest_schema
from engine.protocol.replay_record import read_record, replay_request
from engine.requests.request import DreamRequest
from tests.bot.core import ANN, BOB, CID, config, history, invocation, running_core

SAMPLES = Path(__file__).parent / "samples"
DREAM, ENLARGED, FAILED, PAINTED, WAITED, CANCELLED = (
    "aaaaaaaaa1",
    "eeeeeeeee2",
    "fffffffff3",
    "rrrrrrrrr4",
    "qqqqqqqqq5",
    "ccccccccc6",
)


def old_folder(folder: Path, schema: int = 4) -> Path:
    """A data folder as a bot of that schema left it."""
    (folder / "pictures" / "27").mkdir(parents=True)
    for png in SAMPLES.glob("*.png"):
        shutil.copy(png, folder / "pictures" / "27")
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        connection.executescript((SAMPLES / f"schema-{schema:04}.sql").read_text(encoding="utf-8"))
    return folder


async def test_an_old_database_opens_with_everything_that_was_in_it(tmp_path: Path) -> None:
    async with running_core(old_folder(tmp_path), engine_up=False) as core:
        async with core.store.database.reading() as session:
            [row] = await session.all("PRAGMA user_version")
        states = {job_id: (await core.row(job_id)).state for job_id in (DREAM, ENLARGED, FAILED, CANCELLED)}

        assert newest_schema() == row[0] > 4
        assert [JobState.DONE, JobState.DONE, JobState.FAILED, JobState.CANCELLED] == list(states.values())
        assert [ENLARGED] == [child.id for child in await core.store.jobs.children(DREAM)]
        assert (1.6384, 203.3616) == ((balance := await core.jobs.quota.balance(ANN)).used, balance.left)
        assert ["reset quota", "grant"] == [entry.action for entry in await core.store.audit.page(AuditFilter(), 50)]
        assert {"channels": [1, 2]} == await core.store.settings.all("server", "400")
        assert DREAM == (await core.jobs.find_by_message(500, 1001)).id  # type: ignore[union-attr]
        assert {ENLARGED, FAILED, CANCELLED} == {row.job_id for row in await core.store.deliveries.pending()}


async def test_jobs_of_an_old_database_are_painted(tmp_path: Path) -> None:
    async with running_core(old_folder(tmp_path), slots=4) as core:
        for job_id, user in ((PAINTED, CID), (WAITED, BOB)):
            await core.handed(job_id)
            core.engine.paint(job_id)
            await core.until_state(job_id, JobState.DONE)
            assert job_id == (await history(core.store, user))[0].id


async def test_old_pictures_are_read_with_their_records(tmp_path: Path) -> None:
    async with running_core(old_folder(tmp_path)) as core:
        png, enlarged = await core.store.pictures.png(DREAM, 0), await core.store.pictures.png(ENLARGED, 0)
        job = await core.row(DREAM)

    request = replay_request(read_record(png))
    assert isinstance(request, DreamRequest)
    assert (["a fox", "fog"], 7, 1) == ([prompt.text for prompt in request.prompts], request.seed, request.count)
    assert request == job.request
    assert "upscale" == replay_request(read_record(enlarged)).kind


async def test_pictures_of_a_time_before_stars_are_starred_like_new_ones(tmp_path: Path) -> None:
    async with running_core(old_folder(tmp_path, 5)) as core:
        favorites = Favorites(core.store, core.settings.retention, core.clock)
        assert [] == await core.store.stars.of_job(DREAM)
        assert [(500, 900)] == await core.store.erasure.to_remove(9)
        assert [CID] == [block.user_id for block in await core.store.blocks.of_server(400, core.clock())]

        words = await favorites.star(await core.row(DREAM), (), invocation(ANN))

        assert "⭐ Starred. 1 of 1000 stars used; see /favorites." == words
        await core.handed(WAITED)
        core.engine.paint(WAITED)
        await core.until_state(WAITED, JobState.DONE)
        await Retention(config(retention={"pictures_days": 1.0}), core.store).tidy(core.clock() + 5 * 86_400)
        assert [True, True] == [(await core.row(job)).on_disk == 1 for job in (DREAM, ENLARGED)]  # one is not told yet
        await core.store.deliveries.close(ENLARGED, "result", core.clock())
        await Retention(config(retention={"pictures_days": 1.0}), core.store).tidy(core.clock() + 5 * 86_400)
        assert [1, 0] == [(await core.row(job)).on_disk for job in (DREAM, ENLARGED)]


async def test_saved_jobs_of_an_earlier_version_become_stars(tmp_path: Path) -> None:
    """The table `keeps` of schemas 6 to 10 held whole jobs."""
    schema = sorted((Path(bot.storage.__file__).parent / "schema").glob("*.sql"))[5:10]
    with closing(sqlite3.connect(old_folder(tmp_path, 5) / DATABASE)) as connection:
        for step in schema:
            connection.executescript(step.read_text(encoding="utf-8"))
        connection.executescript(
            f"INSERT INTO keeps VALUES ('{DREAM}', {BOB}, 7.0), ('{WAITED}', {BOB}, 8.0); PRAGMA user_version = 10;"
        )

    async with running_core(tmp_path, engine_up=False) as core:
        stars = await core.store.stars.of_person(BOB)

    assert [Star(DREAM, 0, BOB, None, False, 7.0)] == stars


async def test_pictures_of_an_old_database_are_indexed(tmp_path: Path) -> None:
    async with running_core(old_folder(tmp_path), engine_up=False) as core:
        await PictureIndexer(core.store, lambda _: False).catch_up()
        viewer = Viewer(CID, 400, (500,))
        found = await core.store.picture_index.page(viewer, "newest", None, "fox", 9, 0)
        unwanted = await core.store.picture_index.page(viewer, "newest", None, "fog", 9, 0)
        left = await core.store.picture_index.unindexed(9)

    assert [("a fox", DREAM, ANN, 1001)] == [(p.words, p.job_id, p.owner, p.message_id) for p in found]
    assert [] == left == unwanted  # fog had a negative weight


async def test_a_picture_is_indexed_after_what_it_was_made_from(tmp_path: Path) -> None:
    """However many jobs wait: an upscaled picture has the words of its source, and is adult content if that is."""
    async with running_core(old_folder(tmp_path), engine_up=False) as core:
        indexer = PictureIndexer(core.store, lambda channel: channel == 500)

        await indexer.ensure(ENLARGED)

        async with core.store.database.reading() as session:
            assert ("a fox", True) == await core.store.picture_index.entry(session, ENLARGED, 0)
            assert ("a fox", True) == await core.store.picture_index.entry(session, DREAM, 0)
