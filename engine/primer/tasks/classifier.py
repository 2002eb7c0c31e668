"""How the classifier is made: painted pictures of one thing, slightly spoilt, and its name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.classifier import Classifier
from engine.primer.painter.scenes import KINDS
from engine.primer.tasks.dataset import Rendered
from engine.training.augment import blurred, noisy, to_float
from engine.training.loop import Recipe
from engine.training.task import Batch, Scores, Task

RECIPE = Recipe(steps=1500, batch=64, lr=2e-3, warmup=100, decay=0.6, weight_decay=0.02, ema=0.995, score_seconds=60)


class ClassifierTask(Task):
    """Cross entropy over the kinds of `scenes.KINDS`."""

    name = "classifier"

    def __init__(self, pictures: Rendered, held_out: Rendered) -> None:
        self.net: nn.Module = Classifier(KINDS)
        self._images, self._labels = _single(pictures)
        self._test_images, self._test_labels = _single(held_out)

    def batch(self, count: int, generator: torch.Generator, done: float = 1.0) -> Batch:
        """Pictures with a little blur and noise: a painted circle that is a bit soft is still a circle."""
        rows = torch.randint(len(self._images), (count,), generator=generator)
        images = to_float(self._images[rows])
        images = noisy(blurred(images, generator, share=0.3), generator, most=0.15)
        return {"images": images, "labels": self._labels[rows]}

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross entropy, labels smoothed by 0.05."""
        return F.cross_entropy(self.net(batch["images"]), batch["labels"], label_smoothing=0.05)

    def scores(self, net: nn.Module) -> Scores:
        """Accuracy on held-out pictures."""
        device = next(net.parameters()).device
        right = 0
        for start in range(0, len(self._test_images), 256):
            images = to_float(self._test_images[start : start + 256]).to(device)
            right += int((net(images).argmax(dim=1).cpu() == self._test_labels[start : start + 256]).sum())
        return {"accuracy": right / len(self._test_images)}

    def sheet(self, net: nn.Module) -> Image.Image | None:
        """It makes no pictures."""
        return None

    def flags(self) -> Mapping[str, object]:
        """What `build_classifier` needs."""
        assert isinstance(self.net, Classifier)
        return {"classes": list(self.net.classes), "widths": list(self.net.widths)}


def _single(rendered: Rendered) -> tuple[Tensor, Tensor]:
    """The pictures of a single thing, and what it is."""
    rows = np.flatnonzero(rendered.labels >= 0)
    return torch.from_numpy(rendered.images[rows]), torch.from_numpy(rendered.labels[rows].astype(np.int64))
