"""A backup is of one moment, whole, and can be put back; what is not whole is refused before anything is changed."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import sqlite3
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot.errors import FolderInUse, StoreError
from bot.jobs.admission import Submission
from bot.models.job import JobState
from bot.operations.backup import make_backup
from bot.operations.backup_format import MANIFEST, check_archive
from bot.operations.restore import restore
from bot.storage import DATABASE
from tests.bot.core import ANN, BOB, Core, config, dream, origin, running_core
from tests.bot.storage.test_old_data import DREAM, old_folder
from tests.torch_server import BotProcess, run_python

SHA = hashlib.sha256(b"attached").hexdigest()


async def painted(core: Core, user: int = ANN) -> str:
    job = await core.jobs.submit(Submission(dream(), origin(user, token="aW50ZXJhY3Rpb24")))
    await core.handed(job.id)
    core.engine.paint(job.id)
    await core.until_state(job.id, JobState.DONE)
    return job.id


async def test_what_a_running_bot_holds_comes_back_whole(tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    async with running_core(tmp_path / "data") as core:
        job_id = await painted(core)
        png = await core.store.pictures.png(job_id, 0)
        core.engine.ready = None
        waiting = await core.jobs.submit(Submission(dream(init_image=SHA), origin(BOB), {SHA: b"attached"}))
        said = await asyncio.to_thread(make_backup, core.folder, file)
        await core.ask(BOB)
    assert said.startswith(f"{file}: the database and 1 picture, ")

    restore(tmp_path / "new", file)

    async with running_core(tmp_path / "new", engine_up=False) as core:
        assert png == await core.store.pictures.png(job_id, 0)
        assert [waiting.id] == [job.id for job, _ in core.jobs.registry.waiting()]
        assert b"attached" == await core.store.attachments.read(SHA)
        assert waiting.cost == (await core.jobs.quota.balance(BOB)).reserved


async def test_a_backup_made_in_the_middle_of_a_storm_is_of_one_moment(tmp_path: Path) -> None:
    settings = config(queue={"per_user": 1000}, quota={"units": 0.0})
    async with running_core(tmp_path / "data", settings) as core:

        async def storm() -> None:
            while True:
                await painted(core)

        storming = asyncio.create_task(storm())
        for number in range(3):
            await asyncio.sleep(0.1)
            await asyncio.to_thread(make_backup, core.folder, tmp_path / f"{number}.tar")
        storming.cancel()
        await asyncio.gather(storming, return_exceptions=True)
    for number in range(3):
        folder = tmp_path / str(number)
        restore(folder, tmp_path / f"{number}.tar")
        with closing(sqlite3.connect(folder / DATABASE)) as connection:
            [(done, charged)] = connection.execute(
                "SELECT (SELECT count(*) FROM jobs WHERE state = 'done'),"
                " (SELECT count(*) FROM charges WHERE state = 'charged')"
            )
        assert done == charged <= len(list(folder.rglob("*.png")))


async def test_no_token_is_in_a_backup(tmp_path: Path) -> None:
    async with running_core(tmp_path / "data", engine_up=False) as core:
        await core.jobs.submit(Submission(dream(), origin(token="aW50ZXJhY3Rpb24")))
        make_backup(core.folder, tmp_path / "backup.tar")

    assert b"aW50ZXJhY3Rpb24" not in (tmp_path / "backup.tar").read_bytes()


def test_a_picture_that_retention_has_deleted_meanwhile_is_no_longer_kept(tmp_path: Path) -> None:
    folder = old_folder(tmp_path / "data")
    (folder / "pictures" / "27" / f"{DREAM}-0.png").unlink()

    make_backup(folder, tmp_path / "backup.tar")
    restore(tmp_path / "new", tmp_path / "backup.tar")

    with closing(sqlite3.connect(tmp_path / "new" / DATABASE)) as connection:
        paths = dict(connection.execute("SELECT job_id, path FROM pictures").fetchall())
    assert (None, True) == (paths[DREAM], all((tmp_path / "new" / path).is_file() for path in paths.values() if path))


def test_damage_on_the_disk_is_said(tmp_path: Path) -> None:
    folder = old_folder(tmp_path / "data")
    (folder / "pictures" / "27" / f"{DREAM}-0.png").write_bytes(b"rotten")

    assert "1 picture was already damaged on the disk" in make_backup(folder, tmp_path / "backup.tar")


def test_where_there_is_nothing_to_back_up_no_file_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is nothing to back up"):
        make_backup(tmp_path / "data", tmp_path / "backup.tar")

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["data/dreambot.sqlite3", "photo.png", "notes.txt"])
def test_no_other_file_is_replaced_by_a_backup(tmp_path: Path, name: str) -> None:
    folder, file = old_folder(tmp_path / "data"), tmp_path / name
    if not file.exists():
        file.write_bytes(b"dear diary" * 100)
    before = file.read_bytes()

    with pytest.raises(StoreError, match="exists and is not a backup"):
        make_backup(folder, file)

    assert before == file.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in folders")
def test_a_pipe_is_no_backup_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(StoreError, match="pipe is not a file"):
        restore(tmp_path / "data", tmp_path / "pipe")


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in folders")
def test_a_device_or_a_pipe_is_not_replaced_by_a_backup(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(StoreError, match="is not a file; name one"):
        make_backup(old_folder(tmp_path / "data"), tmp_path / "pipe")

    assert (tmp_path / "pipe").is_fifo()


def test_a_backup_goes_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "backup.tar").symlink_to(tmp_path / "disk" / "backup.tar")
    folder = old_folder(tmp_path / "data")

    for _ in range(2):
        make_backup(folder, tmp_path / "backup.tar")

    assert (tmp_path / "backup.tar").is_symlink()
    assert ["backup.tar"] == [path.name for path in (tmp_path / "disk").iterdir()]


def test_a_backup_that_fails_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    folder, file = old_folder(tmp_path / "data"), tmp_path / "backup.tar"
    make_backup(folder, file)
    before = file.read_bytes()
    monkeypatch.setattr("bot.operations.backup.os.fsync", no_space)

    with pytest.raises(StoreError, match="No space left on device"):
        make_backup(folder, file)
    assert (before, {"data", "backup.tar"}) == (file.read_bytes(), {path.name for path in tmp_path.iterdir()})


# Putting it back


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    make_backup(old_folder(tmp_path / "old"), tmp_path / "backup.tar")
    return tmp_path / "backup.tar"


async def test_while_a_bot_runs_nothing_is_put_back(tmp_path: Path, backup: Path) -> None:
    async with running_core(tmp_path / "data"):
        with pytest.raises(FolderInUse, match="Another dreambot"):
            restore(tmp_path / "data", backup, replace=True)


async def test_what_is_there_is_never_overwritten_and_moved_aside_when_asked(tmp_path: Path, backup: Path) -> None:
    async with running_core(tmp_path / "data") as core:
        job_id = await painted(core)
    with pytest.raises(StoreError, match="With --replace it is moved into a subfolder"):
        restore(tmp_path / "data", backup)

    said = restore(tmp_path / "data", backup, replace=True)

    [aside] = (tmp_path / "data").glob("replaced-*")
    assert str(aside) in said
    assert [f"{job_id}-0.png"] == [path.name for path in aside.rglob("*.png")]
    async with running_core(tmp_path / "data", engine_up=False) as core:
        assert await core.jobs.find(job_id) is None
        assert await core.store.pictures.png(DREAM, 0)
    async with running_core(aside, engine_up=False) as core:
        assert await core.store.pictures.png(job_id, 0)


def changed(archive: Path, change: Callable[[dict[str, bytes]], None], kind: bytes = tarfile.REGTYPE) -> Path:
    """The same archive with other contents."""
    with tarfile.open(archive) as source:
        members = {member.name: source.extractfile(member).read() for member in source}  # type: ignore[union-attr]
    change(members)
    target = archive.with_name("changed.tar")
    with tarfile.open(target, "w") as fresh:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if kind != tarfile.REGTYPE and name.endswith(".png"):
                info.type, info.linkname, info.size = kind, "/etc/passwd", 0
            fresh.addfile(info, io.BytesIO(data))
    return target


def flipped(members: dict[str, bytes]) -> None:
    name = next(name for name in members if name.endswith(".png"))
    members[name] = members[name][:-1] + b"!"


def other_name(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members[name] = b"x"

    return change


def without(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        del members[next(member for member in members if member.endswith(name))]

    return change


def with_database(sql: str) -> Callable[[dict[str, bytes]], None]:
    """The database changed, and the list told of it, as a clever forger would."""

    def change(members: dict[str, bytes]) -> None:
        connection = sqlite3.connect(":memory:")
        connection.deserialize(members[DATABASE])
        connection.executescript(sql)
        members[DATABASE] = connection.serialize()
        manifest = json.loads(members[MANIFEST])
        manifest["files"][DATABASE] = hashlib.sha256(members[DATABASE]).hexdigest()
        [(manifest["schema_number"],)] = connection.execute("PRAGMA user_version").fetchall()
        members[MANIFEST] = json.dumps(manifest).encode()

    return change


def with_list(**changes: object) -> Callable[[dict[str, bytes]], None]:
    """The list of contents changed."""

    def change(members: dict[str, bytes]) -> None:
        members[MANIFEST] = json.dumps({**json.loads(members[MANIFEST]), **changes}).encode()

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_list(format=99), "made by a newer dreambot; install that version first"),
        (with_list(schema_number=1), "list of contents does not match its database"),
        (flipped, "is damaged: pictures/27/.* does not match its hash"),
        (without(".png"), "is damaged: pictures/27/.* does not match its hash"),
        (without(DATABASE), "is damaged: dreambot.sqlite3"),
        (without(MANIFEST), "its list of contents is missing"),
        (other_name("../../evil"), "holds “../../evil”, which does not belong into a backup"),
        (other_name("/etc/cron.d/evil"), "which does not belong into a backup"),
        (other_name("pictures/27/../../evil.png"), "which does not belong into a backup"),
        (other_name(MANIFEST), "list of contents cannot be read"),
        (with_database("PRAGMA user_version = 99"), "made by a newer dreambot"),
        (with_database("UPDATE pictures SET path = '../../etc/passwd'"), "names “../../etc/passwd”, which"),
        (with_database("DELETE FROM jobs"), "rows refer to missing rows"),
    ],
)
def test_an_archive_that_is_not_right_is_refused_and_changes_nothing(
    tmp_path: Path, backup: Path, change: Callable[[dict[str, bytes]], None], words: str
) -> None:
    with pytest.raises(StoreError, match=words):
        restore(tmp_path / "new", changed(backup, change))

    assert {"dreambot.lock"} == {path.name for path in (tmp_path / "new").iterdir()}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_an_archive_are_refused(tmp_path: Path, backup: Path, kind: bytes) -> None:
    with pytest.raises(StoreError, match=r"is not a plain file|is damaged"):
        restore(tmp_path / "new", changed(backup, lambda _: None, kind))


def test_a_sparse_file_in_an_archive_is_refused(tmp_path: Path, backup: Path) -> None:
    """A header of 512 bytes would fill the disk with zeros."""
    with pytest.raises(StoreError, match="is not a plain file"):
        restore(tmp_path / "new", changed(backup, lambda _: None, tarfile.GNUTYPE_SPARSE))


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.99])
def test_an_archive_that_is_cut_off_is_refused_in_words(tmp_path: Path, backup: Path, part: float) -> None:
    data = backup.read_bytes()
    backup.write_bytes(data[: int((len(data) - 10_240) * part)])

    with pytest.raises(StoreError):
        check_archive(backup)


def test_from_the_shell_a_backup_is_made_and_put_back(tmp_path: Path) -> None:
    old_folder(tmp_path / "data")

    def run(*arguments: str, data: str) -> tuple[int, str]:
        environ = {**os.environ, "DREAMBOT_DATA": str(tmp_path / data)}
        done = run_python("-m", "bot", *arguments, cwd=tmp_path, env=environ, kind=BotProcess)
        return done.returncode, done.stdout + done.stderr

    file = str(tmp_path / "b.tar")
    assert (0, True) == ((result := run("backup", file, data="data"))[0], "2 pictures" in result[1])
    assert (0, True) == ((result := run("restore", file, data="new"))[0], "and 2 pictures." in result[1])
    assert (1, True) == ((result := run("restore", file, data="new"))[0], "--replace" in result[1])
    assert 0 == run("restore", file, "--replace", data="new")[0]
    assert (1, True) == ((result := run("restore", str(tmp_path / "no.tar"), data="x"))[0], "No such file" in result[1])


def test_an_unusable_target_is_reported_before_anything_is_copied(tmp_path: Path) -> None:
    folder = old_folder(tmp_path / "data")
    (tmp_path / "backups").mkdir()

    with pytest.raises(StoreError, match=r"is a folder; name a file, as in .*bot\.tar"):
        make_backup(folder, tmp_path / "backups")
    with pytest.raises(StoreError, match=r"The folder .*nowhere does not exist; create it first\."):
        make_backup(folder, tmp_path / "nowhere" / "x.tar")

    assert [] == list((tmp_path / "backups").iterdir())
