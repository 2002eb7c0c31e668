"""The denoising task: trains the primer's diffusion model, and fine-tunes one on a folder of pictures.

The net predicts x_0. Per-step weights are those of v-prediction (Salimans & Ho 2022), SNR + 1, capped: uncapped they
weigh almost clean pictures a hundred times more, and the net learns grain instead of structure (Hang et al. 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from engine.diffusion.denoiser import q_sample
from engine.diffusion.schedules import alphas_cumprod
from engine.images.pictures import grid
from engine.images.tensors import per_sample, to_image
from engine.nets.adm import UNetModel
from engine.perceptors.perceptor import Features, perceptual_distance
from engine.training.row_view import Rows
from engine.training.sampling import sample
from engine.training.task import Batch, Scores, Task

_TEST_LEVELS = (250, 500, 750)
_BLIND = 0.03
"""ᾱ below which x̂_0 is always a mean of many pictures."""
_SHIFT = 8
"""Pixels; more than a patch of the nets that see."""


class DiffusionTask(Task):
    """x_0-prediction of *pictures*, text-conditioned if the net has a `context_dim`.

    *pictures*: uint8 [N, H, W, 3], in one part or several; *contexts*: [N, D] unit vectors, dropped for a share
    *dropout* of the samples, so that one net paints with and without a text. *held_out*: the same of pictures that are
    never trained on.
    *easy*: the first so many pictures come first; the others join over the part *widening* of the run, up to
    *hard_share*. *features*: x̂_0 must look right to these as well, with the weight *perceptual*, except where hardly
    anything of the picture is left in the noise. *encode*: pictures [N, 3, H, W] in [0, 1] → contexts; a share
    *looking* of the samples is told by its own picture instead of its text, so that pictures can be prompts too.
    *teachers*: the nets behind *features* and *encode*, which go where the net goes. *sketch*: rows → the sketches
    [M, 4, H, W] of those pictures, dropped with the text; *test_sketches*: those of *held_out*.
    """

    name = "diffusion"

    def __init__(
        self,
        net: UNetModel,
        pictures: Rows,
        contexts: Tensor | None = None,
        *,
        held_out: tuple[NDArray[np.uint8], Tensor | None],
        dropout: float = 0.2,
        weight_cap: float = 5.0,
        easy: int = 0,
        hard_share: float = 0.6,
        widening: tuple[float, float] = (0.35, 0.6),
        features: Features | None = None,
        perceptual: float = 0.3,
        dwelt_on: Tensor | None = None,
        dwelling: float = 0.25,
        encode: Callable[[Tensor], Tensor] | None = None,
        looking: float = 0.1,
        teachers: Sequence[nn.Module] = (),
        sketch: Callable[[Tensor], Tensor] | None = None,
        test_sketches: Tensor | None = None,
    ) -> None:
        self.net: nn.Module = net
        self._teachers, self._device = teachers, torch.device("cpu")
        self._flags = net.flags
        self.pictures, self.contexts = pictures, contexts
        self._dropout, self._cap = dropout, weight_cap
        self._easy, self._hard_share, self._widening = easy, hard_share, widening
        self._features, self._perceptual = features, perceptual
        self._dwelt_on, self._dwelling = dwelt_on, dwelling
        self._encode, self._looking = encode, looking
        self._sketch, self._test_sketches = sketch, None if test_sketches is None else test_sketches[:192]
        self.alpha_bar = alphas_cumprod(net.flags.noise_schedule, net.flags.diffusion_steps)
        self._test = torch.from_numpy(held_out[0][:192]), None if held_out[1] is None else held_out[1][:192]

    def to(self, device: torch.device) -> None:
        """Move the net and its teachers."""
        for module in (self.net, *self._teachers):
            module.to(device)
        self._device = device

    def batch(self, count: int, generator: torch.Generator, done: float = 1.0) -> Batch:
        """Return pictures, contexts, noise, and timesteps stratified over the schedule, which lowers the variance."""
        rows = self._dwell(self._rows(count, generator, done), generator)
        images = to_signed_images(self.pictures[rows])
        steps = len(self.alpha_bar)
        stretch = (torch.arange(count) + torch.rand(count, generator=generator)) * (steps / count)
        batch = {
            "images": images,
            "noise": torch.randn(images.shape, generator=generator).contiguous(memory_format=torch.channels_last),
            "timesteps": stretch.long().clamp(max=steps - 1),
        }
        if self.contexts is not None:
            batch["contexts"] = self.contexts[rows].float()
            batch["told"] = torch.rand(count, generator=generator) >= self._dropout
            self._look(batch, generator)
        if self._sketch is not None:
            batch["sketches"] = self._sketch(rows)
        return batch

    @torch.no_grad()
    def _look(self, batch: dict[str, Tensor], generator: torch.Generator) -> None:
        """Replace the context of some samples by the embedding of their picture."""
        if self._encode is None:
            return
        looking = torch.rand(len(batch["images"]), generator=generator) < self._looking
        if looking.any():
            seen = (batch["images"][looking] + 1) / 2
            batch["contexts"][looking] = self._encode(seen.to(self._device)).to(batch["contexts"])

    def _rows(self, count: int, generator: torch.Generator, done: float) -> Tensor:
        """Draw rows: easy ones, and a growing share of the others."""
        total = len(self.pictures)
        if not 0 < self._easy < total:
            return torch.randint(total, (count,), generator=generator)
        hard = torch.rand(count, generator=generator) < hard_share(done, self._hard_share, *self._widening)
        easy_rows = torch.randint(self._easy, (count,), generator=generator)
        return torch.where(hard, torch.randint(self._easy, total, (count,), generator=generator), easy_rows)

    def _dwell(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Replace some rows by rows of `dwelt_on`."""
        if self._dwelt_on is None or not len(self._dwelt_on):
            return rows
        instead = self._dwelt_on[torch.randint(len(self._dwelt_on), rows.shape, generator=generator)]
        return torch.where(torch.rand(rows.shape, generator=generator) < self._dwelling, instead, rows)

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean of min(SNR + 1, cap) · |x_0 - x̂_0|², plus the perceptual term if there are *features*."""
        bar = per_sample(self.alpha_bar[batch["timesteps"].cpu()])
        x_t = q_sample(batch["images"], batch["noise"], bar)
        told = {"context": batch.get("contexts"), "context_mask": batch.get("told"), "sketch": batch.get("sketches")}
        guess = self.net(x_t, batch["timesteps"], **told)
        weight = (1 / (1 - bar)).clamp(max=self._cap).to(guess)  # SNR + 1 = 1 / (1 - ᾱ)
        loss: Tensor = (weight * (guess.float() - batch["images"]).square()).mean()
        if self._features is not None:
            distance = perceptual_distance(self._features, guess.float(), batch["images"], _shift(batch["timesteps"]))
            loss = loss + self._perceptual * (distance * (bar.flatten() > _BLIND).to(distance)).mean()
        return loss

    def scores(self, net: nn.Module) -> Scores:
        """Return the mean squared error of x̂_0 on held-out pictures at three noise levels, with their text."""
        images, contexts = to_signed_images(self._test[0]), self._test[1]
        device = next(net.parameters()).device
        noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
        out = {}
        for level in _TEST_LEVELS:
            timesteps = torch.full((len(images),), level)
            x_t = q_sample(images, noise, per_sample(self.alpha_bar[timesteps]))
            told = None if contexts is None else contexts.float().to(device)
            seen = None if self._test_sketches is None else self._test_sketches.to(device)
            guess = net(x_t.to(device), timesteps.to(device), context=told, sketch=seen)
            out[f"mse{level}"] = float((guess.cpu() - images).square().mean())
        return out

    def sheet(self, net: nn.Module) -> Image.Image | None:
        """Return 24 samples from held-out texts and 8 without text."""
        contexts = self._test[1]
        count = 24
        told = None if contexts is None else contexts[:count].float()
        sketches = None if self._test_sketches is None else self._test_sketches[:count]
        pictures = sample(cast(UNetModel, net), count, contexts=told, sketches=sketches, cfg_scale=2.5, seed=1)
        if told is not None:
            pictures = torch.cat([pictures, sample(cast(UNetModel, net), 8, seed=2)])
        return grid([to_image(picture) for picture in pictures])

    def flags(self) -> Mapping[str, object]:
        """Return what `build_adm` needs."""
        return asdict(self._flags)


def _shift(timesteps: Tensor) -> tuple[int, int]:
    """Return a pseudo-random shift that follows from the batch, so that a resumed run repeats it."""
    total = int(timesteps.sum())
    return total % _SHIFT, total // _SHIFT % _SHIFT


def hard_share(done: float, most: float, start: float, full: float) -> float:
    """The share of pictures that are not the easy ones: none until *start* of the run, *most* from *full* on."""
    return most * min(max((done - start) / (full - start), 0.0), 1.0)


def to_signed_images(images: Tensor) -> Tensor:
    """uint8 [N, H, W, 3] → float [N, 3, H, W] in [-1, 1], channels last in memory."""
    return images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
