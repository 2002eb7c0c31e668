"""Anyone can watch a picture's timelapse, also after a restart, as long as the picture is kept."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from PIL import Image

from bot.operations.backup import make_backup
from bot.operations.restore import restore
from engine.images.pictures import to_png
from tests.wire.looks import begun, dreamt, is_result, whispered
from tests.wire.people import Person, Shown
from tests.wire.world import World

WATCH = "Timelapse"


async def kept(world: World, person: Person) -> Any:
    """The newest job, once the way to its picture is on the disk."""
    [job, *_] = await world.jobs_of(person)
    path = world.bot.store.folder / "frames" / f"{job.id}.zip"
    await world.until(path.exists, what="the way to be kept")
    return job


async def watched(person: Person, result: Shown) -> Any:
    """The film that the buttons lead to."""
    info = (await person.click(result, "Info")).message
    film = await person.wait_for((await person.click(info, WATCH)).message, lambda message: message.files)
    assert film.ephemeral
    [(name, data)] = film.files.items()
    assert name.endswith("-evolution.gif")
    return Image.open(io.BytesIO(data))


async def test_anyone_can_watch_the_timelapse_of_a_picture(world: World, max_: Person, mo: Person) -> None:
    result = await dreamt(max_, "an owl")
    job = await kept(world, max_)

    film = await watched(mo, result)

    film.seek(film.n_frames - 1)
    last, finished = film.convert("RGB"), Image.open(job.pictures[0].path).resize(film.size)
    assert film.n_frames >= 4
    assert 2000 == film.info["duration"]
    assert all(abs(a - b) < 40 for a, b in zip(last.getpixel((9, 9)), finished.getpixel((9, 9)), strict=True))


async def test_a_grid_forms_together_and_a_restart_forgets_nothing(world: World, max_: Person) -> None:
    result = await dreamt(max_, "an owl", count=3)
    await kept(world, max_)

    await world.restart_bot()

    film = await watched(max_, result)
    assert 380 < film.width == film.height


async def test_a_job_that_begins_again_after_the_engines_death_begins_its_way_again(world: World, max_: Person) -> None:
    result = await dreamt(max_, "die an owl")
    await kept(world, max_)

    film = await watched(max_, result)

    assert 4 <= film.n_frames <= 9


async def test_what_is_no_longer_kept_cannot_be_watched(world: World, max_: Person) -> None:
    result = await dreamt(max_, "an owl")
    job = await kept(world, max_)
    info = (await max_.click(result, "Info")).message
    await world.bot.store.pictures.let_go(job.pictures[0])

    assert not await world.bot.store.frames.has(job.id)
    assert "The timelapse has expired." == whispered(await max_.click(info, WATCH))
    assert WATCH not in (await max_.click(result, "Info")).message.buttons


async def test_a_restored_bot_says_that_it_no_longer_knows_the_way(
    world: World, max_: Person, tmp_path_factory: pytest.TempPathFactory
) -> None:
    result = await dreamt(max_, "an owl")
    await kept(world, max_)
    info = (await max_.click(result, "Info")).message
    backup = tmp_path_factory.mktemp("backups") / "backup.tar"
    make_backup(world.folder, backup)
    await world.stop_bot()

    restore(world.folder, backup, replace=True)
    await world.start_bot()

    assert "The timelapse has expired." == whispered(await max_.click(info, WATCH))
    later = (await max_.click(result, "Info")).message
    assert ["Star"] == list(later.buttons)
    assert "Unstar" in (await max_.click(later, "Star")).message.buttons


async def test_what_was_cancelled_leaves_nothing_behind(world: World, max_: Person) -> None:
    running = await begun(max_, "slowly an owl")
    await max_.wait_for(running, lambda message: message.pictures)
    await max_.click(running, "Cancel")
    await max_.wait_for(running, lambda message: "Cancelled" in message.text)
    result = await dreamt(max_, "a fox")
    await kept(world, max_)

    assert is_result(result)
    assert 1 == len(list((world.bot.store.folder / "frames").iterdir()))


async def test_a_copy_holds_timelapses_and_forgetting_deletes_them(world: World, max_: Person, mo: Person) -> None:
    await dreamt(max_, "an owl")
    await dreamt(mo, "a fox")
    job, other = await kept(world, max_), await kept(world, mo)

    copy = await world.services.privacy.copy(max_.id, 10_000_000)
    await world.services.privacy.forget(max_.id)

    assert f"frames/{job.id}.zip" in zipfile.ZipFile(io.BytesIO(copy.data)).namelist()
    assert 1 == copy.pictures
    assert [f"{other.id}.zip"] == [path.name for path in (world.bot.store.folder / "frames").iterdir()]


async def test_the_strokes_of_a_drawing_come_as_svg(world: World, max_: Person, mo: Person) -> None:
    result = await dreamt(max_, "an owl", method="clipdraw")
    plain = await dreamt(max_, "an owl", method="pixels")
    [job] = [job for job in await world.jobs_of(max_) if job.request.method == "clipdraw"]
    info = (await mo.click(result, "Info")).message

    assert "The drawing has expired" in whispered(await mo.click(info, "SVG")), "the tiny engine draws none"
    path = job.pictures[0].path
    path.write_bytes(to_png(Image.open(path), {"svg": "<svg/>"}))
    sent = await mo.wait_for((await mo.click(info, "SVG")).message, lambda message: message.files)
    assert sent.ephemeral and {f"{job.id}-1.svg": b"<svg/>"} == sent.files
    assert "SVG" not in (await mo.click(plain, "Info")).message.buttons
