"""Foreign bytes become a clean RGB picture or a sentence; pictures go out in the size that is allowed."""

from __future__ import annotations

import importlib.util
import io
import random
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, PngImagePlugin

from engine.errors import UnreadablePicture
from engine.images.foreign import clean
from engine.images.opening import (
    decoding,
    open_own,
    open_reduced,
    register_heif,
    stored_size,
    to_rgb,
    upright_size,
)
from engine.images.pictures import (
    contact_sheet,
    fit,
    fit_to_bytes,
    grid,
    in_format,
    pixels_sha256,
    read_text,
    snapshot,
    to_png,
    within,
)
from tests.engine.images.hostile import chunk, saved, text_bomb


def gradient(width: int = 40, height: int = 30) -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], -1).astype(np.uint8))


def grain(side: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_every_format_that_discord_shows_is_opened(name: str) -> None:
    image = open_own(saved(gradient(), name))

    assert ("RGB", (40, 30)) == (image.mode, image.size)


@pytest.mark.parametrize("name", ["PPM", "ICO"])
def test_other_formats_are_refused_whatever_pillow_can(name: str) -> None:
    with pytest.raises(UnreadablePicture, match="PNG, JPEG, WebP, GIF, TIFF, BMP, AVIF and HEIC can"):
        open_own(saved(gradient(32, 32), name))


def test_a_photograph_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6

    image = open_own(saved(gradient(40, 30), "JPEG", exif=exif))

    assert (30, 40) == image.size


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_the_size_is_known_before_a_picture_is_turned_upright(name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(gradient(40, 30), name, exif=exif)

    assert (open_own(data).size, False) == upright_size(data)


@pytest.mark.parametrize("highest", [1.0, 255.0, 65535.0])
@pytest.mark.parametrize("side", [40, 400])
def test_floating_point_grey_keeps_its_shades(highest: float, side: int) -> None:
    ramp = np.tile(np.linspace(0, highest, side, dtype=np.float32), (side, 1))
    data = saved(Image.fromarray(ramp), "TIFF")

    for image in (open_own(data), open_own(clean(data, 40 * 40)[1])):
        shades = np.asarray(image.resize((40, 40), Image.Resampling.BOX), dtype=int)[20, :, 0]
        assert np.abs(shades - np.linspace(0, 255, 40)).max() < 8


@pytest.mark.parametrize("zipped", [True, False])
def test_a_picture_may_bring_a_workflow_of_megabytes(zipped: bool) -> None:
    note = PngImagePlugin.PngInfo()
    note.add_itxt("workflow", "x" * 3 * 2**20, zip=zipped)
    data = saved(gradient(), "PNG", pnginfo=note)

    assert pixels_sha256(gradient()) == pixels_sha256(open_own(data)) == pixels_sha256(open_own(clean(data, 10**6)[1]))
    assert len(read_text(data)["workflow"]) == 3 * 2**20


def test_a_picture_may_bring_a_profile_of_megabytes() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + bytes(2 * 2**20)

    assert pixels_sha256(gradient()) == pixels_sha256(open_own(saved(gradient(), "PNG", icc_profile=profile)))


def test_only_the_limit_that_is_exceeded_is_named() -> None:
    with pytest.raises(UnreadablePicture, match="1×20000; the limit is 16384 pixels a side"):
        clean(saved(Image.new("RGB", (1, 20_000)), "PNG"), 10**6)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP"])
def test_what_is_only_looked_at_is_opened_no_larger_than_it_need_be_and_upright(name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(gradient(400, 300), name, exif=exif)

    small = open_reduced(data, 60)

    assert ("RGB", (60, 80), (400, 300)) == (small.mode, small.size, stored_size(data))
    difference = np.asarray(small, dtype=int) - np.asarray(open_own(data).resize((60, 80)), dtype=int)
    assert np.abs(difference).max() < 8


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_what_is_small_already_is_opened_as_ever(mode: str) -> None:
    image = gradient().convert("L" if mode == "I;16" else mode)
    data = saved(Image.fromarray(np.asarray(image, dtype=np.uint16) * 257) if mode == "I;16" else image, "PNG")

    assert pixels_sha256(open_own(data)) == pixels_sha256(open_reduced(data, 60))


def test_ones_own_pictures_may_be_as_large_as_what_is_made_here() -> None:
    data = saved(Image.new("L", (13_000, 13_000)), "PNG", compress_level=1)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (64, 64) == open_reduced(data, 64).size
        assert {} == read_text(data)


def test_ones_own_pictures_are_not_endless_either() -> None:
    for function in (open_own, stored_size, lambda data: open_reduced(data, 64)):
        with pytest.raises(UnreadablePicture, match="178 megapixels"):
            function(bomb(13_400, 13_400))


def test_transparency_lies_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))

    assert (255, 255, 255) == open_own(saved(clear, "PNG")).getpixel((0, 0))


def test_a_transparent_palette_lies_on_white() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 0, 0, 255])

    assert (0, 0, 255) == open_own(saved(palette, "PNG")).getpixel((0, 0))
    assert (255, 255, 255) == open_own(saved(palette, "PNG", transparency=1)).getpixel((0, 0))


