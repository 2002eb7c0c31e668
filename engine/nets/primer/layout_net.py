"""From the words of a prompt to a layout: which colour, how many and where, for every noun.

A layout has several equally good forms ("beside" says no side). Two bits name the form: whether the first noun stands
left of the second, and whether all copies stand in a row. The net predicts how likely each bit is, and the boxes for
given bits, so that no box is the mean of two forms.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.nets.primer.small_clip import TransformerLayer

CONTEXT = 24
COLOURS = 13
"""Twelve named ones, and a drawing's own."""
MOST_COUNT = 5
BITS = 2


class Layout(NamedTuple):
    """For every token of [N, 24]; only the entries of nouns mean anything."""

    colours: Tensor
    """[N, 24, 13] logits."""
    counts: Tensor
    """[N, 24, 5] logits, of one copy to five."""
    boxes: Tensor
    """[N, 24, 5, 3]: x, y and half extent of every copy, in units of the picture."""
    bits: Tensor
    """[N, 2] logits."""


class LayoutNet(nn.Module):
    """A small transformer over the tokens. *width*: of its vectors; *layers*: how many."""

    def __init__(self, vocabulary: int, width: int = 128, layers: int = 3) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.words.weight, std=0.3)
        self.places = nn.Parameter(0.1 * torch.randn(CONTEXT, width))
        self.form = nn.Linear(BITS, width, bias=False)
        self.layers = nn.ModuleList(TransformerLayer(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, COLOURS + MOST_COUNT + 3 * MOST_COUNT)
        self.bits = nn.Linear(width, BITS)

    def forward(self, tokens: Tensor, bits: Tensor) -> Layout:
        """tokens [N, 24] ids; bits [N, 2] of -1 and 1, or 0 for unknown."""
        tokens = tokens.long()
        seen = tokens > 0
        h = self.words(tokens) + self.places + self.form(bits.to(self.places))[:, None]
        for layer in self.layers:
            h = layer(h, seen[:, None, None])
        h = self.norm(h)
        colours, counts, boxes = self.head(h).split((COLOURS, MOST_COUNT, 3 * MOST_COUNT), dim=-1)
        start = self.bits(h[:, 0])
        return Layout(colours, counts, boxes.unflatten(-1, (MOST_COUNT, 3)), start)
