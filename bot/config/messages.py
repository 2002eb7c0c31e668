"""Error messages about config.toml, and the example that documents every key."""

from __future__ import annotations

import difflib
import json
import textwrap
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

_WIDTH = 100
_RIGHT: Mapping[str, str] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "string_too_short": "text that is not empty",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "tuple_type": "a list, as in [1, 2]",
    "mapping_type": "a table, as in [section]",
    "model_type": "a table, as in [section]",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "one of {expected}",
    "string_pattern_mismatch": "an id (digits only)",
}
_UNQUOTED = ("int_type", "float_type", "bool_type")
_HEAD = """\
# Settings of dreambot, with their defaults. Every key may be left out. Print this file: dreambot config > config.toml
# The bot's token is a secret and does not belong here: set the environment variable DISCORD_TOKEN.
"""


def explain_all(error: ValidationError, model: type[BaseModel], name: str) -> str:
    """One line per mistake: file, section, key, value and what would be right."""
    return "\n".join(_explain(details, model, name) for details in error.errors(include_url=False))


def render_example(model: type[BaseModel]) -> str:
    """config.example.toml: every section and key of *model* with its description and default.

    Mappings of sections (roles, servers, models) are commented out, because their headings need ids or names.
    """
    return _HEAD + "".join(_render_field(name, field) for name, field in model.model_fields.items())


def _explain(details: Any, model: type[BaseModel], name: str) -> str:
    loc = details["loc"]
    if details["type"] == "value_error":  # a validator of ours, with a full sentence
        where = f"[{'.'.join(map(str, loc[:-1]))}]" if loc[-1] == "[key]" else _place(loc)
        sentence = str(details["ctx"]["error"])
        return f"{name}, {where}: {sentence}{'' if sentence[-1:] in '.?' else '.'}"
    if loc[-1] == "[key]":  # the heading itself, as in [roles.staff]
        return f"{name}, [{'.'.join(map(str, loc[:-1]))}]: this is not valid; it must be {_RIGHT[details['type']]}."
    where = f"{name}, {_place(loc)}"
    if details["type"] == "extra_forbidden":
        return f"{where}: there is no such {'key' if len(loc) > 1 else 'section'}{_guess([*map(str, loc)], model)}"
    right = _RIGHT.get(details["type"], details["msg"][0].lower() + details["msg"][1:])
    quoted = ", without quotes" if details["type"] in _UNQUOTED and isinstance(details["input"], str) else ""
    right = right.format(**details.get("ctx", {})) + quoted
    return f"{where}: {_shown(details['input'])} is not valid; it must be {right}."


def _place(loc: tuple[str | int, ...]) -> str:
    """A pydantic location as ``[section] key, entry n``."""
    names = [str(part) for part in loc if isinstance(part, str)]
    entry = "".join(f", entry {part + 1}" for part in loc if isinstance(part, int))
    return (f"[{'.'.join(names[:-1])}] {names[-1]}" if len(names) > 1 else f"[{names[0]}]") + entry


def _guess(loc: list[str], model: type[BaseModel]) -> str:
    known = _keys_at(loc[:-1], model)
    near = difflib.get_close_matches(loc[-1], known, n=1, cutoff=0.5)
    return f"; did you mean “{near[0]}”?" if near else f"; available: {', '.join(sorted(known))}."


def _keys_at(path: list[str], model: type[BaseModel]) -> list[str]:
    for part in path:
        if part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return [key for key, field in model.model_fields.items() if not field.exclude]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The section model of a field, or of the values of a mapping; None for plain values."""
    inner = get_args(annotation)[-1] if get_args(annotation) else annotation
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _render_field(name: str, field: FieldInfo) -> str:
    annotation: object = field.annotation
    section = _model_in(annotation)
    if section is None:
        raise TypeError(f"{name} is not a section")
    if section is annotation:
        return "\n" + _render_section(name, section)
    example = (field.examples or ["123456789012345678"])[0]
    commented = _render_section(f"{name}.{example}", section).splitlines()
    return "\n" + "".join(f"{line}\n" if line.startswith("#") else f"# {line}".rstrip() + "\n" for line in commented)


def _render_section(name: str, section: type[BaseModel]) -> str:
    fields = {key: field for key, field in section.model_fields.items() if not field.exclude}
    inner = {key: model for key, field in fields.items() if (model := _model_in(field.annotation)) is not None}
    keys = "".join(_render_key(key, field) for key, field in fields.items() if key not in inner)
    below = "".join("\n" + _render_section(f"{name}.{key}", model) for key, model in inner.items())
    return f"[{name}]\n{_comment(section.__doc__ or '')}\n{keys}{below}"


def _render_key(key: str, field: FieldInfo) -> str:
    nothing = field.default is None or field.default is PydanticUndefined
    value = (field.examples or [None])[0] if nothing else field.default
    return f"{_comment(field.description or '')}{key} = {_toml(value)}\n"


def _toml(value: object) -> str:
    """A value in TOML syntax."""
    if isinstance(value, Mapping):
        if not value:
            return "{}"
        return f"{{ {', '.join(f'{key} = {_toml(item)}' for key, item in value.items())} }}"
    return _shown(value)


def _comment(text: str) -> str:
    lines = textwrap.wrap(" ".join(text.split()), _WIDTH)
    return "".join(f"# {line}\n" for line in lines)
