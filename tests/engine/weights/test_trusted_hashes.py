"""Trusted hashes: concurrent writers lose none, and the file is always whole."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.weights.store import hashed_file as pins
from engine.weights.store.hashed_file import TrustedHash, TrustedHashes, write_whole

PIN = TrustedHash("0" * 64, 1)
PROCESS = """
import sys
from pathlib import Path
from engine.weights.store.hashed_file import TrustedHash, TrustedHashes
print("here", flush=True)
sys.stdin.readline()
for number in range(40):
    TrustedHashes(Path(sys.argv[1])).put(f"{sys.argv[2]}{number}", TrustedHash("0" * 64, 1))
"""


def test_threads_that_pin_at_once_lose_nothing(tmp_path: Path) -> None:
    begin, broken = threading.Barrier(8), []

    def put(name: str) -> None:
        begin.wait()
        try:
            for number in range(20):
                TrustedHashes(tmp_path).put(f"{name}{number}", PIN)
        except OSError as error:
            broken.append(error)

    threads = [threading.Thread(target=put, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == broken
    assert all(PIN == TrustedHashes(tmp_path).find(f"{name}{number}") for name in "abcdefgh" for number in range(20))


def test_processes_that_pin_at_once_lose_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    processes = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in "abc"
    ]
    for process in processes:
        assert process.stdout and "here\n" == process.stdout.readline()
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [0, 0, 0] == [process.returncode for process in processes]
    assert all(PIN == TrustedHashes(tmp_path).find(f"{name}{number}") for name in "abc" for number in range(40))


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    write_whole(tmp_path / "file", "old")
    monkeypatch.setattr(pins.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "file", "new")
    assert {"file": "old"} == {path.name: path.read_text() for path in tmp_path.iterdir()}
