"""How the upscaler is made: what the diffusion model gives at 64 pixels, against the same pictures from vectors at 256.

Clean input alone taught it to sharpen whatever it got: grain became cells, and edges kept the stairs of the small
picture. A second pass, from 256 to 1,024 pixels, is learned by the same net.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from engine.diffusion.denoiser import predict_eps, q_sample
from engine.diffusion.schedules import alphas_cumprod
from engine.images.tensors import per_sample
from engine.nets.adm import UNetModel
from engine.nets.primer.composer import Composer
from engine.nets.primer.small_clip import SmallClip
from engine.primer.painter.sheet import contact_sheet
from engine.primer.tasks.dataset import Rendered
from engine.primer.tasks.diffusion import told
from engine.training.augment import to_float, uniform
from engine.training.loop import Recipe
from engine.training.row_view import Rows
from engine.training.task import Batch, Scores, Task
from engine.upscalers.primer import Compact

FEATURES, LAYERS, SCALE, BASE = 32, 10, 4, "bilinear"
RECIPE = Recipe(
    steps=20_000,
    batch=12,
    lr=1e-3,
    warmup=100,
    decay=0.7,
    weight_decay=0.0,
    ema=0.998,
    clip=0.5,
    muon=True,
    adam_only=("body.0.", f"body.{2 * LAYERS + 2}."),
    seed=4,
)
TUNING = replace(RECIPE, lr=7e-4)
"""For a run that begins with finished weights."""
_WINDOW, _TRIES = 40, 2
"""Side of the small windows that it learns from, and how many are drawn to choose one."""
_NOISIEST = 420
"""Timestep; beyond it the model's picture leaves the true one."""
_LINED = 1 / 5
"""Share of pictures that are drawn in thin lines, by far the hardest; of all pictures it would be a twentieth."""
_STYLES = frozenset({"ink", "neon"})
_PIXELS = 3.0
"""Weight of the pixels of clean windows. What others show is uncertain; theirs weigh 1."""
_LATTICE = 1.5
"""Weight of differences between what two small pixels became, where stairs would show; that of all others is 1."""


@dataclass(frozen=True)
class Lesson:
    """Pictures [N, 64, 64, 3], what a diffusion model gives for them, and the truth [N, 256, 256, 3]; all uint8."""

    clean: Tensor
    dreamt: Tensor
    large: Tensor
    lined: Sequence[int] = ()
    """Rows whose captions name a style of thin lines."""


