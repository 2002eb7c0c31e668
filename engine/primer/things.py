"""The 683 nouns whose drawings come from icon sets, with their synonyms and the names of their drawings.

Source: `things.txt`, one noun a line: the forms (the first is the name), the group, and the name of the drawing in each
set of `SETS`, empty where the set has none. Labels and groups are those of emojibase-data (MIT). No numpy, no Pillow:
the bot reads this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

SETS = ("noto", "fluent-emoji-flat", "fxemoji")
"""npm packages `@iconify-json/…`."""
GROUPS = ("nature", "food", "travel", "activities", "objects")
_IRREGULAR = {
    "mouse": "mice", "goose": "geese", "wolf": "wolves", "leaf": "leaves", "knife": "knives", "tooth": "teeth",
    "cactus": "cacti", "computer mouse": "computer mice", "kitchen knife": "kitchen knives", "fish": "fish",
    "tropical fish": "tropical fish", "blowfish": "blowfish", "jellyfish": "jellyfish", "starfish": "starfish",
    "cross": "crosses", "bus": "buses", "minibus": "minibuses", "octopus": "octopuses", "dress": "dresses",
    "drinking glass": "drinking glasses", "wine glass": "wine glasses", "magnifying glass": "magnifying glasses",
    "cocktail glass": "cocktail glasses", "compass": "compasses", "abacus": "abacuses", "lotus": "lotuses",
}  # fmt: skip
_UNCOUNTED = frozenset(
    {"sheep", "deer", "moose", "bison", "shrimp", "squid", "rice", "salt", "bread", "milk", "honey", "corn",
     "lightning", "thunder", "rain", "wheat", "sushi", "bacon", "butter", "meat", "fire"}
)  # fmt: skip
_PLAIN_O = frozenset(
    [
        "piano",
        "banjo",
        "dodo",
        "burrito",
        "taco",
        "flamingo",
        "kiwi",
        "yo-yo",
        "hippo",
        "rhino",
        "avocado",
        "kimono",
        "volcano",
    ]
)


@dataclass(frozen=True, slots=True)
class Noun:
    """One noun. `drawings`: set name → name of the drawing in that set."""

    name: str
    forms: tuple[str, ...]
    group: str
    drawings: Mapping[str, str]


def plural(name: str) -> str:
    """Return the plural of a lower-case noun or noun phrase; a noun that has none comes back unchanged."""
    if name in _IRREGULAR:
        return _IRREGULAR[name]
    if name.endswith("s") or name in _UNCOUNTED:
        return name
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    hissing = name.endswith(("ch", "sh", "x")) or (name.endswith("o") and name not in _PLAIN_O)
    return name + ("es" if hissing else "s")


def _read() -> dict[str, Noun]:
    nouns = {}
    for line in (files(__package__) / "things.txt").read_text(encoding="utf-8").splitlines():
        forms, group, *names = line.split("\t")
        spelled = tuple(forms.split(", "))
        drawings = {icon_set: name for icon_set, name in zip(SETS, names, strict=True) if name}
        nouns[spelled[0]] = Noun(spelled[0], spelled, group, MappingProxyType(drawings))
    return nouns


NOUNS: Mapping[str, Noun] = MappingProxyType(_read())
"""Name → noun, in the order of the file, which fixes the token ids."""
