"""The training loop: steps, learning rate, average, files, log. Independent of the task."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from engine.errors import NotFinite, WeightsError
from engine.runtime.tuning import AUTO, Threads
from engine.training.checkpoints import save_weights, unsuitable
from engine.training.ema import Ema
from engine.training.interrupts import unhurried
from engine.training.optimizers import make_optimizers
from engine.training.progress import Meter, Reporter
from engine.training.states import STATE, RunState, refuse_other_start
from engine.training.task import Batch, Scores, Task

_MOST_BAD_STEPS = 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hyperparameters of a run. It ends after `steps`, or after `minutes` if they are given and over first."""

    steps: int
    batch: int
    lr: float
    minutes: float = 0.0
    warmup: int = 200
    """Steps over which the learning rate rises from zero."""
    decay: float = 0.35
    """The last part of the run, over which the learning rate falls to zero; 0 = it never falls."""
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float = 1.0
    ema: float = 0.999
    muon: bool = False
    adam_only: tuple[str, ...] = ()
    """With Muon: prefixes of matrices that AdamW keeps."""
    seed: int = 0
    score_seconds: float = 180.0
    sheet_seconds: float = 600.0
    save_seconds: float = 180.0


@dataclass(slots=True)
class _Due:
    """A timer that is true at most once every *seconds*."""

    seconds: float
    last: float = field(default_factory=time.perf_counter)

    def __call__(self) -> bool:
        now = time.perf_counter()
        if now - self.last < self.seconds:
            return False
        self.last = now
        return True