class UpscalerTask(Task):
    """Charbonnier loss on random windows, plus that of their gradients, which makes edges crisp and takes stairs away.

    *lessons*: pictures at 64 and 256 pixels. *once_more*: the first of them at 256 and 1,024, for the second pass.
    """

    name = "upscaler"

    def __init__(self, lessons: Sequence[Lesson], once_more: Rendered, held_out: Rendered) -> None:
        assert once_more.large is not None and held_out.large is not None
        self.net: nn.Module = awakened(Compact(FEATURES, LAYERS, SCALE, BASE))
        self._clean = Rows(*(lesson.clean.numpy() for lesson in lessons))
        self._dreamt = Rows(*(lesson.dreamt.numpy() for lesson in lessons))
        self._large = Rows(*(lesson.large.numpy() for lesson in lessons))
        firsts = accumulate((len(lesson.large) for lesson in lessons), initial=0)
        self._lined = torch.tensor(
            [first + row for first, lesson in zip(firsts, lessons, strict=False) for row in lesson.lined]
        ).long()
        self._middle, self._huge = torch.from_numpy(once_more.images), torch.from_numpy(once_more.large)
        self._test = torch.from_numpy(held_out.images[:64]), torch.from_numpy(held_out.large[:64])

    def batch(self, count: int, generator: torch.Generator, done: float = 1.0) -> Batch:
        """Return windows: a quarter dreamt, a twelfth worn, a third of the second pass.

        Three quarters of the second pass enlarge what the first one makes of dreams, wobbling edges included. All other
        windows are clean; a sixth of all are stripes.
        """
        dreams, worn, again = count // 4, count // 12, count // 3
        rows = self._rows(count - again, generator)
        small = torch.cat([self._dreamt[rows[:dreams]], self._clean[rows[dreams:]]])
        pairs = _windows(small, self._large[rows], generator)
        second = torch.randint(len(self._middle), (again,), generator=generator)
        own = 3 * again // 4
        middle = torch.cat([self._middle[second[own:]], self._enlarged(self._dreamt[second[:own]])])
        pairs += _windows(middle, self._huge[second.roll(-own)], generator)
        low, high = (to_float(torch.stack(part)) for part in zip(*pairs, strict=True))
        low[dreams : dreams + worn] = _worn(low[dreams : dreams + worn], generator)
        for row in range(dreams + worn, dreams + worn + count // 6):
            low[row], high[row] = _smeared(low[row], high[row], generator)
        weight = torch.full((count, 1, 1, 1), _PIXELS)
        weight[: dreams + worn] = weight[count - own :] = 1
        return {"low": low, "high": high, "weight": weight}

    def _rows(self, count: int, generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(self._large), (count,), generator=generator)
        if len(self._lined):
            chosen = torch.rand(count, generator=generator) < _LINED
            rows[chosen] = self._lined[torch.randint(len(self._lined), (int(chosen.sum()),), generator=generator)]
        return rows

    @torch.no_grad()
    def _enlarged(self, images: Tensor) -> Tensor:
        """Return pictures after the first pass: uint8 [N, S, S, 3] → [N, 4 S, 4 S, 3]."""
        guess = self.net(to_float(images).to(next(self.net.parameters()).device)).cpu()
        large: Tensor = guess.clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1)
        return large

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean √(d² + ε²) of the pixels, plus that of their differences rightwards and downwards."""
        off = self.net(batch["low"]).float() - batch["high"]
        pixels = (batch["weight"] * _charbonnier(off)).mean()
        return pixels + _edges(off.diff(dim=3)) + _edges(off.diff(dim=2).transpose(2, 3))

    def scores(self, net: nn.Module) -> Scores:
        """Return the mean absolute error on clean held-out pictures, and that of bicubic enlargement."""
        small, large = (to_float(images) for images in self._test)
        device = next(net.parameters()).device
        guess = torch.cat([net(part.to(device)).cpu() for part in torch.split(small, 16)]).clamp(0, 1)
        plain = F.interpolate(small, scale_factor=SCALE, mode="bicubic", align_corners=False).clamp(0, 1)
        return {"l1": float((guess - large).abs().mean()), "bicubic": float((plain - large).abs().mean())}

    def sheet(self, net: nn.Module) -> Image.Image | None:
        """Return small pictures, the enlarged ones, and the true ones."""
        small = to_float(self._test[0][:6])
        guess = net(small.to(next(net.parameters()).device)).cpu().clamp(0, 1)
        plain = F.interpolate(small, scale_factor=SCALE, mode="nearest")
        rows = torch.cat([plain, guess, to_float(self._test[1][:6])])
        return contact_sheet(rows.mul(255).round().byte().permute(0, 2, 3, 1).numpy(), columns=6)

    def flags(self) -> Mapping[str, object]:
        """Return what the tensors do not say (`base`), and for readers what they do."""
        return {"architecture": "compact", "features": FEATURES, "layers": LAYERS, "scale": SCALE, "base": BASE}


@torch.no_grad()
def awakened(net: Compact) -> Compact:
    """Initialise so that the signal keeps its strength through the layers (He et al. 2015), with a small last layer.

    With PyTorch's own start, eleven layers without skips let a thousandth through, and nothing is learned for long.
    """
    convolutions = [layer for layer in net.body if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        nn.init.kaiming_normal_(layer.weight, a=0.25)  # PReLU's slope below zero
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    convolutions[-1].weight.mul_(0.1)
    return net


def lesson(net: UNetModel, guide: SmallClip, composer: Composer, pictures: Rendered) -> Lesson:
    """Return *pictures*, which have a large size too, beside what the diffusion model gives for them."""
    assert pictures.large is not None
    sketches = composer.sketch(torch.from_numpy(pictures.spots), *pictures.images.shape[1:3])
    clean = torch.from_numpy(pictures.images)
    dreamt = dreamt_pictures(net, clean, told(guide, pictures), sketches)
    lined = [row for row, caption in enumerate(pictures.captions) if _STYLES & set(caption.split())]
    return Lesson(clean, dreamt, torch.from_numpy(pictures.large), lined)


@torch.no_grad()
def dreamt_pictures(net: UNetModel, images: Tensor, contexts: Tensor, sketches: Tensor, seed: int = 0) -> Tensor:
    """Return what the model gives for pictures made noisy, with its own blur, grain and stairs.

    A deterministic walk (DDIM) of a few steps down from a random level keeps to the picture, as the vectors must.

    Args:
        images: uint8 [N, S, S, 3].
        contexts: [N, D].
        sketches: [N, 4, S, S].

    Returns:
        uint8 [N, S, S, 3].
    """
    bars = alphas_cumprod(net.flags.noise_schedule, net.flags.diffusion_steps)
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for start in range(0, len(images), 32):
        rows = slice(start, start + 32)
        x = to_float(images[rows]) * 2 - 1
        level = int(torch.randint(60, _NOISIEST, (), generator=generator))
        x = q_sample(x, torch.randn(x.shape, generator=generator), per_sample(bars[[level] * len(x)]))
        for here, there in pairwise([level, level * 2 // 3, level // 3, 0]):
            timesteps = torch.full((len(x),), here)
            guess = net(x, timesteps, context=contexts[rows].float(), sketch=sketches[rows]).clamp(-1, 1)
            eps = predict_eps(x, guess, bars[here])
            x = q_sample(guess, eps, per_sample(bars[[there] * len(x)])) if there else guess
        parts.append(x.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1))
    return torch.cat(parts)


def _worn(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return pictures [N, 3, S, S], slightly blurred, with fine and coarse grain. S is a multiple of 4."""
    count = len(images)
    softness = uniform(count, 0, 0.8, generator)
    soft = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    worn = images + softness * (soft - images)
    fine = torch.randn(worn.shape, generator=generator)
    side = worn.shape[-1] // 4
    coarse = torch.randn(count, 3, side, side, generator=generator)
    coarse = F.interpolate(coarse, scale_factor=4, mode="nearest")  # the net's patches are 4 wide
    worn = worn + 0.03 * uniform(count, 0, 1, generator) * fine + 0.02 * uniform(count, 0, 1, generator) * coarse
    return worn.clamp(0, 1)


