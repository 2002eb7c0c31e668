"""All checkpoints by name: the published ones, and your own once `own.add_own` has read them. No torch."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from engine.catalogue.biggan_table import BIGGANS
from engine.catalogue.clip_table import CLIPS
from engine.catalogue.community_table import COMMUNITY, KALIYUGA
from engine.catalogue.diffusion_table import BASE, SECONDARY_MODEL
from engine.catalogue.entry import Entry
from engine.catalogue.upscaler_table import UPSCALERS
from engine.catalogue.vqgan_table import VQGANS
from engine.errors import ModelUnavailable

PUBLISHED: Mapping[str, Entry] = MappingProxyType(
    {
        entry.name: entry
        for entry in (*BASE, *KALIYUGA, *COMMUNITY, SECONDARY_MODEL, *VQGANS, *BIGGANS, *CLIPS, *UPSCALERS)
    }
)
_own: dict[str, Entry] = {}


def entries() -> Mapping[str, Entry]:
    """Everything by name."""
    return {**PUBLISHED, **_own}


def add_entries(own: Iterable[Entry]) -> None:
    """Make these known in this process, in place of earlier ones of the same names."""
    _own.update((entry.name, entry) for entry in own)


def find_entry(name: str) -> Entry:
    """The checkpoint of that name, or of that file name; raises ModelUnavailable with a guess."""
    known = entries()
    by_file = {Path(entry.file).stem.lower(): entry for entry in known.values()}
    by_name = {entry.name.lower(): entry for entry in known.values()}
    found = known.get(name) or by_name.get(name.lower()) or by_file.get(Path(name).name.removesuffix(".pt").lower())
    if found is None:
        near = difflib.get_close_matches(name.lower(), list(by_name), n=1, cutoff=0.5)
        guess = f"; did you mean “{by_name[near[0]].name}”?" if near else "; `python -m engine weights list` shows all."
        raise ModelUnavailable(f"There are no weights “{name}”{guess}")
    return found