class Trainer:
    """One run of one task. `folder` gets `state.pt` (to resume), `weights.safetensors` and sample sheets."""

    def __init__(
        self,
        task: Task,
        recipe: Recipe,
        folder: Path,
        *,
        device: str | torch.device = "cpu",
        reporter: Reporter | None = None,
        threads: Threads | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self.task, self.recipe, self.folder = task, recipe, folder
        self.device = torch.device(device)
        self.reporter = reporter or Reporter(task.name)
        self.threads = threads or usual_threads(self.device)
        self.facts = dict(facts or {})
        self.half = bfloat16_pays(self.device)
        task.to(self.device)
        task.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = Ema(task.net, recipe.ema)
        self.optimizers = make_optimizers(
            task.net,
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            betas=recipe.betas,
            muon=recipe.muon,
            adam_only=recipe.adam_only,
        )
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.step, self.seconds, self.bad_steps = 0, 0.0, 0
        self.recent_loss = math.nan
        self.log: list[dict[str, float]] = []
        self.start, self.finished = "", False
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def done(self) -> float:
        """Progress, 0 to 1: by steps or by minutes, the larger of the two."""
        by_time = self.seconds / 60 / self.recipe.minutes if self.recipe.minutes else 0.0
        return max(self.step / self.recipe.steps, by_time)

    def run(self) -> Scores:
        """Train to the end and return the last scores. Ctrl-C saves, and is raised again. Raises NotFinite."""
        meter = Meter()
        score, sheet, save = (
            _Due(s) for s in (self.recipe.score_seconds, self.recipe.sheet_seconds, self.recipe.save_seconds)
        )
        try:
            while self.done < 1:
                with unhurried():
                    self._timed_step()
                self._report(meter)
                if score():
                    self._score()
                if sheet():
                    self._sheet()
                if save():
                    self.save()
            scores = self._score()
            self._sheet()
            self.finished = True
            self.save()
        except KeyboardInterrupt:
            self.save()
            raise
        return scores

    def _timed_step(self) -> None:
        start = time.perf_counter()
        with self.threads.step(self.task.name):
            self._step(self.task.batch(self.recipe.batch, self.generator, self.done))
        self.seconds += time.perf_counter() - start

    def _step(self, batch: Batch) -> None:
        factor = learning_rate(self.step, self.done, self.recipe)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = self.recipe.lr * factor
        batch = {key: value.to(self.device, non_blocking=True) for key, value in batch.items()}
        self.task.net.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            loss = self.task.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.task.net.parameters(), self.recipe.clip)
        self.step += 1
        if self._is_sound(loss, norm):
            for optimizer in self.optimizers:
                optimizer.step()
            self.ema.update(self.task.net, self.step)

    def _is_sound(self, loss: Tensor, norm: Tensor) -> bool:
        """Note the loss; a step that is not finite is skipped, too many of them end the run."""
        value = float(loss.detach())
        if math.isfinite(value) and math.isfinite(float(norm)):
            self.bad_steps = 0
            self.recent_loss = value if math.isnan(self.recent_loss) else 0.98 * self.recent_loss + 0.02 * value
            return True
        self.bad_steps += 1
        if self.bad_steps > _MOST_BAD_STEPS:
            raise NotFinite(
                f"The loss of {self.task.name} is not finite; a learning rate below {self.recipe.lr:g} may help."
            )
        return False

    def _report(self, meter: Meter) -> None:
        done, pictures = self.done, self.step * self.recipe.batch
        eta = self.seconds * (1 - done) / done if done else math.inf
        rate = meter.count(pictures)
        self.reporter.progress(done, pictures, rate, eta, {"loss": self.recent_loss, "threads": self.threads.count})

    @torch.no_grad()
    def _score(self) -> Scores:
        self.ema.net.eval()
        scores = self.task.scores(self.ema.net)
        row = {
            "pictures": self.step * self.recipe.batch,
            "minutes": self.seconds / 60,
            "loss": self.recent_loss,
            **scores,
        }
        self.log.append(row)
        self.reporter.note(f"{self.task.name}: " + "  ".join(f"{key} {value:.5g}" for key, value in row.items()))
        return scores

    @torch.no_grad()
    def _sheet(self) -> None:
        sheet = self.task.sheet(self.ema.net)
        if sheet is not None:
            sheet.save(self.folder / f"sheet-{self.step:07}.png")

    def start_from(self, tensors: Mapping[str, Tensor], sha256: str = "") -> None:
        """Begin with finished weights instead of random ones: what fine-tuning is. Raises WeightsError.

        *sha256*, that of their file: an unfinished run that began with others is not gone on with.
        Parts that the net calls `later` may be missing: they change nothing until they have learned.
        """
        later = tuple(getattr(self.task.net, "later", ()))
        for net in (self.task.net, self.ema.net):
            begun = {name: tensor for name, tensor in self.task.net.state_dict().items() if name.startswith(later)}
            try:
                net.load_state_dict({**begun, **{name: tensor.float() for name, tensor in tensors.items()}})
            except RuntimeError as error:
                raise WeightsError(f"These weights are not those of a {self.task.name}: {error}") from error
        self.start = sha256

    def save(self) -> None:
        """Write the state to resume from, and the averaged net as weights."""
        state = RunState(
            step=self.step,
            seconds=self.seconds,
            log=self.log,
            net=self.task.net.state_dict(),
            ema=self.ema.net.state_dict(),
            optimizers=[optimizer.state_dict() for optimizer in self.optimizers],
            generator=self.generator.get_state(),
            start=self.start,
            plan=self.plan,
            finished=self.finished,
        )
        state.write(self.folder / STATE)
        save_weights(self.folder / "weights.safetensors", self.ema.net, self.task.flags(), self.story())

    @property
    def plan(self) -> dict[str, object]:
        """All settings that decide the result; equal plans give equal weights."""
        return {**asdict(self.recipe), **self.facts, "start": self.start}

    def story(self) -> dict[str, object]:
        """Return the recipe and its results, for the metadata of the weights."""
        return {
            **self.plan,
            "pictures": self.step * self.recipe.batch,
            "minutes_spent": round(self.seconds / 60, 1),
            "device": self.device.type,
            "scores": self.log[-1] if self.log else {},
        }

    def resume(self, path: Path | None = None) -> bool:
        """Go on from `state.pt` of the folder (or another), if it is there.

        A finished run is left behind, unless it is this very one: then nothing is left to do. Raises WeightsError for a
        state that is damaged, of another net, or of an unfinished run with another start; then nothing has changed.
        """
        path = path or self.folder / STATE
        if not path.exists():
            return False
        state = RunState.read(path)
        if state.finished and state.plan != self.plan:
            self.reporter.note(f"{self.task.name}: the run before this one is finished; this one begins anew")
            return False
        refuse_other_start(path, state, self.start)
        misfit = state.misfit(self.task.net, self.optimizers)
        if misfit:
            raise unsuitable(path, misfit)
        self._take(state)
        return True

    def _take(self, state: RunState) -> None:
        self.task.net.load_state_dict(state.net)
        self.ema.net.load_state_dict(state.ema)
        for optimizer, stored in zip(self.optimizers, state.optimizers, strict=True):
            optimizer.load_state_dict(stored)
        self.generator.set_state(state.generator)
        self.step, self.seconds, self.log = state.step, state.seconds, state.log
        self.finished = state.finished
        self.recent_loss = self.log[-1].get("loss", math.nan) if self.log else math.nan


def bfloat16_pays(device: torch.device) -> bool:
    """Whether this device multiplies bfloat16 in hardware; elsewhere it is slower than float32."""
    if device.type == "cuda":
        with torch.cuda.device(device):  # PyTorch answers for the card in use, which may be another
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def usual_threads(device: torch.device) -> Threads:
    """Return the threads that OMP_NUM_THREADS names, or else the faster of one and all."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip() if device.type == "cpu" else "1"
    return Threads(wanted if wanted.isdecimal() and int(wanted) else AUTO, os.cpu_count() or 1)


def learning_rate(step: int, done: float, recipe: Recipe) -> float:
    """Return the factor at a step: linear warm-up, constant, then linear decay to zero over the last `decay`."""
    rise = min(1.0, (step + 1) / recipe.warmup) if recipe.warmup else 1.0
    fall = min(1.0, (1 - done) / recipe.decay) if recipe.decay else 1.0
    return rise * max(fall, 0.0)
