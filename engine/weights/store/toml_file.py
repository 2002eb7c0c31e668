"""Reads config.toml as editors and shells write it: UTF-8 with or without a byte-order mark, or UTF-16 with one."""

from __future__ import annotations

import codecs
import re
import tomllib
from pathlib import Path

from engine.errors import WeightsError

_LINE = re.compile(r"at line (\d+)")


def read_toml(path: Path) -> dict[str, object]:
    """The tables of the file. Raises WeightsError with a sentence that names the file, and the line of a mistake."""
    text = ""
    try:
        data = path.read_bytes()
        # PowerShell's `>` writes UTF-16.
        is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig").replace("\r\n", "\n")
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WeightsError(f"{path} is not valid TOML: {error}.{_hint(text, str(error))}") from error
    except RecursionError as error:
        raise WeightsError(f"{path} cannot be read: its lists or tables are nested too deeply.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise WeightsError(f"{path} cannot be read: line {line} is not UTF-8. Save it as UTF-8.") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:  # also numbers of thousands of digits
        raise WeightsError(f"{path} cannot be read: {error}.") from error


def _hint(text: str, problem: str) -> str:
    """What the mistake in the line that *problem* names probably is, as a sentence with a blank before it."""
    found = _LINE.search(problem)
    lines = text.splitlines()
    line = lines[int(found[1]) - 1] if found and int(found[1]) <= len(lines) else ""
    if re.search("[“”„‘’]", line):
        return " Quotes must be straight: \"…\" or '…'."
    if "\\" in line:
        return " A text with backslashes belongs in single quotes: 'C:\\dreams'."
    return ""
