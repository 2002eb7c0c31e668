"""What the doctor finds, and what it says to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import discord
import pytest

import bot.operations.doctor_data
import bot.operations.doctor_discord
from bot.config.sections import RetentionSection
from bot.config.settings import Config
from bot.interactions.connector import Link
from bot.operations import doctor
from bot.operations.doctor import compile_finding, device_findings, engine_findings
from bot.operations.doctor_data import check_database, check_folder, check_lock, check_pictures, check_rights
from bot.operations.doctor_discord import WANTED, check_discord
from bot.operations.doctor_report import Finding, Severity, bad, good, note, render, summary
from bot.playground.server.local import LocalDiscord
from bot.playground.server.rest.faults import Fault
from bot.storage import DATABASE
from bot.storage.database import newest_schema
from bot.storage.lock import FILE as LOCK
from bot.storage.lock import FolderLock
from engine.client.local import LocalEngine
from engine.protocol.messages import Ready, WorkerState
from tests.bot.storage.test_old_data import old_folder
from tests.fork_server import FAKE

SEND = discord.Permissions(send_messages=True)
USUAL = RetentionSection()
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

    assert Severity.BAD is found.verdict
    assert "NVIDIA GeForce GTX 1070, 8 GB: this torch (2.13.0) no longer supports it" in found.text
    assert "https://download.pytorch.org/whl/cu126" in found.remedy


def test_a_gpu_that_works_is_good() -> None:
    assert Severity.GOOD is device_findings(torch(gpu(problem=""), CPU), "auto")[1].verdict


def test_a_broken_gpu_is_reported_with_its_own_words() -> None:
    found = device_findings(torch(gpu(capability="9.0", problem="driver too old"), CPU), "auto")[1]

    assert "driver too old" in found.text


def test_no_gpu_is_worth_knowing_and_no_problem() -> None:
    assert [Severity.GOOD, Severity.GOOD, Severity.WORTH_KNOWING] == [
        f.verdict for f in device_findings(torch(CPU), "auto")
    ]


def test_a_device_that_is_not_there_is_a_problem() -> None:
    assert "config.toml names “cuda”" in device_findings(torch(CPU), "cuda")[-1].text


def test_a_torch_that_cannot_be_imported_is_a_problem() -> None:
    assert Severity.BAD is device_findings({"error": "No module named 'torch'"}, "auto")[0].verdict


def test_what_cannot_be_compiled_is_worth_knowing_and_no_problem() -> None:
    assert Severity.GOOD is compile_finding({"problem": ""}).verdict
    for found in ({"problem": "No working C++ compiler found"}, {"error": "No working C++ compiler found"}):
        finding = compile_finding(found)
        assert Severity.WORTH_KNOWING is finding.verdict
        assert "No working C++ compiler found" in finding.text
        assert "apt install g++" in finding.remedy


def test_a_fresh_folder_is_good(tmp_path: Path) -> None:
    assert {Severity.GOOD} == {finding.verdict for finding in check_folder(tmp_path / "new", USUAL)}


def test_a_folder_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    [found] = check_folder(tmp_path / "file", USUAL)
    assert Severity.BAD is found.verdict


def test_a_running_bot_is_noticed(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    lock.acquire()

    assert "is using" in check_lock(tmp_path).text
    lock.release()


def test_a_damaged_database_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)

    [found] = check_database(tmp_path / "x.sqlite3")
    assert (Severity.BAD, True) == (found.verdict, "is damaged" in found.text)


def test_a_whole_database_is_good(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.sqlite3") as connection:
        connection.execute("CREATE TABLE jobs (id)")
        connection.execute(f"PRAGMA user_version = {newest_schema()}")
    connection.close()

    assert ["intact, 0 jobs"] == [found.text for found in check_database(tmp_path / "x.sqlite3")]


@pytest.mark.parametrize(
    ("schema", "verdict", "words"),
    [
        (4, Severity.WORTH_KNOWING, "Make a backup first"),
        (newest_schema() + 1, Severity.BAD, "Install the newer version"),
    ],
)
def test_a_database_of_another_version_is_known_before_the_start(
    tmp_path: Path, schema: int, verdict: Severity, words: str
) -> None:
    with sqlite3.connect(tmp_path / "x.sqlite3") as connection:
        connection.execute("CREATE TABLE jobs (id)")
        connection.execute(f"PRAGMA user_version = {schema}")
    connection.close()

    found = check_database(tmp_path / "x.sqlite3")[-1]

    assert (verdict, True) == (found.verdict, words in found.remedy)


def test_a_database_that_another_program_holds_is_not_called_damaged(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "x.sqlite3", isolation_level=None)
    other.execute("CREATE TABLE jobs (id)")
    other.execute("BEGIN EXCLUSIVE")

    [found] = check_database(tmp_path / "x.sqlite3")
    other.close()

    assert found.text.endswith("cannot be read: database is locked.")


async def test_pictures_are_counted_and_missing_ones_told(tmp_path: Path) -> None:
    folder = old_folder(tmp_path)
    next(folder.rglob("aaaaaaaaa1-0.png")).unlink()

    counted, missing = check_pictures(folder, USUAL)

    assert "2 pictures, 0.0 GB of 20.0" == counted.text
    assert missing.text.startswith("1 file is missing in ")


def test_room_that_is_nearly_used_up_is_worth_knowing(tmp_path: Path) -> None:
    folder = old_folder(tmp_path)
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.execute("UPDATE pictures SET size = 490000")
    connection.close()

    assert [Severity.WORTH_KNOWING] == [
        f.verdict for f in check_pictures(folder, RetentionSection(pictures_megabytes=1))
    ]


def test_a_disk_on_which_nothing_new_is_taken_is_a_problem(tmp_path: Path) -> None:
    found = check_folder(tmp_path, RetentionSection(free_megabytes=10**9))[0]

    assert (Severity.BAD, True) == (found.verdict, "accepts no new jobs" in found.text)


def test_a_disk_that_is_nearly_full_is_worth_knowing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot.operations.doctor_data, "LITTLE_DISK", float("inf"))
    found = check_folder(tmp_path, RetentionSection(free_megabytes=0))[0]

    assert (Severity.WORTH_KNOWING, True) == (found.verdict, "GB free" in found.text)


def test_a_lock_that_cannot_be_made_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / LOCK).mkdir()

    assert Severity.BAD is check_lock(tmp_path).verdict


def test_files_of_another_user_are_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = old_folder(tmp_path)
    assert [] == check_rights(folder)
    monkeypatch.setattr("bot.operations.doctor_data.os.access", lambda path, mode: path.suffix != ".png")

    [found] = check_rights(folder)

    assert ".png and 1 more cannot be written to by this user." in found.text
    assert f"chown -R USER {folder}" in found.remedy


@pytest.mark.parametrize("ready", ["it ended at once", Ready("w", 0, "none", 0, (), (), (), {"engine": "no torch"})])
def test_an_engine_that_does_not_start_is_a_problem(ready: Ready | str) -> None:
    [found] = engine_findings(ready)

    assert Severity.BAD is found.verdict


def test_each_of_several_workers_is_named() -> None:
    good_one = WorkerState("cuda:0", 2, "Card", 4, 4)
    bad_one = WorkerState("cuda:1", 0, "unknown", 0, 0, trouble="the device cannot be used")
    ready = Ready("router", 1, "Card", 4, ("pixels",), (), ("primer",), workers=(good_one, bad_one))

    found = [(finding.verdict, finding.text) for finding in engine_findings(ready)]

    assert (Severity.GOOD, "cuda:0 paints on Card, 4 pictures at a time") in found
    assert (Severity.BAD, "cuda:1 accepts no jobs: the device cannot be used.") in found


def test_devices_that_do_not_exist_are_named() -> None:
    torch = {"torch": "2", "cuda": "", "devices": [{"name": "cpu", "title": "CPU", "bytes": 0, "problem": ""}]}

    found = device_findings(torch, "cpu", "cuda:0", "cuda:1")

    assert ["cuda:0", "cuda:1"] == [f.text.split("“")[1].split("”")[0] for f in found if f.verdict is Severity.BAD]


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

    assert "No problems found." == summary([good("x", "y")])
    assert "No problems found. Read the lines with “·”." == summary([good("x", "y"), note("token", "z")])
    assert "2 problems found; the fixes are listed above." == summary([problem, problem])


async def looked_at(site: LocalDiscord, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    """The findings about a local Discord, by name."""
    Link(site.port, site.authority.pem, site.world.app.token).write(folder / "link.json")
    monkeypatch.setenv("DREAMBOT_PLAYGROUND", str(folder / "link.json"))
    return {finding.name: finding async for finding in check_discord(Config())}


async def test_near_2500_servers_shards_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot.operations.doctor_discord, "MANY_SERVERS", 2)
    async with LocalDiscord() as site:
        few = await looked_at(site, tmp_path, monkeypatch)
        site.gateway.shards = 2
        monkeypatch.setattr(bot.operations.doctor_discord, "MANY_SERVERS", 1)
        many = await looked_at(site, tmp_path, monkeypatch)

    assert (Severity.GOOD, "1 server, 1 shard recommended") == (few["servers"].verdict, few["servers"].text)
    assert Severity.WORTH_KNOWING == many["servers"].verdict
    assert many["servers"].text.startswith("1 server, 2 shards recommended. Discord requires several shards")


@pytest.mark.parametrize(
    ("status", "words"),
    [(503, "HTTP 503 Service Unavailable"), (200, "a proxy answers with text/html in place of Discord")],
)
async def test_a_page_of_a_proxy_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, words: str
) -> None:
    async with LocalDiscord() as site:
        site.faults.add(Fault("GET /gateway/bot", status, "<html><body>down</body></html>", times=-1))
        found = await looked_at(site, tmp_path, monkeypatch)

    assert f"Discord cannot be reached: {words}." == found["network"].text


async def test_few_sessions_left_today_and_a_server_without_rights_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gateway(_: object) -> tuple[int, str, dict[str, int]]:
        return 1, "", {"remaining": 9, "total": 1000}

    async def servers(*_: object) -> list[dict[str, str]]:
        able = {"id": "1", "name": "Able", "permissions": str(discord.Permissions(administrator=True).value)}
        return [able, {"id": "2", "name": "Mute", "permissions": str((WANTED & ~SEND).value)}]

    monkeypatch.setattr(discord.http.HTTPClient, "get_bot_gateway", gateway)
    monkeypatch.setattr(discord.http.HTTPClient, "get_guilds", servers)
    async with LocalDiscord() as site:
        found = await looked_at(site, tmp_path, monkeypatch)

    assert "Only 9 of 1000 gateway sessions are left today." == found["sessions"].text
    assert Severity.BAD is found["permissions"].verdict
    assert "In “Mute” the bot lacks Send Messages." == found["permissions"].text


async def test_a_token_that_discord_refuses_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with LocalDiscord() as site:
        site.faults.add(Fault("GET /users/@me", 401, {"message": "401: Unauthorized", "code": 0}, times=-1))
        found = await looked_at(site, tmp_path, monkeypatch)

    assert (Severity.BAD, "Discord does not accept it.") == (found["token"].verdict, found["token"].text)


@pytest.fixture
def without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Settings of a folder; the engine is the fake one, and the probe answers as one without a GPU would."""

    async def probe(_: str, *question: str) -> dict[str, Any]:
        return {"problem": ""} if question else torch(CPU)

    monkeypatch.delenv("DREAMBOT_PLAYGROUND", raising=False)
    monkeypatch.setattr(doctor, "probe", probe)
    monkeypatch.setattr(doctor, "local_engine", lambda *_: LocalEngine(FAKE, device="cpu"))
    return Config.model_validate({"data": {"folder": str(tmp_path)}, "engine": {"compile": "on"}})


