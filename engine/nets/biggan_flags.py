"""The configuration of a BigGAN-deep, under the names of pytorch-pretrained-biggan. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import TypeAlias

from engine.errors import WeightsError

MOST_CHANNELS, MOST_CLASSES, MOST_LAYERS, MOST_STATS = 4096, 2**20, 64, 1001
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
    """Defaults: the published network for 128 × 128 pixels."""

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

    def as_mapping(self) -> dict[str, object]:
        return asdict(self)


def read_biggan_flags(flags: Mapping[str, object]) -> BigganFlags:
    """Read and check the configuration. Raises WeightsError for unknown names and inconsistent values."""
    known = {field.name: field for field in fields(BigganFlags)}
    if unknown := sorted(set(flags) - known.keys()):
        raise WeightsError(f"Unknown BigGAN flag “{unknown[0]}”; available: {', '.join(sorted(known))}.")
    found = BigganFlags(**{name: _value(name, value) for name, value in flags.items()})  # type: ignore[arg-type]
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


def _value(name: str, value: object) -> object:
    if name == "layers":
        return _layers(value)
    if name == "eps":
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise WeightsError(f"The flag eps={value} is not a number between 0 and 1.")
        return float(value)
    if name == "attention_layer_position":
        return _number(name, value, MOST_LAYERS, least=0)
    most = {"num_classes": MOST_CLASSES, "n_stats": MOST_STATS}.get(name, MOST_CHANNELS)
    return _number(name, value, most, least=2 if name == "n_stats" else 1)


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
    return value[0], _number("layers", value[1], FIRST_WIDTH), _number("layers", value[2], FIRST_WIDTH)


def _number(name: str, value: object, most: int, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise WeightsError(f"The flag {name}={value} is not a whole number from {least} to {most}.")
    return value
