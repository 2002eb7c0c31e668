"""clipdraw: what strokes may be, that CLIP moves them, and that each drawing is its own."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from resvg_py import svg_to_bytes

from engine.errors import InvalidRequest
from engine.images.pictures import read_text
from engine.methods import Finished
from engine.methods._drawing.canvas import CanvasImage
from engine.methods._drawing.stroke_renderer import edges_of, strokes_on_edges
from engine.methods.clipdraw import METHOD, Sheet
from engine.runtime.runtime import Runtime
from tests.engine.shell import Shell
from tests.engine.tiny import job_of, paint, tiny_runtime

PROMPT = "a red circle on a blue background"
QUICK = {"steps": "6", "cutouts": "2", "strokes": "5", "curves": "1"}


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return tiny_runtime()


def begin(
    runtime: Runtime, prompt: str = PROMPT, settings: dict[str, str] | None = None, **request: object
) -> list[CanvasImage]:
    chosen = {"method": "clipdraw", "seed": 7, **request}
    return METHOD.begin(job_of(prompt, {**QUICK, **(settings or {})}, **chosen), {}, runtime)


def drawing(step: object) -> np.ndarray:
    assert isinstance(step, Finished), step
    return np.asarray(step.image).astype(int)


def finish(runtime: Runtime, states: list[CanvasImage]) -> list[np.ndarray]:
    return [drawing(step) for step in paint(METHOD, states, runtime)]


def test_a_drawing_is_finished_at_full_size_because_curves_have_no_pixels(runtime: Runtime) -> None:
    states = begin(runtime, size="320x192")
    assert (48, 80) == (states[0].generator_key.height, states[0].generator_key.width)
    assert (192, 320, 3) == finish(runtime, states)[0].shape


def test_clip_looks_at_a_small_drawing_however_large_it_shall_be() -> None:
    sheet = METHOD.canvas(job_of(PROMPT, size="512x384", method="clipdraw").request, _model_of_scale_one())
    assert (128, 170) == (sheet.height, sheet.width)


def test_drawing_comes_nearer_to_the_prompt(runtime: Runtime) -> None:
    def score(prompt: str, steps: str) -> float:
        states = begin(runtime, prompt, {"steps": steps, "strokes": "6"})
        wanted = begin(runtime)[0].objective.targets.positive.numpy()
        (step,) = paint(METHOD, states, runtime)
        assert isinstance(step, Finished)
        return float(np.dot(step.facts["embedding"], wanted))

    assert score(PROMPT, "30") > score(PROMPT, "5") + 0.03
    assert score(f"{PROMPT}:-1", "30") < score(PROMPT, "5") - 0.03


def test_widths_and_colours_stay_within_what_they_may_be(runtime: Runtime) -> None:
    states = begin(runtime, settings={"learning_rate": "20", "steps": "12", "stroke_width": "4"})
    finish(runtime, states)
    sheet = states[0].generator_key
    assert isinstance(sheet, Sheet)
    _, width, rest = sheet._parts(states[0].parameters)
    assert 0.0099 <= float(width.min()) <= float(width.max()) <= 0.1601
    assert 0 <= float(rest.min()) <= float(rest.max()) <= 1


@pytest.mark.parametrize(("ink", "paper", "darkest"), [("black", "white", True), ("white", "black", False)])
def test_a_given_ink_keeps_its_colour(runtime: Runtime, ink: str, paper: str, darkest: bool) -> None:
    picture = finish(runtime, begin(runtime, settings={"ink": ink, "paper": paper, "learning_rate": "10"}))[0]
    assert np.ptp(picture, axis=2).max() <= 5  # the black paper is a little blue
    assert (picture[0, 0].mean() > 128) == darkest
    assert picture.min() < 60 < 190 < picture.max()


def test_strokes_begin_with_the_colours_of_an_init_picture(runtime: Runtime) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (0, 128, 255)).save(buffer, "PNG")
    sha = hashlib.sha256(buffer.getvalue()).hexdigest()
    job = job_of(PROMPT, QUICK, method="clipdraw", init_image=sha)
    (state,) = METHOD.begin(job, {sha: buffer.getvalue()}, runtime)
    assert isinstance(state.generator_key, Sheet)
    colours = state.generator_key._parts(state.parameters)[2][:, :3]
    torch.testing.assert_close(torch.tensor([0, 128 / 255, 1]).expand(5, 3), colours)


def test_the_svg_shows_the_same_drawing(runtime: Runtime) -> None:
    settings = {"strokes": "12", "curves": "2", "paper": "cream"}
    for size in ("320x192", "192x256"):
        (step,) = paint(METHOD, begin(runtime, settings=settings, size=size), runtime)
        assert isinstance(step, Finished)
        rendered = Image.open(io.BytesIO(bytes(svg_to_bytes(svg_string=str(step.facts["svg"]))))).convert("RGB")

        assert rendered.size == step.image.size
        assert np.abs(np.asarray(rendered).astype(int) - drawing(step)).mean() < 4
        assert 12 == str(step.facts["svg"]).count("<path ")


def test_edges_are_where_a_picture_changes_and_strokes_follow_them() -> None:
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(96) + 0.5, indexing="ij")
    disc = ((x - 48) ** 2 + (y - 32) ** 2 < 20**2).float().expand(3, 64, 96)
    strength, tangent = edges_of(disc)
    strokes = strokes_on_edges(disc, torch.rand(50, generator=torch.Generator().manual_seed(3)), 4, 20.0)
    radius = ((strokes - torch.tensor([48.0, 32.0])) ** 2).sum(-1).sqrt()
    length = (strokes[:, 1:] - strokes[:, :-1]).norm(dim=-1).sum(1)

    assert (
        1 == pytest.approx(float(strength.sum())) and 0.99 < strength[((x - 48) ** 2 + (y - 32) ** 2).sqrt() > 17].sum()
    )
    assert 0.99 < abs(float(tangent[32, 68, 1])), "at the right of a disc, its edge runs down"
    assert radius.min() > 16 and radius.max() < 26
    assert length.median() > 12, "and not across it"


def test_strokes_can_begin_on_the_edges_of_an_init_picture(runtime: Runtime) -> None:
    picture = Image.new("RGB", (256, 256), "white")
    picture.paste((255, 0, 0), (0, 0, 128, 256))
    data = io.BytesIO()
    picture.save(data, "PNG")
    sha = hashlib.sha256(data.getvalue()).hexdigest()
    settings = {"strokes": "20", "placement": "edges"}
    job = job_of(PROMPT, {**QUICK, **settings}, method="clipdraw", seed=7, init_image=sha)
    (state,) = METHOD.begin(job, {sha: data.getvalue()}, runtime)

    points = state.parameters.reshape(20, -1)[:, :8].reshape(20, 4, 2)
    assert (points[..., 0] - 0.5).abs().max() < 0.06 and 0.5 < points[..., 1].max() - points[..., 1].min()
    with pytest.raises(InvalidRequest, match="placement=edges needs an init picture"):
        begin(runtime, settings={"placement": "edges"})


def test_the_shell_writes_the_svg_beside_the_picture(shell: Shell) -> None:
    order = ("dream", "an owl", "--seed", 3, "--steps", 5, "--size", "192x192", "--out", "a.png")
    said = shell(*order, "--method", "clipdraw", "--set", "strokes=3", "--svg")

    assert 0 == said.status, said.err
    assert Path("a.svg").read_text() == read_text(Path("a.png").read_bytes())["svg"]
    assert 'viewBox="0 0 192 192"' in Path("a.svg").read_text()
    assert "--svg needs the method clipdraw." in shell(*order, "--method", "pixels", "--svg").err


def test_lanes_tell_apart_what_cannot_be_drawn_together(runtime: Runtime) -> None:
    def batch_key(settings: dict[str, str] | None = None, **request: object) -> object:
        return METHOD.batch_key(begin(runtime, PROMPT, settings, **request)[0])

    assert batch_key() == batch_key({"steps": "9", "learning_rate": "0.3"}, seed=3)
    assert 4 == len({batch_key(), batch_key({"strokes": "6"}), batch_key({"ink": "black"}), batch_key(size="320x256")})


def _model_of_scale_one() -> object:
    from dataclasses import replace

    from engine.catalogue.models import MODELS

    return replace(MODELS["primer"], scale=1)
