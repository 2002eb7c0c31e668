"""Which packer a gateway connection gets."""

from __future__ import annotations

import importlib
import zlib
from types import SimpleNamespace

import pytest

from bot.playground.server.gateway.compression import packer


def installed(monkeypatch: pytest.MonkeyPatch, **modules: object) -> None:
    """Only these modules of zstd can be imported; `_` stands for a dot."""

    def found(name: str) -> object:
        if name.replace(".", "_") not in modules:
            raise ImportError(name)
        return modules[name.replace(".", "_")]

    monkeypatch.setattr(importlib, "import_module", found)


def test_without_zstd_the_frames_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)

    assert None is packer("zstd-stream")
    assert None is packer("")


def test_the_standard_librarys_zstd_flushes_each_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def compress(data: bytes, mode: int) -> bytes:
        return b"%d:%b" % (mode, data)

    stream = SimpleNamespace(FLUSH_BLOCK=1, compress=compress)
    installed(monkeypatch, compression_zstd=SimpleNamespace(ZstdCompressor=lambda: stream))

    pack = packer("zstd-stream")
    assert pack is not None and b"1:hello" == pack(b"hello")


def test_messages_of_a_zlib_stream_can_be_read_one_by_one() -> None:
    pack, stream = packer("zlib-stream"), zlib.decompressobj()

    assert pack is not None
    assert [b"one", b"two"] == [stream.decompress(pack(text)) for text in (b"one", b"two")]
