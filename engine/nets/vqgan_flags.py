"""The configuration of a VQGAN: taming-transformers' `ddconfig`, `embed_dim` and `n_embed`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from engine.errors import WeightsError

MOST_CHANNELS, MOST_CODES, MOST_LEVELS = 4096, 2**20, 10


@dataclass(frozen=True, slots=True)
class VqganFlags:
    """Defaults: the published networks with f = 16."""

    n_embed: int = 1024
    embed_dim: int = 256
    z_channels: int = 256
    resolution: int = 256
    in_channels: int = 3
    out_ch: int = 3
    ch: int = 128
    ch_mult: tuple[int, ...] = (1, 1, 2, 2, 4)
    num_res_blocks: int = 2
    attn_resolutions: tuple[int, ...] = (16,)
    gumbel: bool = False
    """Whether the codebook is a `GumbelQuantize`."""
    patch: int = 1
    """Factor of the pixel-unshuffle before the first level, for speed. Ours; 1 in the reference."""
    norm_groups: int = 32

    @property
    def factor(self) -> int:
        """f: side of the image over side of the grid of codes."""
        return self.patch << (len(self.ch_mult) - 1)

    @property
    def widths(self) -> list[int]:
        """Channels of each level, finest first."""
        return [self.ch * times for times in self.ch_mult]

    def attends(self, level: int) -> bool:
        """Whether *level* has attention, by its side at the training resolution."""
        return self.resolution // self.patch // 2**level in self.attn_resolutions

    def as_mapping(self) -> dict[str, object]:
        return asdict(self)


def read_vqgan_flags(flags: Mapping[str, object]) -> VqganFlags:
    """Read and check the configuration. Raises WeightsError for unknown names and inconsistent values."""
    known = {field.name: field for field in fields(VqganFlags)}
    flags = dict(flags)
    if flags.pop("double_z", False):
        raise WeightsError("double_z marks a KL autoencoder, which has no codebook; a VQGAN is needed.")
    flags.pop("dropout", None)  # used in training only
    if unknown := sorted(set(flags) - known.keys()):
        raise WeightsError(f"Unknown VQGAN flag “{unknown[0]}”; available: {', '.join(sorted(known))}.")
    found = VqganFlags(**{name: _value(name, value) for name, value in flags.items()})  # type: ignore[arg-type]
    odd = next((w for w in (found.ch, *found.widths) if w % found.norm_groups), 0)
    if odd:
        raise WeightsError(f"The widths of a VQGAN must be multiples of norm_groups={found.norm_groups}; {odd} is not.")
    if (found.in_channels, found.out_ch) != (3, 3):
        raise WeightsError("A VQGAN needs in_channels=3 and out_ch=3.")
    if found.gumbel and found.embed_dim != found.z_channels:
        raise WeightsError("With gumbel, z_channels must equal embed_dim.")
    return found


def _value(name: str, value: object) -> object:
    if name == "gumbel":
        if not isinstance(value, bool):
            raise WeightsError(f"The flag {name}={value} is not true or false.")
        return value
    if name in ("ch_mult", "attn_resolutions"):
        return _numbers(name, value)
    return _number(name, value, MOST_CODES if name == "n_embed" else MOST_CHANNELS)


def _numbers(name: str, value: object) -> tuple[int, ...]:
    """A list, or comma-separated text, as in config.toml."""
    parts = value.split(",") if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else [value]
    if not (name == "attn_resolutions" or parts) or len(parts) > MOST_LEVELS:
        raise WeightsError(f"The flag {name}={value} has {len(parts)} numbers; 1 to {MOST_LEVELS} are allowed.")
    return tuple(_number(name, int(p) if isinstance(p, str) and p.strip().isdecimal() else p) for p in parts if p != "")


def _number(name: str, value: object, most: int = MOST_CHANNELS) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise WeightsError(f"The flag {name}={value} is not a whole number from 1 to {most}.")
    return value
