"""Options of a run, by guided-diffusion's names where it has them, and how a command line says them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, get_type_hints

from engine.errors import InvalidRequest
from engine.nets.flags import SAMPLING_FLAGS, AdmFlags
from engine.training.finetune.process import LossOptions


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    steps: Annotated[int, "Steps of the whole run."] = 3000
    batch_size: Annotated[int, "Images per step, over all GPUs."] = 16
    microbatch: Annotated[int, "Images at once; gradients add up to batch_size. -1 = all."] = -1
    lr: Annotated[float, "Learning rate of AdamW."] = 5e-6
    warmup: Annotated[int, "Steps over which the learning rate rises from 0."] = 100
    lr_anneal_steps: Annotated[int, "Step at which the learning rate has fallen to 0; 0 = never."] = 0
    weight_decay: Annotated[float, "Weight decay of matrices."] = 0.0
    clip: Annotated[float, "Largest norm of the gradient; 0 = no limit."] = 1.0
    ema_rate: Annotated[str, "Decay of the averaged weights; several with commas, the first is the result."] = "0.9999"
    schedule_sampler: Annotated[str, "uniform or loss-second-moment."] = "uniform"
    use_kl: Annotated[bool, "Train the variational bound alone."] = False
    rescale_learned_sigmas: Annotated[bool, "Count the bound in L_hybrid by steps / 1000."] = False
    min_snr_gamma: Annotated[float, "γ of min-SNR weights; 0 = off, and 5 for a net that predicts x_0."] = 0.0
    use_fp16: Annotated[bool, "float16 with loss scaling."] = False
    fp16_scale_growth: Annotated[float, "The loss scale doubles every 1 / growth steps."] = 1e-3
    use_bf16: Annotated[bool, "bfloat16; needs no loss scaling."] = False
    use_checkpoint: Annotated[bool, "Recompute blocks in the backward pass: less memory, more time."] = False
    compile: Annotated[bool, "Compile the net: minutes at first, then faster steps on a GPU."] = False
    random_flip: Annotated[bool, "Mirror half of the images."] = True
    text_dropout: Annotated[float, "Share of images without their caption, for a net that reads."] = 0.1
    lora: Annotated[int, "Rank of LoRA adapters on attention and convolutions; 0 = train all weights."] = 0
    seed: Annotated[int, "Seed of data order, timesteps and noise."] = 0
    log_interval: Annotated[int, "Steps between entries of the log."] = 10
    save_interval: Annotated[int, "Steps between saves."] = 500
    sample_interval: Annotated[int, "Steps between sample grids; 0 = save_interval."] = 0
    keep: Annotated[int, "Saved states that are kept."] = 2
    prompts: Annotated[str, "Prompts of the sample grids, with semicolons between."] = ""
    perceptor: Annotated[str, "CLIP that guides grids and model, for a net that reads no text; empty = usual."] = ""
    wandb_project: Annotated[str, "Weights & Biases project to log to as well."] = ""

    def __post_init__(self) -> None:
        least = {"steps": 1, "batch_size": 1, "log_interval": 1, "save_interval": 1, "keep": 1, "warmup": 0, "lora": 0}
        least |= {"lr_anneal_steps": 0, "sample_interval": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise InvalidRequest(f"{name} is {getattr(self, name)}; the minimum is {low}.")
        if not self.lr > 0 or not self.fp16_scale_growth > 0:
            raise InvalidRequest("lr and fp16_scale_growth must be above 0.")
        if self.use_fp16 and self.use_bf16:
            raise InvalidRequest("Only one of use_fp16 and use_bf16 can be true.")
        if not 0 <= self.text_dropout <= 1:
            raise InvalidRequest("text_dropout must be between 0 and 1.")
        self.ema_rates  # noqa: B018 -- checks them

    @property
    def ema_rates(self) -> tuple[float, ...]:
        """Each in [0, 1). Raises InvalidRequest."""
        try:
            rates = tuple(float(rate) for rate in self.ema_rate.split(",") if rate.strip())
        except ValueError:
            rates = ()
        if not rates or not all(0 <= rate < 1 for rate in rates):
            raise InvalidRequest(f"ema_rate is “{self.ema_rate}”; it is numbers from 0 to below 1 with commas between.")
        return rates

    @property
    def part(self) -> int:
        """Images at once."""
        return self.batch_size if self.microbatch <= 0 else min(self.microbatch, self.batch_size)

    def losses(self) -> LossOptions:
        return LossOptions(self.use_kl, self.rescale_learned_sigmas, self.min_snr_gamma)

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return self.lr * rise * (max(0.0, 1 - step / self.lr_anneal_steps) if self.lr_anneal_steps else 1.0)


_KINDS = get_type_hints(TrainOptions)
NET_FLAGS = frozenset(item.name for item in fields(AdmFlags)) | SAMPLING_FLAGS | {"model_channels"}


def read_words(words: Sequence[str]) -> tuple[dict[str, str], TrainOptions]:
    """`--name value` and `--name=value` → flags of the net, and options. Raises InvalidRequest.

    A name without a value is true. Hyphens in names count as underscores.
    """
    flags: dict[str, str] = {}
    values: dict[str, object] = {}
    for name, text in _pairs(words):
        if name in _KINDS:
            values[name] = _value(name, text)
        elif name in NET_FLAGS:
            flags[name] = text
        else:
            near = difflib.get_close_matches(name, [*_KINDS, *NET_FLAGS], n=1, cutoff=0.5)
            raise InvalidRequest(f"There is no option --{name}{f'; did you mean --{near[0]}?' if near else '.'}")
    return flags, TrainOptions(**values)  # type: ignore[arg-type]


def _pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    pairs, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--") or word == "--":
            raise InvalidRequest(f"“{word}” belongs to no option; a folder with spaces needs quotes.")
        name, equals, value = word[2:].partition("=")
        if not equals:
            value = rest.pop(0) if rest and not rest[0].startswith("--") else "True"
        pairs.append((name.replace("-", "_"), value))
    return pairs


def _value(name: str, text: str) -> object:
    kind = _KINDS[name]
    if kind is bool:
        known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() not in known:
            raise InvalidRequest(f"--{name} is True or False, not “{text}”.")
        return known[text.lower()]
    try:
        return kind(text)
    except ValueError as error:
        raise InvalidRequest(f"--{name} is a number, not “{text}”.") from error


def option_rows() -> list[tuple[str, object, str]]:
    """Name, default and meaning of every option of `TrainOptions`."""
    hints = get_type_hints(TrainOptions, include_extras=True)
    return [(item.name, item.default, str(hints[item.name].__metadata__[0])) for item in fields(TrainOptions)]


def differences(old: Mapping[str, object], new: Mapping[str, object]) -> str:
    """Names and old values of what differs; empty if nothing does."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return ", ".join(f"{name} {old.get(name)} (now {new.get(name)})" for name in names)
