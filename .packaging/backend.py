"""Build backend (PEP 517): setuptools', with `bot` and `engine` installed as `dreambot.bot` and `dreambot.engine`.

The repository keeps two short top-level folders, and an editable install exposes them as they are. On a shared
site-packages such names would collide with other projects, so the wheel moves both below one package:

* every file `bot/…` and `engine/…` becomes `dreambot/bot/…` and `dreambot/engine/…`;
* `from bot…` and `from engine…` become `from dreambot.bot…` and `from dreambot.engine…`;
* a string that is exactly the dotted name of a module of ours (`"engine.worker.main"`) gets the prefix, too;
* entry points are rewritten in the same way.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import re
import tarfile
import tokenize
import zipfile
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (  # noqa: F401 (the hooks of PEP 517 and PEP 660)
    build_editable,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

PACKAGE = "dreambot"
FOLDERS = ("bot", "engine")
INIT = b'"""A Discord bot that paints (`dreambot.bot`), and its synthesis engine (`dreambot.engine`)."""\n'
IMPORT = re.compile(rf"^(\s*from )({'|'.join(FOLDERS)})(?=[.\s])", re.MULTILINE)


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Build with setuptools, then move both packages below `dreambot`. Returns the wheel's file name."""
    name: str = build_meta.build_wheel(wheel_directory, config_settings, None)
    path = Path(wheel_directory) / name
    with zipfile.ZipFile(path) as wheel:
        entries = {entry: wheel.read(entry) for entry in wheel.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for entry, data in repackaged(entries).items():
            wheel.writestr(zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return name


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    """Build with setuptools and add this file, which setuptools leaves out. Returns the archive's file name."""
    name: str = build_meta.build_sdist(sdist_directory, config_settings)
    path = Path(sdist_directory) / name
    with tarfile.open(path) as old:
        members = [(member, old.extractfile(member).read() if member.isfile() else None) for member in old]  # type: ignore[union-attr]
    with tarfile.open(path, "w:gz") as new:
        for member, data in members:
            new.addfile(member, io.BytesIO(data) if data is not None else None)
        new.add(__file__, f"{name.removesuffix('.tar.gz')}/.packaging/backend.py")
    return name


def repackaged(entries: dict[str, bytes]) -> dict[str, bytes]:
    """The wheel's files under their new names; RECORD is computed anew."""
    modules = {entry[:-3].replace("/", ".").removesuffix(".__init__") for entry in entries if entry.endswith(".py")}
    files = {f"{PACKAGE}/__init__.py": INIT, f"{PACKAGE}/py.typed": b""}
    for entry, data in entries.items():
        if entry.split("/")[0] in FOLDERS:
            text = entry.endswith(".py")
            files[f"{PACKAGE}/{entry}"] = rewritten(data.decode(), modules).encode() if text else data
        elif entry.endswith("/entry_points.txt"):
            files[entry] = re.sub(rf"= ({'|'.join(FOLDERS)})\.", rf"= {PACKAGE}.\1.", data.decode()).encode()
        elif entry.endswith("/top_level.txt"):
            files[entry] = f"{PACKAGE}\n".encode()
        elif not entry.endswith("/RECORD"):
            files[entry] = data
    record = next(entry for entry in entries if entry.endswith(".dist-info/RECORD"))
    lines = [f"{entry},sha256={_digest(data)},{len(data)}" for entry, data in files.items()]
    return {**files, record: "\n".join([*lines, f"{record},,", ""]).encode()}


def rewritten(source: str, modules: set[str]) -> str:
    """*source* with imports and module names as they are inside the wheel. *modules*: all dotted names of ours.

    Raises ValueError for `import bot.x`, whose uses cannot be told from other names.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] in FOLDERS for alias in node.names):
            raise ValueError(f"write `from … import …` instead of `{ast.unparse(node)}`")
    lines = source.splitlines(keepends=True)
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    for token in reversed(tokens):
        if token.type == tokenize.STRING and "." in token.string and token.string[1:-1] in modules:
            (row, column), end = token.start, token.end[1]
            line = lines[row - 1]
            lines[row - 1] = f"{line[:column]}{token.string[0]}{PACKAGE}.{token.string[1:]}{line[end:]}"
    return IMPORT.sub(rf"\1{PACKAGE}.\2", "".join(lines))


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
