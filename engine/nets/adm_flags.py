"""The options that say which ADM U-Net a checkpoint holds: guided-diffusion's own names, read from any mapping.

Seven names are additions: `predict_v` (the net predicts v = √ᾱ·ε - √(1-ᾱ)·x_0), `context_dim` (the net reads a text
embedding of that size), `reader` (through hidden layers so wide), `sketch` (it sees a sketch of so many channels),
`patch` (a pixel-unshuffle of that factor stands before the net), `fine` (a head of so many channels refines its answer
at half that patch) and `norm_groups` (a narrow net with 32 groups would normalise nearly every channel by itself and so
forget how bright its plain areas are). `image_size` is the picture's; `attention_resolutions` are those of the feature
maps: with a patch of 2 a 64-pixel picture has maps of 32, 16, ….
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from engine.errors import WeightsError

CHANNEL_MULT_BY_SIZE: Mapping[int, tuple[float, ...]] = {
    512: (0.5, 1, 1, 2, 2, 4, 4),
    256: (1, 1, 2, 2, 4, 4),
    128: (1, 1, 2, 3, 4),
    64: (1, 2, 3, 4),
}
SAMPLING_FLAGS = frozenset(("timestep_respacing", "use_kl", "rescale_learned_sigmas", "num_heads_upsample"))
"""Flags of the reference that say nothing about the net, or nothing that its checkpoints use: accepted, not read."""


@dataclass(frozen=True, slots=True)
class AdmFlags:
    """One net, and the process that it was trained for. Defaults are the reference's `model_and_diffusion_defaults`."""

    image_size: int = 64
    num_channels: int = 128
    num_res_blocks: int = 2
    num_heads: int = 4
    num_head_channels: int = -1
    attention_resolutions: tuple[int, ...] = (16, 8)
    channel_mult: tuple[float, ...] = ()
    dropout: float = 0.0
    class_cond: bool = False
    use_checkpoint: bool = False
    use_scale_shift_norm: bool = True
    resblock_updown: bool = False
    conv_resample: bool = True
    use_fp16: bool = False
    use_new_attention_order: bool = False
    learn_sigma: bool = False
    diffusion_steps: int = 1000
    noise_schedule: str = "linear"
    predict_xstart: bool = False
    predict_v: bool = False
    rescale_timesteps: bool = False
    context_dim: int = 0
    reader: int = 0
    patch: int = 1
    fine: int = 0
    norm_groups: int = 32
    sketch: int = 0

    @property
    def in_channels(self) -> int:
        """Channels that the inner net reads."""
        return 3 * self.patch**2

    @property
    def out_channels(self) -> int:
        """Channels that the inner net writes: a prediction, and with `learn_sigma` as many for the variance."""
        return self.in_channels * (2 if self.learn_sigma else 1)

    def attends(self, downsampling: int) -> bool:
        """Whether feature maps that are *downsampling* times smaller than the net's input get attention."""
        return downsampling in {self.image_size // self.patch // size for size in self.attention_resolutions}

    def heads(self, channels: int) -> int:
        """Attention heads at this width."""
        return self.num_heads if self.num_head_channels == -1 else channels // self.num_head_channels


def read_flags(raw: Mapping[str, object]) -> AdmFlags:
    """A checkpoint's flags → `AdmFlags`; `model_channels` is another name for `num_channels`. Raises WeightsError."""
    flags = dict(raw)
    if "model_channels" in flags:
        flags["num_channels"] = flags.pop("model_channels")
    if flags.pop("use_neighborhood_attention", False):
        raise WeightsError("This checkpoint needs neighbourhood attention, which this engine has not got.")
    known = {f.name: f.type for f in fields(AdmFlags)}
    values: dict[str, object] = {}
    for name, value in flags.items():
        if name not in known and name not in SAMPLING_FLAGS:
            raise WeightsError(f"There is no model flag “{name}”{_guess(name, known)}.")
        if name in known:
            values[name] = _read(name, str(known[name]), value)
    read = _with_channel_mult(AdmFlags(**values))  # type: ignore[arg-type]
    if read.predict_xstart and read.predict_v:
        raise WeightsError("A net predicts x_0 or v: only one of predict_xstart and predict_v can be true.")
    if read.fine and read.patch % 2:
        raise WeightsError(f"A net with the flag “fine” needs a patch that is even; this one has {read.patch}.")
    if read.reader and not read.context_dim:
        raise WeightsError("A net with the flag “reader” needs a text embedding to read: context_dim is missing.")
    return read


def _with_channel_mult(flags: AdmFlags) -> AdmFlags:
    if flags.channel_mult:
        return flags
    if flags.image_size not in CHANNEL_MULT_BY_SIZE:
        sizes = ", ".join(map(str, sorted(CHANNEL_MULT_BY_SIZE)))
        raise WeightsError(f"A net for {flags.image_size} pixels needs channel_mult; only {sizes} have a usual one.")
    values = {f.name: getattr(flags, f.name) for f in fields(flags)}
    return AdmFlags(**{**values, "channel_mult": CHANNEL_MULT_BY_SIZE[flags.image_size]})


def _read(name: str, kind: str, value: object) -> object:
    """One flag as its type; comma lists may be text, as on the reference's command line."""
    try:
        if kind.startswith("tuple"):
            items = [v for v in value.split(",") if v] if isinstance(value, str) else value
            assert isinstance(items, Iterable)
            return tuple(float(v) if "float" in kind else int(v) for v in items)
        if kind == "bool":
            return _read_bool(value)
        return {"int": int, "float": float, "str": str}[kind](value)
    except (TypeError, ValueError, AssertionError) as error:
        raise WeightsError(f"The model flag {name}={value!r} is not of the kind {kind}.") from error


def _read_bool(value: object) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise ValueError(value)
    return words[str(value).lower()]


def _guess(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean “{near[0]}”?" if near else ""
