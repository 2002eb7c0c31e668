"""The decoder's child: what it makes of every format, what it refuses, and what it cannot do."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import PIL
import psutil
import pytest
from PIL import Image, ImageChops, ImageCms, PngImagePlugin

import engine
from engine.errors import UnreadablePicture
from engine.images import decoder, foreign
from engine.images.decoder import CleanPicture, DecoderBusy, DecoderProcess, DecoderServer
from engine.images.decoder_server import Order
from engine.images.foreign import clean
from engine.images.opening import open_own
from tests.engine.images import hostile
from tests.engine.images.hostile import saved

PATHS = (str(Path(engine.__file__).parent.parent), str(Path(PIL.__file__).parent.parent))
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "MPO")
MODES = ("P", "RGB", "RGBA", "CMYK")


def two_halves(mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", (60, 40), (10, 20, 200))
    image.paste((200, 30, 20), (0, 0, 30, 40))
    return image.convert(mode)


@pytest.fixture(scope="module", params=["forked", "spawned"])
def server(request: pytest.FixtureRequest) -> Iterator[DecoderServer]:
    """Both ways to start a child; without fork as on Windows."""
    if request.param == "forked" and not hasattr(os, "fork"):
        pytest.skip("Windows does not fork")
    server = DecoderServer(forks=request.param == "forked")
    yield server
    server.close()


@pytest.fixture(scope="module")
def warm() -> Iterator[DecoderServer]:
    """What this system uses."""
    server = DecoderServer()
    yield server
    server.close()


def opened(picture: CleanPicture | bytes) -> Image.Image:
    return Image.open(io.BytesIO(picture if isinstance(picture, bytes) else picture.png))


def test_a_photograph_becomes_a_small_clean_png(server: DecoderServer) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "where I live"
    data = saved(two_halves().resize((2400, 1600)), "JPEG", exif=exif, comment=b"secret", quality=95)

    picture = DecoderProcess(server).decode(data, pixels=600 * 400)

    assert ((1600, 2400), (400, 600), "") == (picture.size, opened(picture).size, picture.note)
    assert ("PNG", "RGB", {}) == (opened(picture).format, opened(picture).mode, opened(picture).info)
    top = opened(picture).getpixel((200, 20))
    assert isinstance(top, tuple) and all(abs(a - b) < 6 for a, b in zip(top, (200, 30, 20), strict=True))
    assert picture.sha256 == DecoderProcess(server).decode(data, pixels=600 * 400).sha256


DECODE = """
import os, sys
sys.path[:0] = sys.argv[1:3]
from engine.images import foreign, opening
while size := int(sys.stdin.buffer.readline() or 0):
    data = sys.stdin.buffer.read(size)
    if hasattr(os, "fork") and os.fork():
        os.wait()
        continue
    foreign.prepare(opening.sniff(data))
    before = set(sys.modules)
    print(foreign.clean(data, 500)[0]["height"], sorted(set(sys.modules) - before), flush=True)
    os._exit(0)
