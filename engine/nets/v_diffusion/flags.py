"""The options of the networks of v-diffusion-pytorch. No torch.

All of them are convolutional U-Nets that predict v at a continuous time. `ported` ones come from v-diffusion-jax: no
norms, nearest upsampling, skips before the deeper level, and the log SNR as the time they see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from engine.errors import WeightsError

TIME_FEATURES = 16
MAPPED_FEATURES = 128
"""Fourier features of the time, concatenated with the image and with the text embedding."""


@dataclass(frozen=True, slots=True)
class VDiffusionFlags:
    """One network; the defaults are those of cc12m_1."""

    image_size: int = 256
    widths: tuple[int, ...] = (128, 256, 256, 512, 512, 1024, 1024)
    """Channels of each level, the largest maps first."""
    num_res_blocks: int = 4
    """Blocks on either side of a level; the deepest has twice as many."""
    attention_resolutions: tuple[int, ...] = (16, 8, 4)
    """Sides of the maps, at `image_size`, with attention after each block."""
    num_head_channels: int = 64
    ported: bool = False
    last_relu: bool = False
    """Whether a ReLU follows the last convolution, as in two ported networks."""
    context_dim: int = 0
    """Size of the text embedding that modulates each block; 0 = unconditional."""
    mapping: int = 1024
    """Width of what modulates the blocks."""
    free_guidance: bool = False
    """Whether the network was also trained without the embedding, for classifier-free guidance."""

    class_cond = False
    predict_xstart = False
    sketch = 0
    diffusion_steps = 1000

    @property
    def num_channels(self) -> int:
        return self.widths[0]

    @property
    def multiple(self) -> int:
        """Both sides of an image are multiples of it."""
        return int(2 ** (len(self.widths) - 1))

    @property
    def noise_schedule(self) -> str:
        """The schedule that its author samples it with."""
        return "ddpm" if self.ported else "spliced"

    def attends(self, level: int) -> bool:
        """Whether the blocks of *level* are followed by attention."""
        return self.image_size >> level in self.attention_resolutions

    def teraflops(self, size: int) -> float:
        """Forward pass of a square image, in 10¹² operations: convolutions alone, two operations per multiplication."""
        last, total = len(self.widths) - 1, 0
        for level, width in enumerate(self.widths):
            above = self.widths[level - 1] if level else 3 + TIME_FEATURES
            blocks = 2 * self.num_res_blocks - 1
            inside = 2 * 9 * width**2 * blocks + 9 * width * (above + (0 if level == last else width))
            total += inside * (size >> level) ** 2
        return 2 * total / 1e12


def read_v_diffusion_flags(raw: Mapping[str, object]) -> VDiffusionFlags:
    """A checkpoint's flags. Raises WeightsError for unknown or impossible ones."""
    known = {f.name: f.type for f in fields(VDiffusionFlags)}
    values: dict[str, object] = {}
    for name, value in raw.items():
        if name not in known:
            raise WeightsError(f"Unknown flag of a v-diffusion net: “{name}”. Available: {', '.join(known)}.")
        values[name] = _read(name, str(known[name]), value)
    flags = VDiffusionFlags(**values)  # type: ignore[arg-type]
    if len(flags.widths) < 2 or min(flags.widths) < 1 or flags.num_res_blocks < 1:
        raise WeightsError("A v-diffusion net needs two or more widths and at least one block per level.")
    if flags.free_guidance and not flags.context_dim:
        raise WeightsError("A v-diffusion net with free_guidance needs context_dim, the size of its text embedding.")
    if flags.image_size % flags.multiple:
        raise WeightsError(f"image_size={flags.image_size} is not a multiple of {flags.multiple}.")
    return flags


def _read(name: str, kind: str, value: object) -> object:
    try:
        if kind.startswith("tuple"):
            items = [part for part in value.split(",") if part] if isinstance(value, str) else value
            return tuple(int(item) for item in items)  # type: ignore[attr-defined]
        if kind == "bool":
            return {"true": True, "false": False}[str(value).lower()]
        return int(str(value))
    except (TypeError, ValueError, KeyError) as error:
        raise WeightsError(f"The flag {name}={value!r} of a v-diffusion net is not of the kind {kind}.") from error
