"""Any config.toml: the bot starts with it, or says where it is wrong."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from bot.config.sections import Section
from bot.config.settings import Config, load_config
from bot.errors import ConfigError

WRONG = ('"text"', "[1, 2]", "{ a = 1 }", "1979-05-27", "-1", "1e400", "nan", "99999999999999999999999", "[[]]", '""')
EXAMPLE = (Path(__file__).parents[3] / "config.example.toml").read_text(encoding="utf-8")


def keys() -> list[tuple[str, str]]:
    return [found for name, field in Config.model_fields.items() for found in keys_of(name, field.default)]


def keys_of(name: str, section: object) -> list[tuple[str, str]]:
    """(section, key), also of the sections inside."""
    found: list[tuple[str, str]] = []
    for key in type(section).model_fields if isinstance(section, Section) else ():
        value = getattr(section, key)
        found += keys_of(f"{name}.{key}", value) if isinstance(value, Section) else [(name, key)]
    return [(section, key) for section, key in found if key != "token"]


def loaded(folder: Path, text: str | bytes) -> Config | str:
    """What comes of it: settings, or the words of the refusal."""
    path = folder / "config.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    try:
        return load_config(path, {})
    except ConfigError as error:
        return str(error)


def test_every_setting_takes_what_is_right_or_is_named_with_its_section(tmp_path: Path) -> None:
    for section, key in keys():
        said = [loaded(tmp_path, f"[{section}]\n{key} = {value}\n") for value in WRONG]
        words = [text for text in said if isinstance(text, str)]

        assert len(words) >= len(WRONG) // 2, (section, key)
        for text in words:
            assert all(f"[{section}] {key}" in line for line in text.splitlines())
            assert [] == [word for word in ("pydantic", "validation", "tuple") if word in text]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("queue = 3", r"queue.*it must be a table"),
        ("[queue]\nper_usr = 3", r"did you mean “per_user”\?"),
        ("[qeue]", r"there is no such section; did you mean “queue”\?"),
        ("[queue\nx", r"is not valid TOML"),
        ("[discord]\ntoken = 'x'", r"put it into the environment"),
        ("[roles.staff]\nunits = 1.0", r"it must be (the id of a role|an id)"),
        (b"\xff\xfe\x00", r"cannot be read"),
        ("a = " + "[" * 2000 + "]" * 2000, r"nested too deeply"),
        ("[queue]\ntotal = " + "9" * 5000, r"cannot be read"),
    ],
)
def test_mistakes_are_said_in_words(tmp_path: Path, text: str | bytes, words: str) -> None:
    said = loaded(tmp_path, text)

    assert isinstance(said, str)
    assert re.search(words, said)


def test_a_damaged_example_is_read_or_refused(tmp_path: Path) -> None:
    generator = random.Random(5)
    for _ in range(200):
        data = bytearray(EXAMPLE.encode())
        for _ in range(generator.randint(1, 12)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        assert isinstance(loaded(tmp_path, bytes(data)), Config | str)
