"""The data folder: one process at a time, private files, and leftovers that cannot be deleted."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.config.settings import Config
from bot.errors import FolderInUse, StoreError
from bot.jobs.retention import Retention
from bot.operations.backup import make_backup
from bot.operations.restore import restore
from bot.storage import DATABASE, Store, files
from bot.storage.lock import FILE

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX rights and links")


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that hides nothing from other users."""
    before = os.umask(0)
    yield
    os.umask(before)


def readable_by_others(folder: Path) -> list[str]:
    return [str(path) for path in [folder, *folder.rglob("*")] if path.stat().st_mode & 0o077]


async def write_everything(folder: Path) -> None:
    async with await Store.open(folder) as store:
        await files.write_durably(store.folder / "inputs" / ("a" * 64), b"x")
        await store.frames.keep("job", [{0: b"preview"}])
        async with store.transaction() as session:
            await session.run("INSERT INTO inputs VALUES (?, 1, 0)", "a" * 64)
        assert (folder / f"{DATABASE}-wal").exists()
        assert [] == readable_by_others(folder)


@posix
async def test_other_users_of_the_machine_read_nothing(tmp_path: Path, open_umask: None) -> None:
    folder = tmp_path / "new" / "data"
    await write_everything(folder)
    make_backup(folder, tmp_path / "b.tar")
    restore(tmp_path / "restored", tmp_path / "b.tar")

    assert [] == readable_by_others(tmp_path / "new") + readable_by_others(tmp_path / "restored")
    assert 0o600 == (tmp_path / "b.tar").stat().st_mode & 0o777


@posix
async def test_files_of_an_older_version_become_private(tmp_path: Path, open_umask: None) -> None:
    await write_everything(tmp_path / "data")
    for path in [tmp_path / "data", *(tmp_path / "data").rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)

    async with await Store.open(tmp_path / "data"):
        pass

    for name in (DATABASE, "inputs", "frames"):
        assert 0 == (tmp_path / "data" / name).stat().st_mode & 0o077, name


@posix
async def test_a_second_process_is_refused_after_the_lock_file_was_deleted(tmp_path: Path) -> None:
    async with await Store.open(tmp_path):
        (tmp_path / FILE).unlink()
        with pytest.raises(FolderInUse):
            await Store.open(tmp_path)

    async with await Store.open(tmp_path):
        assert str(os.getpid()) == (tmp_path / FILE).read_text()


@posix
async def test_a_link_in_place_of_the_lock_is_refused_and_its_target_untouched(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("do not truncate")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / FILE).symlink_to(tmp_path / "precious")

    with pytest.raises(StoreError, match="cannot be used"):
        await Store.open(tmp_path / "data")

    assert "do not truncate" == (tmp_path / "precious").read_text()


@posix
async def test_leftovers_that_cannot_be_deleted_are_logged_and_the_store_opens(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "inputs" / "not-a-file").mkdir(parents=True)
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "loop.zip").symlink_to("loop.zip")
    (tmp_path / "frames" / "folder.zip").mkdir()

    with caplog.at_level(logging.WARNING):
        async with await Store.open(tmp_path) as store:
            assert "not-a-file cannot be deleted" in caplog.text
            await Retention(Config.model_validate({"retention": {"pictures_megabytes": 1}}), store).tidy(10.0**9)


async def test_a_store_that_fails_to_open_unlocks_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: Store) -> None:
        raise OSError("disk on fire")

    monkeypatch.setattr(Store, "_sweep", broken)
    with pytest.raises(OSError, match="on fire"):
        await Store.open(tmp_path)
    monkeypatch.undo()

    async with await Store.open(tmp_path):
        pass
