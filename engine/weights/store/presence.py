"""Which files a model lacks on this machine, and the command that downloads them. Does not hash."""

from __future__ import annotations

from collections.abc import Sequence

from engine.catalogue.registry import Entry, Model, clip_named, entries
from engine.errors import WeightsError
from engine.weights.store.folder import weights_folder


def missing_weights(model: Model) -> str:
    """Why *model* cannot paint, as a clause; empty if it can."""
    return missing_files(needs(model))


def missing_files(needed: Sequence[Entry]) -> str:
    """Why not all of *needed* can be loaded, as a clause; empty if they can."""
    try:
        folder = weights_folder()
        if absent := [entry for entry in needed if folder.find(entry) is None]:
            return folder.absent(*absent)
        return next((why for entry in needed if (why := folder.missing(entry))), "")
    except WeightsError as error:  # what remembers hashes is damaged: a problem of those who need it, and of no others
        return str(error).removesuffix(".")


def needs(model: Model) -> tuple[Entry, ...]:
    """The files that *model* needs: its network, and its CLIP if that is one of OpenAI's."""
    own = entries().get(model.name)
    clip = clip_named(model.perceptor)
    return tuple(entry for entry in (own, clip) if entry)
