"""A sketch of a prompt's nouns: their drawings out of a memory, recoloured and placed by a layout.

The memory holds every drawing as 40 x 40 RGBA pixels. A layout net says where each goes and in which colour (spatial
transformers, Jaderberg et al. 2015). The diffusion net sees the sketch and paints the picture: background, light and
style come from the text embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
    """Tokens → for every noun its colour, number and places. *width*: of the vectors; *layers*: how many.

    A layout has several equally good forms ("beside" says no side). Two bits name the form: whether the first noun
    stands left of the second, and whether all copies stand in a row. Without them the net predicts how likely each is
    and how many copies there are; for given bits, the boxes, so that no box is the mean of two forms.
    """

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


NUMBERS = (61, 62, 63, 64)
"""Tokens of "two" to "five". Without one there is a single copy, also in captions unlike those of the training."""
CHANNELS = 4
"""Of a sketch: colour in [-1, 1] times opacity, and opacity."""
OWN = 12
"""Colour number of a drawing in its own colours."""
MOST_NOUNS = 3
_LOOKS = 3
_JITTER = 0.02
"""Of the picture's side, by which equal prompts differ between seeds."""
_SURE = 0.5
"""Below this, no colour is named: then the layout net has seen the noun in every colour."""
_LUMINANCE = (0.3, 0.59, 0.11)


def build_composer(flags: Mapping[str, object]) -> Composer:
    """Return the untrained net of a weights file with the flags `vocabulary`, `drawings` and `side`."""
    sizes = (flags[name] for name in ("vocabulary", "drawings", "side"))
    return Composer(*(int(str(size)) for size in sizes))


