"""Transport compression: one stream per connection, flushed after each message.

docs: events/gateway.mdx, "Transport Compression" (zlib-stream, zstd-stream).
"""

import contextlib
import importlib
import zlib
from collections.abc import Callable
from typing import Any

Pack = Callable[[bytes], bytes]


def packer(wanted: str) -> Pack | None:
    """A function that compresses message after message; None for uncompressed text frames."""
    making = {"zlib-stream": _zlib_stream, "zstd-stream": _zstd_stream}.get(wanted)
    return making() if making else None


def _zlib_stream() -> Pack:
    stream = zlib.compressobj()
    return lambda data: stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)


def _zstd_stream() -> Pack | None:
    """None without zstd in Python; a client on the same machine does not ask for it then."""
    for module, begin in (("zstandard", _by_package), ("compression.zstd", _by_standard_library)):
        with contextlib.suppress(ImportError):
            return begin(importlib.import_module(module))
    return None


def _by_package(zstandard: Any) -> Pack:
    stream = zstandard.ZstdCompressor().compressobj()
    return lambda data: stream.compress(data) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


def _by_standard_library(zstd: Any) -> Pack:
    """Python 3.14 and later."""
    stream = zstd.ZstdCompressor()
    return lambda data: stream.compress(data, stream.FLUSH_BLOCK)
