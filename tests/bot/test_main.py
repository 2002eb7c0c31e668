"""`python -m bot …` as a process of its own: how fast, how large, how it ends."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import bot.__main__
from bot.interactions.connector import Link
from bot.playground.server.actions.people import AttachedFile
from bot.playground.server.local import LocalDiscord
from bot.playground.server.world.entities import Member, User
from tests.engine.images import hostile
from tests.fork_server import Forked, forked
from tests.torch_server import BotProcess, run_python, start_python

ROOT = Path(__file__).parents[2]


def environ(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DISCORD_TOKEN", "DREAMBOT_CONFIG")}
    return {**kept, "DREAMBOT_DATA": str(folder / "data"), "PYTHONUNBUFFERED": "1", **more}


async def ran(folder: Path, *arguments: str, executed: bool = False, **more: str) -> tuple[int, str]:
    """Exit code and everything that was printed; *executed* as in `running`."""
    words, env = ("-m", "bot", *arguments), environ(folder, **more)
    if executed:
        command, pipe = (sys.executable, *words), asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=env, stdout=pipe, stderr=pipe)
        out, err = await process.communicate()
        return process.returncode or 0, (out + err).decode()
    done = await asyncio.to_thread(functools.partial(run_python, *words, cwd=ROOT, env=env, kind=BotProcess))
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("command", [["run"], []], ids=["run", "no command"])
async def test_without_a_token_two_lines_say_how_to_get_one_and_what_needs_none(
    tmp_path: Path, command: list[str]
) -> None:
    code, out = await ran(tmp_path, *command)

    first, second = out.strip().splitlines()
    assert (78, True, True) == (code, "DISCORD_TOKEN is not set." in first, "python -m bot playground" in second)
    assert "https://discord.com/developers/applications" in first


@pytest.mark.parametrize("first", [True, False], ids=["before the command", "after it"])
async def test_a_mistake_in_the_settings_is_said_in_words(tmp_path: Path, first: bool) -> None:
    (tmp_path / "my.toml").write_text("[queue]\nper_usr = 3\n")
    named = ("--config", str(tmp_path / "my.toml"))

    code, out = await ran(tmp_path, *(named if first else ()), "run", *(() if first else named))

    assert (78, True) == (code, "per_user" in out)
    assert "Traceback" not in out


@pytest.mark.parametrize(
    ("program", "named"), [("/usr/bin/dreambot", "dreambot"), ("bot/__main__.py", "python -m bot")]
)
def test_the_usage_names_the_program_as_it_was_called(
    program: str, named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [program])

    with pytest.raises(SystemExit):
        bot.__main__.main(["--help"])

    assert capsys.readouterr().out.startswith(f"usage: {named} [-h]")


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGPIPE")
async def test_a_reader_that_leaves_early_gets_no_traceback(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "doctor"),
        cwd=ROOT,
        env=environ(tmp_path),
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writing)

    _, said = await process.communicate()

    assert (1, b"") == (process.returncode, said)


async def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    code, out = await ran(tmp_path, "paint")

    assert (2, True) == (code, "playground" in out)


async def test_the_settings_are_printed_without_reading_any(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("broken")  # as the shell leaves it: dreambot config > config.toml

    code, out = await ran(tmp_path, "config", DREAMBOT_CONFIG=str(tmp_path / "config.toml"))

    assert (0, (ROOT / "config.example.toml").read_text()) == (code, out)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
async def test_a_full_disk_is_said_when_the_settings_are_printed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot", "config"]
    with Path("/dev/full").open("wb") as full:
        done = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environ(tmp_path), stdout=full, stderr=asyncio.subprocess.PIPE
        )
        _, said = await done.communicate()

    assert (1, "The settings cannot be written: No space left on device.\n") == (done.returncode, said.decode())


async def test_the_settings_are_printed_in_utf_8_whatever_the_terminal_has(tmp_path: Path) -> None:
    code, out = await ran(tmp_path, "config", executed=True, PYTHONIOENCODING="ascii")

    assert (0, (ROOT / "config.example.toml").read_text(encoding="utf-8")) == (code, out)


def test_ctrl_c_ends_a_command_in_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(bot.__main__, "setup_logging", lambda *_: None)  # the levels of this process stay
    monkeypatch.setitem(bot.__main__._COMMANDS, "health", interrupted)

    assert (130, "Stopped.\n") == (bot.__main__.main(["health"]), capsys.readouterr().err)


async def test_health_is_the_exit_status(tmp_path: Path) -> None:
    async with LocalDiscord() as site, running(tmp_path, site, DREAMBOT_MONITOR="127.0.0.1:9471") as bot:
        await bot.until("ready as Dreambot")
        well = await ran(tmp_path, "health", DREAMBOT_MONITOR="0.0.0.0:9471")
        site.gateway.refuse_identify = 4011
        await site.gateway.close_with(4011)
        assert 1 == await bot.ended()

    assert (0, "ok\n") == well
    assert 1 == (await ran(tmp_path, "health", DREAMBOT_MONITOR="9471"))[0]
    code, out = await ran(tmp_path, "health")
    assert (1, True) == (code, "set [monitor] port" in out)
    code, out = await ran(tmp_path, "health", DREAMBOT_MONITOR="somewhere")
    assert (78, True) == (code, "is not PORT or HOST:PORT" in out)


class Running:
    """A bot in a process of its own, on a local Discord, with the fake engine for a child."""

    def __init__(self, process: asyncio.subprocess.Process | Forked) -> None:
        self.process = process
        self.log = ""

    async def until(self, pattern: str) -> None:
        """Read its log up to a line that matches."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            while not re.search(pattern, self.log):
                line = await self.process.stdout.readline()
                assert line, f"it ended:\n{self.log}"
                self.log += line.decode()

    async def ended(self) -> int:
        """Wait for its end; the exit code."""
        assert self.process.stdout is not None
        self.log += (await asyncio.wait_for(self.process.stdout.read(), 20)).decode()
        return await self.process.wait()


