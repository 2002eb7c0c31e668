"""The configuration of an ADM U-Net, under the option names of guided-diffusion.

Seven options are ours:

predict_v     the network predicts v = √ᾱ·ε - √(1-ᾱ)·x_0
context_dim   size of the text embedding that it reads; 0: none
reader        width of the MLP that reads the text embedding; 0: a single linear layer
sketch        channels of the sketch input; 0: none
patch         factor of the pixel-unshuffle before the network
fine          channels of the head that refines the result at half the patch size; 0: none
norm_groups   groups of each norm; with 32 in a narrow network almost every channel would lose its mean

`image_size` is in pixels of the image. `attention_resolutions` are in pixels of the feature maps: with patch = 2, an
image of 64 pixels has maps of 32, 16, ….
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
"""Options of the reference that do not change the network: accepted and ignored."""


@dataclass(frozen=True, slots=True)
class AdmFlags:
    """One network and its diffusion process. Defaults: `model_and_diffusion_defaults` of the reference."""

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
        """Channels after the pixel-unshuffle."""
        return 3 * self.patch**2

    @property
    def out_channels(self) -> int:
        """Channels before the pixel-shuffle; `learn_sigma` doubles them."""
        return self.in_channels * (2 if self.learn_sigma else 1)

    def attends(self, downsampling: int) -> bool:
        """Whether feature maps at 1/*downsampling* of the input size have attention."""
        return downsampling in {self.image_size // self.patch // size for size in self.attention_resolutions}

    def heads(self, channels: int) -> int:
        """Number of attention heads for *channels* channels."""
        return self.num_heads if self.num_head_channels == -1 else channels // self.num_head_channels


def read_flags(raw: Mapping[str, object]) -> AdmFlags:
    """Read the options of a checkpoint. `model_channels` is an alias of `num_channels`. Raises WeightsError."""
    flags = dict(raw)
    if "model_channels" in flags:
        flags["num_channels"] = flags.pop("model_channels")
    if flags.pop("use_neighborhood_attention", False):
        raise WeightsError("This checkpoint needs neighbourhood attention, which is not supported.")
    known = {f.name: f.type for f in fields(AdmFlags)}
    values: dict[str, object] = {}
    for name, value in flags.items():
        if name not in known and name not in SAMPLING_FLAGS:
            raise WeightsError(f"Unknown model flag “{name}”{_guess(name, known)}.")
        if name in known:
            values[name] = _read(name, str(known[name]), value)
    read = _with_channel_mult(AdmFlags(**values))  # type: ignore[arg-type]
    if read.predict_xstart and read.predict_v:
        raise WeightsError("Only one of predict_xstart and predict_v can be true.")
    if read.fine and read.patch % 2:
        raise WeightsError(f"The flag “fine” needs an even patch; patch is {read.patch}.")
    if read.reader and not read.context_dim:
        raise WeightsError("The flag “reader” needs context_dim.")
    return read


def _with_channel_mult(flags: AdmFlags) -> AdmFlags:
    if flags.channel_mult:
        return flags
    if flags.image_size not in CHANNEL_MULT_BY_SIZE:
        sizes = ", ".join(map(str, sorted(CHANNEL_MULT_BY_SIZE)))
        raise WeightsError(f"channel_mult is missing. image_size={flags.image_size} has no default; {sizes} have one.")
    values = {f.name: getattr(flags, f.name) for f in fields(flags)}
    return AdmFlags(**{**values, "channel_mult": CHANNEL_MULT_BY_SIZE[flags.image_size]})


def _read(name: str, kind: str, value: object) -> object:
    """Convert one option to its type. Lists may be comma-separated text, as on the reference's command line."""
    try:
        if kind.startswith("tuple"):
            items = [v for v in value.split(",") if v] if isinstance(value, str) else value
            assert isinstance(items, Iterable)
            return tuple(float(v) if "float" in kind else int(v) for v in items)
        if kind == "bool":
            return _read_bool(value)
        return {"int": int, "float": float, "str": str}[kind](value)
    except (TypeError, ValueError, AssertionError) as error:
        raise WeightsError(f"The model flag {name}={value!r} is not of type {kind}.") from error


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
