"""Names of classes in place of their numbers, as in `class_id=great_white_shark` and `classes=volcano:2+tench`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from engine.catalogue.registry import Model
from engine.requests.options.base import guessed, refuse

NAMED_CLASSES = 20
"""As many are named where a class is unknown."""
_NUMBER = re.compile(r"-?\d+\Z")
_INSTEAD = ("likely", "all", "named")
"""What `classes` may be in place of classes."""


def class_word(name: str) -> str:
    """*name* as one word that people type: ``Great White Shark`` → ``great_white_shark``."""
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")


@lru_cache(maxsize=16)
def class_words(names: tuple[str, ...]) -> Mapping[str, int]:
    """Word → number of the first class with that word. Names without letters have none: a number is a number."""
    found: dict[str, int] = {}
    for number, name in enumerate(names):
        if (word := class_word(name)) and not _NUMBER.match(word):
            found.setdefault(word, number)
    return found


def typed_class(number: int, names: tuple[str, ...]) -> str:
    """What names that class: its word, or its number where another class has the word."""
    word = class_word(names[number])
    return word if class_words(names).get(word) == number else str(number)


def numbered(settings: Mapping[str, str], model: Model) -> dict[str, str]:
    """*settings* with numbers in place of names in `class_id` and `classes`. Raises InvalidRequest for other names."""
    found = dict(settings)
    if "class_id" in found and not _NUMBER.match(found["class_id"].strip()):
        found["class_id"] = _class_id(found["class_id"], model)
    if model.class_names and "classes" in found:
        found["classes"] = "+".join(_part(part, model) for part in found["classes"].split("+"))
    return found


def _class_id(text: str, model: Model) -> str:
    if not model.class_names:
        refuse(f"class_id={text[:40]} is not a class of {model.title}: {classes_of(model)}.")
    return str(_number(text, model))


def _part(part: str, model: Model) -> str:
    """Words such as “likely”, and what is no name, stay as they are."""
    name, mark, weight = part.strip().partition(":")
    return part if name in _INSTEAD or not name[:1].isalpha() else f"{_number(name, model)}{mark}{weight}"


def _number(name: str, model: Model) -> int:
    words, word = class_words(model.class_names), class_word(name)
    if word not in words:
        like = sorted((known for known in words if word in known), key=lambda known: not known.endswith(f"_{word}"))
        no_class = f"{model.subject} has no class “{name[:40]}”"
        refuse(
            f"{no_class}; did you mean {' or '.join(f'“{known}”' for known in like[:3])}?"
            if like
            else guessed(no_class, word, words)
        )
    return words[word]


def classes_of(model: Model) -> str:
    """What `class_id` may be, as a clause."""
    if not model.classes:
        return "it has no classes; leave class_id out"
    named = ", ".join(f"{number} {name}" for number, name in enumerate(model.class_names[:NAMED_CLASSES]))
    more = ", …" if len(model.class_names) > NAMED_CLASSES else ""
    return f"its classes are {named}{more}" if named else f"its classes are 0 to {model.classes - 1}"
