"""Image files that cost their decoder much more than their sender. Every maker takes less than a second."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image, ImageCms


def saved(image: Image.Image, name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(side: int, *, depth: int = 1, colour: int = 0, rows: int = 0) -> bytes:
    """A PNG of side × side black pixels in *depth* bits, cut after *rows*; *colour*: 0 (grey), 2 (RGB), 6 (RGBA)."""
    packer, channels = zlib.compressobj(9), {0: 1, 2: 3, 6: 4}[colour]
    row = b"\0" * ((side * depth * channels + 7) // 8 + 1)
    body = b"".join(packer.compress(row) for _ in range(rows or side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def scan_bomb(side: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan comes *scans* times; a scan has some 50 bytes."""
    data = saved(Image.new("RGB", (side, side)), "JPEG", progressive=True)
    start, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:end] + data[start:end] * (scans - 1) + b"\xff\xd9"


def zeros(megabytes: int) -> bytes:
    """What `zlib.compress` makes of so many zeros, from one megabyte that is compressed once."""
    packer, one = zlib.compressobj(9), bytes(1_000_000)
    first, again = (packer.compress(one) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    checksum = struct.pack(">HH", megabytes * 1_000_000 % 65521, 1)
    return first + again * (megabytes - 1) + b"\x03\0" + checksum


def text_bomb(megabytes: int) -> bytes:
    """A small PNG whose comment unfolds into *megabytes*."""
    good = saved(Image.new("RGB", (16, 16)), "PNG")
    return good[:33] + chunk(b"zTXt", b"Comment\0\0" + zeros(megabytes)) + good[33:]


def profile_bomb(megabytes: int) -> bytes:
    """A small PNG whose colour profile unfolds into *megabytes*."""
    good = saved(Image.new("RGB", (16, 16)), "PNG")
    return good[:33] + chunk(b"iCCP", b"p\0\0" + zeros(megabytes)) + good[33:]


def broken_profile() -> bytes:
    """A JPEG whose colour profile is cut off."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    return saved(Image.new("RGB", (16, 16)), "JPEG", icc_profile=profile[: len(profile) // 2])


def tiff_loop() -> bytes:
    """A TIFF whose list of pages leads back to its first page."""
    data = bytearray(saved(Image.new("RGB", (16, 16)), "TIFF"))
    start = struct.unpack("<I", data[4:8])[0]
    entries = struct.unpack("<H", data[start : start + 2])[0]
    data[start + 2 + 12 * entries :][:4] = b""
    data[start + 2 + 12 * entries : start + 6 + 12 * entries] = struct.pack("<I", start)
    return bytes(data)


def gif_frames(count: int) -> bytes:
    """A GIF of *count* frames."""
    frames = [Image.new("P", (32, 32), index % 7) for index in range(count)]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=10)


def webp_claim(kind: bytes, body: bytes) -> bytes:
    """The header of a WebP that claims a canvas and has no data."""
    return b"RIFF" + struct.pack("<I", 22) + b"WEBP" + kind + struct.pack("<I", 10) + body


REFUSED: dict[str, Callable[[], bytes]] = {
    "20 kB of scans": lambda: scan_bomb(7000, 400),
    "300 kB of scans": lambda: scan_bomb(4000, 6000),
    "50 megapixels in 16 bits with alpha": lambda: png_bomb(7000, depth=16, colour=6, rows=500),
    "50 megapixels in 8 bits": lambda: png_bomb(7000, depth=8, colour=2, rows=500),
    "over 50 megapixels in 1 bit": lambda: png_bomb(7104),
    "900 megapixels": lambda: png_bomb(30_000, rows=500),
    "lossless WebP of 12 megapixels": lambda: saved(Image.new("RGB", (3500, 3500)), "WEBP", lossless=True, method=0),
    "an AVIF of 14 megapixels": lambda: saved(Image.new("RGB", (3700, 3700)), "AVIF", speed=10),
    "a WebP that claims 268 megapixels": lambda: webp_claim(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + b"\xff\x3f" * 2),
    "an extended WebP that claims 16 terapixels": lambda: webp_claim(b"VP8X", bytes(4) + b"\xff" * 6),
    "a text of 200 MB": lambda: text_bomb(200),
}
"""What the decoder refuses at once, by name."""
DECODED: dict[str, Callable[[], bytes]] = {
    "scans within the limit": lambda: scan_bomb(2000, 90),
    "the largest PNG": lambda: png_bomb(4096, depth=16, colour=6),
    "the largest WebP": lambda: saved(Image.new("RGB", (2360, 2360)), "WEBP", lossless=True, method=0),
    "a broken profile": broken_profile,
    "a TIFF in a loop": tiff_loop,
    "many frames": lambda: gif_frames(300),
    "the longest side": lambda: saved(Image.new("L", (16_384, 1)), "PNG"),
}
"""What is hostile but within the limits: decoded."""
