"""The nets that published diffusion checkpoints hold, by guided-diffusion's option names. No torch.

Sources: guided-diffusion's and improved-diffusion's README, and the tables of the tools that sampled from fine-tunes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.catalogue.entry import Entry, Kind
from engine.catalogue.licences import FINE_TUNE

Flags = dict[str, object]


@dataclass(frozen=True, slots=True)
class Family:
    """Checkpoints of one shape. *size* is that of a file, roughly, in bytes."""

    flags: Flags = field(repr=False)
    size: int

    def entry(
        self,
        name: str,
        title: str,
        *sources: str,
        sha256: str = "",
        licence: str = FINE_TUNE,
        file: str = "",
        page: str = "",
    ) -> Entry:
        """One of them; its file is called as in the first address unless *file* says otherwise."""
        return Entry(
            name=name,
            kind=Kind.DIFFUSION,
            title=title,
            file=file or sources[0].rpartition("/")[2],
            licence=licence,
            sources=sources,
            sha256=sha256,
            size=self.size,
            flags=self.flags,
            page=page,
        )


_COMMON: Flags = {
    "diffusion_steps": 1000,
    "learn_sigma": True,
    "noise_schedule": "linear",
    "num_res_blocks": 2,
    "rescale_timesteps": True,
    "use_fp16": True,
}
_IMAGENET_256: Flags = _COMMON | {
    "image_size": 256,
    "num_channels": 256,
    "attention_resolutions": "32,16,8",
    "num_head_channels": 64,
    "resblock_updown": True,
    "use_scale_shift_norm": True,
}
_IMAGENET_512: Flags = _IMAGENET_256 | {"image_size": 512}
_IMAGENET_128: Flags = _COMMON | {
    "image_size": 128,
    "num_channels": 256,
    "attention_resolutions": "32,16,8",
    "num_heads": 4,
    "class_cond": True,
    "resblock_updown": True,
    "use_scale_shift_norm": True,
}
_IMAGENET_64: Flags = _COMMON | {
    "image_size": 64,
    "num_channels": 192,
    "num_res_blocks": 3,
    "attention_resolutions": "32,16,8",
    "num_head_channels": 64,
    "class_cond": True,
    "dropout": 0.1,
    "noise_schedule": "cosine",
    "resblock_updown": True,
    "use_new_attention_order": True,
    "use_scale_shift_norm": True,
}
_LSUN: Flags = _COMMON | {
    "image_size": 256,
    "num_channels": 128,
    "attention_resolutions": "16",
    "num_heads": 1,
    "resblock_updown": False,
    "use_scale_shift_norm": False,
}
_PORTRAIT: Flags = _COMMON | {
    "image_size": 512,
    "num_channels": 128,
    "attention_resolutions": "32,16,8",
    "num_heads": 4,
    "resblock_updown": True,
    "use_scale_shift_norm": True,
}
_UKIYO_E: Flags = _PORTRAIT | {"image_size": 256}

IMAGENET_256 = Family(_IMAGENET_256, 2_210_000_000)
IMAGENET_512 = Family(_IMAGENET_512, 2_230_000_000)
IMAGENET_128 = Family(_IMAGENET_128, 1_690_000_000)
IMAGENET_64 = Family(_IMAGENET_64, 1_180_000_000)
LSUN = Family(_LSUN, 460_000_000)
PORTRAIT = Family(_PORTRAIT, 560_000_000)
UKIYO_E = Family(_UKIYO_E, 560_000_000)