def _smeared(low: Tensor, high: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return a window and its truth with one row or column everywhere: the zeros beyond must not leave a frame."""
    axis, at = (int(torch.randint(most, (), generator=generator)) for most in (2, _WINDOW))
    line = high.narrow(axis + 1, SCALE * at, SCALE).mean(axis + 1, keepdim=True)
    return low.narrow(axis + 1, at, 1).expand_as(low).clone(), line.expand_as(high).clone()


def _windows(small: Tensor, large: Tensor, generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """Return a window of every picture: of a few at random the one with most to see; plain ground teaches nothing.

    They are never flipped: in small pictures the painter's thin lines lie half a pixel too far up and to the left.
    Windows are wider than twice the net's reach. In narrower ones every pixel would see the zeros beyond.
    *small*: uint8 [N, S, S, 3]; *large*: [N, 4 S, 4 S, 3].
    """
    return [_window(low, high, generator) for low, high in zip(small, large, strict=True)]


def _window(low: Tensor, high: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    corners = torch.randint(len(low) - _WINDOW + 1, (_TRIES, 2), generator=generator).tolist()
    cut = [low[top : top + _WINDOW, left : left + _WINDOW] for top, left in corners]
    best = max(range(_TRIES), key=lambda i: float(cut[i].float().var(dim=(0, 1)).sum()))
    top, left = (SCALE * corner for corner in corners[best])
    return cut[best], high[top : top + SCALE * _WINDOW, left : left + SCALE * _WINDOW]


def _edges(off: Tensor) -> Tensor:
    """Return the weighted mean √(d² + ε²) of *off* [N, 3, H, W - 1], what differences of neighbours in rows are off."""
    lost = _charbonnier(off)
    return lost.mean() + (_LATTICE - 1) * lost[..., SCALE - 1 :: SCALE].sum() / lost.numel()


def _charbonnier(difference: Tensor, epsilon: float = 1e-3) -> Tensor:
    return (difference.square() + epsilon**2).sqrt()
