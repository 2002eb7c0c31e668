"""How the two CLIPs are made: the guide, which pulls pictures towards words, and the grader, which judges them.

The grader is another design, of another seed, trained on other pictures, and never used for guidance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.primer.small_clip import SmallClip, SmallClipFlags
from engine.primer.tasks.dataset import Rendered
from engine.primer.vocabulary import VOCABULARY_SIZE
from engine.training.augment import blurred, noisy, to_float, uniform, zoomed
from engine.training.loop import Recipe
from engine.training.row_view import Rows
from engine.training.task import Batch, Scores, Task

GUIDE = SmallClipFlags(vocabulary=VOCABULARY_SIZE)
GRADER = SmallClipFlags(
    vocabulary=VOCABULARY_SIZE,
    dim=128,
    text_width=96,
    text_layers=2,
    widths=(40, 96),
    blocks=(1, 2),
    norm="batch",
    image_layers=2,
)
GUIDE_RECIPE = Recipe(
    steps=4000, batch=128, lr=1e-3, warmup=150, decay=0.7, weight_decay=0.05, betas=(0.9, 0.98), ema=0.998, seed=1
)
GRADER_RECIPE = Recipe(
    steps=4000, batch=128, lr=1.5e-3, warmup=150, decay=0.7, weight_decay=0.05, betas=(0.9, 0.98), ema=0.998, seed=2
)
GUIDE_TUNING = replace(GUIDE_RECIPE, batch=96, decay=0.8, weight_decay=0.0)
"""For a finished guide, with a diffusion model at hand."""
GRADER_TUNING = replace(GRADER_RECIPE, lr=7e-4, warmup=60, decay=0.8)
"""For a finished grader."""
ATTACKED = 1.0
_LARGEST_SCALE = 100.0
_DENOISED_SHARE = 0.25


class ClipTask(Task):
    """Symmetric cross entropy; every picture must also tell its caption from all hard negatives of the batch.

    *pictures*: albums, read as one. *held_out*: name → album; the scores of each are logged under that name.
    *hard*: weight of a term for each caption against its own hard negative, which teaches which colour belongs to which
    thing earlier than the batch does. *spoilt*: train on blurred, noisy and cropped pictures, as guidance shows them.
    *known_words*: the embeddings of ids below this and the layers of the text tower stay as they are.
    *denoised*: pictures [N, 3, H, W] in [0, 1] → what a diffusion model told nothing predicts from them in noise, which
    guidance looks at; a quarter of the batch is replaced by it. *attacked*: half of the batch moves against its caption
    by up to this L2 distance (Goodfellow et al. 2015): the gradients of a net that withstands it show what a text names
    (Santurkar et al. 2019). *teachers*: the nets behind *denoised*, which go where the net goes.
    """

    def __init__(
        self,
        name: str,
        flags: SmallClipFlags,
        pictures: Sequence[Rendered],
        held_out: Mapping[str, Rendered],
        *,
        spoilt: bool,
        hard: float = 1.0,
        known_words: int = 0,
        denoised: Callable[[Tensor, torch.Generator], Tensor] | None = None,
        attacked: float = 0.0,
        teachers: Sequence[nn.Module] = (),
    ) -> None:
        self.name = name
        net = SmallClip(flags)
        if known_words:
            keep_known_words(net, known_words)
        self.net: nn.Module = net
        self._images = Rows(*(album.images for album in pictures))
        self._tokens = torch.from_numpy(np.concatenate([album.tokens for album in pictures]))
        self._negatives = torch.from_numpy(np.concatenate([album.negatives for album in pictures]))
        self._held_out, self._spoilt, self._hard = held_out, spoilt, hard
        self._denoised, self._attacked, self._teachers = denoised, attacked, teachers

    def to(self, device: torch.device) -> None:
        """Move the net and its teachers."""
        for module in (self.net, *self._teachers):
            module.to(device)

    def batch(self, count: int, generator: torch.Generator, done: float = 1.0) -> Batch:
        """Return pictures, captions and hard negatives."""
        rows = torch.randint(len(self._images), (count,), generator=generator)
        images = to_float(self._images[rows])
        if self._spoilt:
            order = torch.randperm(count, generator=generator)
            images = zoomed(images, generator)[order]
            rows = rows[order]
            images = blurred(images, generator, share=0.5)
            if self._denoised is not None:
                kept = count - int(_DENOISED_SHARE * count)
                images = torch.cat([images[:kept], self._denoised(images[kept:], generator)])
            images = noisy(images, generator)
        else:
            images = noisy(blurred(images, generator, share=0.15), generator, most=0.1)
        batch = {"images": images, "tokens": self._tokens[rows], "negatives": self._negatives[rows]}
        if self._attacked:
            batch["distance"] = self._attacked * uniform(count, 0, 1, generator)
        return batch

    def loss(self, batch: Batch) -> Tensor:
        """Return the contrastive loss of the batch."""
        net = self.net
        assert isinstance(net, SmallClip)
        texts = net.encode_text(torch.cat([batch["tokens"], batch["negatives"]]))
        images = batch["images"]
        if self._attacked:
            images = torch.cat([self._attack(net, batch, texts.detach()), images[len(images) // 2 :]])
        return self._contrast(net.encode_image(images), texts, batch["tokens"])

    def _attack(self, net: SmallClip, batch: Batch, texts: Tensor) -> Tensor:
        """Move the first half of the pictures along the gradient of their loss; *texts* [2 N, D], negatives last."""
        half, count = len(batch["images"]) // 2, len(batch["images"])
        images = batch["images"][:half].requires_grad_()
        known = torch.cat([texts[:half], texts[count : count + half]])
        loss = self._contrast(net.encode_image(images), known, batch["tokens"][:half])
        (gradient,) = torch.autograd.grad(loss, images)
        direction = gradient / gradient.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None, None]
        moved: Tensor = images + batch["distance"][:half] * direction
        return moved.detach()

    def _contrast(self, images: Tensor, texts: Tensor, tokens: Tensor) -> Tensor:
        """Return the loss of pictures [N, D] and texts [2 N, D], the hard negatives last."""
        net, count = self.net, len(images)
        assert isinstance(net, SmallClip)
        logits = images @ texts.T * net.log_scale.exp().clamp(max=_LARGEST_SCALE)
        own = torch.arange(count, device=logits.device)
        margin = logits[own, own + count] - logits[own, own]
        same = (tokens[:, None] == tokens[None]).all(dim=2) & (own[:, None] != own[None])
        by_picture = logits.clone()
        by_picture[:, :count] = by_picture[:, :count].masked_fill(same, -1e4)  # an equal caption is no wrong one
        by_text = logits[:, :count].T.masked_fill(same, -1e4)
        contrast = (F.cross_entropy(by_picture, own) + F.cross_entropy(by_text, own)) / 2
        return contrast + self._hard * F.softplus(margin).mean()

    def scores(self, net: nn.Module) -> Scores:
        """Return, per held-out album, the share that finds its caption among 64 and prefers it to its hard negative."""
        assert isinstance(net, SmallClip)
        found: dict[str, float] = {}
        for name, album in self._held_out.items():
            images, texts, negatives = _embedded(net, album)
            own = (images * texts).sum(dim=1)
            found[f"{name}_top1of64"] = top_1(images, texts, 64)
            found[f"{name}_hard"] = float((own > (images * negatives).sum(dim=1)).float().mean())
            found[f"{name}_similarity"] = float(own.mean())
        return found

    def sheet(self, net: nn.Module) -> Image.Image | None:
        """Return nothing: a CLIP makes no pictures."""
        return None

    def flags(self) -> Mapping[str, object]:
        """Return what `build_small_clip` needs."""
        assert isinstance(self.net, SmallClip)
        return self.net.as_mapping()


def top_1(images: Tensor, texts: Tensor, among: int) -> float:
    """The share of pictures that prefer their own text, in groups of *among*. Both [N, D]."""
    right = total = 0
    for start in range(0, len(images) - among + 1, among):
        similar = images[start : start + among] @ texts[start : start + among].T
        # A text that occurs twice in the group counts as right wherever it is met.
        best, own = similar.max(dim=1).values, similar.diagonal()
        right += int((own >= best - 1e-6).sum())
        total += among
    return right / max(total, 1)


def _embedded(net: SmallClip, album: Rendered) -> tuple[Tensor, Tensor, Tensor]:
    """Return the embeddings of pictures, captions and hard negatives, [N, D] each, of the first 2,048."""
    device = next(net.parameters()).device
    images, texts, negatives = [], [], []
    for start in range(0, min(2048, len(album.images)), 256):
        rows = slice(start, start + 256)
        images.append(net.encode_image(to_float(torch.from_numpy(album.images[rows])).to(device)).cpu())
        texts.append(net.encode_text(torch.from_numpy(album.tokens[rows]).to(device)).cpu())
        negatives.append(net.encode_text(torch.from_numpy(album.negatives[rows]).to(device)).cpu())
    return torch.cat(images), torch.cat(texts), torch.cat(negatives)


def keep_known_words(net: SmallClip, count: int) -> None:
    """Let the text tower learn nothing but the embeddings of ids from *count* on.

    A diffusion model that reads the embeddings of texts without new words keeps reading the same ones.
    """
    net.text.requires_grad_(False)
    words = net.text.words.weight.requires_grad_(True)

    def mask(gradient: Tensor) -> Tensor:
        masked = gradient.clone()
        masked[:count] = 0
        return masked

    words.register_hook(mask)  # type: ignore[no-untyped-call]


def grown(tensors: Mapping[str, Tensor], vocabulary: int, known: int) -> dict[str, Tensor]:
    """Return the weights of a CLIP with room for more words; rows from *known* on start near the mean of the others."""
    rows = tensors["text.words.weight"].float()
    generator = torch.Generator().manual_seed(0)
    taught = rows[3:known]
    spread = taught.std(dim=0) * torch.randn(vocabulary, rows.shape[1], generator=generator)
    new = taught.mean(dim=0) + 0.5 * spread
    new[:known] = rows[:known]
    return {**tensors, "text.words.weight": new}
