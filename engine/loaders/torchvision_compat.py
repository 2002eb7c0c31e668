"""Lets a CUDA-built torchvision import beside a CPU-only torch, which it refuses otherwise.

PyPI's torchvision wheels are linked against CUDA. Beside a CPU-only torch their compiled part cannot be loaded.
torchvision tolerates that except for two operators, `nms` and `qnms`, which it describes without looking whether they
exist (pytorch/vision issue 9085; PR 9649 mends it). open_clip and spandrel import torchvision; this engine does not.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

_declared: list[torch.library.Library] = []  # a library takes its operators with it when it is collected


def ensure_torchvision() -> bool:
    """Call before the first import of torchvision, open_clip, timm or spandrel.

    Returns True if nothing was to be done, False if the two operators were declared; they cannot be called.
    Raises ModuleNotFoundError without torchvision.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("torchvision is not installed", name="torchvision")
    if torch.version.cuda or torch.version.hip or _loads(Path(spec.origin).parent):
        return True
    if not _declared:
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        _declared.append(library)
    return False


def _loads(root: Path) -> bool:
    """Whether the compiled part fits this torch. Returns True for a torchvision of unknown layout."""
    compiled = [*root.glob("_C*.so"), *root.glob("_C*.pyd")]
    for path in compiled:
        try:
            torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]
        except OSError:
            continue
        return True
    return not compiled
