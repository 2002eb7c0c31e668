"""Text in drawings: many scripts, right to left, and something to understand where no font has the letters."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw

from engine.images import lettering
from engine.images.lettering import draw_line, drawable, fitting, length


@pytest.fixture(autouse=True)
def _no_other_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fonts of this machine do not matter."""
    monkeypatch.setattr(lettering, "_installed", lambda: ())
    lettering._number.cache_clear()


@pytest.mark.parametrize(
    "text", ["Ł ż é ü ß", "2.3 s · 256×256 — “q” € …", "ώρα", "сова", "שלום", "بومة", "a_b-c(d)", "ink #5"]
)
def test_the_font_of_the_package_has_these_letters(text: str) -> None:
    assert text == drawable(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("an owl 🦉 and\na fox", "an owl and a fox"),
        ("猫 on a mat", "… on a mat"),
        ("a 猫猫 b", "a … b"),
        ("猫", "Image 3"),
        ("🦊", "Image 3"),
        ("🦊 🦊", "Image 3"),
        ("", "Image 3"),
        ("猫 · 2.3 s", "Image 3 · 2.3 s"),
        ("red · 猫 · 犬", "red · Image 3 · …"),
        ("\u202eowl\u2066", "owl"),
        ("ẛ̣", "ẛ̣"),
    ],
)
def test_what_cannot_be_drawn_is_replaced_by_words(text: str, shown: str) -> None:
    assert shown == drawable(text, "Image 3")


def test_no_box_is_ever_drawn() -> None:
    text = drawable("".join(map(chr, range(0x20, 0x3000, 7))), "Image 1")
    box = lettering._shape(0, lettering._NO_LETTER)

    assert text and all(lettering._shape(0, char) != box for char in text if char != " ")


@pytest.mark.parametrize("shapes", [True, False])
@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("abc", "abc"),
        ("אבג", "גבא"),
        ("אב abc", "abcבא"),
        ("abc אב", "abcבא"),
        ("אב 12", "12בא"),
        ("a אב c", "aבאc"),
        ("abc אב…", "abcבא…"),
        ("אב abc…", "…abcבא"),
        ("abc אב 12 גד", "abcדג12בא"),
        ("אב 1,5 גד", "דג1,5בא"),
        ("אב · 12 s", "בא·12s"),
        ("red · אב…", "red·…בא"),
    ],
)
def test_text_from_right_to_left_is_seen_so(
    line: str, seen: str, shapes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lettering, "_shapes", lambda: shapes)
    runs = [run[::-1] if shapes and right else run for _, run, right in lettering._runs(line)]

    assert seen == "".join(runs).replace(" ", "")


@pytest.mark.parametrize("anchor", ["la", "mm", "lm", "ra", "ms"])
@pytest.mark.parametrize("line", ["Quick", "сова שלום"])
def test_lines_are_drawn_where_their_anchor_says(anchor: str, line: str) -> None:
    sheet = Image.new("L", (400, 100))
    draw_line(ImageDraw.Draw(sheet), (200, 50), line, 24, 255, anchor)  # type: ignore[arg-type]
    left, top, right, bottom = sheet.getbbox() or (0, 0, 0, 0)
    start = {"l": 200, "m": 200 - length(line, 24) / 2, "r": 200 - length(line, 24)}[anchor[0]]

    assert abs(left - start) < 6 and abs(right - start - length(line, 24)) < 6
    assert {"a": top >= 50, "m": top < 50 < bottom, "s": top < 50}[anchor[1]]


def test_a_joiner_stays_between_letters_that_it_shapes() -> None:
    assert "می\u200cشود" == drawable("می\u200cشود")
    assert "a b" == drawable("a\u200d b")
    assert "Image 1" == drawable("\u200c\u200d", "Image 1")


def test_a_long_line_is_cut_with_an_ellipsis() -> None:
    line = fitting("сова " * 40, 20, 200)

    assert line.endswith("…") and length(line, 20) <= 200


def test_other_scripts_come_from_fonts_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second font stands for one with other letters: it is asked for those that the first one lacks."""
    monkeypatch.setattr(lettering, "_installed", lambda: ("other",))
    monkeypatch.setattr(lettering, "_shape", lambda number, char: b"cat" if (number, char) == (1, "猫") else b"box")
    lettering._number.cache_clear()

    assert 1 == lettering._number("猫")
    assert None is lettering._number("犬")
    lettering._number.cache_clear()
