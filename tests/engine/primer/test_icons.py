"""Nouns of the icon sets: fetched, drawn, recoloured, placed and held out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ModelUnavailable, WeightsError
from engine.primer import icon_sets
from engine.primer.captions.captions import caption_pair
from engine.primer.captions.parsing import parse_scene
from engine.primer.icon_sets import ICON_SETS, fetch_icons, rasterise
from engine.primer.painter.icons import LOOKS, TRAINING_LOOKS, icon
from engine.primer.painter.looks import LOOK_ROWS, NATURAL, rows_of_tokens
from engine.primer.painter.painter import compose, paint
from engine.primer.painter.palette import MAIN, Tones
from engine.primer.painter.scenes import COLOURS, Thing, is_held_out
from engine.primer.tasks.dataset import render, scene_at
from engine.primer.vocabulary import NOUNS, SETS, TOKEN, VOCABULARY_SIZE, plural, tokenise, unknown_words
from tests.engine.primer.icons import BAR, DISC, place_icons


@pytest.fixture(autouse=True)
def _icons(monkeypatch: pytest.MonkeyPatch) -> None:
    place_icons(monkeypatch)


def _count(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(picture.astype(int) - colour).sum(axis=2) < 40).mean())


def test_a_noun_is_painted_in_its_own_colours_or_in_those_asked_for() -> None:
    own = paint(parse_scene("a dragon on a white background"), 64, 1)
    assert 0.15 < _count(own, (51, 170, 68)) < 0.5
    blue = paint(parse_scene("a blue dragon on a white background"), 64, 1)
    assert 0.15 < _count(blue, MAIN["blue"]) < 0.5
    assert _count(blue, (51, 170, 68)) < 0.01


@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_can_be_given_to_a_drawing(colour: str) -> None:
    main = MAIN[colour]
    image = np.asarray(icon("dragon", "", 64, Tones(main, main, main, colour)))
    assert np.abs(image[32, 32, :3].astype(int) - main).max() < 12
    assert 0 == image[0, 0, 3]


def test_a_large_drawing_is_rendered_from_its_vectors() -> None:
    pytest.importorskip("resvg_py")
    image = np.asarray(icon("dragon", "", 400, None))
    assert (400, 400, 4) == image.shape
    assert [51, 170, 68, 255] == image[200, 200].tolist()


def test_a_flat_drawing_stands_on_the_ground() -> None:
    scene = scene_at(1, 0, "tidy")
    flat = Thing("dragon", "", look=NOUNS["dragon"].drawings and list(NOUNS["dragon"].drawings)[1])
    _, (spot,) = compose(type(scene)((flat,), place="meadow", time="day"), 16, 3)
    assert spot.grounded
    assert spot.foot == pytest.approx(spot.y + 0.25 * spot.reach)


def test_every_scene_of_the_world_is_painted_and_told_in_known_words() -> None:
    for i in range(300):
        scene = scene_at(3, i, "world")
        right, wrong = caption_pair(scene, np.random.default_rng(i))
        assert () == unknown_words(right) == unknown_words(wrong)
        assert tokenise(right) != tokenise(wrong)
        paint(scene, 16, i)


def test_training_sees_no_held_out_drawing_and_no_held_out_combination() -> None:
    scenes = [scene_at(4, i, "world") for i in range(500)]
    assert not any(is_held_out(scene, thing) for scene in scenes for thing in scene.things)
    looks = {(t.kind, t.look) for scene in scenes for t in scene.things if t.kind in NOUNS}
    assert all(look in TRAINING_LOOKS[kind] for kind, look in looks)
    held = [scene_at(4, i, "held") for i in range(20)]
    assert all(is_held_out(scene, scene.things[0]) for scene in held)


def test_every_fifth_noun_with_two_drawings_has_one_held_out() -> None:
    able = [name for name, looks in LOOKS.items() if len(looks) > 1]
    short = [name for name in able if len(TRAINING_LOOKS[name]) < len(LOOKS[name])]
    assert len(short) == -(-len(able) // 5)
    assert all(TRAINING_LOOKS[name] for name in NOUNS)


def test_captions_of_three_things_are_understood() -> None:
    scene = parse_scene("a cat, a red dragon and two pizzas on a blue background")
    assert [("cat", "orange", 1), ("dragon", "red", 1), ("pizza", "", 2)] == [
        (t.kind, t.colour, t.count) for t in scene.things
    ]


def test_rows_say_where_the_nouns_are_and_which_words_name_them() -> None:
    drawn = render(60, 5, 16, "world", workers=1)
    for i, tokens in enumerate(drawn.tokens.tolist()):
        scene = scene_at(5, i, "world")
        for thing, row in zip(scene.things, drawn.things[i], strict=False):
            assert tokens[int(row[0])] == TOKEN[thing.kind]
            assert (NATURAL if not thing.colour else COLOURS.index(thing.colour), thing.count) == tuple(row[1:3])
        shown = drawn.spots[i][drawn.spots[i, :, 0] > 0]
        wanted = sorted(LOOK_ROWS[t.kind, t.look] for t in scene.things for _ in range(t.count))
        assert wanted == sorted(shown[:, 0].tolist())


def test_every_noun_has_a_look_in_the_memory() -> None:
    table = rows_of_tokens(VOCABULARY_SIZE)
    assert all(table[TOKEN[name]].any() for name in NOUNS)
    assert len(LOOK_ROWS) == table.max()


def test_plurals_are_as_people_write_them() -> None:
    words = {
        "cherry": "cherries",
        "fox": "foxes",
        "toy": "toys",
        "mouse": "mice",
        "sheep": "sheep",
        "scissors": "scissors",
    }
    assert words == {word: plural(word) for word in words}


def test_a_file_with_another_hash_is_refused(tmp_path: Path) -> None:
    for icon_set in ICON_SETS:
        (tmp_path / f"{icon_set.package.strip('@').replace('/', '-')}-{icon_set.version}.tgz").write_bytes(b"other")
    with pytest.raises(WeightsError, match="SHA-256"):
        fetch_icons(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"iconify-json-noto-1\.2\.9\.tgz cannot be read"):
        fetch_icons(tmp_path)


def test_drawings_are_kept_with_a_square_around_what_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resvg_py")
    monkeypatch.setattr(icon_sets, "_wanted", lambda: iter([("dragon", SETS[0], "d"), ("pizza", SETS[0], "p")]))
    found = {SETS[0]: {"width": 16, "icons": {"d": {"body": DISC}, "p": {"body": BAR}}, "height": 16}}
    assert 2 == icon_sets._keep(found, tmp_path)
    rows = json.loads((tmp_path / "drawings.json").read_text())
    assert [0, 0, 16, 1, 1] == pytest.approx(rows[0]["view"])
    assert [0, 0, 16, 1, 0.25] == pytest.approx(rows[1]["view"])
    assert [204, 51, 51, 255] == np.load(tmp_path / "pixels.npy")[1, 64, 64].tolist()
    assert [51, 170, 68, 255] == rasterise(DISC, (0, 0, 16), 32)[16, 16].tolist()


def test_a_set_without_a_drawing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icon_sets, "_wanted", lambda: iter([("dragon", SETS[0], "gone")]))
    with pytest.raises(WeightsError, match="no drawing 'gone'"):
        icon_sets._keep({SETS[0]: {"icons": {}}}, tmp_path)
