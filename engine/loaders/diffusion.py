"""Diffusion networks with their noise schedules: the package's own, published ones and the host's, with adapters.

Low-rank adapters (Hu et al. 2021) are files with A and B of some layers, added to a net's weights as W + s·B·A.
`LAYER.a` is [rank, I·…] and `LAYER.b` [O, rank] for a convolution LAYER with the weight [O, I, …].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.catalogue.registry import Entry, Kind, entries, find_entry
from engine.diffusion.denoiser import Denoiser, cosine_denoiser, from_eps, from_v, from_xstart, timestep_denoiser
from engine.diffusion.schedules import RespacedSchedule, alphas_cumprod, continuous_schedule, respaced_schedule
from engine.errors import ModelUnavailable, WeightsError
from engine.loaders.checkpoint import PRIMER_WEIGHTS, fill, read_checkpoint
from engine.nets.adm import UNetModel, build_adm
from engine.nets.flags import AdmFlags, VDiffusionFlags
from engine.nets.kernels import freeze
from engine.nets.primer.composer import Composer, build_composer
from engine.nets.v_diffusion import VDiffusionNet, build_v_diffusion
from engine.requests.options.clip_views import WeightedAdapter
from engine.runtime.runtime import NetProvider
from engine.weights.formats.state_dict import SelectedTensors
from engine.weights.formats.tensors import read_index, read_tensors
from engine.weights.store.folder import Folder, weights_folder
from engine.weights.store.hashed_file import HashedFile

COMPOSER = "composer.safetensors"
FILES = {"primer": PRIMER_WEIGHTS / "diffusion.safetensors"}


@dataclass(frozen=True)
class DiffusionNet:
    """Frozen weights on their device."""

    net: UNetModel | VDiffusionNet
    sha256: str = ""
    composer: Composer | None = None
    """Makes the sketches of a net that sees them; on the CPU."""
    composer_sha256: str = ""
    adapters: str = ""
    """Names, strengths and SHA-256 of the adapters in the weights, for the record; empty for none."""

    @property
    def flags(self) -> AdmFlags | VDiffusionFlags:
        return self.net.flags

    def schedule(self, spacing: str) -> RespacedSchedule:
        """The process of the net's training, respaced. Raises InvalidRequest for an impossible spacing."""
        flags = self.flags
        if isinstance(flags, VDiffusionFlags):
            return continuous_schedule(flags.noise_schedule, spacing)
        bars = alphas_cumprod(flags.noise_schedule, flags.diffusion_steps)
        return respaced_schedule(bars, spacing, flags.rescale_timesteps)

    def denoiser(
        self, context: Tensor | None = None, classes: Tensor | None = None, sketch: Tensor | None = None
    ) -> Denoiser:
        """Return the net as a denoiser told *context* [N, D], *classes* [N] and *sketch* [N, 4, H, W], or nothing."""

        def net(x_t: Tensor, timesteps: Tensor) -> Tensor:
            told = {name: value for name, value in (("y", classes), ("sketch", sketch)) if value is not None}
            out: Tensor = self.net(x_t, timesteps, context=context, **told)
            return out

        flags = self.flags
        if isinstance(flags, VDiffusionFlags):
            return cosine_denoiser(net)
        solve = from_xstart if flags.predict_xstart else from_v if flags.predict_v else from_eps
        return timestep_denoiser(net, solve, learned_variance=flags.learn_sigma)


def net_key(model: str, adapters: Sequence[WeightedAdapter] = ()) -> str:
    """The key of *model* with *adapters* in a runtime's cache; weights that were trained again have another one."""
    known = entries()

    def mark(name: str) -> str:
        return f"@{entry.sha256[:16]}" if (entry := known.get(name)) and entry.is_own and entry.sha256 else ""

    return "+".join((f"diffusion:{model}{mark(model)}", *(f"{one}{mark(one.name)}" for one in adapters)))


def load_diffusion_net(
    model: str, runtime: NetProvider, adapters: Sequence[WeightedAdapter] = (), key: str = ""
) -> DiffusionNet:
    """The net of *model* with *adapters* from the runtime's cache. Raises ModelUnavailable or WeightsError.

    Each combination of adapters is a separate net, so the net without adapters stays unchanged. *key*: the `net_key`
    at the beginning of an image, whose weights must not change.
    """
    present = net_key(model, adapters)

    def load() -> DiffusionNet:
        if key not in ("", present):
            raise ModelUnavailable("Its weights were replaced while this picture was painted; paint it again.")
        device, dtype = runtime.device, torch.float32 if adapters else runtime.dtype
        if model in FILES:
            found = read_diffusion_net(FILES[model], device, dtype)
        else:
            found = read_diffusion(find_entry(model), weights_folder(), device, dtype)
        if adapters:
            found = _adapted(found, model, adapters, runtime.dtype)
        runtime.compiler.take(found.net)
        return found

    return runtime.net(key or present, load, 0 if model in FILES else net_bytes(model, runtime.dtype))


def _adapted(found: DiffusionNet, model: str, adapters: Sequence[WeightedAdapter], dtype: torch.dtype) -> DiffusionNet:
    """*found*, whose weights are changed in place and then brought into *dtype*."""
    if not isinstance(found.net, UNetModel):
        raise ModelUnavailable(f"Adapters change nets of guided-diffusion, and “{model}” is a net of v-diffusion.")
    loaded = load_adapters(model, adapters)
    for adapter, one in zip(loaded, adapters, strict=True):
        adapt(found.net, adapter, one.strength)
    found.net.set_torso_dtype(dtype)
    record = ", ".join(f"{one} {adapter.sha256[:16]}" for adapter, one in zip(loaded, adapters, strict=True))
    return replace(found, adapters=record)


