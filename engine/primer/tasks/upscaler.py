"""How the upscaler is made: painted pictures at 64 and 256 pixels, the small ones spoilt as the diffusion model spoils.

Clean input alone would teach it to sharpen whatever it gets: grain became cells. So it also sees blur, grain and, once
there is a diffusion model, that model's own guesses of slightly noisy pictures.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from engine.diffusion.denoiser import q_sample
from engine.diffusion.schedules import alphas_cumprod
from engine.images.tensors import per_sample
from engine.nets.adm import UNetModel
from engine.nets.compact import Compact
from engine.primer.painter.sheet import contact_sheet
from engine.primer.tasks.dataset import Rendered
from engine.training.augment import to_float, uniform
from engine.training.loop import Recipe
from engine.training.task import Batch, Scores, Task

RECIPE = Recipe(
    steps=6000,
    batch=16,
    lr=1e-3,
    warmup=100,
    decay=0.6,
    weight_decay=0.0,
    betas=(0.9, 0.98),
    ema=0.998,
    clip=0.5,
    seed=4,
)
FEATURES, LAYERS = 32, 10
_WINDOW, _TRIES = 24, 3
"""Side of the small windows it learns from, and how many are drawn to choose one."""


class UpscalerTask(Task):
    """Charbonnier loss on random windows, plus that of their gradients, which is what makes an edge crisp.

    *dreamt*: uint8 [M, 64, 64, 3], what a diffusion model made of the first M small pictures (see `dreamt_pictures`).
    """

    name = "upscaler"

    def __init__(self, pictures: Rendered, held_out: Rendered, dreamt: Tensor | None = None) -> None:
        assert pictures.large is not None and held_out.large is not None
        self.net: nn.Module = awakened(Compact(FEATURES, LAYERS, scale=4))
        self._small, self._large = torch.from_numpy(pictures.images), torch.from_numpy(pictures.large)
        self._test = torch.from_numpy(held_out.images[:64]), torch.from_numpy(held_out.large[:64])
        self._dreamt = dreamt

    def batch(self, count: int, generator: torch.Generator, done: float = 1.0) -> Batch:
        """Windows, flipped at random; a third clean, a third soft and grainy, a third dreamt (if there are any)."""
        dreams = 0 if self._dreamt is None else count // 3
        rows = torch.randint(len(self._small), (count,), generator=generator)
        small = self._small[rows]
        if self._dreamt is not None:
            rows[:dreams] = torch.randint(len(self._dreamt), (dreams,), generator=generator)
            small[:dreams] = self._dreamt[rows[:dreams]]
        small, large = to_float(small), to_float(self._large[rows])
        small = torch.cat([small[:dreams], _worn(small[dreams:], generator)])
        low, high = _windows(small, large, generator)
        if torch.rand((), generator=generator) < 0.5:
            low, high = low.flip(3), high.flip(3)
        return {"low": low, "high": high}

    def loss(self, batch: Batch) -> Tensor:
        """Mean √(d² + ε²) of the pixels, and of their differences to the right and downwards."""
        guess, high = self.net(batch["low"]).float(), batch["high"]
        edges = _charbonnier(guess.diff(dim=2) - high.diff(dim=2)) + _charbonnier(guess.diff(dim=3) - high.diff(dim=3))
        return _charbonnier(guess - high) + edges

    def scores(self, net: nn.Module) -> Scores:
        """Mean absolute error on clean held-out pictures, its own and that of bicubic enlargement."""
        small, large = (to_float(images) for images in self._test)
        device = next(net.parameters()).device
        guess = torch.cat([net(part.to(device)).cpu() for part in torch.split(small, 16)]).clamp(0, 1)
        plain = F.interpolate(small, scale_factor=4, mode="bicubic", align_corners=False).clamp(0, 1)
        return {"l1": float((guess - large).abs().mean()), "bicubic": float((plain - large).abs().mean())}

    def sheet(self, net: nn.Module) -> Image.Image | None:
        """Small pictures (enlarged plainly), what the net makes of them, and what they should be."""
        small = to_float(self._test[0][:6])
        guess = net(small.to(next(net.parameters()).device)).cpu().clamp(0, 1)
        plain = F.interpolate(small, scale_factor=4, mode="nearest")
        rows = torch.cat([plain, guess, to_float(self._test[1][:6])])
        return contact_sheet(rows.mul(255).round().byte().permute(0, 2, 3, 1).numpy(), columns=6)

    def flags(self) -> Mapping[str, object]:
        """The tensors say all of it; this is for people."""
        return {"architecture": "compact", "features": FEATURES, "layers": LAYERS, "scale": 4}


@torch.no_grad()
def awakened(net: Compact) -> Compact:
    """A start that keeps the signal's strength through the layers (He et al. 2015) and whispers at the end.

    With PyTorch's own start, eleven layers without skips let a thousandth through, and nothing is learned for long.
    """
    convolutions = [layer for layer in net.body if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        nn.init.kaiming_normal_(layer.weight, a=0.25)  # PReLU's slope below zero
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    convolutions[-1].weight.mul_(0.1)
    return net


@torch.no_grad()
def dreamt_pictures(net: UNetModel, pictures: Rendered, contexts: Tensor, count: int, seed: int = 0) -> Tensor:
    """The model's own blur and grain: its x̂_0 of slightly noisy pictures, uint8 [count, 64, 64, 3]."""
    bars = alphas_cumprod(net.flags.noise_schedule, net.flags.diffusion_steps)
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for start in range(0, count, 32):
        rows = slice(start, min(start + 32, count))
        clean = to_float(torch.from_numpy(pictures.images[rows])) * 2 - 1
        timesteps = torch.randint(10, 220, (len(clean),), generator=generator)
        noise = torch.randn(clean.shape, generator=generator)
        x_t = q_sample(clean, noise, per_sample(bars[timesteps]))
        guess = net(x_t, timesteps, context=contexts[rows].float()).clamp(-1, 1)
        parts.append(guess.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1))
    return torch.cat(parts)