async def test_an_examination_goes_through_everything(
    without_torch: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == await doctor.examine(without_torch)

    said = capsys.readouterr().out
    parts = "DISCORD_TOKEN is not set", str(tmp_path), "2.13.0", "CPU (2 cores)", "No GPU", "was compiled", "CPU (fake)"
    assert sorted(said.index(part) for part in parts) == [said.index(part) for part in parts]
    assert said.splitlines()[-1].startswith("No problems found.")


async def test_an_engine_that_is_never_ready_is_a_problem_and_is_closed(
    without_torch: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "ENGINE_SECONDS", 0.0)

    assert 1 == await doctor.examine(without_torch)
    assert "The engine does not start: it was not ready after 0 seconds." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        ('echo "a warning"; echo "{\\"token\\": \\"$DISCORD_TOKEN\\"}"', {"token": ""}),
        ("echo Traceback >&2; echo 'ImportError: no torch' >&2; exit 1", {"error": "ImportError: no torch"}),
        ("kill -9 $$", {"error": "it died"}),
    ],
)
async def test_the_probe_asks_another_process_which_has_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, answer: dict[str, str]
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)

    assert answer == await doctor.probe(str(python))


async def test_a_python_that_is_not_there_is_an_answer_too() -> None:
    assert "No such file" in (await doctor.probe("/nowhere/python"))["error"]
