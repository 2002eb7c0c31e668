"""The loop. All random numbers of a step follow from the seed and the step: a resumed run repeats the same curve."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import DreamError, NotFinite, WeightsError
from engine.nets.adm import UNetModel
from engine.runtime.runtime import catch
from engine.training.checkpoints import replacing
from engine.training.ema import Ema
from engine.training.finetune.ledger import Ledger
from engine.training.finetune.lora import adapter_tensors, add_adapters, load_adapters, merged
from engine.training.finetune.options import TrainOptions, differences
from engine.training.finetune.process import Process
from engine.training.finetune.ranks import Ranks
from engine.training.finetune.samples import Showing
from engine.training.finetune.saves import newest_state, read_best, write_best, write_state, writing
from engine.training.finetune.timesteps import timestep_sampler
from engine.training.interrupts import unhurried
from engine.training.optimizers import make_optimizers
from engine.training.progress import Meter, Reporter

HELD_OUT, MOST_HELD_OUT = 0.05, 64
FEWEST = 20
"""Images from which on a share is held out."""
MOST_BAD_STEPS = 20
FREE = frozenset(("steps", "log_interval", "save_interval", "sample_interval", "keep", "wandb_project"))
FREE |= {"prompts", "perceptor"}
"""Options that a resumed run may change: they do not change the curve."""


@dataclass(frozen=True)
class SampleAlbum:
    """What is learned from."""

    images: NDArray[np.uint8]
    """[N, S, S, 3]"""
    contexts: Tensor | None = None
    """[N, D] for a net that reads."""
    classes: Tensor | None = None
    """[N], for a net with classes."""
    showing: Showing = field(default_factory=Showing)
    """What the sample grids show."""
    sha256: str = ""
    """Of `images`; empty = it is computed."""


class FineTuner:
    """One run in *folder*: `state-STEP.pt` to resume from, `best.safetensors`, `samples-STEP.png`, the log."""

    def __init__(
        self,
        net: UNetModel,
        album: SampleAlbum,
        options: TrainOptions,
        folder: Path,
        *,
        device: str | torch.device = "cpu",
        reporter: Reporter | None = None,
        ranks: Ranks | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self.album, self.options, self.folder = album, options, folder
        self.device, self.ranks = torch.device(device), ranks or Ranks()
        self.reporter = reporter or Reporter("train")
        self.flags = {**asdict(net.flags), "use_fp16": False, "use_checkpoint": False}
        torch.manual_seed(options.seed)
        self.adapted = add_adapters(net, options.lora) if options.lora else []
        net.checkpointing = options.use_checkpoint
        self.net = net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.stepped: Callable[..., Tensor] = torch.compile(self.net) if options.compile else self.net
        self.process = Process(net.flags, options.losses())
        self.emas = [Ema(self.net, rate) for rate in options.ema_rates]
        self.parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
        [self.optimizer] = make_optimizers(net, lr=options.lr, weight_decay=options.weight_decay, betas=(0.9, 0.999))
        self.scaler = torch.amp.GradScaler(
            self.device.type, 2.0**16, growth_interval=round(1 / options.fp16_scale_growth), enabled=options.use_fp16
        )
        self.sampler = timestep_sampler(options.schedule_sampler, self.process.steps)
        self.training, self.held_out = split(len(album.images), options.seed)
        self.step, self.seconds, self.bad_steps = 0, 0.0, 0
        self.best = math.inf
        self.log: list[dict[str, float]] = []
        free = {name: value for name, value in asdict(options).items() if name not in FREE}
        self.plan = {**free, **(facts or {}), "images": album.sha256 or hashlib.sha256(album.images.data).hexdigest()}
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self) -> bool:
        """Go on from the newest saved state, if there is one. Raises WeightsError for one of another run."""
        state: dict[str, Any] | None = newest_state(self.folder)
        if state is None:
            return False
        other = differences(state["plan"], self.plan)
        if other:
            raise WeightsError(
                f"{self.folder} holds a run with other options: {other}. Give those again, or begin with --anew."
            )
        self.net.load_state_dict(state["net"])
        for ema, stored in zip(self.emas, state["emas"], strict=True):
            ema.net.load_state_dict(stored)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.sampler.restore(state["sampler"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]
        self.log = state["log"]
        return True

    def run(self, name: str = "") -> None:
        """Train to the end. Ctrl-C saves, and is raised again. Raises NotFinite or WeightsError (full disk)."""
        options, ledger = self.options, self._ledger(name)
        try:
            if not self.step:
                self._grid(ledger)
            elif ledger and self._shows() and not self._grid_file.exists():
                self._paint_grid(ledger)  # a kill came between save and grid
            meter = self._meter()
            while self.step < options.steps:
                with unhurried():
                    begun = time.perf_counter()
                    loss, norm = self._step()
                    self.seconds += time.perf_counter() - begun
                self._report(ledger, meter, loss, norm)
                if self.step % options.save_interval == 0 or self.step == options.steps:
                    self.save(ledger)
                if self._shows():
                    self._grid(ledger)
                    meter = self._meter()
        except KeyboardInterrupt:
            if self.ranks.leads:  # other processes may be a step further: nothing waits for them
                self._write(ledger)
            raise
        finally:
            if ledger:
                ledger.close()

    def _meter(self) -> Meter:
        """A meter that begins now, so that it does not count the time of a grid."""
        meter = Meter()
        meter.count(self.step * self.options.batch_size)
        return meter

    def _ledger(self, name: str) -> Ledger | None:
        if not self.ranks.leads:
            return None
        ledger = Ledger(self.folder, self.step, project=self.options.wandb_project, name=name, config=self.plan)
        if ledger.note:
            self.reporter.note(ledger.note)
        return ledger

    def batch(self) -> dict[str, Tensor]:
        """The whole batch of the present step, the same for every process: rows, timesteps, noise, texts."""
        options, count = self.options, self.options.batch_size
        generator = _generator(options.seed, "step", self.step)
        rows = self._rows(self.step * count, count)
        images = to_signed(self.album.images[rows.numpy()])
        if options.random_flip:
            mirrored = torch.rand(count, generator=generator) < 0.5
            images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(3), images)
        timesteps, weights = self.sampler.draw(count, generator)
        batch = {"images": images, "timesteps": timesteps, "weights": weights}
        batch["noise"] = torch.randn(images.shape, generator=generator)
        if self.album.contexts is not None:
            batch["contexts"] = self.album.contexts[rows]
            batch["told"] = torch.rand(count, generator=generator) >= options.text_dropout
        if self.album.classes is not None:
            batch["classes"] = self.album.classes[rows]
        return batch

    def _rows(self, start: int, count: int) -> Tensor:
        """Samples *start* to *start* + *count* of an endless shuffled order: each epoch shows every image once."""
        total, rows = len(self.training), []
        for position in range(start, start + count):
            epoch, place = divmod(position, total)
            if self._order[0] != epoch:
                order = torch.randperm(total, generator=_generator(self.options.seed, "epoch", epoch))
                self._order = (epoch, order)
            rows.append(self.training[self._order[1][place]])
        return torch.stack(rows)

    def _step(self) -> tuple[float, float]:
        options = self.options
        for group in self.optimizer.param_groups:
            group["lr"] = options.rate(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        whole = self.batch()
        share = {key: value[self.ranks.share(options.batch_size)].to(self.device) for key, value in whole.items()}
        torch.manual_seed(_number(options.seed, "dropout", self.step * self.ranks.world + self.ranks.rank))
        self.net.train()
        losses = []
        for part in _parts(share, max(1, options.part // self.ranks.world)):
            loss = self._losses(self.stepped, part)
            self.scaler.scale((loss * part["weights"]).sum() / options.batch_size).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        self.ranks.add_gradients(self.parameters)
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, options.clip or math.inf)
        gathered = self.ranks.gather(torch.cat(losses)).cpu()
        self._move(gathered, float(norm), whole)
        return float((gathered * whole["weights"]).mean()), float(norm)

    def _move(self, losses: Tensor, norm: float, whole: Mapping[str, Tensor]) -> None:
        """One step of the optimiser, unless a gradient is not finite; too many of those end the run."""
        sound = math.isfinite(norm)
        if sound or self.options.use_fp16:  # the scaler skips the step itself, and halves its scale
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.step += 1
        if sound:
            self.bad_steps = 0
            self.sampler.note(whole["timesteps"], losses)
            for ema in self.emas:
                ema.update(self.net, self.step)
            return
        self.bad_steps += 1
        if self.bad_steps > MOST_BAD_STEPS:
            raise NotFinite(f"{self.bad_steps} gradients in a row are not finite; use an lr below {self.options.lr:g}.")

    def _losses(self, net: Callable[..., Tensor], part: Mapping[str, Tensor]) -> Tensor:
        """[N]"""
        names = {"context": "contexts", "context_mask": "told", "y": "classes"}
        told = {name: part[key] for name, key in names.items() if key in part}
        dtype = torch.bfloat16 if self.options.use_bf16 else torch.float16

        def answer(x_t: Tensor, timesteps: Tensor) -> Tensor:
            with torch.autocast(self.device.type, dtype, enabled=self.options.use_bf16 or self.options.use_fp16):
                out: Tensor = net(x_t.contiguous(memory_format=torch.channels_last), timesteps, **told)
            return out

        return self.process.losses(answer, part["images"], part["timesteps"], part["noise"])["loss"]

    @torch.no_grad()
    def score(self) -> float:
        """Mean loss of the averaged net on the held-out images, at fixed timesteps and noise."""
        images = to_signed(self.album.images[self.held_out.numpy()])
        count, generator = len(images), _generator(0, "score", 0)
        batch = {"images": images, "noise": torch.randn(images.shape, generator=generator)}
        batch["timesteps"] = ((torch.arange(count) + 0.5) * self.process.steps / count).long()
        if self.album.contexts is not None:
            batch["contexts"], batch["told"] = self.album.contexts[self.held_out], torch.ones(count, dtype=torch.bool)
        if self.album.classes is not None:
            batch["classes"] = self.album.classes[self.held_out]
        parts = _parts({key: value.to(self.device) for key, value in batch.items()}, self.options.part)
        return float(torch.cat([self._losses(self.averaged, part) for part in parts]).mean())

    @property
    def averaged(self) -> UNetModel:
        """The net of the first EMA rate."""
        net: UNetModel = self.emas[0].net  # type: ignore[assignment]
        return net

    @property
    def scores(self) -> dict[int, float]:
        """Step of each save → loss on the held-out images, where that is finite."""
        return {int(row["step"]): row["held_out"] for row in self.log if math.isfinite(row.get("held_out", math.nan))}

    @property
    def best_step(self) -> int:
        """Step of the save with the lowest held-out loss; the present step if no save has a finite one."""
        return min(self.scores, key=self.scores.__getitem__, default=self.step)

    def take_best(self) -> int:
        """Give the averaged net the weights of the best save; returns the step of the weights that it has now.

        That is the present step if `best.safetensors` is missing or belongs to another save.
        """
        step, tensors = read_best(self.folder)
        if step != self.best_step:
            return self.step
        if self.adapted:
            load_adapters(self.averaged, tensors)
        else:
            self.averaged.load_state_dict(tensors)
        return step

    def result(self) -> UNetModel:
        """The averaged net, adapters merged."""
        return merged(self.averaged)

    def adapter(self) -> dict[str, Tensor]:
        """The averaged adapters alone; empty for a run without."""
        return adapter_tensors(self.averaged)

    def save(self, ledger: Ledger | None = None) -> None:
        """Write the state of this step; before it, `best.safetensors` if the held-out loss is the lowest so far."""
        if self.ranks.leads:
            self._write(ledger)
        self.ranks.wait()

    def _write(self, ledger: Ledger | None) -> None:
        score = self.score()
        self.reporter.note(f"step {self.step:,}: held-out loss {score:.5g}")
        better, self.best = score < self.best, min(score, self.best)
        self.log.append({"step": self.step, "held_out": score})
        if better:  # before the state: a run that resumes from it finds the weights that it calls the best
            tensors = self.adapter() if self.adapted else self.averaged.state_dict()
            write_best(self.folder, self.step, tensors, self.flags, self.plan)
        write_state(self.folder, self.step, self._state(), self.options.keep)
        if ledger:
            with writing(self.folder):
                ledger.row(self.step, {"held_out": score})
                ledger.write(self.log)

    def _state(self) -> dict[str, object]:
        return {
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "log": self.log,
            "plan": self.plan,
            "net": self.net.state_dict(),
            "emas": [ema.net.state_dict() for ema in self.emas],
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "sampler": self.sampler.state(),
        }

    def _report(self, ledger: Ledger | None, meter: Meter, loss: float, norm: float) -> None:
        options, images = self.options, self.step * self.options.batch_size
        rate = meter.count(images)
        if not ledger:
            return
        row = {"loss": loss, "gradient": norm, "lr": options.rate(self.step - 1), "images_per_second": rate}
        if options.use_fp16:
            row["loss_scale"] = self.scaler.get_scale()
        if self.device.type == "cuda":
            row["gigabytes"] = torch.cuda.max_memory_allocated(self.device) / 1e9
        if self.step % options.log_interval == 0 or self.step in (1, options.steps):
            self.log.append({"step": self.step, **row})
            ledger.row(self.step, row)
        eta = self.seconds / self.step * (options.steps - self.step)
        shown = {key: value for key, value in row.items() if key in ("loss", "gigabytes")}
        self.reporter.progress(self.step / options.steps, images, rate, eta, shown)

    def _shows(self) -> bool:
        """Whether there is a grid at this step."""
        interval = self.options.sample_interval or self.options.save_interval
        return self.step % interval == 0 or self.step == self.options.steps

    @property
    def _grid_file(self) -> Path:
        return self.folder / f"samples-{self.step:07}.png"

    def _grid(self, ledger: Ledger | None) -> None:
        if ledger:
            self._paint_grid(ledger)
        self.ranks.wait()

    def _paint_grid(self, ledger: Ledger) -> None:
        image = catch(self.album.showing.paint, self.averaged.eval())
        if isinstance(image, DreamError):  # a run of hours continues without a picture
            self.reporter.note(f"step {self.step:,}: no samples: {image}")
            return
        with writing(self.folder), replacing(self._grid_file) as unfinished:
            image.save(unfinished.path, "PNG")
        ledger.grid(self.step, image)


def split(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows held out; a collection below FEWEST images is scored on the images it trains on."""
    order = torch.randperm(count, generator=_generator(seed, "split", 0))
    if count < FEWEST:
        return order, order
    held = min(math.ceil(HELD_OUT * count), MOST_HELD_OUT)
    return order[held:], order[:held]


def to_signed(images: NDArray[np.uint8]) -> Tensor:
    """uint8 [N, H, W, 3] → float [N, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


def _parts(batch: Mapping[str, Tensor], size: int) -> Sequence[dict[str, Tensor]]:
    count = len(batch["images"])
    return [{key: value[i : i + size] for key, value in batch.items()} for i in range(0, count, size)]


def _number(seed: int, purpose: str, position: int) -> int:
    digest = hashlib.blake2b(f"{seed}/{purpose}/{position}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def _generator(seed: int, purpose: str, position: int) -> torch.Generator:
    return torch.Generator().manual_seed(_number(seed, purpose, position))
