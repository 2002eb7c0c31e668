"""How the two CLIPs are made: the guide, which pulls pictures towards words, and the grader, which judges them.

The grader is another design, of another seed, trained on other pictures, and never used for guidance.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.small_clip import SmallClip, SmallClipFlags
from engine.primer.tasks.dataset import Rendered
from engine.training.augment import blurred, noisy, to_float, zoomed
from engine.training.loop import Recipe
from engine.training.task import Batch, Scores, Task

GUIDE = SmallClipFlags()
GRADER = SmallClipFlags(
    dim=128, text_width=96, text_layers=2, widths=(40, 96), blocks=(1, 2), norm="batch", image_layers=2
)
GUIDE_RECIPE = Recipe(
    steps=4000, batch=128, lr=1e-3, warmup=150, decay=0.7, weight_decay=0.05, betas=(0.9, 0.98), ema=0.998, seed=1
)
GRADER_RECIPE = Recipe(
    steps=4000, batch=128, lr=1.5e-3, warmup=150, decay=0.7, weight_decay=0.05, betas=(0.9, 0.98), ema=0.998, seed=2
)
_LARGEST_SCALE = 100.0


class ClipTask(Task):
    """Symmetric cross entropy; every picture must also tell its caption from all hard negatives of the batch.

    *hard*: weight of a term of its own, caption against its own hard negative, which teaches what belongs to what
    ("red on blue" or "blue on red") long before the batch does. *spoilt*: see pictures as they are while they form.
    *words_stay*: only the image tower learns, so that a diffusion model which reads the text tower stays in tune.
    """

    def __init__(
        self,
        name: str,
        flags: SmallClipFlags,
        pictures: Rendered,
        held_out: Rendered,
        *,
        spoilt: bool,
        hard: float = 1.0,
        words_stay: bool = False,
    ) -> None:
        self.name = name
        net = SmallClip(flags)
        net.text.requires_grad_(not words_stay)
        self.net: nn.Module = net
        self._images = torch.from_numpy(pictures.images)
        self._tokens = torch.from_numpy(pictures.tokens)
        self._negatives = torch.from_numpy(pictures.negatives)
        self._test, self._spoilt, self._hard = held_out, spoilt, hard

    def batch(self, count: int, generator: torch.Generator, done: float = 1.0) -> Batch:
        """Pictures, captions, hard negatives."""
        rows = torch.randint(len(self._images), (count,), generator=generator)
        images = to_float(self._images[rows])
        if self._spoilt:
            order = torch.randperm(count, generator=generator)
            images = zoomed(images, generator)[order]
            rows = rows[order]
            images = noisy(blurred(images, generator, share=0.5), generator)
        else:
            images = noisy(blurred(images, generator, share=0.15), generator, most=0.1)
        return {"images": images, "tokens": self._tokens[rows], "negatives": self._negatives[rows]}

    def loss(self, batch: Batch) -> Tensor:
        """Contrastive loss of the batch."""
        net = self.net
        assert isinstance(net, SmallClip)
        tokens, count = batch["tokens"], len(batch["tokens"])
        images = net.encode_image(batch["images"])
        texts = net.encode_text(torch.cat([tokens, batch["negatives"]]))
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
        """On held-out pictures: the right caption first among 64 and 256, preferred to its hard negative."""
        assert isinstance(net, SmallClip)
        images, texts, negatives = self._embedded(net)
        own = (images * texts).sum(dim=1)
        return {
            **{f"top1of{among}": top_1(images, texts, among) for among in (64, 256) if among <= len(images)},
            "hard": float((own > (images * negatives).sum(dim=1)).float().mean()),
            "similarity": float(own.mean()),
        }

    def _embedded(self, net: SmallClip) -> tuple[Tensor, Tensor, Tensor]:
        device = next(net.parameters()).device
        images, texts, negatives = [], [], []
        for start in range(0, min(2048, len(self._test.images)), 256):
            rows = slice(start, start + 256)
            images.append(net.encode_image(to_float(torch.from_numpy(self._test.images[rows])).to(device)).cpu())
            texts.append(net.encode_text(torch.from_numpy(self._test.tokens[rows]).to(device)).cpu())
            negatives.append(net.encode_text(torch.from_numpy(self._test.negatives[rows]).to(device)).cpu())
        return torch.cat(images), torch.cat(texts), torch.cat(negatives)

    def sheet(self, net: nn.Module) -> Image.Image | None:
        """It makes no pictures."""
        return None

    def flags(self) -> Mapping[str, object]:
        """What `build_small_clip` needs."""
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
