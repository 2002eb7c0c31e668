"""Answers to `Embed`: vectors, the scale of a softmax, and the pull of each text on a picture."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from engine.errors import InvalidRequest
from engine.guidance.embeddings import MOST_PULLS, answer, prepare
from engine.guidance.objective import spherical_distance
from engine.images.pictures import to_png
from engine.protocol.messages import Embed
from engine.runtime.runtime import Runtime


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return Runtime.open("cpu")


def picture() -> bytes:
    image = Image.new("RGB", (64, 64), "navy")
    image.paste((220, 30, 30), (16, 16, 48, 48))
    return to_png(image)


def test_a_pull_is_the_slope_of_its_loss(runtime: Runtime) -> None:
    texts = ("a red square", "an owl at night")
    question = Embed("1", texts, (picture(),), "primer-grader", pulls=True)
    perceptor, images = prepare(question, runtime)
    assert images is not None
    found = answer(question, perceptor, images, runtime)

    assert 3 == len(found.vectors)
    assert found.scale == pytest.approx(float(perceptor.scale))
    targets = torch.tensor(found.vectors[:2])
    for number in range(2):
        leaf = images.clone().requires_grad_()
        with torch.enable_grad():
            loss = spherical_distance(perceptor.encode_image(leaf), targets[number])
            (slope,) = torch.autograd.grad(loss.sum(), leaf)
        step = 1e-2 * slope / slope.norm()
        with torch.no_grad():
            up, down = (spherical_distance(perceptor.encode_image(images + s), targets[number]) for s in (step, -step))
        assert found.pulls[number] == pytest.approx(float(up - down) / 2e-2, rel=0.05)


def test_texts_alone_have_no_pulls(runtime: Runtime) -> None:
    question = Embed("1", ("an owl",), (), "primer-grader")
    assert () == answer(question, *prepare(question, runtime), runtime).pulls


@pytest.mark.parametrize(("texts", "images"), [((), 1), (("a",), 2), (("a",) * (MOST_PULLS + 1), 1), (("a",), 0)])
def test_pulls_take_one_picture_and_some_texts(runtime: Runtime, texts: tuple[str, ...], images: int) -> None:
    with pytest.raises(InvalidRequest, match="pulls of 1 to"):
        prepare(Embed("1", texts, (picture(),) * images, "primer-grader", pulls=True), runtime)