@asynccontextmanager
async def running(
    folder: Path, site: LocalDiscord, *, token: str = "", executed: bool = False, **more: str
) -> AsyncIterator[Running]:
    """The bot, forked from a warm process, or *executed*, which takes a second longer. *token*: not the right one."""
    fake = folder / "fake-python"
    fake.write_text(f"#!/bin/sh\nexec {sys.executable} -m tests.fake_engine\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    (folder / "config.toml").write_text(f'[engine]\npython = "{fake}"\n')
    Link(site.port, site.authority.pem, token or site.world.app.token).write(folder / "link.json")
    arguments = ("-m", "bot", "run", "--config", str(folder / "config.toml"))
    env = environ(folder, DREAMBOT_PLAYGROUND=str(folder / "link.json"), **more)
    process: asyncio.subprocess.Process | Forked
    if executed or sys.platform != "linux":
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=ROOT,
            env=env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    else:
        process = await forked(
            lambda output: start_python(*arguments, cwd=ROOT, env=env, out=output, err=output, kind=BotProcess)
        )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def children(pid: int) -> list[str]:
    """The ids of the processes that any thread of a process has started. Linux only."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [child for thread in threads for child in (thread / "children").read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_running_bot_is_small_without_torch_and_ends_at_a_signal(tmp_path: Path) -> None:
    async with LocalDiscord() as site, running(tmp_path, site, executed=True) as bot:
        await bot.until("ready as Dreambot")
        status = Path(f"/proc/{bot.process.pid}/status").read_text()
        hidden = os.geteuid() != 0  # the bot hides its memory from all but the superuser
        loaded = "" if hidden else Path(f"/proc/{bot.process.pid}/maps").read_text()

        os.kill(bot.process.pid, signal.SIGTERM)

        assert 0 == await bot.ended()
        assert int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) < 150 * 1024
        assert "torch" not in loaded
        assert site.world.app.token not in bot.log
        assert "Traceback" not in bot.log


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGTERM")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
async def test_a_picture_under_way_is_finished_before_the_bot_obeys_a_signal(tmp_path: Path, name: str) -> None:
    async with LocalDiscord() as site, running(tmp_path, site) as bot:
        await bot.until("registered the commands")
        await bot.until("ready as Dreambot")
        person = next(user.id for user in site.world.users.values() if user.username == "max")
        channel = site.world.channel_named("studio")
        outcome = await site.people.slash(person, channel.id, "dream", {"prompt": "an owl slowly"}).outcome
        assert "" == outcome.failed
        async with asyncio.timeout(30):
            while "▰" not in str(site.messages.seen_by(channel.id, person)[0].embeds):
                await asyncio.sleep(0.02)

        os.kill(bot.process.pid, signal.Signals[name])

        assert 0 == await bot.ended()
        [message] = site.messages.seen_by(channel.id, person)
        assert ["Info"] == [
            c["label"] for row in message.components for c in row["components"] if c.get("label") == "Info"
        ]


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGTERM")
async def test_hostile_pictures_do_not_hold_up_a_signal(tmp_path: Path) -> None:
    slow = [hostile.DECODED[name]() for name in ("scans within the limit", "the largest PNG", "the largest WebP")]
    async with LocalDiscord() as site, running(tmp_path, site) as bot:
        await bot.until("registered the commands")
        await bot.until("ready as Dreambot")
        channel = site.world.channel_named("studio")
        for number in range(24):
            user = User(site.ids.next(), f"person{number}")
            site.world.users[user.id] = user
            for guild in site.world.guilds.values():
                guild.members[user.id] = Member(user.id, site.world.now())
            files = {"image": AttachedFile("picture.png", slow[number % len(slow)])}
            site.people.slash(user.id, channel.id, "dream", {"prompt": "an owl"}, files)
        if sys.platform == "linux":
            async with asyncio.timeout(30):
                while len(children(bot.process.pid)) < 2:  # the engine, and a decoder
                    await asyncio.sleep(0.01)

        os.kill(bot.process.pid, signal.SIGTERM)

        assert 0 == await bot.ended()
        assert not re.search("Traceback|handlers did not finish|closed|disconnected", bot.log)


async def test_a_token_that_discord_does_not_accept_is_said_in_words(tmp_path: Path) -> None:
    async with LocalDiscord() as site:
        site.world.app.token = "another"
        async with running(tmp_path, site, token="wrong") as bot:
            assert 78 == await bot.ended()
            assert "Discord does not accept this token." in bot.log


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_children_of_the_bot_do_not_inherit_the_token(tmp_path: Path) -> None:
    secret = "secret-of-the-environment"
    async with LocalDiscord() as site, running(tmp_path, site, executed=True, DISCORD_TOKEN=secret) as bot:
        await bot.until("ready as Dreambot")
        environments = [Path(f"/proc/{child}/environ").read_bytes() for child in children(bot.process.pid)]

    assert environments
    assert not any(secret.encode() in environment for environment in environments)


@pytest.mark.skipif(sys.platform == "win32", reason="has no list of users")
@pytest.mark.parametrize(
    ("program", "arguments", "words"), [("bot", ["health"], "set [monitor] port"), ("engine", ["profiles"], "disco")]
)
def test_a_user_without_a_home_folder_gets_words(
    tmp_path: Path, program: str, arguments: list[str], words: str
) -> None:
    """As in a container that runs as a number without an entry in /etc/passwd."""
    code = (
        "import pwd, sys\npwd.getpwuid = {}.__getitem__\n"
        f"sys.argv = {[program, *arguments]}\nfrom {program}.__main__ import main\nsys.exit(main())"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HOME", "XDG_", "DREAMBOT_"))}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    assert words in done.stdout
    assert "Traceback" not in done.stderr
