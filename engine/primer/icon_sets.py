"""Fetch the icon sets with `npm pack`, check their hashes, and keep every drawing as SVG and as pixels.

The result lies in `training_folder()/icons`: `drawings.json` (set, noun, SVG body, view box) and `pixels.npy`
(uint8 [M, 128, 128, 4], straight alpha). Nothing of it is committed. Needs `npm` and `resvg-py` (extra `primer`).
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.errors import ModelUnavailable, WeightsError
from engine.primer.folder import training_folder
from engine.primer.vocabulary import NOUNS

PIXELS = 128


@dataclass(frozen=True, slots=True)
class IconSet:
    """One npm package at a pinned version. `sha256` is that of the file that `npm pack` writes."""

    package: str
    version: str
    licence: str
    sha256: str

    @property
    def name(self) -> str:
        return self.package.rpartition("/")[2]


ICON_SETS = (
    IconSet(
        "@iconify-json/noto", "1.2.9", "Apache-2.0", "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad"
    ),
    IconSet(
        "@iconify-json/fluent-emoji-flat",
        "1.2.6",
        "MIT",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
    ),
    IconSet(
        "@iconify-json/fxemoji",
        "1.2.2",
        "Apache-2.0",
        "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef",
    ),
)


def icons_folder() -> Path:
    """Return where the drawings are kept."""
    return training_folder() / "icons"


def fetch_icons(packed: Path | None = None) -> int:
    """Fetch the sets and render every drawing of `things.txt`; return the number of drawings.

    *packed*: a folder that already holds the three files of `npm pack`; no network is used then.

    Raises:
        ModelUnavailable: `npm` or `resvg-py` is missing, or the download failed.
        WeightsError: a file has another hash than the pinned one, or lacks a drawing.
    """
    with tempfile.TemporaryDirectory() as scratch:
        found = {
            icon_set.name: _icons(_pack(icon_set, packed or Path(scratch), packed is None)) for icon_set in ICON_SETS
        }
        unfinished = Path(tempfile.mkdtemp(dir=training_folder(), prefix=".icons-"))
        count = _keep(found, unfinished)
    folder = icons_folder()
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return count


def _pack(icon_set: IconSet, folder: Path, download: bool) -> bytes:
    file = folder / f"{icon_set.package.strip('@').replace('/', '-')}-{icon_set.version}.tgz"
    if download:
        npm = shutil.which("npm")
        if npm is None:
            raise ModelUnavailable(
                "npm is not installed; install Node.js, or give --packed with the files of npm pack."
            )
        order = [npm, "pack", "--silent", f"{icon_set.package}@{icon_set.version}"]
        done = subprocess.run(order, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 -- fixed words
        if done.returncode:
            raise ModelUnavailable(f"npm pack {icon_set.package} failed: {done.stderr.strip()[-200:]}")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ModelUnavailable(f"{file} cannot be read ({error.strerror or error}).") from error
    if (sha256 := hashlib.sha256(data).hexdigest()) != icon_set.sha256:
        raise WeightsError(f"{file.name} has the SHA-256 {sha256[:16]}… and not {icon_set.sha256[:16]}….")
    return data


def _icons(data: bytes) -> Mapping[str, Any]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = archive.extractfile("package/icons.json")
        assert member is not None  # the hash is pinned
        found: Mapping[str, Any] = json.load(member)
    return found


def _keep(found: Mapping[str, Mapping[str, Any]], folder: Path) -> int:
    rows, pixels = [], []
    for noun, icon_set, name in _wanted():
        icons = found[icon_set]
        icon = icons["icons"].get(name)
        if icon is None:
            raise WeightsError(f"The icon set {icon_set} has no drawing {name!r}.")
        width, height = (icon.get(key, icons.get(key, 16)) for key in ("width", "height"))
        view = _tight_view(icon["body"], width, height)
        rows.append({"noun": noun, "set": icon_set, "body": icon["body"], "view": view})
        pixels.append(rasterise(icon["body"], view[:3], PIXELS))
    (folder / "drawings.json").write_text(json.dumps(rows), encoding="utf-8")
    np.save(folder / "pixels.npy", np.stack(pixels))
    return len(rows)


def _wanted() -> Iterator[tuple[str, str, str]]:
    for noun in NOUNS.values():
        for icon_set, name in noun.drawings.items():
            yield noun.name, icon_set, name


def _tight_view(body: str, width: float, height: float) -> list[float]:
    """Return left, top and side of the smallest square around what is drawn, then its width and height / side."""
    side = max(width, height)
    alpha = rasterise(body, (0, 0, side), PIXELS)[..., 3] > 8
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    unit = side / PIXELS
    left, right = columns[0] * unit, (columns[-1] + 1) * unit
    top, bottom = rows[0] * unit, (rows[-1] + 1) * unit
    tight = max(right - left, bottom - top)
    corner = (left + right - tight) / 2, (top + bottom - tight) / 2
    return [float(value) for value in (*corner, tight, (right - left) / tight, (bottom - top) / tight)]


def rasterise(body: str, view: tuple[float, float, float] | list[float], pixels: int) -> NDArray[np.uint8]:
    """Render the inside of an SVG, seen through a square view (left, top, side), as RGBA [pixels, pixels, 4]."""
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise ModelUnavailable("resvg-py is not installed; pip install 'dreambot[primer]'.") from error
    left, top, side = view
    frame = f'viewBox="{left} {top} {side} {side}" width="{pixels}" height="{pixels}"'
    links = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    data = bytes(svg_to_bytes(svg_string=f"<svg {links} {frame}>{body}</svg>"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