class Composer(nn.Module):
    """Tokens and random numbers → spots → sketch."""

    def __init__(self, vocabulary: int, drawings: int, side: int) -> None:
        super().__init__()
        self.layout = LayoutNet(vocabulary)
        self.drawings: Tensor
        self.rows: Tensor
        self.tones: Tensor
        self.usual: Tensor
        self.register_buffer("drawings", torch.zeros(drawings, CHANNELS, side, side, dtype=torch.uint8))
        self.register_buffer("rows", torch.zeros(vocabulary, _LOOKS, dtype=torch.int32))
        self.register_buffer("tones", torch.zeros(2, 12, 3))
        """Main and light tone of every colour, 0 to 1."""
        self.register_buffer("usual", torch.full((vocabulary,), OWN, dtype=torch.uint8))
        """Colour number of every token's thing where a text names none."""

    def flags(self) -> dict[str, object]:
        """Return what `build_composer` needs."""
        drawings, _, side, _ = self.drawings.shape
        return {"vocabulary": len(self.rows), "drawings": drawings, "side": side}

    @torch.no_grad()
    def spots(self, tokens: Tensor, luck: Tensor) -> Tensor:
        """Place the nouns of one text.

        Args:
            tokens: [24] ids.
            luck: [64] uniform numbers in [0, 1), which choose among drawings and forms, and move copies a little.

        Returns:
            [S, 6], back to front: row of the memory, colour number, x, y, half extent, facing.
        """
        tokens = tokens.long()[None]
        places = (self.rows[tokens[0]][:, 0] > 0).nonzero().flatten()[:MOST_NOUNS].tolist()
        blind = self.layout(tokens, torch.zeros(1, 2))
        several = bool(torch.isin(tokens[0], tokens.new_tensor(NUMBERS)).any())
        counts = (blind.counts[0, places].argmax(dim=1) + 1).tolist() if several else [1] * len(places)
        known = torch.tensor([len(places) > 1, sum(counts) > 1])
        bits = torch.where(luck[:2] < blind.bits[0].sigmoid(), 1.0, -1.0) * known
        if len(places) == MOST_NOUNS:  # in a row, or in a triangle with the first above: the bits go together
            bits[0] = bits[1]
        layout = self.layout(tokens, bits[None])
        found: list[list[float]] = []
        for i, place in enumerate(places):
            looks = [row for row in self.rows[tokens[0, place]].tolist() if row]
            row = looks[int(float(luck[2 + i]) * len(looks))]
            chances = layout.colours[0, place].softmax(dim=0)
            usual = int(self.usual[tokens[0, place]])
            colour = int(chances.argmax()) if float(chances.max()) > _SURE else usual
            moves = _JITTER * (2 * luck[8 + 15 * i : 23 + 15 * i] - 1).view(-1, 3)
            boxes = (layout.boxes[0, place] + moves)[: counts[i]].tolist()
            found += [[row, colour, x, y, max(reach, 0.04), 1] for x, y, reach in boxes]
        found.sort(key=lambda spot: spot[3] + spot[4])
        return torch.tensor(found).reshape(-1, 6)

    def sketch(self, spots: Tensor, height: int, width: int) -> Tensor:
        """[N, S, 6] spots, rows of zeros being none → [N, 4, height, width]."""
        count = len(spots)
        canvas = torch.zeros(count, CHANNELS, height, width)
        for i in range(spots.shape[1]):
            shown = (spots[:, i, 0] > 0).nonzero().flatten()
            if len(shown):
                top = self._placed(spots[shown, i], height, width)
                canvas[shown] = top + (1 - top[:, 3:]) * canvas[shown]
        return canvas

    def _placed(self, spots: Tensor, height: int, width: int) -> Tensor:
        """[M, 6] → [M, 4, height, width], colour times opacity and opacity."""
        looks = self.drawings[spots[:, 0].long()].float() / 255
        rgb = self._recoloured(looks[:, :3], looks[:, 3], spots[:, 1].long())
        looks = torch.cat([(2 * rgb - 1) * looks[:, 3:], looks[:, 3:]], dim=1)
        short = min(height, width)
        x, y, reach, facing = spots[:, 2:].T
        theta = torch.zeros(len(spots), 2, 3)
        # A pixel of the picture, in [-1, 1], to a place of the look, in [-1, 1].
        theta[:, 0, 0] = width / short / (2 * reach) * facing
        theta[:, 1, 1] = height / short / (2 * reach)
        theta[:, 0, 2] = (1 - 2 * x) * theta[:, 0, 0]
        theta[:, 1, 2] = (1 - 2 * y) * theta[:, 1, 1]
        grid = F.affine_grid(theta, [len(spots), CHANNELS, height, width], align_corners=False)
        return F.grid_sample(looks, grid, align_corners=False, padding_mode="zeros")

    def _recoloured(self, rgb: Tensor, alpha: Tensor, colours: Tensor) -> Tensor:
        """As the painter does it (`engine.primer.painter.icons.recoloured`); `OWN` changes nothing."""
        own = colours == OWN
        number = colours.clamp(max=OWN - 1)
        main, high = (tone[number][:, :, None, None] for tone in self.tones)
        light = (rgb * rgb.new_tensor(_LUMINANCE)[:, None, None]).sum(dim=1) * 255
        chroma = (rgb.amax(dim=1) - rgb.amin(dim=1)) * 255
        seen = alpha > 0.5
        mean_chroma = (chroma * seen).sum(dim=(1, 2)) / seen.sum(dim=(1, 2)).clamp_min(1)
        vivid = ((chroma - 24) / 36).clamp(0, 1)
        dim_or_grey = (number == _BLACK) | (number == _GREY)
        pale = torch.where(dim_or_grey[:, None, None], 1.0, ((258 - light) / 16).clamp(0, 1))
        share = torch.where((mean_chroma > 40)[:, None, None], vivid, ((light - 28) / 30).clamp(0, 1) * pale)
        body = torch.where(seen & (share > 0.5), light, torch.nan).flatten(1)
        pivot = body.nanmedian(dim=1).values.nan_to_num(128.0).clamp(1, 254)[:, None, None]
        dim = (light / pivot).clamp(0, 1)[:, None]
        lit = ((light - pivot) / (255 - pivot)).clamp(0, 1)[:, None]
        shaded = main * (0.35 + 0.65 * dim) + (high - main) * (0.8 * lit)
        share = torch.where(own[:, None, None], 0.0, share)[:, None]
        out: Tensor = rgb + share * (shaded - rgb)
        return out


_BLACK, _GREY = 9, 11
