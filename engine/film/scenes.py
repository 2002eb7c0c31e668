"""Prompts along a film: scenes divided by ``^``, or a timeline whose numbers are frames; with crossfades."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from engine.errors import PromptError
from engine.requests.prompts import Prompt, phases_of, read_prompts
from engine.requests.schedule import number_text

MOST_SCENES = 50
_BREAK = re.compile(r"(?<!\\)\^")


@dataclass(frozen=True, slots=True)
class FilmScene:
    """Prompts, and the frame at which they begin."""

    start: int
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """Scenes in order, the first at frame 0. *fade*: frames in which one turns into the next."""

    scenes: tuple[FilmScene, ...]
    fade: int = 0
    always: tuple[Prompt, ...] = ()
    """Prompts of all scenes: the negative ones."""

    def prompts_at(self, frame: int) -> tuple[Prompt, ...]:
        """The prompts of *frame*. In a crossfade both scenes count, by weights that add up to those of one."""
        number = max(i for i, scene in enumerate(self.scenes) if scene.start <= frame)
        now = self.scenes[number]
        share = self._faded(number, frame)
        if not number or share >= 1:
            return (*now.prompts, *self.always)
        before = self.scenes[number - 1]
        return (*_weighed(before.prompts, 1 - share), *_weighed(now.prompts, share), *self.always)

    def _faded(self, number: int, frame: int) -> float:
        """The share of scene *number* at *frame*, 0 to 1; a crossfade is never longer than its scene."""
        scene = self.scenes[number]
        following = self.scenes[number + 1].start if number + 1 < len(self.scenes) else frame + self.fade + 1
        fade = min(self.fade, following - scene.start)
        return (frame - scene.start + 1) / (fade + 1)


def read_story(source: str, frames: int, fade: int) -> Story:
    """``a ^ b ^ c`` in equal parts of *frames*, or ``0: a | 40: b`` at those frames. Raises PromptError."""
    pieces = list(_pieces(source))
    if len(pieces) == 1:
        return Story(_timed(source, frames), fade)
    if len(pieces) > min(frames, MOST_SCENES):
        most = min(frames, MOST_SCENES)
        raise PromptError(f"{len(pieces)} scenes are too many; the limit is {most}.", source, pieces[most][0])
    return Story(
        tuple(
            FilmScene(i * frames // len(pieces), _read(source, start, text)) for i, (start, text) in enumerate(pieces)
        ),
        fade,
    )


def _timed(source: str, frames: int) -> tuple[FilmScene, ...]:
    reading = read_prompts(source.replace("\\^", "^"))
    for since, place in reading.places.items():
        if since >= 1 and since >= frames:
            raise PromptError(
                f"Frame {number_text(since)} is never reached: the film has {frames} frames.", source, place
            )
    phases = phases_of(reading.prompts)
    starts = [int(phase.since if phase.since >= 1 else phase.since * frames) for phase in phases]
    if not reading.places:
        return (FilmScene(0, reading.prompts),)
    return tuple(FilmScene(start, _plain(phase.prompts)) for start, phase in zip(starts, phases, strict=True))


def _read(source: str, start: int, text: str) -> tuple[Prompt, ...]:
    if not text.strip():
        raise PromptError("A scene is empty: write something between the ^.", source, min(start, len(source) - 1))
    try:
        reading = read_prompts(text.replace("\\^", "^"))
    except PromptError as error:
        raise PromptError(str(error), source, min(start + error.position, len(source) - 1)) from error
    if reading.places:
        raise PromptError(
            "Scenes are divided by ^ or by frames, as in “0: a | 40: b”, not both.",
            source,
            start + min(reading.places.values()),
        )
    return reading.prompts


def _pieces(source: str) -> Iterator[tuple[int, str]]:
    start = 0
    for mark in _BREAK.finditer(source):
        yield start, source[start : mark.start()]
        start = mark.end()
    yield start, source[start:]


def _plain(prompts: tuple[Prompt, ...]) -> tuple[Prompt, ...]:
    return tuple(prompt.model_copy(update={"since": None}) for prompt in prompts)


def _weighed(prompts: tuple[Prompt, ...], share: float) -> Iterator[Prompt]:
    """Weights over their sum, so that a heavy scene does not drown a light one."""
    total = abs(sum(prompt.weight for prompt in prompts))
    for prompt in prompts:
        yield prompt.model_copy(update={"weight": round(prompt.weight / total * share, 6)})