def _worn(images: Tensor, generator: torch.Generator) -> Tensor:
    """Half of them clean; the others a little soft, with a little fine and a little coarse grain."""
    count = len(images) // 2
    if not count:
        return images
    worn = images[:count]
    softness = uniform(count, 0, 0.8, generator)
    soft = F.avg_pool2d(F.pad(worn, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    worn = worn + softness * (soft - worn)
    fine = torch.randn(worn.shape, generator=generator)
    side = worn.shape[-1] // 4
    coarse = torch.randn(count, 3, side, side, generator=generator)
    coarse = F.interpolate(coarse, scale_factor=4, mode="nearest")  # the net's patches are 4 wide
    worn = worn + 0.03 * uniform(count, 0, 1, generator) * fine + 0.02 * uniform(count, 0, 1, generator) * coarse
    return torch.cat([worn.clamp(0, 1), images[count:]])


def _windows(small: Tensor, large: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One window of every picture: of a few at random the one with most to see, since plain ground teaches nothing."""
    pairs = [_window(low, high, generator) for low, high in zip(small, large, strict=True)]
    return torch.stack([low for low, _ in pairs]), torch.stack([high for _, high in pairs])


def _window(low: Tensor, high: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    corners = torch.randint(low.shape[-1] - _WINDOW + 1, (_TRIES, 2), generator=generator).tolist()
    cut = [low[:, top : top + _WINDOW, left : left + _WINDOW] for top, left in corners]
    best = max(range(_TRIES), key=lambda i: float(cut[i].var(dim=(1, 2)).sum()))
    top, left = (4 * corner for corner in corners[best])
    return cut[best], high[:, top : top + 4 * _WINDOW, left : left + 4 * _WINDOW]


def _charbonnier(difference: Tensor, epsilon: float = 1e-3) -> Tensor:
    return (difference.square() + epsilon**2).sqrt().mean()
