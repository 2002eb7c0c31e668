"""How the diffusion model is made: tidy pictures first, all kinds later.

Its conditions are the guide's text embedding and sketches of the nouns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from engine.diffusion.denoiser import q_sample
from engine.diffusion.schedules import alphas_cumprod
from engine.images.tensors import per_sample
from engine.nets.adm import UNetModel, build_adm
from engine.nets.primer.composer import CHANNELS, Composer
from engine.nets.primer.small_clip import SmallClip
from engine.primer.tasks.copying import teach_copying
from engine.primer.tasks.dataset import Rendered
from engine.primer.tasks.literacy import keep_reading, teach_reading
from engine.primer.vocabulary import surroundings, tokenise
from engine.training.diffusion import DiffusionTask
from engine.training.loop import Recipe
from engine.training.row_view import Rows

FLAGS: dict[str, object] = {
    "image_size": 64,
    "patch": 4,
    "fine": 48,
    "reader": 512,
    "sketch": CHANNELS,
    "copies": True,
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
    adam_only=("input_blocks.0.", "out.", "fine.stem.", "fine.out.", "context_embed", "time_embed", "sketch_in.",
               "fine.sketch_in."),
    score_seconds=600, sheet_seconds=1800,
)  # fmt: skip
TUNING = replace(RECIPE, lr=1e-3, decay=0.7, steps=9000)
"""For a finished net: a learning rate that falls for most of the run."""

_GUIDED = 0.1, 0.85
"""Of the schedule: where CLIP still changes what is painted, and something of it can be seen."""


def build_diffusion(context_dim: int) -> UNetModel:
    """Return the primer's net, untrained."""
    return build_adm({**FLAGS, "context_dim": context_dim})


def diffusion_task(
    guide: SmallClip,
    composer: Composer,
    tidy: Rendered,
    others: Sequence[Rendered],
    held_out: Rendered,
    *,
    tuning: bool = False,
    reads: bool = False,
    copies: bool = False,
) -> DiffusionTask:
    """Return the task. Tidy pictures are the easy ones of the curriculum.

    A net that is only tuned meets all kinds from the start. *reads*, *copies*: its reader is trained already, its copy
    is fitted already. Every picture comes with the sketch of its true layout, and with the text embedding of what is
    said apart from nouns.
    """
    net = build_diffusion(guide.flags.dim)
    albums = [tidy, *others]
    contexts = torch.cat([told(guide, album) for album in albums])
    captions = [caption for album in albums for caption in album.captions]
    pictures = Rows(*(album.images for album in albums))
    spots = Rows(*(album.spots for album in albums))

    def sketch(rows: Tensor) -> Tensor:
        return composer.sketch(spots[rows], *net_sides(net))

    if reads:
        keep_reading(net.reader)
    else:
        teach_reading(net.reader, contexts, captions)
    if copies:
        net.copy.requires_grad_(False)
    else:
        teach_copying(net.copy, contexts, captions, pictures, sketch)
    return DiffusionTask(
        net,
        pictures,
        contexts,
        held_out=(held_out.images, told(guide, held_out)),
        easy=len(tidy.images),
        hard_share=0.85 if tuning else 0.7,
        widening=(-1.0, 0.0) if tuning else (0.35, 0.6),
        encode=guide.encode_image,
        teachers=(guide,),
        sketch=sketch,
        test_sketches=composer.sketch(torch.from_numpy(held_out.spots[:192]), *net_sides(net)),
    )


def untold_guesses(net: UNetModel) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Return what turns pictures [N, 3, H, W] in [0, 1] into what *net*, told nothing, predicts from them in noise."""
    alpha_bar = alphas_cumprod(net.flags.noise_schedule, net.flags.diffusion_steps)
    first, last = (int(part * len(alpha_bar)) for part in _GUIDED)

    @torch.no_grad()
    def guess(images: Tensor, generator: torch.Generator) -> Tensor:
        timesteps = torch.randint(first, last, (len(images),), generator=generator)
        noise = torch.randn(images.shape, generator=generator)
        x_t = q_sample(images * 2 - 1, noise, per_sample(alpha_bar[timesteps]))
        device = next(net.parameters()).device
        found: Tensor = net(x_t.to(device), timesteps.to(device)).float().cpu()
        return found.clamp(-1, 1) / 2 + 0.5

    return guess


def net_sides(net: UNetModel) -> tuple[int, int]:
    """Return height and width of the pictures that the net was built for."""
    return net.flags.image_size, net.flags.image_size


@torch.no_grad()
def told(guide: SmallClip, pictures: Rendered) -> Tensor:
    """Embed what every caption says apart from nouns of the icon sets: [N, D] unit vectors in half precision."""
    guide.eval()
    tokens = torch.tensor([tokenise(surroundings(caption)) for caption in pictures.captions])
    return torch.cat([guide.encode_text(part).half() for part in torch.split(tokens, 1024)])
