"""Which files a model lacks on this machine, and the command that downloads them. Does not hash."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from engine.catalogue.registry import Entry, Model, clip_named, entries
from engine.errors import WeightsError
from engine.weights.store.folder import Folder, weights_folder


def missing_weights(model: Model, environ: Mapping[str, str] = os.environ) -> str:
    """Why *model* cannot paint, as a clause; empty if it can."""
    return missing_files(needs(model), environ)


def missing_files(needed: Sequence[Entry], environ: Mapping[str, str] = os.environ) -> str:
    """Why not all of *needed* can be loaded, as a clause; empty if they can."""
    try:
        return _lacking(needed, weights_folder(environ))
    except WeightsError as error:  # what remembers hashes is damaged: a problem of those who need it, and of no others
        return str(error).removesuffix(".")


def _lacking(needed: Sequence[Entry], folder: Folder) -> str:
    if absent := [entry for entry in needed if folder.find(entry) is None]:
        return folder.absent(*absent)
    return next((why for entry in needed if (why := folder.missing(entry))), "")


def needs(model: Model) -> tuple[Entry, ...]:
    """The files that *model* needs: its network, and its CLIP if that is one of OpenAI's."""
    own = entries().get(model.name)
    clip = clip_named(model.perceptor)
    return tuple(entry for entry in (own, clip) if entry)
