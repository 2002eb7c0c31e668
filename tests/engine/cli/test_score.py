"""Judging and comparing, by the small grader that ships."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.images.pictures import to_png
from engine.primer.captions.parsing import parse_scene
from engine.primer.painter.painter import paint
from engine.protocol.replay_record import make_record, text_chunks
from engine.requests.request import build_request
from tests.engine.shell import Shell

CIRCLE, OWL, BOAT = "a red circle on a blue background", "a brown owl in a tree", "a boat on the sea"


def draw(path: str, words: str, asked: str = "", negative: str = "") -> None:
    """A picture of *words*; with *asked*, the record says that it was painted from those."""
    chunks = text_chunks(make_record(build_request(asked, negative=negative, seed=1), 0, {})) if asked else {}
    Path(path).write_bytes(to_png(Image.fromarray(paint(parse_scene(words), 64, 0)), chunks))


@pytest.fixture
def pictures(shell: Shell) -> list[str]:
    draw("circle.png", CIRCLE)
    draw("owl.png", OWL)
    return ["circle.png", "owl.png"]


def test_one_picture_and_one_text_are_one_number(shell: Shell, pictures: list[str]) -> None:
    said = shell("score", "circle.png", "--text", CIRCLE)
    other = shell("score", "circle.png", "--text", OWL)

    assert float(said.out) > 0.5 > float(other.out)
    assert "scored by primer-grader" in said.err


def test_what_was_enlarged_is_judged_too(shell: Shell, pictures: list[str]) -> None:
    Image.open("circle.png").resize((7200, 7200), Image.Resampling.NEAREST).save("large.png", compress_level=1)

    small, large = (shell("score", name, "--text", CIRCLE) for name in ("circle.png", "large.png"))

    assert float(small.out) == pytest.approx(float(large.out), abs=0.1), large.err


def test_every_part_of_a_prompt_is_judged_by_itself_and_what_is_unwanted_counts_against(
    shell: Shell, pictures: list[str]
) -> None:
    whole, red, owl = shell("score", "circle.png", "--text", "red:2 | owl").out.splitlines()
    against = shell("score", "circle.png", "--text", "red:2 | owl:-1").out.splitlines()[0]

    assert ("red", "owl") == (red.split()[-1], owl.split()[-1])
    assert float(red.split()[0]) > float(owl.split()[0])
    assert float(against) > float(whole)


def test_many_pictures_by_many_texts_are_a_table_with_bets_over_the_texts(shell: Shell, pictures: list[str]) -> None:
    said = shell("score", *pictures, "--text", CIRCLE, "--text", OWL, "--json")
    record = json.loads(said.out)

    odds = np.array([picture["softmax"] for picture in record["pictures"]])
    assert "texts" == record["softmax_over"]
    assert [0, 1] == odds.argmax(1).tolist()
    np.testing.assert_allclose(1, odds.sum(1), atol=1e-4)
    table = shell("score", *pictures, "--text", CIRCLE, "--text", OWL).out.splitlines()
    assert [CIRCLE in table[0], OWL in table[0]] == [True, True]
    assert f"{record['pictures'][0]['scores'][0]:+.3f}" in table[1]


def test_with_one_text_the_bet_is_over_the_pictures(shell: Shell, pictures: list[str]) -> None:
    record = json.loads(shell("score", *pictures, "--text", OWL, "--json").out)

    first, second = (picture["softmax"][0] for picture in record["pictures"])
    assert "pictures" == record["softmax_over"]
    assert first < second and 1 == pytest.approx(first + second, abs=1e-4)


def test_the_perceptor_can_be_chosen(shell: Shell, pictures: list[str]) -> None:
    record = json.loads(shell("score", "owl.png", "--text", OWL, "--perceptor", "primer", "--json").out)

    assert "primer" == record["perceptor"]


def test_a_grader_out_of_its_world_says_so_but_not_about_pictures_of_the_small_model(
    shell: Shell, pictures: list[str]
) -> None:
    draw("ours.png", OWL, asked=OWL)

    assert "knows the small models' world only" in shell("score", "owl.png", "--text", OWL).err
    assert "knows the small models' world only" not in shell("score", "ours.png", "--text", OWL).err


def test_the_picture_that_fits_best_wins_and_the_table_says_why(shell: Shell, pictures: list[str]) -> None:
    said = shell("compare", *pictures, "--text", "a red circle | a blue background")

    head, first, second, verdict = said.out.splitlines()
    assert "a red circle" in head and "a blue background" in head
    assert ("circle.png", "owl.png") == (first.split()[1], second.split()[1])
    assert verdict.startswith("circle.png matches best, ")


def test_without_words_pictures_are_judged_by_their_own(shell: Shell) -> None:
    draw("kept.png", CIRCLE, asked=CIRCLE)
    draw("broke.png", OWL, asked=CIRCLE)

    record = json.loads(shell("compare", "broke.png", "kept.png", "--json").out)

    assert ["kept.png", "broke.png"] == [place["path"] for place in record["ranking"]]
    assert {CIRCLE} == {place["prompt"] for place in record["ranking"]}
    assert "kept.png matches best" in record["verdict"]


def test_pictures_of_different_words_are_not_measured_with_one_measure(shell: Shell) -> None:
    draw("circle.png", CIRCLE, asked=CIRCLE)
    draw("boat.png", BOAT, asked=BOAT)

    said = shell("compare", "circle.png", "boat.png")

    assert "Scores of different prompts are hard to compare" in said.out
    assert CIRCLE in said.out and BOAT in said.out


def test_own_words_may_be_more_than_one_prompt_holds_and_weigh_next_to_nothing(shell: Shell) -> None:
    draw("kept.png", CIRCLE, asked=" | ".join([CIRCLE] * 12), negative="an owl | a boat:0.0001")
    draw("broke.png", OWL, asked=f"{CIRCLE} | an owl:0.00005")

    said = shell("compare", "broke.png", "kept.png", "--json")

    assert (0, "") == (said.status, said.err)
    kept, broke = json.loads(said.out)["ranking"]
    assert ("kept.png", f"{CIRCLE} | an owl:0.00005") == (kept["path"], broke["prompt"])


def test_what_is_alike_is_too_close_to_call(shell: Shell) -> None:
    draw("a.png", CIRCLE)
    draw("b.png", CIRCLE)

    assert "too close to call" in shell("compare", "a.png", "b.png", "--text", CIRCLE).out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["score", "circle.png"], "Name the text with --text"),
        (["score", "absent.png", "--text", "owl"], "absent.png cannot be read"),
        (["score", "junk.png", "--text", "owl"], "junk.png: This file is not a picture"),
        (["score", "circle.png", "--text", "zzz"], "I don’t know “zzz”"),
        (["score", "circle.png", "--text", ""], "The prompt is empty"),
        (["compare", "circle.png"], "at least two pictures"),
        (["compare", "circle.png", "owl.png"], "circle.png has no record of its prompt"),
        (["compare", "circle.png", "junk.png", "--text", "owl"], "junk.png: This file is not a picture"),
    ],
)
@pytest.mark.usefixtures("pictures")
def test_a_mistake_is_said_and_ends_with_2(shell: Shell, words: list[str], error: str) -> None:
    Path("junk.png").write_bytes(b"junk")

    said = shell(*words)

    assert (2, "") == (said.status, said.out)
    assert error in said.err and "Traceback" not in said.err
