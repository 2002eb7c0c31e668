"""Modals: their rules, and their submitted values (docs: components/reference.mdx, "Label")."""

from collections.abc import Collection
from typing import Any

from bot.playground.server.validation.components import CUSTOM_ID, SELECTS, ComponentKind, check_options, numbered, walk
from bot.playground.server.validation.errors import FormErrors
from bot.playground.server.validation.select_values import wrong_choice
from bot.playground.server.world.json_types import Json

TITLE, COMPONENTS, LABEL, DESCRIPTION, TEXT = 45, 5, 45, 100, 4000
_CHOOSING = {*SELECTS, ComponentKind.CHECKBOX_GROUP, ComponentKind.FILE_UPLOAD}
_FIELDS = {*_CHOOSING, ComponentKind.TEXT_INPUT, ComponentKind.RADIO_GROUP, ComponentKind.CHECKBOX}
"""Children of a label (docs: components/reference.mdx, "Label Child Components")."""


def checked_modal(data: Json) -> Json:
    """The modal with ids for all components; raises ApiError."""
    errors = FormErrors()
    if not 1 <= len(data.get("title") or "") <= TITLE:
        errors.bad_length("title", 1, TITLE)
    if not 1 <= len(data.get("custom_id") or "") <= CUSTOM_ID:
        errors.bad_length("custom_id", 1, CUSTOM_ID)
    components = data.get("components") or []
    if not 1 <= len(components) <= COMPONENTS:
        errors.bad_length("components", 1, COMPONENTS)
    for number, component in enumerate(components):
        _check_part(component, f"components.{number}", errors)
    ids = [c["custom_id"] for c in walk(components) if c.get("custom_id")]
    if len(set(ids)) < len(ids):
        errors.add("components", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
    errors.check()
    return {"title": data["title"], "custom_id": data["custom_id"], "components": numbered(components)}


def _check_part(part: Json, path: str, errors: FormErrors) -> None:
    kind = part.get("type")
    if kind == ComponentKind.LABEL:
        if not 1 <= len(part.get("label") or "") <= LABEL:
            errors.bad_length(f"{path}.label", 1, LABEL)
        if len(part.get("description") or "") > DESCRIPTION:
            errors.too_long(f"{path}.description", DESCRIPTION)
        _check_field(part.get("component") or {}, f"{path}.component", errors, _FIELDS)
    elif kind == ComponentKind.ACTION_ROW:
        for number, child in enumerate(part.get("components") or []):
            _check_field(child, f"{path}.components.{number}", errors, {ComponentKind.TEXT_INPUT})
            if child.get("type") == ComponentKind.TEXT_INPUT and not 1 <= len(child.get("label") or "") <= LABEL:
                errors.bad_length(f"{path}.components.{number}.label", 1, LABEL)
    elif kind != ComponentKind.TEXT_DISPLAY:
        errors.add(f"{path}.type", "UNION_TYPE_CHOICES", "Value of field 'type' must be one of (1, 10, 18).")


def _check_field(field: Json, path: str, errors: FormErrors, allowed: Collection[int]) -> None:
    if field.get("type") not in allowed:
        kinds = ", ".join(str(int(kind)) for kind in sorted(allowed))
        errors.add(f"{path}.type", "UNION_TYPE_CHOICES", f"Value of field 'type' must be one of ({kinds}).")
    if field.get("type") in (ComponentKind.STRING_SELECT, ComponentKind.RADIO_GROUP, ComponentKind.CHECKBOX_GROUP):
        check_options(field, path, errors)
    if field.get("type") != ComponentKind.TEXT_INPUT:
        return
    for key in ("min_length", "max_length"):
        if not 0 <= (field.get(key) or 0) <= TEXT:
            errors.add(f"{path}.{key}", "NUMBER_TYPE_MAX", f"int value should be less than or equal to {TEXT}.")
    if len(field.get("value") or "") > (field.get("max_length") or TEXT):
        errors.too_long(f"{path}.value", field.get("max_length") or TEXT)


def fields_of(modal: Json) -> list[Json]:
    """The components with a value."""
    return [component for component in walk(modal["components"]) if component.get("custom_id")]


def wrong_answers(modal: Json, values: dict[str, Any]) -> list[str]:
    """Sentences about values that a client would not submit."""
    names = {field["custom_id"] for field in fields_of(modal)}
    wrong = [f"the form has no field {name!r}, only {sorted(names)}" for name in values.keys() - names]
    for field in fields_of(modal):
        if field["type"] == ComponentKind.TEXT_INPUT:
            wrong += _wrong_text(field, str(values.get(field["custom_id"], field.get("value") or "")))
        elif field["type"] != ComponentKind.CHECKBOX:
            wrong += _wrong_selection(field, _chosen(field, values))
    return wrong


def _wrong_text(field: Json, text: str) -> list[str]:
    if not text:
        return [f"{field['custom_id']} must not be empty"] if field.get("required", True) else []
    low, high = field.get("min_length") or 0, field.get("max_length") or TEXT
    if low <= len(text) <= high:
        return []
    return [f"{field['custom_id']} must have {low} to {high} characters, not {len(text)}"]


def _wrong_selection(field: Json, chosen: list[str]) -> list[str]:
    """Menus, files and check boxes; an optional one may stay empty."""
    if not chosen:
        needed = field.get("required", True) and field.get("min_values") != 0
        return [f"{field['custom_id']} must be chosen"] if needed else []
    most = field.get("max_values") or (len(field["options"]) if field["type"] == ComponentKind.CHECKBOX_GROUP else 1)
    found = wrong_choice({**field, "max_values": most}, chosen)
    return [f"{field['custom_id']}: {found}"] if found else []


def submitted(modal: Json, values: dict[str, Any]) -> list[Json]:
    """The `components` of a modal submit: the form's shape, with values ("Label Interaction Response Structure")."""
    parts: list[Json] = []
    for part in modal["components"]:
        if part["type"] == ComponentKind.LABEL:
            parts.append({"type": 18, "id": part["id"], "component": _answer(part["component"], values)})
        elif part["type"] == ComponentKind.ACTION_ROW:
            answers = [_answer(child, values) for child in part["components"]]
            parts.append({"type": 1, "id": part["id"], "components": answers})
        else:
            parts.append({"type": part["type"], "id": part["id"]})
    return parts


def _answer(field: Json, values: dict[str, Any]) -> Json:
    answer: Json = {"type": field["type"], "id": field["id"], "custom_id": field["custom_id"]}
    value = values.get(field["custom_id"])
    if field["type"] in _CHOOSING:
        return {**answer, "values": _chosen(field, values)}
    if field["type"] == ComponentKind.CHECKBOX:
        return {**answer, "value": bool(value if value is not None else field.get("default"))}
    if field["type"] == ComponentKind.RADIO_GROUP:
        return {**answer, "value": next(iter(_chosen(field, values)), None)}
    return {**answer, "value": str(value if value is not None else field.get("value") or "")}


def _chosen(field: Json, values: dict[str, Any]) -> list[str]:
    """The chosen values, by default the preselected ones."""
    value = values.get(field["custom_id"])
    if value is None:
        return _preselected(field)
    return [value] if isinstance(value, str) else list(value)


def _preselected(field: Json) -> list[str]:
    named = [str(default["id"]) for default in field.get("default_values") or []]
    return named or [option["value"] for option in field.get("options") or [] if option.get("default")]
