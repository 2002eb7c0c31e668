"""A whole run, from a folder of pictures to a model: what `python -m engine train FOLDER` does."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from engine.catalogue.models import MODELS
from engine.catalogue.registry import clip_named
from engine.errors import InvalidRequest
from engine.perceptors.perceptor_loader import understood
from engine.requests.options.clip_views import read_perceptors
from engine.requests.request import build_request
from engine.training.finetune.options import TrainOptions
from engine.training.finetune.picture_cache import PictureCache
from engine.training.finetune.pictures import Collection, Shape, read_classes, read_folder
from engine.training.finetune.ranks import Ranks
from engine.training.finetune.report import write_report
from engine.training.finetune.result import Provenance, install, install_adapter
from engine.training.finetune.run import FineTuner, SampleAlbum
from engine.training.finetune.samples import Showing
from engine.training.finetune.saves import writing
from engine.training.finetune.start import PRIMER, Reader, TrainingStart, load_start
from engine.training.progress import Reporter
from engine.weights.store.custom_models import add_custom_models, check_name, read_custom_models
from engine.weights.store.folder import missing_files

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
        cache: PictureCache | None = None,
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
        self.found = read_folder(
            folder, net_flags.image_size, shape=shape, min_side=min_side, cache=cache, progress=progress
        )
        run_folder = runs / name
        if anew and self.ranks.leads:
            shutil.rmtree(run_folder, ignore_errors=True)
        self.ranks.wait()
        album, self.table, self.note = make_album(name, self.found, self.start, options)
        facts: dict[str, object] = {"from": self.start.name, "from_sha256": self.start.sha256}
        if album.showing.classes:
            facts["classes"] = list(album.showing.classes)
        self.tuner = FineTuner(
            self.start.net,
            album,
            options,
            run_folder,
            device=device,
            reporter=reporter,
            ranks=ranks,
            facts=facts,
        )
        self.resumed = self.tuner.resume()
        self.installed = 0

    def finish(self, *, last: bool = False) -> Path:
        """Write the report and install the model or adapter; returns its folder.

        The weights are those of the save with the lowest held-out loss, or with *last* those of the last step.
        `installed` is their step.
        """
        tuner, start = self.tuner, self.start
        self.installed = tuner.step if last else tuner.take_best()
        made = Provenance(
            name=self.name,
            begun_with=start.name,
            sha256=start.sha256,
            licence=start.licence,
            images=len(self.found.files),
            steps=self.installed,
            of_steps=tuner.step,
            minutes=round(tuner.seconds / 60, 2),
            options=tuner.plan,
        )
        with writing(tuner.folder):
            write_report(tuner.folder, self.name, tuner.log, self._told(made))
        return install_adapter(tuner.adapter(), made) if self.is_adapter else install(tuner.result(), self.table, made)

    @property
    def choice(self) -> str:
        """Which weights are installed, for a run whose last save is not the best; otherwise empty."""
        tuner, scores = self.tuner, self.tuner.scores
        if tuner.best_step == tuner.step:
            return ""
        lowest = f"The held-out loss was lowest at step {tuner.best_step:,}: {scores[tuner.best_step]:.4g}"
        if self.installed == tuner.step:
            return f"{lowest}. Step {tuner.step:,} is installed."
        end = f"{scores[tuner.step]:.4g}" if tuner.step in scores else "not finite"
        return (
            f"{lowest}; at step {tuner.step:,} it was {end}. Step {self.installed:,} is installed. "
            f"The same command with --last installs step {tuner.step:,}."
        )

    def _told(self, made: Provenance) -> dict[str, object]:
        """The table of the report."""
        options, showing = self.options, self.tuner.album.showing
        skipped = f"{made.images:,}; {len(self.found.skipped):,} left out" if self.found.skipped else made.images
        facts: dict[str, object] = {"Started from": made.begun_with, "Pictures": skipped}
        facts |= {"Classes": ", ".join(showing.classes)}
        facts |= {"Steps": f"{made.of_steps:,}, with {options.batch_size} pictures each"}
        facts |= {"Time": f"{made.minutes:g} minutes", "Learning rate": options.lr}
        facts |= {"Decay of the averages": options.ema_rate, "Prompts": "; ".join(showing.texts)}
        if scores := self.tuner.scores:
            best, last = min(scores, key=scores.__getitem__), max(scores)
            lowest = "the lowest" if best == last else f"lowest {scores[best]:.4g} at step {best:,}"
            facts["Held-out loss"] = f"{scores[last]:.4g} at the end, {lowest}"
        facts["Installed"] = f"step {made.steps:,}"
        if showing.model and showing.texts:
            facts["Guided by"] = showing.settings.get("perceptors") or MODELS[self.name].perceptor
        return {key: value for key, value in facts.items() if value != ""}


def _is_adapter(model: str, rank: int, merge: bool) -> bool:
    """Whether the run makes an adapter. Raises InvalidRequest where there can be none, before anything is read."""
    if merge and not rank:
        raise InvalidRequest("--merge makes a model of an adapter; give --lora too.")
    if rank and not merge and model not in MODELS:
        raise InvalidRequest(f"An adapter needs a named model, which {model} is not; add --merge for a new model.")
    return bool(rank) and not merge


def make_album(
    name: str, found: Collection, start: TrainingStart, options: TrainOptions
) -> tuple[SampleAlbum, dict[str, object], str]:
    """What the net learns from and what its grids show; the table of the model *name*; and a note for the person.

    Raises InvalidRequest for a file without a class, a prompt that cannot guide, or an unknown CLIP.
    """
    texts = tuple(text.strip() for text in options.prompts.split(";") if text.strip())
    if start.net.flags.context_dim:
        if options.perceptor:
            raise InvalidRequest(f"{start.name} reads text, so no CLIP guides its grids; leave --perceptor out.")
        reader = Reader(start.net.flags)
        shown = texts or tuple(text for text in dict.fromkeys(found.captions) if text)[:8]
        showing = Showing(shown, reader.texts(shown) if shown else None)
        album = SampleAlbum(found.images, reader.contexts(found), showing=showing, sha256=found.sha256)
        return album, start.table("", ()), ""
    names, labels = read_classes(found.files) if start.net.flags.class_cond else ((), [])
    guide = _one_clip(options.perceptor, start.perceptor) if options.perceptor else start.perceptor
    table = start.table(guide, names)
    showing, note = Showing(classes=names), ""
    if texts:
        showing, note = _guided(name, texts, names, table, chosen=bool(options.perceptor))
    numbers = torch.tensor(labels) if names else None
    return SampleAlbum(found.images, classes=numbers, showing=showing, sha256=found.sha256), table, note


def _guided(
    name: str, texts: tuple[str, ...], classes: tuple[str, ...], table: Mapping[str, object], *, chosen: bool
) -> tuple[Showing, str]:
    """Grids that CLIP guides, and a note. The model *name* is registered in this process; it has no file yet.

    Unless it is *chosen*, a CLIP that is not installed is replaced by the small model's. Raises InvalidRequest.
    """
    add_custom_models(read_custom_models({name: {**table, "file": name}}))
    clip = MODELS[name].perceptor
    openai = clip_named(clip)
    missing = missing_files([openai]) if openai else ""
    if missing and chosen:
        raise InvalidRequest(f"{clip}: {missing}.")
    settings = {"perceptors": PRIMER} if missing else {}
    requests = [build_request(text, model=name, seed=0, settings=settings) for text in texts]
    if missing or clip == PRIMER:
        for request in requests:
            understood(request.prompts, "the small model's CLIP")
    note = f"The small model's CLIP guides the grids: {clip} is {missing}." if missing else ""
    return Showing(texts, classes=classes, model=name, settings=settings), note


def _one_clip(name: str, usual: str) -> str:
    """The name of one known CLIP. Raises InvalidRequest."""
    clips = read_perceptors(name, usual)
    if len(clips) != 1:
        raise InvalidRequest(f"--perceptor takes one CLIP, not “{name}”.")
    return clips[0].name