def read_diffusion_net(path: Path, device: torch.device, dtype: torch.dtype) -> DiffusionNet:
    """Read a safetensors file with flags: its net, frozen, its torso in *dtype*, and its composer's file beside it."""
    checkpoint = read_checkpoint(path)
    net = build_adm(checkpoint.flags)
    checkpoint.fill(net)
    return _with_composer(net, checkpoint.sha256, device, dtype, path.with_name(COMPOSER))


def _with_composer(
    net: UNetModel | VDiffusionNet,
    sha256: str,
    device: torch.device,
    dtype: torch.dtype,
    path: Path = PRIMER_WEIGHTS / COMPOSER,
) -> DiffusionNet:
    """*net*, frozen, its torso in *dtype*, with the composer at *path* if it sees sketches."""
    net = freeze(net.set_torso_dtype(dtype), device)
    if not net.flags.sketch:
        return DiffusionNet(net, sha256)
    sketches = read_checkpoint(path)
    composer = build_composer(sketches.flags)
    sketches.fill(composer)
    return DiffusionNet(net, sha256, composer.eval().requires_grad_(False), sketches.sha256)


def read_diffusion(entry: Entry, folder: Folder, device: torch.device, dtype: torch.dtype) -> DiffusionNet:
    """The frozen net, its torso in *dtype*. Raises ModelUnavailable (file missing) or WeightsError (wrong file).

    The net is built without memory and filled with the file's tensors, so loading takes little more than their size. A
    net trained from the small model sees sketches, and gets the package's composer.
    """
    if entry.kind not in BUILDERS:
        raise ModelUnavailable(
            f"“{entry.name}” is not a diffusion model but a checkpoint of the kind {entry.kind.value}."
        )
    with folder.open(entry) as opened:
        net, _ = fill(opened, BUILDERS[entry.kind], entry.flags)
    return _with_composer(net, opened.sha256, device, dtype)


def fill_diffusion(opened: HashedFile, flags: Mapping[str, object]) -> tuple[UNetModel, SelectedTensors]:
    """The net of *flags* with the tensors of the file, and which those were. Raises WeightsError."""
    return fill(opened, build_adm, flags)


BUILDERS: Mapping[Kind, Callable[[Mapping[str, object]], UNetModel | VDiffusionNet]] = {
    Kind.DIFFUSION: build_adm,
    Kind.V_DIFFUSION: build_v_diffusion,
}


def net_bytes(name: str, dtype: torch.dtype) -> int:
    """Memory that the net takes in *dtype*, estimated from its file in float32; 0 if the file is missing."""
    path = weights_folder().find(find_entry(name))
    return path.stat().st_size * dtype.itemsize // torch.float32.itemsize if path else 0


@dataclass(frozen=True)
class Adapter:
    """The contents of a file. *layers*: name of a convolution → A and B."""

    name: str
    layers: Mapping[str, tuple[Tensor, Tensor]]
    sha256: str


def load_adapters(model: str, wanted: Sequence[WeightedAdapter]) -> list[Adapter]:
    """The adapters of *model* from the weights folder. Raises ModelUnavailable or WeightsError."""
    found = []
    for one in wanted:
        entry = find_entry(one.name)
        if entry.kind is not Kind.ADAPTER or entry.adapts != model:
            raise ModelUnavailable(f"“{one.name}” is not an adapter of the model {model}.")
        with weights_folder().open(entry) as opened:
            found.append(read_adapter(opened)[0])
    return found


def read_adapter(opened: HashedFile) -> tuple[Adapter, SelectedTensors]:
    """The adapter in a file, and its tensors. Raises WeightsError for a file that holds something else."""
    groups = read_index(opened)
    choice = SelectedTensors(groups[0].path, "", groups[0].tensors)
    tensors = read_tensors(opened, choice)
    layers = {}
    for name in tensors:
        layer, _, part = name.rpartition(".")
        a, b = tensors.get(f"{layer}.a"), tensors.get(f"{layer}.b")
        if part not in ("a", "b") or a is None or b is None or a.ndim != 2 or b.ndim != 2 or len(a) != b.shape[1]:
            raise WeightsError(f"“{opened.path.name}” is not an adapter: “{name}” is not one of a pair of matrices.")
        layers[layer] = (a, b)
    return Adapter(opened.name, layers, opened.sha256), choice


@torch.no_grad()
def adapt(net: UNetModel, adapter: Adapter, strength: float) -> None:
    """Add *strength* times the change of *adapter* to the weights. Raises WeightsError, before any change, if unfit."""
    weights = {name: module.weight for name, module in net.named_modules() if isinstance(module, nn.Conv1d | nn.Conv2d)}
    for layer, (a, b) in adapter.layers.items():
        weight = weights.get(layer)
        if weight is None or (len(b), a.shape[1]) != (len(weight), weight[0].numel()):
            raise WeightsError(f"The adapter “{adapter.name}” does not fit its model: its layer {layer} differs.")
    for layer, (a, b) in adapter.layers.items():
        weights[layer] += strength * (b.float() @ a.float()).view_as(weights[layer]).to(weights[layer])
