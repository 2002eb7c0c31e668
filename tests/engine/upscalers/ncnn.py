"""Networks in ncnn's format (github.com/Tencent/ncnn): their tensors, and an evaluation that follows their graph.

A `.param` file lists layers: type, name, input and output blobs, parameters. A `.bin` file holds the weights in the
same order: of a convolution four bytes that say float16 or float32, the weights, and the biases in float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

HALF = 0x01306B47
LEAKY_RELU = 2


@dataclass(frozen=True)
class Layer:
    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    options: Mapping[int, list[float]]
    weights: dict[str, Tensor] = field(default_factory=dict)

    def number(self, key: int, default: float = 0) -> float:
        return self.options.get(key, [default])[0]


def read_ncnn(param: Path) -> list[Layer]:
    """The layers of *param* with the weights of the `.bin` file beside it."""
    lines = param.read_text(encoding="ascii").splitlines()[2:]
    layers = [_layer(line.split()) for line in lines]
    data = param.with_suffix(".bin").read_bytes()
    at = 0
    for layer in layers:
        if layer.kind == "Convolution":
            count, biases = int(layer.number(6)), int(layer.number(0))
            kind = np.dtype("<f2") if int.from_bytes(data[at : at + 4], "little") == HALF else np.dtype("<f4")
            weight, at = _numbers(data, at + 4, count, kind)
            side = int(layer.number(1))
            layer.weights["weight"] = weight.view(biases, -1, side, side)
            layer.weights["bias"], at = _numbers(data, at, biases, np.dtype("<f4"))
        elif layer.kind == "PReLU":
            layer.weights["weight"], at = _numbers(data, at, int(layer.number(0)), np.dtype("<f4"))
    assert at == len(data), "every byte belongs to a layer"
    return layers


def evaluate(layers: list[Layer], x: Tensor) -> Tensor:
    """Images [N, 3, H, W] in [0, 1] → what the graph makes of them, in the dtype of *x*."""
    blobs: dict[str, Tensor] = {}
    for layer in layers:
        given = [blobs[name] for name in layer.inputs]
        made = x if layer.kind == "Input" else _apply(layer, given)
        blobs.update(dict.fromkeys(layer.outputs, made))
    return blobs[layers[-1].outputs[0]]


def state_dict(layers: list[Layer]) -> dict[str, Tensor]:
    """The weights under the names that Real-ESRGAN's own files have for them."""
    weighted = [layer for layer in layers if layer.weights]
    is_compact = any(layer.kind == "PReLU" for layer in weighted)
    names = [f"body.{i}" for i in range(len(weighted))] if is_compact else list(_rrdb_names(len(weighted)))
    return {
        f"{name}.{key}": tensor
        for name, layer in zip(names, weighted, strict=True)
        for key, tensor in layer.weights.items()
    }


def _rrdb_names(count: int) -> Iterator[str]:
    yield "conv_first"
    for block in range((count - 6) // 15):
        for dense in (1, 2, 3):
            yield from (f"body.{block}.rdb{dense}.conv{layer}" for layer in range(1, 6))
    yield from ("conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last")


def _layer(words: list[str]) -> Layer:
    kind, name, inputs, outputs = *words[:2], int(words[2]), int(words[3])
    blobs, options = words[4 : 4 + inputs + outputs], words[4 + inputs + outputs :]
    pairs = (option.partition("=")[::2] for option in options)
    return Layer(kind, name, blobs[:inputs], blobs[inputs:], dict(_option(key, value) for key, value in pairs))


def _option(key: str, value: str) -> tuple[int, list[float]]:
    """`0=64` → (0, [64]); `-23310=1,0.2` is an array of one number: (10, [0.2])."""
    numbers = [float(number) for number in value.split(",")]
    return (-23300 - int(key), numbers[1:]) if int(key) < 0 else (int(key), numbers)


def _numbers(data: bytes, at: int, count: int, kind: np.dtype[np.floating]) -> tuple[Tensor, int]:  # type: ignore[type-arg]
    end = at + count * kind.itemsize
    found = torch.from_numpy(np.frombuffer(data[at:end], kind).astype(np.float32))
    return found, end + -end % 4


def _apply(layer: Layer, given: list[Tensor]) -> Tensor:
    x = given[0]
    weights = {name: tensor.to(x.dtype) for name, tensor in layer.weights.items()}
    match layer.kind:
        case "Convolution":
            x = F.conv2d(x, weights["weight"], weights["bias"], padding=int(layer.number(4)))
            return F.leaky_relu(x, layer.number(10)) if layer.number(9) == LEAKY_RELU else x
        case "PReLU":
            return F.prelu(x, weights["weight"])
        case "Concat":
            return torch.cat(given, 1)
        case "Eltwise":
            return sum((blob * share for blob, share in zip(given, layer.options[1], strict=True)), torch.zeros(()))
        case "BinaryOp":
            return given[0] + given[1]
        case "Interp":
            return F.interpolate(x, scale_factor=layer.number(1), mode="nearest")
        case "PixelShuffle":
            return F.pixel_shuffle(x, int(layer.number(0)))
        case "Split":
            return x
    raise AssertionError(f"an unknown layer: {layer.kind}")
