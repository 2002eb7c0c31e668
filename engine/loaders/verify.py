"""Checks whether a checkpoint holds the network that its entry claims, with finite numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.catalogue.registry import Entry, Kind
from engine.loaders.biggan import fill_biggan
from engine.loaders.checkpoint import fill
from engine.loaders.diffusion import read_adapter
from engine.loaders.guidance_nets import fill_vgg
from engine.loaders.upscaler import describe_file
from engine.loaders.vqgan import fill_vqgan
from engine.nets.adm import build_adm
from engine.nets.secondary import SecondaryNet
from engine.nets.v_diffusion import build_v_diffusion
from engine.nets.vgg_lpips import LpipsHeads
from engine.weights.formats.state_dict import SelectedTensors
from engine.weights.store.hashed_file import HashedFile

_READERS: Mapping[Kind, Callable[[HashedFile, Entry], tuple[object, SelectedTensors]]] = {
    Kind.DIFFUSION: lambda opened, entry: fill(opened, build_adm, entry.flags),
    Kind.V_DIFFUSION: lambda opened, entry: fill(opened, build_v_diffusion, entry.flags),
    Kind.VQGAN: lambda opened, entry: fill_vqgan(opened, entry.flags),
    Kind.BIGGAN: lambda opened, entry: fill_biggan(opened, entry.flags),
    Kind.SECONDARY: lambda opened, entry: fill(opened, SecondaryNet),
    Kind.ADAPTER: lambda opened, entry: read_adapter(opened),
    Kind.VGG: lambda opened, entry: fill_vgg(opened),
    Kind.LPIPS: lambda opened, entry: fill(opened, LpipsHeads),
    Kind.UPSCALER: lambda opened, entry: describe_file(opened),
}


def check_contents(opened: HashedFile, entry: Entry) -> str:
    """Reads the whole file; returns which of its tensors are used, empty for a plain file.

    A CLIP is a program and is recognised by its hash alone, so it is not opened. Raises WeightsError in words.
    """
    read = _READERS.get(entry.kind)
    return str(read(opened, entry)[1]) if read else ""
