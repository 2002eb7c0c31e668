"""The rules for message components (docs: components/reference.mdx)."""

import itertools
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from bot.playground.server.validation.errors import FormErrors
from bot.playground.server.world.json_types import Json

CUSTOM_ID, LABEL, PLACEHOLDER = 100, 80, 150
ROWS, BUTTONS, OPTIONS, OPTION_TEXT = 5, 5, 25, 100
V2_COMPONENTS, V2_TEXT, GALLERY = 40, 4000, 10
V2_FLAG = 1 << 15


class ComponentKind(IntEnum):
    """docs: components/reference.mdx, "Component Types"."""

    ACTION_ROW = 1
    BUTTON = 2
    STRING_SELECT = 3
    TEXT_INPUT = 4
    USER_SELECT = 5
    ROLE_SELECT = 6
    MENTIONABLE_SELECT = 7
    CHANNEL_SELECT = 8
    SECTION = 9
    TEXT_DISPLAY = 10
    THUMBNAIL = 11
    MEDIA_GALLERY = 12
    FILE = 13
    SEPARATOR = 14
    CONTAINER = 17
    LABEL = 18
    FILE_UPLOAD = 19
    RADIO_GROUP = 21
    CHECKBOX_GROUP = 22
    CHECKBOX = 23


SELECTS = {
    ComponentKind.STRING_SELECT,
    ComponentKind.USER_SELECT,
    ComponentKind.ROLE_SELECT,
    ComponentKind.MENTIONABLE_SELECT,
    ComponentKind.CHANNEL_SELECT,
}
_V2_TOP = {
    ComponentKind.ACTION_ROW,
    ComponentKind.SECTION,
    ComponentKind.TEXT_DISPLAY,
    ComponentKind.MEDIA_GALLERY,
    ComponentKind.FILE,
    ComponentKind.SEPARATOR,
    ComponentKind.CONTAINER,
}
_LINK, _PREMIUM = 5, 6


def walk(components: list[Json]) -> Iterator[Json]:
    """Every component, parents first."""
    for component in components:
        yield component
        yield from walk(component.get("components") or [])
        yield from walk([component[key] for key in ("component", "accessory") if isinstance(component.get(key), dict)])


def find(components: list[Json], custom_id: str) -> Json | None:
    return next((c for c in walk(components) if c.get("custom_id") == custom_id), None)


def numbered(components: list[Json]) -> list[Json]:
    """A copy in which every component has an `id`, given or counted up ("Anatomy of a Component")."""
    taken = {component["id"] for component in walk(components) if component.get("id")}
    free = (number for number in itertools.count(1) if number not in taken)
    return [_with_ids(component, free) for component in components]


def _with_ids(component: Json, free: Iterator[int]) -> Json:
    copy = {key: value for key, value in component.items() if value is not None}
    copy["id"] = component.get("id") or next(free)
    if "components" in copy:
        copy["components"] = [_with_ids(child, free) for child in copy["components"]]
    for key in ("component", "accessory"):
        if isinstance(copy.get(key), dict):
            copy[key] = _with_ids(copy[key], free)
    return copy


def check_components(components: list[Json], flags: int, errors: FormErrors) -> None:
    """Check all rules for a message's components."""
    everything = list(walk(components))
    if flags & V2_FLAG:
        _check_v2(components, everything, errors)
    else:
        _check_classic(components, errors)
    _check_unique_ids(everything, errors)
    for number, component in enumerate(components):
        _check_one(component, f"components.{number}", errors)


def _check_classic(components: list[Json], errors: FormErrors) -> None:
    if len(components) > ROWS:
        errors.too_long("components", ROWS)
    for number, component in enumerate(components):
        if component.get("type") != ComponentKind.ACTION_ROW:
            # Without the flag only action rows are known ("Component Types", and IS_COMPONENTS_V2).
            errors.add(f"components.{number}.type", "UNION_TYPE_CHOICES", "Value of field 'type' must be one of (1,).")


def _check_v2(components: list[Json], everything: list[Json], errors: FormErrors) -> None:
    if len(everything) > V2_COMPONENTS:
        errors.too_long("components", V2_COMPONENTS)
    text = sum(len(c.get("content") or "") for c in everything if c.get("type") == ComponentKind.TEXT_DISPLAY)
    if text > V2_TEXT:
        errors.add("components", "COMPONENT_MAX_DISPLAYABLE_TEXT_SIZE", f"Text exceeds maximum size of {V2_TEXT}")
    for number, component in enumerate(components):
        if component.get("type") not in _V2_TOP:
            errors.add(f"components.{number}.type", "UNION_TYPE_CHOICES", "This component may not stand at the top.")


