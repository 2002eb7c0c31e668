"""The decoder's child: what it makes of every format, what it refuses, and what it cannot do."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from pathlib import Path

import PIL
import pytest
from PIL import Image, ImageChops, ImageCms

import engine
from engine.errors import UnreadablePicture
from engine.images import decoder, foreign
from engine.images.decoder import CleanPicture, DecoderProcess, png_size
from engine.images.foreign import clean
from engine.images.opening import open_own
from tests.engine.images import hostile
from tests.engine.images.hostile import saved

PATHS = (str(Path(engine.__file__).parent.parent), str(Path(PIL.__file__).parent.parent))
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "MPO")


def two_halves(mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", (60, 40), (10, 20, 200))
    image.paste((200, 30, 20), (0, 0, 30, 40))
    return image.convert(mode)


def opened(picture: CleanPicture | bytes) -> Image.Image:
    return Image.open(io.BytesIO(picture if isinstance(picture, bytes) else picture.png))


def test_a_photograph_becomes_a_small_clean_png() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "where I live"
    data = saved(two_halves().resize((2400, 1600)), "JPEG", exif=exif, comment=b"secret", quality=95)

    picture = DecoderProcess().decode(data, pixels=600 * 400)

    assert ((1600, 2400), (400, 600), "") == (picture.size, png_size(picture.png), picture.note)
    assert ("PNG", "RGB", {}) == (opened(picture).format, opened(picture).mode, opened(picture).info)
    top = opened(picture).getpixel((200, 20))
    assert isinstance(top, tuple) and all(abs(a - b) < 6 for a, b in zip(top, (200, 30, 20), strict=True))
    assert picture.sha256 == DecoderProcess().decode(data, pixels=600 * 400).sha256


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("mode", ["P", "RGB", "RGBA", "CMYK"])
def test_every_format_is_decoded_without_an_import_after_the_limits_are_set(name: str, mode: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    try:
        data = saved(two_halves(mode), name, **({} if name in ("GIF", "BMP") else {"exif": exif}))
    except (OSError, KeyError, ValueError):
        pytest.skip(f"{name} holds no {mode}")
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from engine.images import foreign, opening\n"
        "data = sys.stdin.buffer.read(); foreign.prepare(opening.sniff(data)); before = set(sys.modules)\n"
        "print(foreign.clean(data, 500)[0]['height'], sorted(set(sys.modules) - before))"
    )

    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, *PATHS], input=data, capture_output=True, check=True)

    assert f"{40 if name in ('GIF', 'BMP') else 60} []" == done.stdout.decode().strip()


@pytest.mark.parametrize("name", ["PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_the_child_decodes_it_within_its_limits(name: str) -> None:
    picture = DecoderProcess().decode(saved(two_halves().resize((1200, 800)), name))

    assert ((1200, 800), (1200, 800)) == (picture.size, png_size(picture.png))


def test_heic_is_decoded_where_its_package_is_installed() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()

    picture = DecoderProcess().decode(saved(two_halves(), "HEIF", quality=95))

    left = opened(picture).getpixel((5, 20))
    assert isinstance(left, tuple) and left[0] > 150 > 80 > left[2]


@pytest.mark.parametrize("name", hostile.REFUSED)
def test_what_would_cost_much_is_refused_at_once(name: str) -> None:
    with pytest.raises(UnreadablePicture) as refused:
        DecoderProcess().decode(hostile.REFUSED[name]())

    assert str(refused.value) != decoder.SLOW


@pytest.mark.parametrize("name", hostile.DECODED)
def test_what_is_within_the_limits_is_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "SECONDS", 100)  # the limit of CPU time holds, however busy the machine is
    picture = DecoderProcess().decode(hostile.DECODED[name]())

    assert png_size(picture.png)[0] * png_size(picture.png)[1] <= 1.01 * decoder.USUAL_PIXELS


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\nno", saved(two_halves(), "PNG")[:80], b"%PDF-1.7"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadablePicture, match=r"broken|not a picture that can be opened"):
        DecoderProcess().decode(data)


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


def test_a_mask_keeps_its_alpha_and_a_picture_lies_on_white() -> None:
    data = saved(Image.new("RGBA", (8, 8), (255, 0, 0, 0)), "PNG")

    assert "RGBA" == opened(DecoderProcess().decode(data, alpha=True)).mode
    assert (255, 255, 255) == opened(DecoderProcess().decode(data)).getpixel((0, 0))


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animated_file_is_said_to_be_one(name: str) -> None:
    data = saved(two_halves(), name, save_all=True, append_images=[two_halves().rotate(90)], duration=50)

    assert "The file is animated; its first frame is used." == DecoderProcess().decode(data).note


def test_a_profile_is_converted_to_srgb_and_left_out() -> None:
    lab = Image.new("LAB", (4, 4), (128, 128, 128))
    p3 = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    plain = DecoderProcess().decode(saved(Image.new("RGB", (4, 4), (90, 120, 30)), "PNG", icc_profile=p3))

    assert (90, 120, 30) == opened(plain).getpixel((0, 0)), "a profile of another colour space does not count"
    assert "RGB" == opened(DecoderProcess().decode(saved(lab, "TIFF"))).mode


def test_a_child_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "_START", "import time; time.sleep(600)")
    monkeypatch.setattr(decoder, "SECONDS", 0.3)

    with pytest.raises(UnreadablePicture, match="takes too long"):
        DecoderProcess().decode(saved(two_halves(), "PNG"))


def test_closing_ends_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "_START", "import sys, time; sys.stdin.buffer.read(); time.sleep(600)")
    one, refused = DecoderProcess(), list[str]()

    def decode() -> None:
        with pytest.raises(UnreadablePicture) as error:
            one.decode(saved(two_halves(), "PNG"))
        refused.append(str(error.value))

    thread = threading.Thread(target=decode)
    thread.start()
    one.close()
    thread.join(30)

    assert 1 == len(refused)


def child_says(code: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What *code* prints in the child, once the limits are set."""
    monkeypatch.setattr(
        decoder,
        "_START",
        "import sys, os, json, socket; sys.path[:0] = sys.argv[1:3]\n"
        "from engine.images import foreign\nforeign.prepare('PNG'); foreign._limit('PNG')\n"
        f"try:\n    said = {code}\nexcept (OSError, MemoryError) as error:\n    said = type(error).__name__\n"
        "print(json.dumps({'error': str(said)}))",
    )
    with pytest.raises(UnreadablePicture) as said:
        DecoderProcess().decode(b"")
    return str(said.value)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
@pytest.mark.parametrize(
    "code", ["open('/etc/passwd').read()", "socket.socket()", "os.pipe()", "len(bytearray(300 * 2**20))"]
)
def test_the_child_has_no_files_no_network_and_little_memory(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert child_says(code, monkeypatch) in ("OSError", "PermissionError", "MemoryError", "BlockingIOError")


def test_the_child_has_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "not for the child")

    assert child_says("sorted(set(os.environ) - {'LC_CTYPE', 'SYSTEMROOT'})", monkeypatch) == "[]"


def test_what_a_child_answers_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in ("nothing", '{"width": 1, "height": 1}\\nGIF89a', "[]", "{}"):
        monkeypatch.setattr(decoder, "_START", f"print('{answer}')")
        with pytest.raises(UnreadablePicture, match="broken"):
            DecoderProcess().decode(b"")
