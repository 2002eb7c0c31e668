"""Files that are named on the command line: read whole, or refused at once."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.cli._dream.order import unused
from engine.cli.console import echo_json, speaking, write_file
from engine.errors import InvalidRequest, PromptError
from engine.images import opening
from engine.images.opening import read_file
from tests.engine.shell import Shell

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has neither named pipes nor these devices")


def test_a_pipe_without_a_writer_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")

    with pytest.raises(InvalidRequest, match=r"pipe\.png cannot be read: it is a device or a pipe"):
        read_file(tmp_path / "pipe.png")


def test_a_device_without_an_end_is_not_read() -> None:
    with pytest.raises(InvalidRequest, match="/dev/zero cannot be read: it is a device or a pipe"):
        read_file(Path("/dev/zero"))


def test_a_file_over_the_limit_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "OWN_BYTES", 1000)
    (tmp_path / "a.png").write_bytes(bytes(1001))

    with pytest.raises(InvalidRequest, match=r"has more than 1 kB"):
        read_file(tmp_path / "a.png")


def test_what_a_command_pipes_is_read_to_its_end() -> None:
    writer = subprocess.Popen([sys.executable, "-c", "print('x' * 300_000, end='')"], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    with writer, writer.stdout:
        assert 300_000 == len(read_file(Path(f"/dev/fd/{writer.stdout.fileno()}")))


def test_of_two_commands_at_once_each_has_a_name(tmp_path: Path) -> None:
    """Both look for a name before either has written anything."""
    with speaking():
        places = [unused(tmp_path / "dream-7.png") for _ in range(3)]
        write_file(places[1], b"picture")

    assert ["dream-7.png", "dream-7.2.png", "dream-7.3.png"] == [place.name for place in places]
    assert ["dream-7.2.png"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (OSError(errno.ENOSPC, "full", "a.png"), 1, "error: a.png cannot be written: the disk is full."),
        (OSError(errno.ENOSPC, "full"), 1, "error: The output cannot be written: the disk is full."),
        (KeyboardInterrupt(), 130, "Stopped."),
        (PromptError("This weight has no words.", "owl | :2", 6), 2, "owl | :2"),
    ],
)
def test_a_command_ends_with_a_sentence_and_a_status(
    error: BaseException, status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, speaking():
        raise error

    assert status == ended.value.code
    assert words in capsys.readouterr().err


def test_an_error_that_nobody_expected_keeps_its_traceback() -> None:
    with pytest.raises(PermissionError), speaking():
        raise PermissionError(errno.EPERM, "no")


def test_outside_the_main_thread_no_signal_is_touched() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def run() -> None:
        with speaking():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert [before] == seen


def test_a_name_that_is_no_text_is_printed_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    echo_json({"é": "\udcff"})

    assert {"é": "\udcff"} == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_command_that_is_ended_leaves_no_empty_file(tmp_path: Path, name: str) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom engine.cli.console import speaking\n"
        "from engine.cli._dream.order import unused\n"
        "with speaking():\n    unused(Path(sys.argv[1]))\n    print('there', flush=True)\n    time.sleep(60)"
    )
    place = tmp_path / "dream-7.png"
    with subprocess.Popen([sys.executable, "-c", code, str(place)], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert place.exists()
        process.send_signal(signal.Signals[name])

    assert (128 + signal.Signals[name], False) == (process.returncode, place.exists())


def test_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")

    with pytest.raises(InvalidRequest, match="it is a device or a pipe"):
        write_file(tmp_path / "pipe.png", b"picture")

    assert ["pipe.png"] == [path.name for path in tmp_path.iterdir()]
    assert (tmp_path / "pipe.png").is_fifo()


@pytest.mark.parametrize("scale", ["nan", "inf", "-inf"])
def test_a_scale_that_is_no_number_is_refused(shell: Shell, tmp_path: Path, scale: str) -> None:
    (tmp_path / "a.png").write_bytes(b"")

    said = shell("upscale", str(tmp_path / "a.png"), "--scale", scale)

    assert (2, 1) == (said.status, len(said.err.splitlines())), said.err
