"""Icons: their text form, both sets of glyphs, how they are drawn, and what noise is good for."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.api import Studio
from engine.errors import InvalidRequest
from engine.images.icons import sets
from engine.images.icons.drawing import draw_icon, icon_png
from engine.images.icons.spec import ALIGNMENTS, Icon, read_icon
from engine.protocol.replay_record import read_record
from engine.requests.icons import draw_icons
from engine.requests.request import build_request
from tests.engine.shell import Shell

SHARES = st.integers(0, 20).map(lambda part: part / 20)
PLAIN = "noise=0 background_noise=0"


def drawn(text: str, width: int = 64, height: int = 64) -> np.ndarray:
    """[H, W, 4], uint8."""
    return np.asarray(draw_icon(read_icon(text), width, height))


@given(
    st.builds(
        Icon,
        name=st.sampled_from(["owl", "polar bear", "fa-robot"]),
        colour=st.sampled_from(["own", "red", "#123456"]),
        opacity=SHARES,
        noise=SHARES,
        background=st.sampled_from(["white", "#ff8800"]),
        background_opacity=SHARES,
        background_noise=SHARES,
        size=SHARES.filter(bool),
        align=st.sampled_from(ALIGNMENTS),
    )
)
def test_the_text_of_an_icon_is_read_back(icon: Icon) -> None:
    assert icon == read_icon(icon.text)


@pytest.mark.parametrize(
    "text, words",
    [
        ("icon:", "needs a name"),
        ("owl size=3", "size=3 is not a share between 0 and 1"),
        ("owl shape=round", "no setting “shape”; its settings are colour, opacity"),
        ("owl color=blurb", "colour=blurb is not a colour"),
        ("owl align=up", "align=up is not one of center, left"),
        ("owl noise=nan", "noise=nan is not a share"),
        ("owl background=own", "not a colour"),
        ("owl " + "x" * 300, "limited to 200 characters"),
    ],
)
def test_a_mistake_in_the_text_is_named(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        read_icon(text)


def test_a_figure_lies_where_and_as_large_as_the_text_says() -> None:
    red = drawn(f"owl colour=red background=white size=0.5 align=bottom-right {PLAIN}", 96, 64)
    rows, columns = np.nonzero((red[..., :3] == (255, 0, 0)).all(2))

    assert 30 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 32
    assert 59 <= rows.max() <= 60 and 91 <= columns.max() <= 92, "a margin of 3 pixels; the edge is soft"
    assert (255, 255, 255, 255) == tuple(red[0, 0])


def test_a_drawing_keeps_its_colours_and_a_glyph_is_grey_brown() -> None:
    owl, robot = drawn(f"owl {PLAIN}"), drawn(f"fa-robot {PLAIN}")

    assert len(np.unique(owl.reshape(-1, 4), axis=0)) > 50
    assert (0x7B, 0x75, 0x68) in {tuple(pixel[:3].tolist()) for pixel in robot.reshape(-1, 4)}


def test_opacity_of_figure_and_ground() -> None:
    faint = drawn(f"fa-square colour=black opacity=0.5 {PLAIN}")
    bare = drawn(f"fa-square background_opacity=0 {PLAIN}")

    assert 128 == pytest.approx(int(faint[32, 32, 0]), abs=1)
    assert (0, 255) == (bare[0, 0, 3], bare[32, 32, 3])


def test_noise_is_a_share_of_figure_or_ground_and_always_the_same() -> None:
    ground = drawn("fa-square colour=black noise=0 background=black background_noise=0.5", 256, 256)[..., :3]
    figure = drawn("fa-square colour=black noise=0.5 background=black background_noise=0", 256, 256)[..., :3]
    inside, outside = (slice(80, 176), slice(80, 176)), (slice(0, 20), slice(0, 256))

    assert 0 == ground[inside].max() == figure[outside].max()
    for noisy in (ground[outside], figure[inside]):
        assert 63.75 == pytest.approx(noisy.mean(), abs=1)
        assert 255 * 0.5 / 12**0.5 == pytest.approx(noisy.std(), abs=1)
    assert np.array_equal(drawn("owl noise=0.4"), drawn("owl noise=0.4"))
    assert not np.array_equal(ground[:20], drawn("owl background=black background_noise=0.5", 256, 256)[20:40, :, :3])


def test_names_lead_to_drawings_and_to_font_awesome() -> None:
    assert ("hamster", "drawing") in sets.suggest("ham") and ("fa-burger", "Font Awesome") in sets.suggest("hamburger")
    assert np.array_equal(drawn("fa-hamburger"), drawn("fa-burger")), "an older name"
    assert not np.array_equal(drawn("fa-regular-heart"), drawn("fa-heart"))
    with pytest.raises(InvalidRequest, match=r"github comes in the style brands, not solid\."):
        drawn("fa-solid-github")
    with pytest.raises(InvalidRequest, match=r"Unknown icon “fa-robott”; similar: "):
        drawn("fa-robott")


def test_without_font_awesome_there_are_drawings_and_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    sets._glyphs.cache_clear()
    monkeypatch.setattr(sets, "_package", lambda: None)
    try:
        assert drawn("owl").any() and [("owl", "drawing")] == sets.suggest("owl")
        with pytest.raises(InvalidRequest, match=r"no drawing of “fa-robot”.*pip install 'dreambot\[icons\]'"):
            drawn("fa-robot")
    finally:
        sets._glyphs.cache_clear()


def test_a_request_holds_the_text_and_draws_it_at_its_size() -> None:
    images: dict[str, bytes] = {}
    asked = build_request("an owl", size="320x192", init_icon="owl size=0.50", target_icon="icon:robot", seed=1)
    request = draw_icons(asked, images)

    assert ("icon:owl size=0.5", "icon:robot background_noise=0") == (request.init_icon, request.target_icon)
    assert request.options.steps // 2 == request.options.skip_steps > 0, "as from any picture"  # type: ignore[union-attr]
    assert {request.init_image, request.target_image} == set(images) and () == request.attachments
    assert images[request.init_image] == icon_png(read_icon("owl size=0.5"), 320, 192)[1]
    assert (320, 192) == Image.open(io.BytesIO(images[request.target_image])).size
    assert "" == request.starting_from("f" * 64).init_icon


def test_the_shell_draws_an_icon_starts_from_it_and_repaints_without_a_file(shell: Shell) -> None:
    assert "owl.png  64×48, icon:owl size=0.5\n" == shell("icon", "owl", "--set", "size=0.5", "--size", "64x48").out
    assert "RGBA" == Image.open(_made(shell, "icon", "fa-robot", "--set", "background_opacity=0")).mode
    assert "owl  drawing" in shell("icon", "ow", "--find").out.splitlines()
    assert 2 == shell("icon", "owl", "--set", "size=2").status == shell("icon", "owl", "--size", "9000x9").status
    order = ("dream", "an owl", "--method", "pixels", "--steps", 5, "--seed", 3, "--size", "192x192")
    painted = shell(*order, "--init", "icon:owl noise=0.3", "--target", "icon:robot", "--out", "a.png")
    assert 0 == painted.status, painted.err
    assert "icon:owl noise=0.3" == read_record(Path("a.png").read_bytes())["request"]["init_icon"]

    again = shell("dream", "--replay", "a.png")

    assert (0, True) == (again.status, "Equal" in again.err), again.err


def test_a_noisy_icon_lets_clip_change_more() -> None:
    """What icon-image says of its noise: a plain figure hardly changes."""
    reached, moved = {}, {}
    with Studio("cpu", 1) as studio:
        for noise in (0.0, 0.5):
            text = f"icon:fa-burger noise={noise} background_noise={noise}"
            dream = studio.dream("a green dragon", method="pixels", init=text, seed=1, steps=12, size="192x192")
            before, after = (
                np.asarray(image.convert("RGB").resize((12, 12), Image.Resampling.BOX), float)
                for image in (draw_icon(read_icon(text), 192, 192), dream.image)
            )
            reached[noise], moved[noise] = dream.score, np.abs(after - before).mean()
            assert dream.image.tobytes() == studio.replay(dream).image.tobytes()

    assert reached[0.5] > reached[0.0] + 0.05  # type: ignore[operator]
    assert moved[0.5] > 1.3 * moved[0.0]


def _made(shell: Shell, *words: object) -> str:
    return shell(*words).out.split("  ")[0]
