"""A plain convolutional classifier of 64 x 64 pictures: the second judge of what the primer paints.

Built unlike both CLIPs (no residuals, max pooling), so that it is fooled by other things than they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def build_classifier(flags: Mapping[str, object]) -> Classifier:
    """The net of a weights file whose flags are `classes` (names in order) and `widths`."""
    classes, widths = flags["classes"], flags["widths"]
    assert isinstance(classes, list | tuple) and isinstance(widths, list | tuple)
    return Classifier(tuple(map(str, classes)), tuple(int(width) for width in widths))


class Classifier(nn.Module):
    """Pictures → logits over `classes`."""

    def __init__(self, classes: tuple[str, ...], widths: tuple[int, ...] = (32, 64, 96, 128)) -> None:
        super().__init__()
        self.classes, self.widths = classes, widths
        layers: list[nn.Module] = []
        for before, width in zip((3, *widths), widths, strict=False):
            layers += [
                nn.Conv2d(before, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], len(classes))

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, 64, 64] in [0, 1] → [N, classes]."""
        out: Tensor = self.head(self.features(images * 2 - 1).amax(dim=(2, 3)))
        return out

    @torch.no_grad()
    def name(self, images: Tensor) -> list[str]:
        """[N, 3, 64, 64] in [0, 1] → the likeliest class of each."""
        return [self.classes[i] for i in self(images).argmax(dim=1).tolist()]
