"""Bot or engine die while a film is painted, encoded or delivered: one film, one charge, no frame painted twice."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.playground.server.tls import Authority
from bot.storage import DATABASE
from tests.wire.conftest import dreambot_maker
from tests.wire.looks import nothing_is_owed
from tests.wire.test_crash_matrix import lasting_world, one_life, written
from tests.wire.test_film import asked, is_film, shown_frames, the_film, used
from tests.wire.world import World

FRAMES = 6
THIRD = ["started", "handed over", "picture file", "picture row", "went back"]
"""Points that a bot reaches with each frame."""
AFTERWARDS = ["ended", "sending end", "encoding", "end sent", "delivered", "pinging", "pinged"]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("point", "who"),
    [*itertools.product(THIRD, ["bot", "engine"]), *itertools.product(AFTERWARDS, ["bot"])],
)
async def test_whatever_dies_there_is_one_film_one_charge_and_no_frame_is_painted_twice(
    authority: Authority, tmp_path: Path, point: str, who: str
) -> None:
    options = {"delivery": {"ping_after_seconds": 0.0}}
    async with lasting_world(authority, tmp_path, dreambot_maker(options)) as world:
        await world.start_bot()
        question = await asked(world.max, frames=FRAMES)
        await world.stop_bot()

        def press() -> None:
            world.site.people.click(world.max.id, question.state, question.buttons["Paint"], None)

        await one_life(world, tmp_path, point, who, press, visit=3 if point in {*THIRD, "encoding"} else 1)
        kept = stored_frames(tmp_path)
        assert (2 if point in THIRD else FRAMES) <= len(kept)

        await world.start_bot()
        await world.max.wait_for_message(is_film, seconds=60)
        first = await outcome(world)
        await world.stop_bot()
        before = written(world)
        await world.start_bot()
        second = await outcome(world)
        await world.stop_bot()

        assert (1, FRAMES, 1, "done", FRAMES, ["charged"], {"delivered"}) == first == second
        assert before == written(world)
        assert kept == {index: changed for index, changed in stored_frames(tmp_path).items() if index in kept}


def stored_frames(folder: Path) -> dict[int, int]:
    """Index of every stored frame → when its file was written."""
    with closing(sqlite3.connect(folder / "data" / DATABASE)) as connection:
        rows = connection.execute("SELECT idx, path FROM pictures").fetchall()
    return {index: (folder / "data" / path).stat().st_mtime_ns for index, path in rows}


async def outcome(world: World) -> tuple[object, ...]:
    """Public films, frames of the film, pings, the job's state, frames kept, charges, what became of its deliveries."""
    await nothing_is_owed(world)
    job = await the_film(world, world.max)
    assert job.cost == pytest.approx(await used(world, world.max))
    async with world.bot.store.database.reading() as session:
        charges = [row[0] for row in await session.all("SELECT state FROM charges")]
        deliveries = {row[0] for row in await session.all("SELECT state FROM deliveries")}
    [film] = [message for message in world.mo.sees() if message.state.embeds]
    pings = sum("ready." in message.content for message in world.mo.sees())
    return int(is_film(film)), shown_frames(film), pings, job.state.value, len(job.pictures), charges, deliveries
