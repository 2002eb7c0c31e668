"""How the diffusion model is made: tidy pictures first, all kinds later, told by the guide's text embedding."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from engine.nets.adm import UNetModel, build_adm
from engine.nets.small_clip import SmallClip
from engine.primer.painter.scenes import POSITIONS
from engine.primer.tasks.dataset import Rendered
from engine.primer.tasks.literacy import keep_reading, teach_reading
from engine.primer.vocabulary import KNOWN, split_words
from engine.training.diffusion import DiffusionTask
from engine.training.loop import Recipe
from engine.training.row_view import Rows

FLAGS: dict[str, object] = {
    "image_size": 64,
    "patch": 4,
    "fine": 48,
    "reader": 512,
    "num_channels": 64,
    "channel_mult": (1, 1.5, 3),
    "num_res_blocks": 1,
    "attention_resolutions": (8, 4),
    "num_head_channels": 32,
    "use_new_attention_order": True,
    "use_scale_shift_norm": True,
    "conv_resample": False,
    "norm_groups": 8,
    "predict_xstart": True,
    "noise_schedule": "cosine",
}
RECIPE = Recipe(
    steps=22_000, batch=64, lr=1e-3, warmup=100, decay=0.4, weight_decay=0.01, ema=0.9995, seed=3,
    muon=True,
    adam_only=("input_blocks.0.", "out.", "fine.stem.", "fine.out.", "context_embed", "time_embed"),
    score_seconds=600, sheet_seconds=1800,
)  # fmt: skip
_HARD = frozenset((*KNOWN["sizes"], *(word for spot in POSITIONS for word in split_words(spot)))) - {"middle"}
TUNING = replace(RECIPE, lr=1e-3, decay=0.7, steps=9000)
"""For a finished net: a lower learning rate that falls for most of the run."""


def build_diffusion(context_dim: int) -> UNetModel:
    """The primer's net, untrained."""
    return build_adm({**FLAGS, "context_dim": context_dim})


def diffusion_task(
    guide: SmallClip,
    tidy: Rendered,
    full: Rendered,
    held_out: Rendered,
    *,
    tuning: bool = False,
    reads: bool = False,
) -> DiffusionTask:
    """Tidy pictures are the easy ones of the curriculum.

    A net that is only tuned meets all kinds from the start, and what it paints must look right to the guide's image
    tower too: untrained, it would learn that tower's mistakes; finished, it learns shapes. One that *reads* already is
    not taught to.
    """
    net = build_diffusion(guide.flags.dim)
    contexts = torch.cat([told(guide, tidy), told(guide, full)])
    if reads:
        keep_reading(net.reader)
    else:
        teach_reading(net.reader, contexts, [*tidy.captions, *full.captions])
    test = held_out.images, told(guide, held_out)
    widening = (-1.0, 0.0) if tuning else (0.35, 0.6)
    return DiffusionTask(
        net,
        Rows(tidy.images, full.images),
        contexts,
        held_out=test,
        easy=len(tidy.images),
        hard_share=0.85 if tuning else 0.7,
        widening=widening,
        features=guide.image.features if tuning else None,
        dwelt_on=len(tidy.images) + hard_singles(full) if tuning else None,
        dwelling=0.3,
        encode=guide.encode_image,
        teachers=(guide,),
    )


def hard_singles(pictures: Rendered) -> Tensor:
    """Rows that show a single thing, small, big or aside: what is learned last.

    Not those in a style: dwelt upon, it comes unasked for.
    """
    hard = [
        row
        for row, caption in enumerate(pictures.captions)
        if pictures.labels[row] >= 0 and not _HARD.isdisjoint(split_words(caption))
    ]
    return torch.tensor(hard, dtype=torch.long)


@torch.no_grad()
def told(guide: SmallClip, pictures: Rendered) -> Tensor:
    """What the guide makes of every caption: [N, D] unit vectors, in half precision to save memory."""
    guide.eval()
    tokens = torch.from_numpy(pictures.tokens)
    return torch.cat([guide.encode_text(part).half() for part in torch.split(tokens, 1024)])