def _check_unique_ids(everything: list[Json], errors: FormErrors) -> None:
    for key in ("custom_id", "id"):
        given = [component[key] for component in everything if component.get(key)]
        for value in {value for value in given if given.count(value) > 1}:
            errors.add(
                "components", "COMPONENT_CUSTOM_ID_DUPLICATED", f"Component {key} {value!r} cannot be duplicated"
            )


def _check_one(component: Json, path: str, errors: FormErrors) -> None:
    kind = component.get("type")
    if kind == ComponentKind.ACTION_ROW:
        _check_row(component, path, errors)
    elif kind == ComponentKind.BUTTON:
        _check_button(component, path, errors)
    elif kind in SELECTS:
        _check_select(component, path, errors)
    elif kind == ComponentKind.MEDIA_GALLERY:
        _length(component.get("items") or [], f"{path}.items", 1, GALLERY, errors)
    elif kind == ComponentKind.TEXT_DISPLAY:
        _length(component.get("content") or "", f"{path}.content", 1, V2_TEXT, errors)
    for number, child in enumerate(component.get("components") or []):
        _check_one(child, f"{path}.components.{number}", errors)
    if isinstance(component.get("accessory"), dict):
        _check_one(component["accessory"], f"{path}.accessory", errors)


def _check_row(row: Json, path: str, errors: FormErrors) -> None:
    """Up to five buttons or one select ("Action Row")."""
    children = row.get("components") or []
    kinds = [child.get("type") for child in children]
    _length(children, f"{path}.components", 1, BUTTONS, errors)
    selects = sum(kind in SELECTS for kind in kinds)
    if selects > 1 or (selects and len(kinds) > 1):
        errors.add(
            f"{path}.components", "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "The specified component exceeds the maximum width"
        )
    for number, kind in enumerate(kinds):
        if kind != ComponentKind.BUTTON and kind not in SELECTS:
            errors.add(
                f"{path}.components.{number}.type",
                "UNION_TYPE_CHOICES",
                "Value of field 'type' must be one of (2, 3, 5, 6, 7, 8).",
            )


def _check_button(button: Json, path: str, errors: FormErrors) -> None:
    """Link buttons need a url, premium ones an SKU, all others a custom_id ("Button Structure")."""
    style = button.get("style")
    wanted = {_LINK: "url", _PREMIUM: "sku_id"}.get(style or 0, "custom_id")
    if not button.get(wanted):
        errors.required(f"{path}.{wanted}")
    for other in {"url", "sku_id", "custom_id"} - {wanted}:
        if button.get(other):
            errors.add(
                f"{path}.{other}", "BUTTON_COMPONENT_FIELD_CONFLICT", f"A button of style {style} cannot have {other}."
            )
    if style not in range(1, 7):
        errors.add(f"{path}.style", "BASE_TYPE_CHOICES", "Value must be one of {1, 2, 3, 4, 5, 6}.")
    if style != _PREMIUM and not button.get("label") and not button.get("emoji"):
        errors.required(f"{path}.label")
    if len(button.get("label") or "") > LABEL:
        errors.too_long(f"{path}.label", LABEL)
    _check_custom_id(button, path, errors)


def _check_select(select: Json, path: str, errors: FormErrors) -> None:
    _check_custom_id(select, path, errors)
    if not select.get("custom_id"):
        errors.required(f"{path}.custom_id")
    if len(select.get("placeholder") or "") > PLACEHOLDER:
        errors.too_long(f"{path}.placeholder", PLACEHOLDER)
    if select.get("type") == ComponentKind.STRING_SELECT:
        check_options(select, path, errors)


def check_options(select: Json, path: str, errors: FormErrors) -> None:
    """1 to 25 options of up to 100 characters with different values ("Select Option Structure")."""
    options = select.get("options") or []
    _length(options, f"{path}.options", 1, OPTIONS, errors)
    values = [option.get("value") for option in options]
    for number, option in enumerate(options):
        for key in ("label", "value"):
            _length(option.get(key) or "", f"{path}.options.{number}.{key}", 1, OPTION_TEXT, errors)
        if values.count(option.get("value")) > 1:
            errors.add(
                f"{path}.options.{number}.value",
                "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
                "The specified option value is already used",
            )


def _check_custom_id(component: Json, path: str, errors: FormErrors) -> None:
    if len(component.get("custom_id") or "") > CUSTOM_ID:
        errors.too_long(f"{path}.custom_id", CUSTOM_ID)


def _length(value: Any, path: str, low: int, high: int, errors: FormErrors) -> None:
    if not low <= len(value) <= high:
        errors.bad_length(path, low, high)
