"""How the diffusion model learns to copy its sketch: apart from denoising.

A noisy picture in training holds the truth, so the net would hardly need a copy; a half-painted one holds the blur of
the steps before. The copy is fitted over blurred pictures instead, without the net.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.nets.primer.conditions import SketchCopy
from engine.training.diffusion import to_signed_images
from engine.training.row_view import Rows

_MOST_PICTURES, _BATCH, _ROUNDS = 12_000, 128, 32
_BLUR = 5
"""Side in pixels of the mean."""
_PIXEL_ART = 4.0
"""Weight of pixel art, which no blur stands for: there the copy must not hide the picture itself."""


def teach_copying(
    copy: SketchCopy,
    contexts: Tensor,
    captions: Sequence[str],
    pictures: Rows,
    sketch: Callable[[Tensor], Tensor],
    rounds: int = _ROUNDS,
    seed: int = 5,
) -> None:
    """Fit *copy*, then freeze it: absolute error where the sketch covers, at every other pixel.

    *contexts* [N, D], *captions* and *pictures* belong together; *sketch*: rows → [M, 4, H, W].
    """
    rows = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))[:_MOST_PICTURES]
    parts = [_halved(pictures[part], sketch(part)) for part in torch.split(rows, 256)]
    truth, blurred, drawn = (torch.cat(column) for column in zip(*parts, strict=True))
    own = torch.tensor(["pixel" in captions[row].split() for row in rows.tolist()])
    blurred[own] = truth[own]
    shown = (drawn[:, 3].flatten(1).amax(dim=1) > 0).nonzero().flatten()
    if not len(shown):
        return
    lessons = max(1, rounds * len(shown) // _BATCH)
    torch.nn.init.constant_(copy.linear.bias[6:], 0.7)
    optimizer = torch.optim.AdamW(copy.parameters(), lr=4e-3, betas=(0.9, 0.99), weight_decay=0.01)
    fall = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (1 - step / lessons) / 0.7))
    generator = torch.Generator().manual_seed(seed)
    for _ in range(lessons):
        some = shown[torch.randint(len(shown), (_BATCH,), generator=generator)]
        seen = drawn[some].float()
        off = copy(blurred[some].float(), seen, contexts[rows[some]].float()) - truth[some].float()
        errors = ((off.square() + 1e-4).sqrt() * seen[:, 3:]).sum((1, 2, 3)) / (3 * seen[:, 3:].sum((1, 2, 3)))
        optimizer.zero_grad(set_to_none=True)
        (errors * torch.where(own[some], _PIXEL_ART, 1.0)).mean().backward()
        optimizer.step()
        fall.step()
    copy.requires_grad_(False)


def _halved(images: Tensor, sketches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return every other pixel of the pictures, of blurred ones and of the sketches, in half precision."""
    truth, side = to_signed_images(images), _BLUR // 2
    blurred = F.avg_pool2d(F.pad(truth, (side,) * 4, mode="replicate"), _BLUR, stride=1)
    truth, blurred, sketches = (each[..., ::2, ::2].half().contiguous() for each in (truth, blurred, sketches))
    return truth, blurred, sketches
