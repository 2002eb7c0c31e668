"""`--best`: ranks images by a CLIP that did not guide them, draws a contact sheet, upscales the best."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli._dream.order import DreamOrder
from engine.cli._dream.run import DreamResult
from engine.cli._pictures import SEEN
from engine.cli.console import Bar, write_file
from engine.errors import InvalidRequest
from engine.images.opening import open_own, open_reduced, read_file
from engine.images.pictures import contact_sheet, to_png, within
from engine.perceptors.judge_choice import choose_grader, guides_of
from engine.requests.request import DreamRequest, UpscaleRequest

if TYPE_CHECKING:
    from engine.guidance.clip_score import Judge, PromptVectors
    from engine.worker.in_process import InProcessEngine

SCALE = 4
CELL = 256
"""Side of a cell of the contact sheet, in pixels."""


@dataclass(frozen=True, slots=True)
class BestOf:
    """*best*: number of images to mark. *grader*: name of a perceptor; empty = one that did not guide."""

    best: int
    grader: str = ""
    enlarge: bool = False


@dataclass(frozen=True, slots=True)
class Grading:
    """The ranking CLIP and the embedded prompt. *note*: why the ranking may be biased."""

    perceptor: str
    prompt: PromptVectors
    note: str = ""


@dataclass(frozen=True, slots=True)
class RankedPictures:
    """*grades*: index → cosine similarity to the prompt by *perceptor*."""

    perceptor: str
    grades: Mapping[int, float]
    best: tuple[int, ...]
    """Indices, best first."""
    sheet: Path
    larger: Mapping[int, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def prepare(order: DreamOrder, wanted: BestOf, studio: InProcessEngine) -> Grading | None:
    """Loads the ranking CLIP and embeds the prompt; None without --best.

    Raises DreamErrors before anything is painted.
    """
    if not wanted.best:
        return None
    request = order.request
    assert isinstance(request, DreamRequest)
    name, note = (wanted.grader, "") if wanted.grader else choose_grader(guides_of(request))
    pictures = {sha: open_own(order.images[sha]) for sha in _pictures(request)}
    return Grading(name, _judge(name, studio).embed_prompts(request.prompts, pictures), note)


def choose(
    finished: DreamResult, wanted: BestOf, grading: Grading, studio: InProcessEngine, bar: Bar
) -> RankedPictures:
    """Ranks the images, writes the contact sheet and upscales the best. Raises DreamErrors."""
    bar.say("Judging")
    judge, prompt = _judge(grading.perceptor, studio), grading.prompt
    images = {done.index: open_reduced(read_file(done.path), SEEN) for done in finished.pictures}
    grades = {
        index: round(float(judge.embed_images([image])[0] @ prompt.direction), 5) for index, image in images.items()
    }
    ranking = sorted(grades, key=lambda index: -grades[index])
    best = tuple(ranking[: wanted.best])
    captions = [f"{place}.  #{index}  {grades[index]:.3f}" for place, index in enumerate(ranking, 1)]
    sheet = contact_sheet([within(images[index], CELL) for index in ranking], captions, marked=range(len(best)))
    place = finished.order.out.with_stem(f"{finished.order.out.stem}-sheet")
    write_file(place, to_png(sheet))
    larger = _enlarged(finished, best, studio, bar) if wanted.enlarge else {}
    return RankedPictures(judge.id, grades, best, place, larger, tuple(filter(None, [grading.note, *prompt.notes])))


def check_wanted(wanted: BestOf, count: int) -> None:
    """Raises InvalidRequest unless 1 ≤ --best ≤ --count, or for its options without --best."""
    if (wanted.grader or wanted.enlarge) and not wanted.best:
        raise InvalidRequest("--grader and --upscale-best need --best, the number of pictures to choose.")
    if wanted.best and not 1 <= wanted.best <= count:
        raise InvalidRequest(f"--best {wanted.best} is out of range for --count {count} (1 to {count}).")


def _judge(name: str, studio: InProcessEngine) -> Judge:
    from engine.guidance.clip_score import Judge

    return Judge(name, studio.runtime)


def _pictures(request: DreamRequest) -> list[str]:
    return [prompt.image for prompt in request.prompts if prompt.image]


def _enlarged(finished: DreamResult, best: tuple[int, ...], studio: InProcessEngine, bar: Bar) -> dict[int, Path]:
    larger: dict[int, Path] = {}
    for done in (done for index in best for done in finished.pictures if done.index == index):
        bar.say(f"Upscaling {done.path.name}")
        data = read_file(done.path)
        sha = hashlib.sha256(data).hexdigest()
        request = UpscaleRequest(image=sha, scale=SCALE, width=done.facts["width"], height=done.facts["height"])
        path = done.path.with_stem(f"{done.path.stem}-x{SCALE}")
        write_file(path, studio.paint(request, {sha: data}, tell=bar.move).pictures[0].png)
        larger[done.index] = path
    return larger
