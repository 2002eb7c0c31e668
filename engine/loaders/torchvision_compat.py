"""Let a CUDA-built torchvision import beside a CPU-only torch, which it refuses to do by itself.

PyPI's torchvision wheels are linked against CUDA. Beside a CPU-only torch their compiled part cannot be loaded, which
torchvision tolerates everywhere but for two operators, `nms` and `qnms`, that it describes without looking whether they
exist (pytorch/vision issue 9085; PR 9649 mends it). Nothing here uses torchvision; open_clip and spandrel import it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

_declared: list[torch.library.Library] = []  # a library takes its operators with it when it is collected


def ensure_torchvision() -> bool:
    """Call before the first import of torchvision, open_clip, timm or spandrel.

    Returns True where nothing had to be done, False where the two operators were declared (they cannot be called,
    and nobody here does). Raises ModuleNotFoundError where torchvision is absent.
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
    """Whether the compiled part fits this torch; a torchvision of unknown layout is left alone, as if it did."""
    compiled = [*root.glob("_C*.so"), *root.glob("_C*.pyd")]
    for path in compiled:
        try:
            torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]
        except OSError:
            continue
        return True
    return not compiled
