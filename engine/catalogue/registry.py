"""Every checkpoint by name: those of `catalogue.toml`, and the host's own after `add_entries`."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from engine.catalogue.entry import USUAL_PERCEPTOR, Entry, Kind
from engine.errors import ModelUnavailable

CATALOGUE = Path(__file__).with_name("catalogue.toml")
USUAL_SETTINGS = "disco"

Flags = dict[str, object]
Sentence = Annotated[str, StringConstraints(pattern=r"\.$")]
Address = Annotated[str, StringConstraints(pattern=r"^https://[\w.-]+/\S+$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Net(_Table):
    size: int = 0
    flags: Flags


class _Weights(_Table):
    name: str
    kind: Kind
    title: str
    licence: str
    file: str = ""
    sources: tuple[Address, ...] = ()
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""
    size: int = Field(default=0, ge=0)
    exact: bool = False
    net: str = ""
    flags: Flags = {}
    page: str = ""
    perceptor: str = USUAL_PERCEPTOR
    settings: str = USUAL_SETTINGS

    @model_validator(mode="after")
    def _has_a_file(self) -> _Weights:
        if not self.sources and not (self.file and self.page):
            raise ValueError(f"“{self.name}” needs a source, or a file name and a page")
        return self


class Catalogue(_Table):
    """The contents of `catalogue.toml`."""

    licences: dict[str, Sentence]
    settings: dict[str, Flags]
    nets: dict[str, _Net]
    weights: tuple[_Weights, ...]

    def entries(self) -> Iterator[Entry]:
        """Yields the checkpoints in the file's order. Raises KeyError for a licence, net or setting without a table."""
        for row in self.weights:
            net = self.nets[row.net] if row.net else _Net(flags={})
            yield Entry(
                name=row.name,
                kind=row.kind,
                title=row.title,
                file=row.file or row.sources[0].rpartition("/")[2],
                licence=self.licences[row.licence],
                sources=row.sources,
                sha256=row.sha256,
                size=row.size or net.size,
                exact=row.exact,
                flags=net.flags | row.flags,
                page=row.page,
                perceptor=row.perceptor,
                defaults=self.settings[row.settings] if row.kind in (Kind.DIFFUSION, Kind.V_DIFFUSION) else {},
            )


def read_catalogue(path: Path = CATALOGUE) -> dict[str, Entry]:
    """Name → entry. Raises pydantic's ValidationError or KeyError for a file that is not a catalogue."""
    catalogue = Catalogue.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    return {entry.name: entry for entry in catalogue.entries()}


PUBLISHED: Mapping[str, Entry] = MappingProxyType(read_catalogue())
_own: dict[str, Entry] = {}


def entries() -> Mapping[str, Entry]:
    """Every entry by name."""
    return {**PUBLISHED, **_own}


def add_entries(own: Iterable[Entry]) -> None:
    """Register the host's own entries in this process; an entry replaces an earlier one of its name."""
    _own.update((entry.name, entry) for entry in own)


def find_entry(name: str) -> Entry:
    """The entry of that name or file name, in any case. Raises ModelUnavailable with a suggestion."""
    known = entries()
    by_file = {Path(entry.file).stem.lower(): entry for entry in known.values()}
    by_name = {entry.name.lower(): entry for entry in known.values()}
    found = known.get(name) or by_name.get(name.lower()) or by_file.get(Path(name).name.removesuffix(".pt").lower())
    if found is None:
        near = difflib.get_close_matches(name.lower(), list(by_name), n=1, cutoff=0.5)
        guess = f"; did you mean “{by_name[near[0]].name}”?" if near else "; `python -m engine weights list` shows all."
        raise ModelUnavailable(f"There are no weights “{name}”{guess}")
    return found
