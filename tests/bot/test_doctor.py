"""What the doctor finds, and what it says to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bot.doctor import check_database, check_folder, check_lock, device_findings, engine_findings
from bot.findings import Verdict, bad, good, render, summary
from bot.lock import FolderLock
from engine.messages import Ready

CPU = {"name": "cpu", "title": "CPU (2 cores)", "problem": "", "bytes": 0}


def gpu(**changes: Any) -> dict[str, Any]:
    usual = {
        "name": "cuda:0",
        "title": "NVIDIA GeForce GTX 1070",
        "bytes": 8 * 2**30,
        "capability": "6.1",
        "served": ["sm_75", "sm_80", "sm_120"],
        "problem": "no kernel image is available for execution on the device",
    }
    return {**usual, **changes}


def torch(*devices: dict[str, Any]) -> dict[str, Any]:
    return {"torch": "2.13.0", "cuda": "13.0", "devices": list(devices)}


def test_a_gpu_that_this_torch_no_longer_serves_is_recognised() -> None:
    found = device_findings(torch(gpu(), CPU), "auto")[1]

    assert Verdict.BAD is found.verdict
    assert "NVIDIA GeForce GTX 1070, 8 GB: this torch (2.13.0) no longer serves it" in found.text
    assert "https://download.pytorch.org/whl/cu126" in found.remedy


def test_a_gpu_that_works_is_good() -> None:
    assert Verdict.GOOD is device_findings(torch(gpu(problem=""), CPU), "auto")[1].verdict


def test_a_broken_gpu_is_reported_with_its_own_words() -> None:
    found = device_findings(torch(gpu(capability="9.0", problem="driver too old"), CPU), "auto")[1]

    assert "driver too old" in found.text


def test_no_gpu_is_worth_knowing_and_no_problem() -> None:
    assert [Verdict.GOOD, Verdict.GOOD, Verdict.WORTH_KNOWING] == [
        f.verdict for f in device_findings(torch(CPU), "auto")
    ]


def test_a_device_that_is_not_there_is_a_problem() -> None:
    assert "config.toml asks for “cuda”" in device_findings(torch(CPU), "cuda")[-1].text


def test_a_torch_that_cannot_be_imported_is_a_problem() -> None:
    assert Verdict.BAD is device_findings({"error": "No module named 'torch'"}, "auto")[0].verdict


def test_a_fresh_folder_is_good(tmp_path: Path) -> None:
    assert {Verdict.GOOD} == {finding.verdict for finding in check_folder(tmp_path / "new")}


def test_a_folder_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    [found] = check_folder(tmp_path / "file")
    assert Verdict.BAD is found.verdict


def test_a_running_bot_is_noticed(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    lock.acquire()

    assert "is working on" in check_lock(tmp_path).text
    lock.release()


def test_a_damaged_database_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)

    assert Verdict.BAD is check_database(tmp_path / "x.sqlite3").verdict


def test_a_whole_database_is_good(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.sqlite3") as connection:
        connection.execute("CREATE TABLE jobs (id)")
    connection.close()

    assert "whole, 0 jobs" == check_database(tmp_path / "x.sqlite3").text


@pytest.mark.parametrize("ready", ["it ended at once", Ready("w", 0, "none", 0, (), (), (), {"engine": "no torch"})])
def test_an_engine_that_does_not_start_is_a_problem(ready: Ready | str) -> None:
    [found] = engine_findings(ready)

    assert Verdict.BAD is found.verdict


def test_missing_weights_are_named() -> None:
    ready = Ready("w", 1, "CPU", 2, ("pixels",), ("lanczos",), ("primer",), {"clip_diffusion": "no weights here"})

    texts = [finding.text for finding in engine_findings(ready)]
    assert [
        "starts on CPU; methods pixels; models primer; upscalers lanczos",
        "clip_diffusion: no weights here.",
    ] == texts


def test_findings_are_lines_with_their_remedies_below() -> None:
    assert "✗ token        It is wrong.\n               → Reset it." == render(
        bad("token", "It is wrong.", "Reset it."), colour=False
    )
    assert "✓ data         fine" == render(good("data", "fine"), colour=False)


def test_the_summary_counts_problems() -> None:
    problem = bad("x", "y", "z")

    assert "Everything that is needed is there." == summary([good("x", "y")])
    assert "2 problems; what to do about each stands above." == summary([problem, problem])