def test_sixteen_bits_of_grey_are_scaled_not_clipped() -> None:
    levels = np.array([[0, 32768, 65535]], dtype=np.uint16)

    image = open_own(saved(Image.fromarray(levels), "PNG"))

    assert [(0, 0, 0), (128, 128, 128), (255, 255, 255)] == [image.getpixel((x, 0)) for x in range(3)]


def test_of_a_moving_picture_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for name in ("GIF", "WEBP", "PNG"):
        data = saved(frames[0], name, save_all=True, append_images=frames[1:], duration=100)
        red, green, blue = open_own(data).getpixel((4, 4))
        assert red > 240 and green < 15 and blue < 15, name


def test_cmyk_and_grey_become_rgb() -> None:
    for mode in ("CMYK", "L", "1"):
        name = "JPEG" if mode == "CMYK" else "PNG"
        assert "RGB" == open_own(saved(gradient().convert(mode), name)).mode


def test_too_many_bytes_are_said_with_the_limit() -> None:
    with pytest.raises(UnreadablePicture, match=r"the limit is 1 kB"), decoding(saved(grain(40), "PNG"), 1024, 10**6):
        pass


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))

    with pytest.raises(UnreadablePicture, match="40×30"), decoding(saved(gradient(), "PNG"), 10**6, 1000):
        pass


def bomb(width: int, height: int) -> bytes:
    header = struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [13_400, 30_000, 2**31 - 1])
def test_decompression_bombs_are_refused(side: int) -> None:
    with pytest.raises(UnreadablePicture):
        open_own(bomb(side, side))


def test_a_text_bomb_is_refused() -> None:
    with pytest.raises(UnreadablePicture):
        open_own(text_bomb(50))


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_picture_that_ends_too_early_is_refused(name: str) -> None:
    data = saved(grain(64), name)

    with pytest.raises(UnreadablePicture):
        open_own(data[: len(data) // 2])


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "GIF"])
def test_damaged_bytes_are_a_picture_or_a_sentence_and_nothing_else(name: str) -> None:
    data, dice = saved(gradient(), name), random.Random(name)
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(dice.randint(1, 8)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            with decoding(bytes(damaged), 10**6, 4_000_000) as image:
                image.load()
                assert "RGB" == to_rgb(image, alpha=False).mode
        except UnreadablePicture:
            continue


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"<svg/>", b"\xff\xd8\xff"])
def test_what_only_begins_like_a_picture_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadablePicture):
        open_own(data)


def test_fit_covers_the_size_and_cuts_evenly() -> None:
    wide = Image.new("RGB", (90, 30), "red")
    wide.paste("blue", (30, 0, 60, 30))

    assert (0, 0, 255) == fit(wide, 10, 10).getpixel((5, 5))
    assert (20, 10) == fit(wide, 20, 10).size


def test_text_in_a_png_is_read_back_whatever_the_language() -> None:
    text = {"dreambot": "{}" * 2000, "parameters": "a füchs 狐\nSeed: 1"}

    assert text == read_text(to_png(gradient(), text))


def test_what_is_no_png_has_no_text() -> None:
    with pytest.raises(UnreadablePicture):
        read_text(saved(gradient(), "JPEG"))


def test_a_png_keeps_every_pixel() -> None:
    image = grain(50)

    assert pixels_sha256(image) == pixels_sha256(open_own(to_png(image)))


def test_a_grid_is_as_square_as_it_gets() -> None:
    tiles = [Image.new("RGB", (64, 64), colour) for colour in ("red", "green", "blue", "white")]

    sheet = grid(tiles)

    assert (130, 130) == sheet.size
    assert [(255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)] == [
        sheet.getpixel(corner) for corner in ((0, 0), (129, 0), (0, 129), (129, 129))
    ]
    assert (64, 64) == grid(tiles[:1]).size
    assert (130, 130) == grid(tiles[:3]).size


def test_a_contact_sheet_has_room_for_captions() -> None:
    tiles = [Image.new("RGB", (128, 128), "red")] * 3

    sheet = contact_sheet(tiles, ["one", "a caption that is much too long for its picture", "ünïcode"])

    footer = sheet.crop((0, 128, 128, 150))
    assert sheet.width > 2 * 128
    assert len(footer.getcolors(10_000)) > 1, "nothing is written there"


def test_a_caption_does_not_touch_the_edge_below_it() -> None:
    sheet = contact_sheet([Image.new("RGB", (128, 128), "red")], ["gypsy jug"])

    below = sheet.crop((0, sheet.height - 3, 128, sheet.height))
    assert 1 == len(below.getcolors(10_000))


