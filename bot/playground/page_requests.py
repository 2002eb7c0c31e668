"""The bodies of the page's requests, validated. Ids are decimal strings, as Discord sends them."""

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, TypeAdapter, ValidationError

from bot.playground.server.actions.people import NotPossibleError

Id = Annotated[int, Field(ge=0, lt=2**64)]
Text = Annotated[str, Field(max_length=8000)]
Scalar = StrictBool | StrictInt | Annotated[float, Field(strict=True, allow_inf_nan=False)] | StrictStr
Values = dict[Text, Scalar | list[Text] | None]

T = TypeVar("T")


class _Request(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Act(_Request):
    channel: Id
    nonce: Text = ""


class Slash(_Act):
    """Use a slash command; files of attachment options come as form fields."""

    type: Literal["slash"]
    command: Text
    options: dict[Text, Scalar] = {}


class Autocomplete(_Act):
    """Ask for suggestions for the option *focused*."""

    type: Literal["autocomplete"]
    command: Text
    options: dict[Text, Scalar] = {}
    focused: Text


class MessageCommand(_Act):
    """Use a command of a message's context menu."""

    type: Literal["context"]
    command: Text
    message: Id


class UserCommand(_Act):
    """Use a command of a user's context menu."""

    type: Literal["user"]
    command: Text
    target: Id


class Click(_Act):
    """Press a button, or choose *values* from a menu."""

    type: Literal["click"]
    message: Id
    custom_id: Text
    values: list[Text] = []


class SubmitAction(_Act):
    """Send the form that the interaction *modal* opened."""

    type: Literal["submit"]
    modal: Id
    values: Values = {}


class React(_Act):
    """Add or remove a reaction."""

    type: Literal["react", "unreact"]
    message: Id
    emoji: Text


class Say(_Act):
    """Write a message."""

    type: Literal["say"]
    content: Text
    reply_to: Id | None = None


class Delete(_Act):
    """Delete a message."""

    type: Literal["delete"]
    message: Id


Act = Slash | Autocomplete | MessageCommand | UserCommand | Click | SubmitAction | React | Say | Delete


class SetFault(_Request):
    """Turn a fault switch on or off."""

    do: Literal["fault"]
    id: Text
    on: bool = False


class ProcessRequest(_Request):
    """Restart or kill a process."""

    do: Literal["restart_bot", "kill_bot", "kill_engine"]


Control = SetFault | ProcessRequest

_ACT: TypeAdapter[Act] = TypeAdapter(Annotated[Act, Field(discriminator="type")])
_CONTROL: TypeAdapter[Control] = TypeAdapter(Annotated[Control, Field(discriminator="do")])
_USER: TypeAdapter[int] = TypeAdapter(Id)


def read_act(body: str | bytes) -> Act:
    """The validated act; raises NotPossibleError."""
    return _read(_ACT, body)


def read_control(body: str | bytes) -> Control:
    return _read(_CONTROL, body)


def read_id(text: str) -> int:
    """An id of a query string; raises NotPossibleError."""
    try:
        return _USER.validate_python(text if text.isascii() else "")
    except ValidationError as error:
        raise NotPossibleError(f"the value {text[:40]!r} is not an id") from error


def _read(adapter: TypeAdapter[T], body: str | bytes) -> T:
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise NotPossibleError(f"the request cannot be read: {place + ': ' if place else ''}{first['msg']}") from error
