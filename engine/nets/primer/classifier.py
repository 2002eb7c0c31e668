"""A convolutional classifier of 64 x 64 pictures: the second judge of what the primer paints.

It names the kind of the one thing in a picture, its colour, and how many copies there are. Unlike both CLIPs it has no
residuals and pools by maxima, so that other pictures fool it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

COLOURS = 13
"""Twelve named ones, and a drawing's own."""
MOST_COUNT = 5


class Answers(NamedTuple):
    """Logits: [N, classes], [N, 13] colours, [N, 5] counts."""

    kinds: Tensor
    colours: Tensor
    counts: Tensor


def build_classifier(flags: Mapping[str, object]) -> Classifier:
    """Return the untrained net of a weights file with the flags `classes` (names in order) and `widths`."""
    classes, widths = flags["classes"], flags["widths"]
    assert isinstance(classes, list | tuple) and isinstance(widths, list | tuple)
    return Classifier(tuple(map(str, classes)), tuple(int(width) for width in widths))


class Classifier(nn.Module):
    """Pictures → logits. `widths`: channels of the convolutions, each followed by a halving of the map."""

    def __init__(self, classes: tuple[str, ...], widths: tuple[int, ...] = (32, 64, 128, 256)) -> None:
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
        self.colours = nn.Linear(widths[-1], COLOURS)
        self.counts = nn.Linear(2 * widths[-1], MOST_COUNT)

    def forward(self, images: Tensor) -> Answers:
        """[N, 3, 64, 64] in [0, 1] → logits."""
        h = self.features(images * 2 - 1)
        most, mean = h.amax(dim=(2, 3)), h.mean(dim=(2, 3))
        return Answers(self.head(most), self.colours(most), self.counts(torch.cat([most, mean], dim=1)))
