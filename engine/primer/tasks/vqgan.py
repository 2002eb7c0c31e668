"""How the VQGAN is made: painted pictures, each rebuilt from an 8 x 8 grid of vectors out of a small codebook.

The codebook is not trained by gradient: each vector follows the mean of what chose it (van den Oord et al. 2017,
appendix A), and one that nothing chooses any more begins again somewhere in the batch (as in Jukebox, Dhariwal et al.
2020). There is no discriminator: the painter's pictures have no texture that only a critic could demand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.flags import read_vqgan_flags
from engine.nets.primer.small_clip import ImageTower
from engine.nets.vqgan import Vqgan, straight_through
from engine.perceptors.perceptor import perceptual_distance
from engine.primer.painter.sheet import contact_sheet
from engine.primer.tasks.dataset import Rendered
from engine.training.diffusion import to_signed_images
from engine.training.loop import Recipe
from engine.training.row_view import Rows
from engine.training.task import Batch, Scores, Task

FLAGS: dict[str, object] = {
    "n_embed": 512,
    "embed_dim": 16,
    "z_channels": 36,
    "resolution": 64,
    "ch": 36,
    "ch_mult": (1, 2, 2),
    "num_res_blocks": 1,
    "attn_resolutions": (8,),
    "patch": 2,
    "norm_groups": 12,
}
RECIPE = Recipe(
    steps=6000, batch=32, lr=1e-3, warmup=50, decay=0.6, weight_decay=0.01, ema=0.995, seed=5,
    muon=True, adam_only=("encoder.conv_in.", "decoder.conv_out.", "quant_conv.", "post_quant_conv."),
)  # fmt: skip
TUNING = replace(RECIPE, lr=7e-4, decay=0.8, ema=0.998)
"""For a finished VQGAN."""
_PERCEPTUAL = 0.5
_COMMITMENT = 0.25
_FOLLOWS = 0.98
"""How much of its old place a vector keeps in each step."""
_PATIENCE = 40
"""Steps without being chosen after which a vector begins again."""
_SETTLED = 0.7
"""Part of the run after which no vector begins again: the decoder has to know them all."""
_SHIFT = 8
"""Pixels; more than a patch of the nets that see."""


class VqganTask(Task):
    """|x - x̂| and how alike both look to *eye*, and the commitment of what is quantised to its vector.

    *pictures*: albums, read as one. *held_out*: name → album; the scores of each are logged under that name.
    """

    name = "vqgan"

    def __init__(self, pictures: Sequence[Rendered], held_out: Mapping[str, Rendered], eye: ImageTower) -> None:
        net = Vqgan(read_vqgan_flags(FLAGS))
        net.quantize.requires_grad_(False)
        self.net: nn.Module = net
        self._vqgan, self._eye = net, eye
        self._pictures = Rows(*(album.images for album in pictures))
        self._test = {name: torch.from_numpy(album.images[:128]) for name, album in held_out.items()}
        self._places: Places | None = None

    def to(self, device: torch.device) -> None:
        """Move the net and the guide's image tower."""
        self.net.to(device)
        self._eye.to(device)

    def batch(self, count: int, generator: torch.Generator, done: float = 1.0) -> Batch:
        """Return pictures; the whole batch is mirrored or not."""
        rows = torch.randint(len(self._pictures), (count,), generator=generator)
        images = to_signed_images(self._pictures[rows])
        if torch.rand((), generator=generator) < 0.5:
            images = images.flip(3)
        shift = torch.randint(_SHIFT, (2,), generator=generator)
        return {"images": images, "shift": shift, "settled": torch.tensor(done >= _SETTLED)}

    def loss(self, batch: Batch) -> Tensor:
        """Return the sum of the losses; the codebook moves during the call."""
        images, net = batch["images"], self._vqgan
        z = net.encode(images).float()
        if self._places is None:
            self._places = Places(net)
        with torch.autocast(z.device.type, enabled=False):  # near vectors are told apart by their last digits
            indices = self._places.follow(z.detach(), bool(batch["settled"]))
        z_q = net.lookup(indices)
        guess = net.decode(straight_through(z, z_q)).float()
        down, across = batch["shift"].cpu().tolist()
        unlike = perceptual_distance(self._eye.features, guess, images, (down, across)).mean()
        return (guess - images).abs().mean() + _PERCEPTUAL * unlike + _COMMITMENT * F.mse_loss(z, z_q)

    def scores(self, net: nn.Module) -> Scores:
        """Return, per held-out album, the mean absolute error (of 2), the perceptual distance and the vectors used."""
        assert isinstance(net, Vqgan)
        found: dict[str, float] = {}
        for name, pictures in self._test.items():
            images = to_signed_images(pictures).to(net.codebook.device)
            indices = net.indices(net.encode(images))
            guess = net.decode(net.lookup(indices)).clamp(-1, 1)
            found[f"{name}_l1"] = float((guess - images).abs().mean())
            found[f"{name}_unlike"] = float(perceptual_distance(self._eye.features, guess, images).mean())
            found[f"{name}_codes"] = float(indices.flatten().bincount().count_nonzero())
        return found

    def sheet(self, net: nn.Module) -> Image.Image | None:
        """Return held-out pictures, and below each its reconstruction."""
        assert isinstance(net, Vqgan)
        shown = torch.cat([pictures[: 24 // len(self._test)] for pictures in self._test.values()])
        images = to_signed_images(shown).to(net.codebook.device)
        guess = net.decode(net.lookup(net.indices(net.encode(images)))).clamp(-1, 1).cpu()
        rebuilt = guess.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1)
        pairs = [part for row in range(0, len(shown), 8) for part in (shown[row : row + 8], rebuilt[row : row + 8])]
        return contact_sheet(torch.cat(pairs).numpy(), columns=8)

    def flags(self) -> Mapping[str, object]:
        """Return what `read_vqgan_flags` needs."""
        return asdict(self._vqgan.flags)


class Places:
    """Running means of a codebook's vectors in training, and how long each has been unused."""

    def __init__(self, net: Vqgan) -> None:
        self._net, book = net, net.codebook
        fresh = bool(book.abs().max() <= 1 / len(book))  # as it was built: all begin in the first batch
        self._chosen = torch.ones(len(book), device=book.device)
        self._sum = book.detach().clone()
        self._idle = torch.full((len(book),), _PATIENCE if fresh else 0, device=book.device)

    @torch.no_grad()
    def follow(self, z: Tensor, settled: bool) -> Tensor:
        """Let idle vectors begin again unless *settled*, choose for *z*, follow the means: the choice, [N, h, w]."""
        places = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
        if not settled:
            self._begin_again(places)
        indices = self._net.indices(z)
        ones = F.one_hot(indices.flatten(), len(self._chosen)).to(places)
        counts = ones.sum(0)
        self._chosen.lerp_(counts, 1 - _FOLLOWS)
        self._sum.lerp_(ones.T @ places, 1 - _FOLLOWS)
        self._idle = torch.where(counts > 0, 0, self._idle + 1)
        alive = self._chosen > 1e-3
        self._net.codebook[alive] = (self._sum / self._chosen[:, None].clamp_min(1e-3))[alive]
        return indices

    def _begin_again(self, places: Tensor) -> None:
        idle = (self._idle >= _PATIENCE).nonzero().flatten()
        if not len(idle):
            return
        # Every n-th place: the choice follows from the batch alone, so a resumed run repeats it.
        chosen = torch.linspace(0, len(places) - 1, len(idle), device=places.device).long()
        self._net.codebook[idle] = self._sum[idle] = places[chosen]
        self._chosen[idle], self._idle[idle] = 1.0, 0
