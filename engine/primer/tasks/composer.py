"""How the composer is made: drawings fill its memory, and its layout net learns from captions and their scenes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.primer.composer import Composer, Layout
from engine.primer.painter.looks import SIDE, look_pixels, rows_of_tokens
from engine.primer.painter.palette import MAIN, RGB, mix
from engine.primer.painter.scenes import COLOURS, NATURAL_COLOUR
from engine.primer.painter.sheet import contact_sheet
from engine.primer.tasks.dataset import Rendered
from engine.primer.vocabulary import TOKEN, VOCABULARY_SIZE
from engine.training.loop import Recipe
from engine.training.task import Batch, Scores, Task

RECIPE = Recipe(steps=4000, batch=256, lr=1.5e-3, warmup=100, decay=0.6, weight_decay=0.01, ema=0.995, seed=6)
_LIGHT: Mapping[str, RGB] = {"black": (190, 190, 210), "white": (255, 255, 255)}
"""Light tones that are no mixture."""
_ROW = 0.06
"""Copies whose heights differ by less stand in a row."""


def empty_composer() -> Composer:
    """Return a composer with a full memory and an untrained layout net. Needs the icon sets."""
    looks = look_pixels()
    net = Composer(VOCABULARY_SIZE, len(looks), SIDE)
    net.drawings.copy_(torch.from_numpy(looks).permute(0, 3, 1, 2))
    net.rows.copy_(torch.from_numpy(rows_of_tokens(VOCABULARY_SIZE)))
    for kind, colour in NATURAL_COLOUR.items():
        net.usual[TOKEN[kind]] = COLOURS.index(colour)
    main = [MAIN[colour] for colour in COLOURS]
    light = [_LIGHT.get(colour) or mix(MAIN[colour], (255, 250, 235), 0.55) for colour in COLOURS]
    net.tones.copy_(torch.tensor([main, light]) / 255)
    return net


class ComposerTask(Task):
    """Cross entropy of colours, counts and forms, and the mean error of the boxes."""

    name = "composer"

    def __init__(self, pictures: Sequence[Rendered], held_out: Rendered) -> None:
        self._composer = empty_composer()
        self.net: nn.Module = self._composer
        self._tokens = torch.from_numpy(np.concatenate([album.tokens for album in pictures]))
        self._things = torch.from_numpy(np.concatenate([album.things for album in pictures]))
        rows = (self._things[:, 0, 0] >= 0).nonzero().flatten()
        self._rows = rows
        self._test = torch.from_numpy(held_out.tokens), torch.from_numpy(held_out.things)

    def batch(self, count: int, generator: torch.Generator, done: float = 1.0) -> Batch:
        """Return captions with at least one noun, and what their nouns stand for."""
        rows = self._rows[torch.randint(len(self._rows), (count,), generator=generator)]
        return {"tokens": self._tokens[rows], "things": self._things[rows]}

    def loss(self, batch: Batch) -> Tensor:
        """Return the sum; forms and counts are predicted without knowing the bits, all else with them."""
        tokens, things = batch["tokens"], batch["things"]
        bits, known = forms(things)
        blind = self._composer.layout(tokens, torch.zeros_like(bits))
        form = F.binary_cross_entropy_with_logits(blind.bits, bits.clamp_min(0), known.float(), reduction="sum")
        error = _errors(blind, self._composer.layout(tokens, bits), things)
        return error["colour"] + error["count"] + 20 * error["box"] + form / known.sum().clamp_min(1)

    def scores(self, net: nn.Module) -> Scores:
        """Return, for held-out captions, the share of right colours and counts and the mean error of boxes."""
        assert isinstance(net, Composer)
        device = net.drawings.device
        tokens, things = (part.to(device) for part in self._test)
        bits, _ = forms(things)
        blind, layout = net.layout(tokens, torch.zeros_like(bits)), net.layout(tokens, bits)
        own, index = _of_nouns(things)
        colours, counts = (part[own, index].argmax(dim=-1) for part in (layout.colours, blind.counts))
        wanted = things[things[..., 0] >= 0]
        return {
            "colours": float((colours == wanted[:, 1]).float().mean()),
            "counts": float((counts + 1 == wanted[:, 2]).float().mean()),
            "boxes": float(_errors(blind, layout, things)["box"]),
        }

    def sheet(self, net: nn.Module) -> Image.Image | None:
        """Return sketches of held-out captions over grey."""
        assert isinstance(net, Composer)
        generator = torch.Generator().manual_seed(0)
        net = copy.deepcopy(net).cpu()
        found = [net.spots(tokens, torch.rand(64, generator=generator)) for tokens in self._test[0][:48]]
        padded = torch.stack([F.pad(spots, (0, 0, 0, 15 - len(spots))) for spots in found])
        pictures = (net.sketch(padded, 64, 64)[:, :3] + 1) / 2 * 255
        return contact_sheet(pictures.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy(), columns=12)

    def flags(self) -> Mapping[str, object]:
        """Return what `build_composer` needs."""
        return self._composer.flags()


def forms(things: Tensor) -> tuple[Tensor, Tensor]:
    """[N, 3, 18] → the two bits of each scene's form, -1 or 1, and whether each says anything, [N, 2] each."""
    xs, ys = things[:, :, 3::3], things[:, :, 4::3]
    here = xs >= 0
    left = torch.where(things[:, 0, 3] < things[:, 1, 3], 1.0, -1.0)
    several = things[:, 1, 0] >= 0
    low = torch.where(here, ys, torch.inf).flatten(1).amin(dim=1)
    high = torch.where(here, ys, -torch.inf).flatten(1).amax(dim=1)
    row = torch.where(high - low < _ROW, 1.0, -1.0)
    copies = here.flatten(1).sum(dim=1) > 1
    known = torch.stack([several, copies], dim=1)
    return torch.where(known, torch.stack([left, row], dim=1), 0.0), known


def _of_nouns(things: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and token places of all nouns."""
    own, which = (things[..., 0] >= 0).nonzero(as_tuple=True)
    return own, things[own, which, 0].long()


def _errors(blind: Layout, layout: Layout, things: Tensor) -> dict[str, Tensor]:
    own, index = _of_nouns(things)
    wanted = things[things[..., 0] >= 0]
    boxes = wanted[:, 3:].reshape(len(wanted), -1, 3)
    here = (boxes[..., 0] >= 0)[..., None]
    distance = (layout.boxes[own, index] - boxes).abs() * here
    return {
        "colour": F.cross_entropy(layout.colours[own, index], wanted[:, 1].long()),
        "count": F.cross_entropy(blind.counts[own, index], wanted[:, 2].long() - 1),
        "box": distance.sum() / (3 * here.sum()).clamp_min(1),
    }
