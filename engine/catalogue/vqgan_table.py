"""VQGANs of taming-transformers (Esser et al. 2021) and those that artists trained in its shape. No torch.

Nobody has published hashes. Addresses: those of taming-transformers' README, of the mirrors that nerdyrodent's
VQGAN-CLIP, pixray and others took the WikiArt nets and COCO from.
"""

from __future__ import annotations

from engine.catalogue.entry import Entry, Kind
from engine.catalogue.licences import TAMING, VQGAN_TUNED

_HEIBOX = "https://heibox.uni-heidelberg.de/d"
_LAST = "files/?p=%2Fckpts%2Flast.ckpt&dl=1"
_MIRRORS = "https://github.com/Eleiber/VQGAN-Mirrors/releases/download/0.0.1"

_F16: dict[str, object] = {
    "embed_dim": 256,
    "z_channels": 256,
    "resolution": 256,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 128,
    "ch_mult": (1, 1, 2, 2, 4),
    "num_res_blocks": 2,
    "attn_resolutions": (16,),
}
_GUMBEL_F8: dict[str, object] = _F16 | {"ch_mult": (1, 1, 2, 4), "attn_resolutions": (32,), "gumbel": True}


def _entry(
    name: str, title: str, file: str, codes: int, size: int, *sources: str, licence: str = TAMING, gumbel: bool = False
) -> Entry:
    return Entry(
        name=name,
        kind=Kind.VQGAN,
        title=title,
        file=f"{file}.ckpt",
        licence=licence,
        sources=sources,
        size=size,
        flags={**(_GUMBEL_F8 if gumbel else _F16), "n_embed": codes},
    )


VQGANS = (
    _entry(
        "vqgan-imagenet-16384",
        "ImageNet in 16384 codes",
        "vqgan_imagenet_f16_16384",
        16384,
        980_000_000,
        f"{_HEIBOX}/a7530b09fed84f80a887/{_LAST}",
        "https://github.com/mehdidc/feed_forward_vqgan_clip/releases/download/0.1/vqgan_imagenet_f16_16384.ckpt",
    ),
    _entry(
        "vqgan-imagenet-1024",
        "ImageNet in 1024 codes",
        "vqgan_imagenet_f16_1024",
        1024,
        958_000_000,
        f"{_HEIBOX}/8088892a516d4e3baf92/{_LAST}",
    ),
    _entry(
        "vqgan-gumbel-8192",
        "OpenImages in 8192 codes, a finer grid",
        "vqgan_gumbel_f8_8192",
        8192,
        376_000_000,
        f"{_HEIBOX}/2e5662443a6b4307b470/{_LAST}",
        gumbel=True,
    ),
    _entry(
        "vqgan-wikiart-16384",
        "WikiArt in 16384 codes",
        "wikiart_16384",
        16384,
        1_000_000_000,
        f"{_MIRRORS}/wikiart_16384.ckpt",
        licence=VQGAN_TUNED,
    ),
    _entry(
        "vqgan-wikiart-1024",
        "WikiArt in 1024 codes",
        "wikiart_1024",
        1024,
        958_000_000,
        f"{_MIRRORS}/wikiart_1024.ckpt",
        licence=VQGAN_TUNED,
    ),
    _entry(
        "vqgan-coco",
        "COCO and OpenImages in 8192 codes, within a transformer's checkpoint",
        "coco",
        8192,
        8_400_000_000,
        "https://dl.nmkd.de/ai/clip/coco/coco.ckpt",
    ),
)
