"""The text form of an icon: ``icon:owl size=0.6 colour=red``. No numpy, no Pillow beyond colour names.

After minimaxir's icon-image: a plain figure on a plain ground fixes the composition, and noise gives CLIP's gradient
something to change.
"""

from __future__ import annotations

from typing import Literal, get_args

from PIL import ImageColor
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from engine.errors import InvalidRequest

PREFIX = "icon:"
MAX_TEXT = 200
OWN = "own"
Align = Literal["center", "left", "right", "top", "bottom", "top-left", "top-right", "bottom-left", "bottom-right"]
ALIGNMENTS: tuple[Align, ...] = get_args(Align)
_SPELLINGS = {"color": "colour", "background_color": "background", "background_colour": "background"}


class Icon(BaseModel):
    """A figure on a ground. Numbers are shares, 0 to 1; *size* is that of the picture's shorter side."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=60)
    colour: str = Field(default=OWN, description="colour of the icon; own = its own, or grey-brown where it has none")
    opacity: float = Field(default=1.0, ge=0, le=1, description="opacity of the icon")
    noise: float = Field(default=0.0, ge=0, le=1, description="share of coloured noise in the icon")
    background: str = Field(default="white", description="colour of the background")
    background_opacity: float = Field(default=1.0, ge=0, le=1, description="opacity of the background")
    background_noise: float = Field(default=0.2, ge=0, le=1, description="share of coloured noise in the background")
    size: float = Field(default=0.8, gt=0, le=1, description="longer side of the icon, of the shorter side")
    align: Align = Field(default="center", description="place of the icon")

    @field_validator("colour", "background")
    @classmethod
    def _is_colour(cls, value: str) -> str:
        if value != OWN:
            ImageColor.getrgb(value)
        return value

    @property
    def text(self) -> str:
        """``icon:owl size=0.6``: `read_icon` reads it back; only values that differ from the defaults are written."""
        said = self.model_dump(exclude_defaults=True, exclude={"name"})
        short = {key: f"{value:g}" if isinstance(value, float) else value for key, value in said.items()}
        return " ".join([f"{PREFIX}{self.name}", *(f"{key}={value}" for key, value in short.items())])


def read_icon(text: str, *, plain: bool = False) -> Icon:
    """The icon that *text* describes, with or without the prefix. Raises InvalidRequest in words.

    *plain*: no noise unless it is asked for, as for a target, of which noise would be a part.
    """
    words = text.strip().removeprefix(PREFIX).replace(",", " ").split()
    pairs = dict(word.split("=", 1) for word in words if "=" in word)
    name = " ".join(word for word in words if "=" not in word).lower()
    if not name:
        raise InvalidRequest("An icon needs a name, as in icon:owl.")
    if len(text) > MAX_TEXT:
        raise InvalidRequest(f"The description of an icon is limited to {MAX_TEXT} characters.")
    chosen = {_SPELLINGS.get(key, key): value for key, value in pairs.items()}
    usual = {"background_noise": "0"} if plain else {}
    if chosen.get("background") == OWN:
        raise InvalidRequest("background=own is not a colour; name one, as in background=white.")
    try:
        return Icon.model_validate({**usual, **chosen, "name": name})
    except ValidationError as error:
        raise InvalidRequest(_complaint(error)) from error


def _complaint(error: ValidationError) -> str:
    first = error.errors()[0]
    key, given = str(first["loc"][0]), first.get("input")
    if key == "name":
        return "The name of an icon has at most 60 characters."
    if key not in Icon.model_fields:
        return f"An icon has no setting “{key[:40]}”; its settings are {', '.join([*Icon.model_fields][1:])}."
    if key in ("colour", "background"):
        return f"{key}={str(given)[:40]} is not a colour; name one, as in {key}=red or {key}=#ff8800."
    if key == "align":
        return f"align={str(given)[:40]} is not one of {', '.join(ALIGNMENTS)}."
    return f"{key}={str(given)[:40]} is not a share between 0 and 1."
