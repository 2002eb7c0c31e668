"""`film`: frames in a folder, the film beside it, and everything that is refused in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from engine.methods import Step
from tests.engine.shell import Shell
from tests.engine.workshop import TinyMethod, TinyState

FILM = ("film", "an owl ^ a castle", "--frames", 4, "--steps", 3, "--seed", 7, "--size", "192x192", "--threads", 1)


def test_a_film_has_all_its_frames_at_full_size(shell: Shell) -> None:
    said = shell(*FILM, "--out", "x.webp", "--fps", 10)

    film: Any = Image.open("x.webp")
    assert (0, "x.webp  4 frames, 0.4 s, seed 7\nx-frames\n") == (said.status, said.out), said.err
    assert (192, 192) == film.size
    assert ["0000.png", "0001.png", "0002.png", "0003.png"] == sorted(path.name for path in Path("x-frames").iterdir())


def test_an_interrupted_film_resumes_with_the_seed_of_its_frames(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    class Interrupted(TinyMethod):
        """Somebody presses Ctrl-C in the third frame."""

        def advance(self, states: list[TinyState], runtime: Any) -> Sequence[Step]:
            steps.append(1)
            if len(steps) == stop:
                raise KeyboardInterrupt
            return super().advance(states, runtime)

    stop = 3 + 3 + 1  # the tiny method paints three steps of every frame

    monkeypatch.setattr("engine.methods.clip_diffusion.METHOD", Interrupted())
    stopped = shell(*FILM, "--out", "x.gif")
    assert 130 == stopped.status
    assert "Stopped after 2 of 4 frames. Run the same command with --seed 7 --resume" in stopped.err
    again = shell(*FILM, "--out", "x.gif")
    assert 2 == again.status and "x-frames has the frames of a film" in again.err
    finished = shell(*(word for word in FILM if word not in ("--seed", 7)), "--out", "x.gif", "--resume")

    assert 0 == finished.status, finished.err
    assert "4 frames, 0.3 s, seed 7" in finished.out and 4 == len(list(Path("x-frames").glob("*.png")))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["an owl", "--zoom", "0:1, 5:9"], "zoom, character 8: 9 is out of range"),
        (["an owl ^ ", "--frames", "4"], "A scene is empty"),
        (["an owl", "--edges", "round"], "Unknown edges “round”. Available: mirror, wrap, stretch, black."),
        (["an owl", "--fps", "0"], "--fps 0 is out of range (1–60)"),
        (["an owl", "--fade", "-1"], "fade=-1 is out of range (0–1000)"),
        (["an owl", "--out", "x.avi"], "Unknown film format “.avi”"),
        (["an owl", "--method", "clipdraw"], "Films are painted by clip_diffusion or vqgan_clip"),
        (["an owl", "--resume"], "--resume needs the --seed of the interrupted film, or its --out"),
        (["an owl", "--resume", "--out", "y.gif"], "Nothing to resume in y-frames"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_painted(shell: Shell, words: list[str], sentence: str) -> None:
    said = shell("film", *words)

    assert 2 == said.status and sentence in said.err
    assert [] == list(Path().glob("*-frames"))
