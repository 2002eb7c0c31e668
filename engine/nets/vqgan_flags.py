"""What a VQGAN is: taming-transformers' `ddconfig` with `embed_dim` and `n_embed`, read and checked. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from engine.errors import WeightsError

MOST_CHANNELS, MOST_CODES, MOST_LEVELS = 4096, 2**20, 10


@dataclass(frozen=True, slots=True)
class VqganFlags:
    """The defaults are those of the published nets with a grid 16 times smaller than the picture."""

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
    """Whether the codebook is `GumbelQuantize`'s."""
    patch: int = 1
    """So many pixels a side are one place of the first level, which saves most of the work."""
    norm_groups: int = 32

    @property
    def factor(self) -> int:
        """How much smaller than the picture the grid of codes is."""
        return self.patch << (len(self.ch_mult) - 1)

    @property
    def widths(self) -> list[int]:
        """Channels of each level, the finest first."""
        return [self.ch * times for times in self.ch_mult]

    def attends(self, level: int) -> bool:
        """Whether that level has attention: by the side that it has when the picture has the training's."""
        return self.resolution // self.patch // 2**level in self.attn_resolutions

    def as_mapping(self) -> dict[str, object]:
        """For a weights file."""
        return asdict(self)


def read_vqgan_flags(flags: Mapping[str, object]) -> VqganFlags:
    """Raises WeightsError, in words, for names that are none and for numbers that make no net."""
    known = {field.name: field for field in fields(VqganFlags)}
    flags = dict(flags)
    if flags.pop("double_z", False):
        raise WeightsError("With double_z it is no VQGAN but an autoencoder without a codebook.")
    flags.pop("dropout", None)  # of training alone
    if unknown := sorted(set(flags) - known.keys()):
        raise WeightsError(f"A VQGAN has no flag “{unknown[0]}”; it has {', '.join(sorted(known))}.")
    found = VqganFlags(**{name: _value(name, value) for name, value in flags.items()})  # type: ignore[arg-type]
    odd = next((w for w in (found.ch, *found.widths) if w % found.norm_groups), 0)
    if odd:
        raise WeightsError(f"A VQGAN's widths are multiples of norm_groups={found.norm_groups}; {odd} is none.")
    if (found.in_channels, found.out_ch) != (3, 3):
        raise WeightsError("A VQGAN that paints takes and gives three channels: red, green and blue.")
    if found.gumbel and found.embed_dim != found.z_channels:
        raise WeightsError(
            "The codebook of a gumbel VQGAN is asked with embed_dim channels; z_channels must be as many."
        )
    return found


def _value(name: str, value: object) -> object:
    if name == "gumbel":
        if not isinstance(value, bool):
            raise WeightsError(f"The flag {name}={value} is neither true nor false.")
        return value
    if name in ("ch_mult", "attn_resolutions"):
        return _numbers(name, value)
    return _number(name, value, MOST_CODES if name == "n_embed" else MOST_CHANNELS)


def _numbers(name: str, value: object) -> tuple[int, ...]:
    """A list, or text with commas, as `config.toml` has it."""
    parts = value.split(",") if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else [value]
    if not (name == "attn_resolutions" or parts) or len(parts) > MOST_LEVELS:
        raise WeightsError(f"The flag {name}={value} has {len(parts)} numbers; 1 to {MOST_LEVELS} can be.")
    return tuple(_number(name, int(p) if isinstance(p, str) and p.strip().isdecimal() else p) for p in parts if p != "")


def _number(name: str, value: object, most: int = MOST_CHANNELS) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise WeightsError(f"The flag {name}={value} is no whole number from 1 to {most}.")
    return value
