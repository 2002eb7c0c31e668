"""How the classifier is made: pictures of one kind of thing, and halves of pictures of two, slightly spoilt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.primer.classifier import Classifier
from engine.primer.painter.scenes import KINDS
from engine.primer.tasks.dataset import Rendered
from engine.primer.vocabulary import TOKEN, VOCABULARY_SIZE
from engine.training.augment import blurred, noisy, to_float
from engine.training.loop import Recipe
from engine.training.row_view import Rows
from engine.training.task import Batch, Scores, Task

RECIPE = Recipe(steps=6000, batch=64, lr=2e-3, warmup=100, decay=0.6, weight_decay=0.02, ema=0.995, score_seconds=60)
WHOLE, LEFT, RIGHT, TOP, BOTTOM = range(5)
_APART = 0.3
"""Of the picture's side, between two things that lie in different halves."""


class ClassifierTask(Task):
    """Cross entropy over the kinds of `scenes.KINDS`, the colours and the counts."""

    name = "classifier"

    def __init__(self, pictures: Sequence[Rendered], held_out: Mapping[str, Rendered]) -> None:
        self.net: nn.Module = Classifier(KINDS)
        self._images = Rows(*(album.images for album in pictures))
        starts = np.cumsum([0, *(len(album.images) for album in pictures[:-1])])
        found = [
            exercises(album) + np.array([[start, 0, 0, 0, 0]]) for album, start in zip(pictures, starts, strict=True)
        ]
        self._exercises = torch.from_numpy(np.concatenate(found))
        self._held_out = held_out

    def batch(self, count: int, generator: torch.Generator, done: float = 1.0) -> Batch:
        """Return pictures with a little blur and noise: a painted circle that is a bit soft is still a circle."""
        chosen = self._exercises[torch.randint(len(self._exercises), (count,), generator=generator)]
        images = halves(to_float(self._images[chosen[:, 0]]), chosen[:, 1])
        images = noisy(blurred(images, generator, share=0.3), generator, most=0.15)
        return {"images": images, "answers": chosen[:, 2:]}

    def loss(self, batch: Batch) -> Tensor:
        """Return the sum of the mean cross entropies; answers of -1 do not count."""
        wanted = batch["answers"]
        found = self.net(batch["images"])
        kinds = F.cross_entropy(found.kinds, wanted[:, 0], label_smoothing=0.05)
        colours = F.cross_entropy(found.colours, wanted[:, 1], ignore_index=-1)
        return kinds + 0.5 * colours + 0.5 * F.cross_entropy(found.counts, wanted[:, 2])

    def scores(self, net: nn.Module) -> Scores:
        """Return the shares of right answers on held-out pictures, whole and halves apart."""
        scores: dict[str, float] = {}
        for name, album in self._held_out.items():
            rows = torch.from_numpy(exercises(album))[:2048]
            images = halves(to_float(torch.from_numpy(album.images)[rows[:, 0]]), rows[:, 1])
            device = next(net.parameters()).device
            parts = [net(part.to(device)) for part in torch.split(images, 256)]
            for key, column in (("kinds", 2), ("colours", 3), ("counts", 4)):
                found = torch.cat([getattr(part, key).argmax(dim=1).cpu() for part in parts])
                right = (found == rows[:, column]).float()
                scores[f"{name}_{key}"] = float(right[rows[:, 1] == WHOLE].mean())
                if key != "counts" and bool((rows[:, 1] != WHOLE).any()):
                    scores[f"{name}_half_{key}"] = float(right[rows[:, 1] != WHOLE].mean())
        return scores

    def sheet(self, net: nn.Module) -> Image.Image | None:
        """Return nothing: it makes no pictures."""
        return None

    def flags(self) -> Mapping[str, object]:
        """Return what `build_classifier` needs."""
        assert isinstance(self.net, Classifier)
        return {"classes": list(self.net.classes), "widths": list(self.net.widths)}


def exercises(album: Rendered) -> NDArray[np.int64]:
    """Return [M, 5]: row of the picture, which part of it, kind, colour (12 = its own, -1 = not visible), count - 1."""
    kind_of = np.full(VOCABULARY_SIZE, -1)
    for i, kind in enumerate(KINDS):
        kind_of[TOKEN[kind]] = i
    things = album.things
    there = things[:, :, 0] >= 0
    rows = np.arange(len(things))[:, None]
    kinds = kind_of[album.tokens[rows, np.maximum(things[:, :, 0], 0).astype(int)]]
    single = there.sum(axis=1) == 1
    found = [
        np.stack(
            [
                np.flatnonzero(single),
                np.full(single.sum(), WHOLE),
                kinds[single, 0],
                np.where((album.labels >= 0) & (album.colours < 0), -1, things[:, 0, 1])[single],
                things[single, 0, 2] - 1,
            ],
            axis=1,
        )
    ]
    pairs = there[:, :2].all(axis=1) & ~there[:, 2] & (things[:, :2, 2] == 1).all(axis=1)
    dx, dy = (things[:, 0, axis] - things[:, 1, axis] for axis in (3, 4))
    for apart, first, second in ((dx, LEFT, RIGHT), (dy, TOP, BOTTOM)):
        chosen = np.flatnonzero(pairs & (np.abs(apart) > _APART) & ((np.abs(dx) > _APART) == (first == LEFT)))
        for which in (0, 1):
            before = (apart[chosen] < 0) == (which == 0)
            part = np.where(before, first, second)
            found.append(
                np.stack([chosen, part, kinds[chosen, which], things[chosen, which, 1], np.zeros(len(chosen))], axis=1)
            )
    return np.concatenate(found).astype(np.int64)


def halves(images: Tensor, parts: Tensor) -> Tensor:
    """[N, 3, S, S] → the same size: each whole, or one half of it in the middle, its edges repeated outwards."""
    side = images.shape[-1]
    half, quarter = side // 2, side // 4
    middle = torch.arange(side)
    taken = (middle - quarter).clamp(0, half - 1)
    columns = torch.stack([middle, taken, taken + half, middle, middle])[parts]
    rows = torch.stack([middle, middle, middle, taken, taken + half])[parts]
    every = torch.arange(len(images))[:, None, None]
    seen = images.permute(0, 2, 3, 1)[every, rows[:, :, None], columns[:, None, :]]
    return seen.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
