"""The generators of BigGAN-deep that DeepMind released (Brock et al. 2019), as HuggingFace converted them. No torch.

Nobody has published hashes. Addresses: those of pytorch-pretrained-biggan.
"""

from __future__ import annotations

from engine.catalogue.entry import Entry, Kind
from engine.catalogue.licences import BIGGAN
from engine.nets.biggan_flags import Layer

_BUCKET = "https://s3.amazonaws.com/models.huggingface.co/biggan"

_TO_16: tuple[Layer, ...] = ((False, 16, 16), (True, 16, 16), (False, 16, 16), (True, 16, 8))
_LAYERS: dict[int, tuple[Layer, ...]] = {
    128: (*_TO_16, (False, 8, 8), (True, 8, 4), (False, 4, 4), (True, 4, 2), (False, 2, 2), (True, 2, 1)),
    256: (
        *(*_TO_16, (False, 8, 8), (True, 8, 8), (False, 8, 8), (True, 8, 4)),
        *((False, 4, 4), (True, 4, 2), (False, 2, 2), (True, 2, 1)),
    ),
}
_LAYERS[512] = (*_LAYERS[256], (False, 1, 1), (True, 1, 1))


def _entry(side: int, size: int) -> Entry:
    return Entry(
        name=f"biggan-deep-{side}",
        kind=Kind.BIGGAN,
        title=f"BigGAN-deep, {side} pixels",
        file=f"biggan-deep-{side}-pytorch_model.bin",
        licence=BIGGAN,
        sources=(f"{_BUCKET}/biggan-deep-{side}-pytorch_model.bin",),
        size=size,
        flags={
            "output_dim": side,
            "z_dim": 128,
            "class_embed_dim": 128,
            "channel_width": 128,
            "num_classes": 1000,
            "layers": _LAYERS[side],
            "attention_layer_position": 8,
            "eps": 1e-4,
            "n_stats": 51,
        },
    )


BIGGANS = (_entry(512, 236_000_000), _entry(256, 234_000_000), _entry(128, 211_000_000))