"""
"""Decodes each picture in a child of its own; where there is no fork, only the first one."""


@pytest.fixture(scope="module")
def decoded() -> dict[tuple[str, str], str]:
    """Format and mode → height, and modules that were imported while it was decoded."""
    cases = {}
    for name, mode in itertools.product(FORMATS, MODES):
        exif = Image.Exif()
        exif[0x0112] = 8
        with contextlib.suppress(OSError, KeyError, ValueError):  # a format that holds no such mode
            cases[name, mode] = saved(two_halves(mode), name, **({} if name in ("GIF", "BMP") else {"exif": exif}))
    inputs = [b"%d\n%b" % (len(data), data) for data in cases.values()]
    lines: list[str] = []
    for given in [b"".join(inputs)] if hasattr(os, "fork") else inputs:
        command = [sys.executable, "-I", "-S", "-c", DECODE, *PATHS]
        lines += subprocess.run(command, input=given, capture_output=True, check=True).stdout.decode().splitlines()
    return dict(zip(cases, lines, strict=True))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("mode", MODES)
def test_every_format_is_decoded_without_an_import_after_the_limits_are_set(
    name: str, mode: str, decoded: dict[tuple[str, str], str]
) -> None:
    if (name, mode) not in decoded:
        pytest.skip(f"{name} holds no {mode}")

    assert f"{40 if name in ('GIF', 'BMP') else 60} []" == decoded[name, mode]


def test_the_child_decodes_a_picture_with_a_workflow_of_megabytes(server: DecoderServer) -> None:
    note = PngImagePlugin.PngInfo()
    note.add_itxt("workflow", "x" * 3 * 2**20, zip=True)

    picture = DecoderProcess(server, share=3).decode(saved(two_halves(), "PNG", pnginfo=note))

    assert ((60, 40), {}) == (picture.size, opened(picture).info)


@pytest.mark.parametrize("name", ["PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_the_child_decodes_it_within_its_limits(name: str, server: DecoderServer) -> None:
    picture = DecoderProcess(server).decode(saved(two_halves().resize((1200, 800)), name))

    assert ((1200, 800), (1200, 800)) == (picture.size, opened(picture).size)


def test_heic_is_decoded_where_its_package_is_installed(server: DecoderServer) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()

    picture = DecoderProcess(server).decode(saved(two_halves(), "HEIF", quality=95))

    left = opened(picture).getpixel((5, 20))
    assert isinstance(left, tuple) and left[0] > 150 > 80 > left[2]


@pytest.mark.parametrize("name", hostile.REFUSED)
def test_what_would_cost_much_is_refused_at_once(name: str, warm: DecoderServer) -> None:
    data = hostile.REFUSED[name]()
    with pytest.raises(UnreadablePicture) as refused:
        DecoderProcess(warm).decode(data)
    with pytest.raises(UnreadablePicture) as told:
        clean(data, decoder.USUAL_PIXELS)

    assert str(told.value) == str(refused.value) != decoder.SLOW  # and not because a limit ended the child


@pytest.mark.parametrize("name", hostile.DECODED)
def test_what_is_within_the_limits_is_decoded(name: str, warm: DecoderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "SECONDS", 100)  # the limit of CPU time holds, however busy the machine is
    picture = DecoderProcess(warm).decode(hostile.DECODED[name]())

    width, height = opened(picture).size
    assert width * height <= 1.01 * decoder.USUAL_PIXELS


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\nno", saved(two_halves(), "PNG")[:80], b"%PDF-1.7"])
def test_what_is_no_picture_is_refused(data: bytes, server: DecoderServer) -> None:
    with pytest.raises(UnreadablePicture, match=r"broken|not a picture that can be opened"):
        DecoderProcess(server).decode(data)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "L", "1", "CMYK", "I;16"])
def test_strips_give_the_same_as_the_whole(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.radial_gradient("L").resize((700, 600)).convert(mode if mode != "I;16" else "L")
    if mode == "I;16":
        image = image.convert("I").point(lambda level: level * 257).convert("I;16")
    monkeypatch.setattr(foreign, "_STRIP_BYTES", 40_000)
    name = "TIFF" if mode == "CMYK" else "PNG"

    small = opened(clean(saved(image, name), 100 * 86)[1]).convert("RGB")

    whole = open_own(saved(image, name)).resize(small.size, Image.Resampling.BOX)
    worst = max(high for _, high in ImageChops.difference(small, whole).getextrema())
    assert worst < (40 if mode in ("1", "P") else 8)


def test_a_mask_keeps_its_alpha_and_a_picture_lies_on_white(warm: DecoderServer) -> None:
    data = saved(Image.new("RGBA", (8, 8), (255, 0, 0, 0)), "PNG")

    assert "RGBA" == opened(DecoderProcess(warm).decode(data, alpha=True)).mode
    assert (255, 255, 255) == opened(DecoderProcess(warm).decode(data)).getpixel((0, 0))


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animated_file_is_said_to_be_one(name: str, warm: DecoderServer) -> None:
    data = saved(two_halves(), name, save_all=True, append_images=[two_halves().rotate(90)], duration=50)

    assert "The file is animated; its first frame is used." == DecoderProcess(warm).decode(data).note


def test_a_profile_is_converted_to_srgb_and_left_out(warm: DecoderServer) -> None:
    lab = Image.new("LAB", (4, 4), (128, 128, 128))
    p3 = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    plain = DecoderProcess(warm).decode(saved(Image.new("RGB", (4, 4), (90, 120, 30)), "PNG", icc_profile=p3))

    assert (90, 120, 30) == opened(plain).getpixel((0, 0)), "a profile of another colour space does not count"
    assert "RGB" == opened(DecoderProcess(warm).decode(saved(lab, "TIFF"))).mode


class Faulty:
    """A server whose children run other code than the decoder's, after the *code* itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, forks: bool) -> None:
        self._monkeypatch, self._forks = monkeypatch, forks
        self._servers = list[DecoderServer]()

    def running(self, code: str) -> DecoderServer:
        """*code* is the body of `foreign.answer`, and may use sys, os, json, time, socket and foreign."""
        body = "\n    ".join(code.splitlines())
        code = (
            "\nimport os, json, time, socket\nfrom engine.images import decoder_server, foreign\n"
            f"def answer(share, pixels, *, alpha):\n    {body}\n    sys.stdout.flush()\nforeign.answer = answer\n"
        )
        self._monkeypatch.setattr(decoder, "_SERVE", f"{code}decoder_server.serve()")
        self._monkeypatch.setattr(decoder, "_MAIN", f"{code}foreign.main()")
        self._servers.append(DecoderServer(forks=self._forks))
        return self._servers[-1]

    def close(self) -> None:
        for server in self._servers:
            server.close()


