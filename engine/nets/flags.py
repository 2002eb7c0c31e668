"""The configurations of the networks, as their weights files and catalogue entries give them. Imports no torch."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar

from engine.errors import WeightsError

MOST_CHANNELS, MOST_CODES, MOST_CLASSES, MOST_LEVELS, MOST_LAYERS, MOST_STATS = 4096, 2**20, 2**20, 10, 64, 1001

F = TypeVar("F")
Limits: TypeAlias = tuple[int, int]

_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _fill(build: type[F], raw: Mapping[str, object], net: str, limits: Mapping[str, Limits] | None = None) -> F:
    """*raw* as the flags of a *net*. Whole numbers lie within their *limits*, which has others under "". Tuples may be
    comma-separated text, as on the references' command lines. Raises WeightsError."""
    known = {item.name: str(item.type) for item in fields(build)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, value in raw.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            guess = f"did you mean “{near[0]}”?" if near else f"available: {', '.join(sorted(known))}."
            raise WeightsError(f"Unknown {net} flag “{name}”; {guess}")
        own = limits.get(name, limits[""]) if limits else None
        if not known[name].startswith("tuple"):
            values[name] = _value(name, known[name], value, net, own)
            continue
        listed = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
        kind = known[name].removeprefix("tuple[").partition(",")[0]
        values[name] = tuple(_value(name, kind, one, net, own) for one in listed if one != "")
    return build(**values)


def _value(name: str, kind: str, value: object, net: str, limits: Limits | None = None) -> Any:
    text = str(value)
    try:
        if kind == "bool":
            return _WORDS[text.lower()]
        if kind != "int":
            return {"float": float, "str": str}[kind](text)
        number = int(text)
        if limits is None or limits[0] <= number <= limits[1]:
            return number
    except (ValueError, KeyError):
        pass
    words = {"bool": "true or false", "int": "a whole number", "float": "a number"}[kind]
    within = f" from {limits[0]} to {limits[1]}" if kind == "int" and limits else ""
    raise WeightsError(f"The {net} flag {name}={value!r} is not {words}{within}.")


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
    """An ADM U-Net and its diffusion process, under the option names of guided-diffusion.

    Defaults: `model_and_diffusion_defaults` of the reference. Eight options are ours:

    predict_v     the network predicts v = √ᾱ·ε - √(1-ᾱ)·x_0
    context_dim   size of the text embedding that it reads; 0: none
    reader        width of the MLP that reads the text embedding; 0: a single linear layer
    sketch        channels of the sketch input; 0: none
    patch         factor of the pixel-unshuffle before the network
    fine          channels of the head that refines the result at half the patch size; 0: none
    copies        whether the last layer copies the drawings of the sketch
    norm_groups   groups of each norm; with 32 in a narrow network almost every channel would lose its mean

    `image_size` is in pixels of the image. `attention_resolutions` are in pixels of the feature maps: with patch = 2,
    an image of 64 pixels has maps of 32, 16, ….
    """

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
    copies: bool = False

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
    """Read the options of an ADM checkpoint. `model_channels` is an alias of `num_channels`. Raises WeightsError."""
    flags = {name: value for name, value in raw.items() if name not in SAMPLING_FLAGS}
    if "model_channels" in flags:
        flags["num_channels"] = flags.pop("model_channels")
    if flags.pop("use_neighborhood_attention", False):
        raise WeightsError("This checkpoint needs neighbourhood attention, which is not supported.")
    read = _fill(AdmFlags, flags, "model")
    if read.predict_xstart and read.predict_v:
        raise WeightsError("Only one of predict_xstart and predict_v can be true.")
    if read.fine and read.patch % 2:
        raise WeightsError(f"The flag “fine” needs an even patch; patch is {read.patch}.")
    if read.reader and not read.context_dim:
        raise WeightsError("The flag “reader” needs context_dim.")
    if read.copies and not (
        read.fine and read.sketch and read.context_dim and read.predict_xstart and not read.learn_sigma
    ):
        raise WeightsError("The flag “copies” needs fine, sketch, context_dim and predict_xstart, and no learn_sigma.")
    if read.channel_mult:
        return read
    if read.image_size not in CHANNEL_MULT_BY_SIZE:
        sizes = ", ".join(map(str, sorted(CHANNEL_MULT_BY_SIZE)))
        raise WeightsError(f"channel_mult is missing. image_size={read.image_size} has no default; {sizes} have one.")
    return replace(read, channel_mult=CHANNEL_MULT_BY_SIZE[read.image_size])


TIME_FEATURES = 16
MAPPED_FEATURES = 128
"""Fourier features of the time, concatenated with the image and with the text embedding."""


@dataclass(frozen=True, slots=True)
class VDiffusionFlags:
    """A U-Net of v-diffusion-pytorch, convolutional, which predicts v at a continuous time. Defaults: cc12m_1."""

    image_size: int = 256
    widths: tuple[int, ...] = (128, 256, 256, 512, 512, 1024, 1024)
    """Channels of each level, the largest maps first."""
    num_res_blocks: int = 4
    """Blocks on either side of a level; the deepest has twice as many."""
    attention_resolutions: tuple[int, ...] = (16, 8, 4)
    """Sides of the maps, at `image_size`, with attention after each block."""
    num_head_channels: int = 64
    ported: bool = False
    """Whether it comes from v-diffusion-jax: no norms, nearest upsampling, skips before the deeper level, and the log
    SNR as the time that it sees."""
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
    flags = _fill(VDiffusionFlags, raw, "v-diffusion")
    if len(flags.widths) < 2 or min(flags.widths) < 1 or flags.num_res_blocks < 1:
        raise WeightsError("A v-diffusion net needs two or more widths and at least one block per level.")
    if flags.free_guidance and not flags.context_dim:
        raise WeightsError("A v-diffusion net with free_guidance needs context_dim, the size of its text embedding.")
    if flags.image_size % flags.multiple:
        raise WeightsError(f"image_size={flags.image_size} is not a multiple of {flags.multiple}.")
    return flags


SECONDARY_WIDTHS = (64, 128, 128, 256, 256, 512)
"""Channels of each level of the secondary net, the largest maps first."""
SECONDARY_MULTIPLE = 2 ** (len(SECONDARY_WIDTHS) - 1)
"""Both sides of an image that it sees are multiples of it."""


@dataclass(frozen=True, slots=True)
class VqganFlags:
    """taming-transformers' `ddconfig`, `embed_dim` and `n_embed`. Defaults: the published networks with f = 16."""

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


def read_vqgan_flags(raw: Mapping[str, object]) -> VqganFlags:
    """Read and check the configuration. Raises WeightsError for unknown names and inconsistent values."""
    flags = dict(raw)
    if flags.pop("double_z", False):
        raise WeightsError("double_z marks a KL autoencoder, which has no codebook; a VQGAN is needed.")
    flags.pop("dropout", None)  # used in training only
    found = _fill(VqganFlags, flags, "VQGAN", {"": (1, MOST_CHANNELS), "n_embed": (1, MOST_CODES)})
    if not 1 <= len(found.ch_mult) <= MOST_LEVELS:
        raise WeightsError(f"ch_mult of a VQGAN has {len(found.ch_mult)} numbers; 1 to {MOST_LEVELS} are allowed.")
    odd = next((w for w in (found.ch, *found.widths) if w % found.norm_groups), 0)
    if odd:
        raise WeightsError(f"The widths of a VQGAN must be multiples of norm_groups={found.norm_groups}; {odd} is not.")
    if (found.in_channels, found.out_ch) != (3, 3):
        raise WeightsError("A VQGAN needs in_channels=3 and out_ch=3.")
    if found.gumbel and found.embed_dim != found.z_channels:
        raise WeightsError("With gumbel, z_channels must equal embed_dim.")
    return found


SMALLEST = 4
"""Side in pixels before the first block."""
FIRST_WIDTH = 16
"""Width of the first block, in units of `channel_width` channels."""
NARROWING = 4
"""Ratio of a block's input channels to its inner channels."""

Layer: TypeAlias = tuple[bool, int, int]
"""(doubles the sides, input width, output width), in units of `channel_width` channels."""


@dataclass(frozen=True, slots=True)
class BigganFlags:
    """A BigGAN-deep, under the names of pytorch-pretrained-biggan. Defaults: the network for 128 × 128 pixels."""

    output_dim: int = 128
    z_dim: int = 128
    class_embed_dim: int = 128
    channel_width: int = 128
    num_classes: int = 1000
    layers: tuple[Layer, ...] = (
        *((False, 16, 16), (True, 16, 16), (False, 16, 16), (True, 16, 8), (False, 8, 8), (True, 8, 4)),
        *((False, 4, 4), (True, 4, 2), (False, 2, 2), (True, 2, 1)),
    )
    attention_layer_position: int = 8
    """Index of the block that attention precedes."""
    eps: float = 1e-4
    n_stats: int = 51
    """Number of truncations, evenly spaced from 0 to 1, for which the norms hold statistics."""

    @property
    def conditions(self) -> int:
        """Conditions per image: one for the first grid and one for each block."""
        return len(self.layers) + 1

    @property
    def attention_width(self) -> int:
        return self.channel_width * self.layers[self.attention_layer_position][1]


def read_biggan_flags(raw: Mapping[str, object]) -> BigganFlags:
    """Read and check the configuration. Raises WeightsError for unknown names and inconsistent values."""
    limits = {"num_classes": (1, MOST_CLASSES), "n_stats": (2, MOST_STATS), "": (1, MOST_CHANNELS)}
    limits["attention_layer_position"] = (0, MOST_LAYERS)
    found = _fill(BigganFlags, {n: v for n, v in raw.items() if n != "layers"}, "BigGAN", limits)
    if "layers" in raw:
        found = replace(found, layers=_layers(raw["layers"]))
    if complaint := _complaint(found):
        raise WeightsError(complaint)
    return found


def _complaint(flags: BigganFlags) -> str:
    """Why these flags describe no valid network, or an empty text."""
    widths = [FIRST_WIDTH, *(out for _, _, out in flags.layers)]
    for number, ((before, after), (_, taken, _)) in enumerate(zip(pairwise(widths), flags.layers, strict=True)):
        if taken != before:
            return f"Block {number} of the BigGAN has input width {taken}; the output before it has {before}."
        if after not in (before, before // 2):
            return f"Block {number} of the BigGAN must keep or halve its width; input {before}, output {after}."
        if flags.channel_width * before < NARROWING:
            return (
                f"Block {number} of the BigGAN has {flags.channel_width * before} channels; the minimum is {NARROWING}."
            )
    if not 0 < flags.eps < 1:
        return f"The BigGAN flag eps={flags.eps} is not a number between 0 and 1."
    sides = SMALLEST << sum(doubles for doubles, _, _ in flags.layers)
    if widths[-1] != 1 or flags.channel_width < 3:
        return "The last block of a BigGAN must have output width 1 and at least three channels."
    if sides != flags.output_dim:
        return f"The blocks of the BigGAN produce {sides} pixels per side, but output_dim={flags.output_dim}."
    if flags.class_embed_dim != flags.z_dim:
        return "class_embed_dim of a BigGAN must equal z_dim."
    if flags.attention_layer_position >= len(flags.layers):
        return f"attention_layer_position={flags.attention_layer_position} is outside the {len(flags.layers)} blocks."
    if flags.attention_width % 8:
        return f"The attention layer of a BigGAN needs a multiple of 8 channels; it has {flags.attention_width}."
    return ""


def _layers(value: object) -> tuple[Layer, ...]:
    """A list of triples, or the same as JSON text, as in config.toml."""
    try:
        given = json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise WeightsError(f"The flag layers is not a list of blocks: {error}.") from error
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= MOST_LAYERS:
        raise WeightsError(
            f"The flag layers must be a list of 1 to {MOST_LAYERS} blocks, for example [[true, 16, 8], …]."
        )
    return tuple(_layer(one) for one in given)


def _layer(value: object) -> Layer:
    if not isinstance(value, list | tuple) or len(value) != 3 or not isinstance(value[0], bool):
        raise WeightsError(
            f"A block of a BigGAN is [doubles, input width, output width], for example [true, 16, 8], not {value}."
        )
    taken, out = (_value("layers", "int", width, "BigGAN", (1, FIRST_WIDTH)) for width in value[1:])
    return value[0], taken, out
