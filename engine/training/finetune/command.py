"""A whole run, from a folder of pictures to a model: what `python -m engine train FOLDER` does."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from engine.catalogue.models import MODELS
from engine.errors import InvalidRequest
from engine.training.finetune.options import TrainOptions
from engine.training.finetune.pictures import Collection, Shape, read_folder
from engine.training.finetune.ranks import Ranks
from engine.training.finetune.report import write_report
from engine.training.finetune.result import Provenance, install, install_adapter
from engine.training.finetune.run import FineTuner, SampleAlbum
from engine.training.finetune.start import Reader, TrainingStart, load_start
from engine.training.progress import Reporter
from engine.weights.store.custom_models import check_name

XSTART_GAMMA = 5.0
"""min-SNR γ for a net that predicts x_0; without weights it learns grain instead of structure (Hang et al. 2023)."""


class Training:
    """Reads the folder and the weights; then `tuner` runs, and `finish` makes the model."""

    def __init__(
        self,
        folder: Path,
        name: str,
        source: str,
        flags: Mapping[str, object],
        options: TrainOptions,
        runs: Path,
        *,
        shape: Shape = "crop",
        min_side: int = 0,
        device: str | torch.device = "cpu",
        reporter: Reporter | None = None,
        ranks: Ranks | None = None,
        anew: bool = False,
        merge: bool = False,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        check_name(name)
        self.name, self.ranks = name, ranks or Ranks()
        self.start = load_start(source, flags, options.seed)
        self.is_adapter = _is_adapter(self.start.name, options.lora, merge)
        net_flags = self.start.net.flags
        if net_flags.predict_xstart and not options.min_snr_gamma:
            options = replace(options, min_snr_gamma=XSTART_GAMMA)
        self.options = options
        self.found = read_folder(folder, net_flags.image_size, shape=shape, min_side=min_side, progress=progress)
        run_folder = runs / name
        if anew and self.ranks.leads:
            shutil.rmtree(run_folder, ignore_errors=True)
        self.ranks.wait()
        facts = {"from": self.start.name, "from_sha256": self.start.sha256}
        self.tuner = FineTuner(
            self.start.net,
            _album(self.found, self.start, options),
            options,
            run_folder,
            device=device,
            reporter=reporter,
            ranks=ranks,
            facts=facts,
        )
        self.resumed = self.tuner.resume()

    def finish(self) -> Path:
        """The report, and the model or the adapter in the table of own models; returns its folder."""
        tuner, start = self.tuner, self.start
        made = Provenance(
            name=self.name,
            begun_with=start.name,
            sha256=start.sha256,
            licence=start.licence,
            base=start.base,
            images=len(self.found.files),
            steps=tuner.step,
            minutes=round(tuner.seconds / 60, 2),
            options=tuner.plan,
        )
        facts = {"Begun with": start.name, "Pictures": made.images, "Steps": made.steps, "Minutes": made.minutes}
        write_report(tuner.folder, self.name, tuner.log, facts)
        return install_adapter(tuner.adapter(), made) if self.is_adapter else install(tuner.result(), start.flags, made)


def _is_adapter(model: str, rank: int, merge: bool) -> bool:
    """Whether the run makes an adapter. Raises InvalidRequest where there can be none, before anything is read."""
    if merge and not rank:
        raise InvalidRequest("--merge makes a model of an adapter; give --lora too.")
    if rank and not merge and model not in MODELS:
        raise InvalidRequest(f"An adapter needs a model with a name, and {model} is none; add --merge for a new model.")
    return bool(rank) and not merge


def _album(found: Collection, start: TrainingStart, options: TrainOptions) -> SampleAlbum:
    prompts = [text.strip() for text in options.prompts.split(";") if text.strip()]
    if not start.net.flags.context_dim:
        if prompts:
            raise InvalidRequest(f"{start.name} reads no prompts; leave --prompts out.")
        return SampleAlbum(found.images)
    reader = Reader(start.net.flags)
    shown = prompts or [text for text in dict.fromkeys(found.captions) if text][:8]
    return SampleAlbum(found.images, reader.contexts(found), reader.texts(shown) if shown else None)