def test_a_snapshot_is_small_and_has_the_longer_side_it_should() -> None:
    data = snapshot(gradient(512, 256))

    assert ((256, 128), "WEBP") == (Image.open(io.BytesIO(data)).size, Image.open(io.BytesIO(data)).format)
    assert len(data) < 10_000
    assert (256, 256) == Image.open(io.BytesIO(snapshot(gradient(64, 64)))).size


def test_a_png_within_the_limit_is_left_alone() -> None:
    png = to_png(grain(50))

    assert (png, "png", "") == fit_to_bytes(png, len(png))


def test_a_png_over_the_limit_becomes_webp_and_says_so() -> None:
    png = to_png(grain(200))

    data, extension, note = fit_to_bytes(png, 100_000)

    assert "webp" == extension
    assert len(data) <= 100_000
    assert (200, 200) == Image.open(io.BytesIO(data)).size
    assert "Re-encoded as WebP" in note and "the limit here" in note


def test_when_no_quality_helps_the_picture_becomes_smaller() -> None:
    data, extension, note = fit_to_bytes(to_png(grain(300)), 4_000)

    image = Image.open(io.BytesIO(data))
    assert ("webp", True) == (extension, len(data) <= 4_000)
    assert f"{image.width}×{image.height}" in note


def test_a_picture_too_long_for_webp_becomes_jpeg() -> None:
    png = to_png(Image.new("RGB", (16_384, 8), "red"))

    data, extension, _ = (
        fit_to_bytes(png, len(png) - 1) if len(png) > 5_000 else fit_to_bytes(png + b"\0" * 90_000, 90_000)
    )

    assert "jpg" == extension
    assert "JPEG" == Image.open(io.BytesIO(data)).format


def test_a_picture_is_brought_within_a_side_whole() -> None:
    assert [(50, 38), (100, 75)] == [within(gradient(40, 30), side).size for side in (50, 100)]
    assert (2, 20) == within(gradient(4, 40), 20).size


def test_marked_pictures_have_a_frame() -> None:
    sheet = contact_sheet([gradient()] * 3, ["a", "b", "c"], columns=3, marked=[1])

    first, second = sheet.getpixel((0, 0)), sheet.getpixel((44, 0))
    assert (first, second) == (gradient().getpixel((0, 0)), (250, 190, 60))


def test_a_picture_of_ours_is_written_in_the_format_of_its_name() -> None:
    png = to_png(Image.new("RGBA", (4, 3), (200, 10, 10, 0)))

    assert png is in_format(png, ".PNG")
    webp, jpeg = (Image.open(io.BytesIO(in_format(png, suffix))) for suffix in (".webp", ".jpg"))
    assert ("WEBP", "RGBA", "JPEG", "RGB") == (webp.format, webp.mode, jpeg.format, jpeg.mode)
    assert min(jpeg.getpixel((1, 1))) > 250, "what is transparent becomes white where nothing else can be"


def test_what_a_format_cannot_hold_is_said() -> None:
    png = to_png(Image.new("RGB", (16_384, 1)))

    with pytest.raises(UnreadablePicture, match="16384×1 is too large for WebP; PNG can hold it"):
        in_format(png, ".webp")
    assert in_format(png, ".jpg").startswith(b"\xff\xd8")


@pytest.mark.parametrize(("how", "left"), [("crop", (0, 0, 255)), ("stretch", (255, 0, 0)), ("pad", (255, 0, 0))])
def test_an_image_of_another_shape_is_cropped_stretched_or_padded(how: str, left: tuple[int, int, int]) -> None:
    wide = Image.new("RGB", (90, 30), "red")
    wide.paste("blue", (30, 0, 60, 30))

    fitted = fit(wide, 30, 30, how)

    assert ((30, 30), left, (0, 0, 255)) == (fitted.size, fitted.getpixel((1, 15)), fitted.getpixel((15, 15)))
    assert (how == "pad") == (fitted.getpixel((15, 1)) == (170, 0, 85))
    assert (0, 128, 0) == fit(wide, 30, 30, "pad", "green").getpixel((15, 1))


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
        ("L", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
        ("RGB", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()),
        ("RGB", b"no profile"),
    ],
)
def test_a_profile_that_says_nothing_of_these_colours_changes_none(mode: str, profile: bytes) -> None:
    data = saved(gradient().convert(mode), "PNG", icc_profile=profile)

    for image in (open_own(data), open_own(clean(data, 10**6)[1])):
        assert pixels_sha256(gradient().convert(mode).convert("RGB")) == pixels_sha256(image)
        assert "icc_profile" not in image.info


def test_without_pillow_heif_a_heic_picture_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pillow_heif", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None)

    with pytest.raises(UnreadablePicture, match="HEIC pictures are not supported here; save it as JPEG or PNG"):
        register_heif()
