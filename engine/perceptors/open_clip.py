"""CLIPs loaded through open_clip: OpenAI's files, or a model by its open_clip name.

OpenAI's files are programs (TorchScript), so only files with a published hash are opened.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.catalogue.registry import OPENAI_TAG, Entry, clip_named, clip_of_hash, plain
from engine.errors import ModelUnavailable, WeightsError
from engine.loaders.checkpoint import blueprint
from engine.loaders.torchvision_compat import ensure_torchvision
from engine.nets.kernels import freeze, use_onednn
from engine.perceptors.perceptor import CLIP_MEAN, CLIP_STD, Features, Perceptor
from engine.weights.formats.detect import Format, find_format
from engine.weights.formats.tensors import BREAKAGE
from engine.weights.store.folder import weights_folder
from engine.weights.store.hashed_file import HashedFile, open_hashed


def read_clip(opened: HashedFile, published: str) -> dict[str, Tensor]:
    """The tensors of a file with the *published* hash. Raises WeightsError for another hash, which could run code."""
    if opened.sha256 != published:
        raise WeightsError(f"“{opened.path.name}” is not opened: its SHA-256 is {opened.sha256}, not {published}.")
    if find_format(opened) is not Format.SCRIPT:
        raise WeightsError(f"“{opened.path.name}” is not one of OpenAI's CLIP files.")
    try:
        script: Any = torch.jit.load(opened.file, map_location="cpu")  # type: ignore[no-untyped-call]
    except BREAKAGE as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"“{opened.path.name}” is a broken PyTorch file: {first.rstrip('.')}.") from error
    opened.check_unchanged()
    state: dict[str, Tensor] = script.state_dict()
    return state


ensure_torchvision()
open_clip: Any = importlib.import_module("open_clip")
regex: Any = importlib.import_module("regex")  # comes with open_clip, has no types


def load_open_clip(name: str, device: torch.device, environ: Mapping[str, str] = os.environ) -> Perceptor:
    """*name*: the path of one of OpenAI's files, an OpenAI name ("ViT-B/32"), or open_clip's "architecture/tag".

    OpenAI's weights come from the weights folder; open_clip downloads the others. Raises ModelUnavailable for an
    unknown name, a missing file or a failed download, WeightsError for a wrong file.
    """
    if Path(name).is_file():
        return load_openai_file(Path(name), device)
    if openai := clip_named(name):
        with weights_folder(environ).open(openai) as opened:
            return from_openai(openai, opened, device)
    architecture, tag = _split(name)
    try:
        net = open_clip.create_model(
            architecture,
            pretrained=tag,
            device=device,
            force_quick_gelu=uses_quick_gelu(architecture, tag),
            weights_only=True,
        )
    except (RuntimeError, OSError, ValueError) as error:
        raise ModelUnavailable(f"The CLIP “{name}” could not be loaded: {_first_line(error)}") from error
    return from_open_clip(name, net, device, architecture)


def load_openai_file(path: Path, device: torch.device) -> Perceptor:
    """One of OpenAI's files. TorchScript can run code when it is loaded, so only files with a published hash are."""
    with open_hashed(path, path.name) as opened:
        return from_openai(clip_of_hash(path, opened.sha256), opened, device)


def from_openai(entry: Entry, opened: HashedFile, device: torch.device) -> Perceptor:
    """The CLIP in an open file whose hash is the published one. Raises WeightsError."""
    state = read_clip(opened, entry.sha256)
    build: Any = importlib.import_module("open_clip.model").build_model_from_openai_state_dict
    return from_open_clip(plain(entry.name), build(state).float(), device, plain(entry.name), opened.sha256)


def shape_of(name: str) -> Perceptor:
    """The CLIP of `load_open_clip` on the meta device: shapes without weights. Raises ModelUnavailable."""
    openai = clip_named(Path(name).stem if Path(name).is_file() else name)
    architecture, tag = (plain(openai.name), OPENAI_TAG) if openai else _split(name)
    config: Any = open_clip.get_model_config(architecture)
    if config and uses_quick_gelu(architecture, tag):
        config["quick_gelu"] = True
    if config is None or set(config) - {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu"}:
        raise ModelUnavailable(f"The shape of the CLIP “{name}” is not known before it is loaded.")
    net = blueprint(lambda: importlib.import_module("open_clip.model").CLIP(**config))
    return from_open_clip(name, use_onednn(net), torch.device("meta"), architecture)


def from_open_clip(
    name: str, net: Any, device: torch.device, architecture: str = "ViT-B-32", sha256: str = ""
) -> Perceptor:
    """An open_clip network as a frozen perceptor."""
    net = freeze(net, device)
    size = net.visual.image_size
    return Perceptor(
        name,
        net,
        tokenizer(architecture),
        size=size if isinstance(size, int) else size[0],
        dim=_dim(net, architecture),
        mean=getattr(net.visual, "image_mean", None) or CLIP_MEAN,
        std=getattr(net.visual, "image_std", None) or CLIP_STD,
        device=device,
        sha256=sha256,
        scale=float(net.logit_scale.exp()),
        maps=_maps(net.visual),
    )


def _dim(net: Any, architecture: str) -> int:
    """Length of the embeddings. Image towers from timm (ConvNeXt, EVA, SigLIP …) do not tell theirs."""
    own = getattr(net.visual, "output_dim", None)
    return int(open_clip.get_model_config(architecture)["embed_dim"] if own is None else own)


def _maps(tower: Any) -> Features | None:
    """The outputs of every transformer block or ResNet stage; None for image towers of another structure."""
    if not hasattr(tower, "forward_intermediates"):
        return None

    def maps(images: Tensor) -> Sequence[Tensor]:
        found: Sequence[Tensor] = tower.forward_intermediates(images, intermediates_only=True)["image_intermediates"]
        return found

    return maps


def tokenizer(architecture: str = "ViT-B-32") -> Callable[[Sequence[str]], Tensor]:
    """N texts → [N, 77] ids, equal to those of OpenAI's tokenizer. Models with another tokenizer keep it.

    Corrects one difference: OpenAI's tokenizer also reads its two special tokens, written with bars, within a text.
    """
    tokens: Any = open_clip.get_tokenizer(architecture)
    if isinstance(tokens, open_clip.SimpleTokenizer):
        for ours, theirs in (("<start_of_text>", "<|startoftext|>"), ("<end_of_text>", "<|endoftext|>")):
            tokens.encoder[theirs] = tokens.encoder.pop(ours)
            tokens.pat = regex.compile(tokens.pat.pattern.replace(ours, regex.escape(theirs)), regex.IGNORECASE)
            del tokens.cache[ours]
            tokens.cache[theirs] = theirs
    found: Callable[[Sequence[str]], Tensor] = tokens
    return found


def _split(name: str) -> tuple[str, str]:
    """A perceptor's name → open_clip's architecture and tag."""
    architecture, _, tag = name.rpartition("/")
    if (architecture, tag) in open_clip.list_pretrained():
        return architecture, tag
    raise ModelUnavailable(
        f"There is no CLIP “{name}”; available: primer, ViT-B/32, ViT-B/16, RN50, ViT-L/14 and more."
    )


def uses_quick_gelu(architecture: str, tag: str) -> bool:
    """Whether these weights were trained with QuickGELU; open_clip itself follows the architecture and only warns."""
    return bool(open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu"))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
