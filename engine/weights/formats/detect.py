"""Recognises the format of a file, and checks the structure of a PyTorch archive.

PyTorch's archives are zip files with uncompressed tensors, so no record may unfold into more bytes than it has.
"""

from __future__ import annotations

import zipfile
from enum import Enum, auto

from engine.errors import WeightsError
from engine.weights.formats.safetensors_file import header_length
from engine.weights.store.hashed_file import HashedFile

_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
MOST_RECORDS = 100_000
_OTHERS = {
    b"<": "a web page",
    b"version https://": "a pointer of Git LFS; run git lfs pull where it comes from",
    b"{": "JSON text, as a server's error or an index.json of several files",
    b"\x1f\x8b": "compressed (gzip); unpack it",
    b"7z\xbc\xaf": "an archive (7z); unpack it",
    b"Rar!": "an archive (RAR); unpack it",
    b"GGUF": "GGUF, and safetensors or PyTorch's format is needed",
    b"\x89HDF": "HDF5, and safetensors or PyTorch's format is needed",
    b"\x93NUMPY": "a NumPy array, and safetensors or PyTorch's format is needed",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x7fELF": "a program",
    b"MZ": "a program",
}
"""First bytes of files that are mistaken for weights → what they are."""
LARGEST_PICKLE = 64 * 2**20
"""Bytes of the part that says which tensors there are."""


class Format(Enum):
    SAFETENSORS = auto()
    ARCHIVE = auto()
    """PyTorch's zip file."""
    SCRIPT = auto()
    """The same with code in it (TorchScript)."""
    PICKLE = auto()
    """PyTorch's format before version 1.6."""


def find_format(opened: HashedFile) -> Format:
    """Looks at the first bytes, and into an archive. Raises WeightsError for other files and for zip bombs."""
    opened.file.seek(0)
    first = opened.file.read(16)
    opened.file.seek(0)
    if first.startswith(b"PK\x03\x04"):
        return _look_into(opened)
    if header_length(first, opened.size) is not None:
        return Format.SAFETENSORS
    if first.startswith(b"\x80"):
        return Format.PICKLE
    raise WeightsError(f"“{opened.path.name}” holds no weights: it is {_kind(first)}.")


def _kind(first: bytes) -> str:
    if not first:
        return "empty"
    text = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((what for magic, what in _OTHERS.items() if text.startswith(magic)), "of an unknown kind")


def _look_into(opened: HashedFile) -> Format:
    try:
        with zipfile.ZipFile(opened.file) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise _broken(opened, f"{error}; it may be cut off") from error
    finally:
        opened.file.seek(0)
    names = [record.filename for record in records]
    if len(records) > MOST_RECORDS or len(set(names)) < len(names):
        raise _broken(opened, f"it has {len(records):,} records, {len(set(names)):,} of them different")
    folder = names[0].partition("/")[0] if names else ""
    if f"{folder}/data.pkl" not in names:
        if packed := next((name for name in names if name.lower().endswith(_SUFFIXES)), ""):
            raise WeightsError(f"“{opened.path.name}” holds no weights: it is a zip file with “{packed}”; unpack it.")
        if any(name.endswith(".npy") for name in names):
            raise WeightsError(
                f"“{opened.path.name}” holds NumPy arrays, and safetensors or PyTorch's format is needed."
            )
        raise _broken(opened, "it has no data.pkl, which would say which tensors it holds")
    if any(name.startswith((f"{folder}/code/", f"{folder}/constants.pkl")) for name in names):
        return Format.SCRIPT
    _check_sizes(opened, records, f"{folder}/data.pkl")
    return Format.ARCHIVE


def _check_sizes(opened: HashedFile, records: list[zipfile.ZipInfo], pickle: str) -> None:
    for record in records:
        if record.compress_type != zipfile.ZIP_STORED or record.file_size != record.compress_size:
            raise _broken(
                opened, f"“{record.filename}” would unfold from {record.compress_size:,} to {record.file_size:,} bytes"
            )
        if record.filename == pickle and record.file_size > LARGEST_PICKLE:
            raise _broken(opened, f"its data.pkl has {record.file_size:,} bytes")
    if (total := sum(record.file_size for record in records)) > opened.size:
        raise _broken(opened, f"its records add up to {total:,} bytes, and it has {opened.size:,}")


def _broken(opened: HashedFile, why: str) -> WeightsError:
    return WeightsError(f"“{opened.path.name}” is a broken PyTorch file: {why}.")