@pytest.fixture(params=["forked", "spawned"])
def faulty(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    if request.param == "forked" and not hasattr(os, "fork"):
        pytest.skip("Windows does not fork")
    faulty = Faulty(monkeypatch, forks=request.param == "forked")
    yield faulty
    faulty.close()


def test_a_child_that_takes_too_long_is_ended(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "SECONDS", 0.3)

    with pytest.raises(UnreadablePicture, match=r"takes too long|too busy"):
        DecoderProcess(faulty.running("time.sleep(600)")).decode(saved(two_halves(), "PNG"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows measures no CPU time of children")
def test_a_machine_that_gives_no_time_is_busy_and_a_picture_that_takes_much_is_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    computing = "foreign.CPU_SECONDS = 1\nforeign._limit('PNG')\nwhile True: pass"
    faulty = Faulty(monkeypatch, forks=True)
    slow = DecoderProcess(faulty.running(computing))
    monkeypatch.setattr(decoder, "SECONDS", 100)  # the limit of CPU time holds, however busy the machine is
    with pytest.raises(UnreadablePicture, match="takes too long"):
        slow.decode(b"")

    monkeypatch.setattr(decoder, "SECONDS", 0.3)
    idle = DecoderProcess(faulty.running("time.sleep(600)"))
    with pytest.raises(DecoderBusy, match="too busy"):
        idle.decode(b"")
    faulty.close()

    assert 0 < idle.cpu_seconds < slow.cpu_seconds


def test_closing_ends_the_child(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "SECONDS", 600)
    one, refused = DecoderProcess(faulty.running("sys.stdin.buffer.read(); time.sleep(600)")), list[str]()

    def decode() -> None:
        with pytest.raises(UnreadablePicture) as error:
            one.decode(saved(two_halves(), "PNG"))
        refused.append(str(error.value))

    thread = threading.Thread(target=decode)
    thread.start()
    one.close()
    thread.join(30)

    assert 1 == len(refused)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="on Windows the deadline ends such a child")
def test_a_child_that_reads_nothing_or_answers_too_much_does_not_hold_its_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faulty = Faulty(monkeypatch, forks=True)
    monkeypatch.setattr(decoder, "SECONDS", 600)
    large = bytes(10**7)
    monkeypatch.setattr(decoder, "MAX_PNG", 10**6)
    reading = "sys.stdin.buffer.read()\n"
    for code in (
        "pass",
        f"{reading}sys.stdout.write('{{}}' * 10**7)",
        f"{reading}while True: sys.stdout.write('{{}}')",
    ):
        with pytest.raises(UnreadablePicture, match="broken"):
            DecoderProcess(faulty.running(code)).decode(large)
    faulty.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
def test_a_server_that_was_killed_is_replaced_and_its_children_end_with_it() -> None:
    server = DecoderServer()
    data = saved(two_halves(), "PNG")
    DecoderProcess(server).decode(data)
    first = server._process
    assert first is not None
    first.kill()
    first.wait()

    assert (60, 40) == DecoderProcess(server).decode(data).size
    server.close()
    assert first.returncode is not None and server._process is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
def test_a_server_that_stands_still_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    server = DecoderServer()
    data = saved(two_halves(), "PNG")
    DecoderProcess(server).decode(data)
    assert server._process is not None
    server._process.send_signal(signal.SIGSTOP)
    with monkeypatch.context() as hasty:
        hasty.setattr(decoder, "SECONDS", 0.1)
        hasty.setattr(decoder, "PATIENCE", 0.1)
        with pytest.raises(DecoderBusy, match="too busy"):
            DecoderProcess(server).decode(data)
    server._process.wait()

    assert (60, 40) == DecoderProcess(server).decode(data).size
    server._process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(decoder, "PATIENCE", 0.1)
    server.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
def test_the_child_ends_with_its_client_and_the_server_with_the_bot(tmp_path: Path) -> None:
    code = (
        "import os, sys, threading, time\nfrom engine.images import decoder\n"
        "decoder._SERVE = 'from engine.images import decoder_server, foreign; import os, time; '"
        " 'foreign.answer = lambda *_, **__: (os.write(1, str(os.getpid()).encode()), time.sleep(600)); '"
        " 'decoder_server.serve()'\n"
        "server = decoder.DecoderServer()\n"
        "child = server.begin(decoder.Order(1, 9, False, 0, 600.0, 600.0))\n"
        "print(server._process.pid, child._stream.recv(99).decode(), flush=True)\nos.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=PATHS[0], check=False)
    pids = [int(word) for word in done.stdout.split()]

    assert 2 == len(pids), done.stderr
    psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=30)
    assert not [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]


LIMITED = "foreign.prepare('PNG')\nforeign._limit('PNG')\n"


def child_says(code: str, faulty: Faulty) -> str:
    """What *code* evaluates to in the child, once the limits are set."""
    whole = (
        f"{LIMITED}try:\n    said = {code}\nexcept (OSError, MemoryError) as error:\n    said = type(error).__name__\n"
        "print(json.dumps({'error': str(said)}))"
    )
    with pytest.raises(UnreadablePicture) as said:
        DecoderProcess(faulty.running(whole)).decode(b"")
    return str(said.value)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
@pytest.mark.parametrize(
    "code", ["open('/etc/passwd').read()", "socket.socket()", "os.pipe()", "len(bytearray(300 * 2**20))"]
)
def test_the_child_has_no_files_no_network_and_little_memory(code: str, faulty: Faulty) -> None:
    assert child_says(code, faulty) in ("OSError", "PermissionError", "MemoryError", "BlockingIOError")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists descriptors in /proc")
def test_the_child_has_no_descriptor_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    faulty = Faulty(monkeypatch, forks=True)
    server = faulty.running("print(json.dumps({'error': ' '.join(os.listdir('/proc/self/fd'))}))")
    other = server.begin(Order(1, 1, False, 0, 100, 100))  # one that still waits for its picture
    with pytest.raises(UnreadablePicture) as said:
        DecoderProcess(server).decode(b"")
    other.kill()
    faulty.close()

    assert {"0", "1", "2", "3"} == set(str(said.value).split()), "3 is the listing itself"


def test_the_child_has_nothing_of_the_environment(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "not for the child")

    assert child_says("sorted(set(os.environ) - {'LC_CTYPE', 'SYSTEMROOT'})", faulty) == "[]"


@pytest.mark.parametrize(
    "answer",
    ["nothing", '{"width": 1, "height": 1}\nGIF89a', "[]", "{}", '{"width": 1, "height": 1, "animated": 0}\n\x89PNG'],
)
def test_what_a_child_answers_is_not_trusted(answer: str, faulty: Faulty) -> None:
    with pytest.raises(UnreadablePicture, match="broken"):
        DecoderProcess(faulty.running(f"sys.stdout.write({answer!r})")).decode(b"")
