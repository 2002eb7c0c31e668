"""Timelapses as playable files."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import InvalidRequest
from engine.images import timelapse as evolution
from engine.images.timelapse import FINISHED_MS, FRAME_MS, MOST_FRAMES, animate, check_kind, film_of, film_within, pace


def way(count: int, size: tuple[int, int] = (64, 48)) -> list[Image.Image]:
    """Grain that grows lighter."""
    noise = np.random.default_rng(0).integers(0, 100, (size[1], size[0], 3), dtype=np.uint8)
    return [Image.fromarray(noise + round(150 * i / count)) for i in range(count)]


def frames(data: bytes) -> tuple[list[Image.Image], list[int]]:
    film: Any = Image.open(io.BytesIO(data))
    pictures, durations = [], []
    for place in range(film.n_frames):
        film.seek(place)
        film.load()
        pictures.append(film.convert("RGB"))
        durations.append(film.info["duration"])
    return pictures, durations


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_the_way_is_walked_in_order_and_its_end_is_held(suffix: str) -> None:
    pictures, durations = frames(animate(way(12), suffix))

    light = [float(np.asarray(picture).mean()) for picture in pictures]
    assert (12, FINISHED_MS) == (len(pictures), durations[-1])
    assert sorted(light) == light
    assert {250} == set(durations[:-1])


def test_a_long_way_is_thinned_evenly_and_a_short_one_is_slow() -> None:
    pictures, durations = frames(animate(way(200, (16, 16)), ".gif"))

    assert MOST_FRAMES == len(pictures)
    assert FRAME_MS[0] <= durations[0] < 100
    assert [FRAME_MS[1], FINISHED_MS] == pace(1)


def test_all_frames_take_the_shape_of_the_last() -> None:
    pictures, _ = frames(animate([*way(3, (16, 16)), *way(1, (101, 51))], ".webp"))

    assert {(100, 50)} == {picture.size for picture in pictures}


def test_a_large_picture_is_made_smaller_until_the_file_is_small_enough() -> None:
    pictures = way(2, (400, 20))
    full, small = animate(pictures, ".gif"), animate(pictures, ".gif", max_bytes=8_000)

    assert len(small) <= 8_000 < len(full)
    assert (384, 18) == frames(full)[0][0].size


@pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="needs the extra “video”")
def test_a_video_is_what_browsers_play() -> None:
    import av

    data = animate(way(10, (65, 49)), ".mp4")

    with av.open(io.BytesIO(data)) as film:
        stream = film.streams.video[0]
        seconds = float(stream.duration * stream.time_base)
        shown = [frame.to_ndarray(format="rgb24").mean() for frame in film.decode(stream)]
    assert ("h264", "yuv420p", 64, 48) == (stream.codec.canonical_name, stream.pix_fmt, stream.width, stream.height)
    assert data.index(b"moov") < data.index(b"mdat"), "it would not begin before all of it is there"
    assert 4.0 < seconds < 5.0
    assert shown[0] < shown[len(shown) // 3] < shown[-1]


def test_without_the_library_a_video_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evolution.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")

    with pytest.raises(InvalidRequest, match=r"dreambot\[video\]', or choose \.gif or \.webp"):
        animate(way(3), ".mp4")


def test_another_kind_of_file_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidRequest, match=r"“\.avi”. Available: \.gif, \.webp, \.mp4"):
        check_kind(".avi")


@pytest.mark.parametrize("kind", [".gif", ".webp"])
def test_a_film_shows_every_frame_at_its_size_for_equal_times(kind: str) -> None:
    pictures, durations = frames(film_of(iter(way(12, (65, 49))), kind, 20))

    assert (12, {(65, 49)}, {50}) == (len(pictures), {picture.size for picture in pictures}, set(durations))
    light = [np.asarray(picture.convert("L")).mean() for picture in pictures]
    assert light[0] < light[6] < light[11]


def test_a_fast_gif_is_not_slowed_down_by_browsers() -> None:
    frames = [Image.new("RGB", (16, 16), (60 * number, 0, 0)) for number in range(4)]
    with Image.open(io.BytesIO(film_of(frames, ".gif", 60))) as film:
        assert 20 == film.info["duration"], "a frame of 10 ms would be shown for 100"


@pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="needs the extra “video”")
def test_a_films_frames_follow_at_the_wanted_rate() -> None:
    import av

    with av.open(io.BytesIO(film_of(way(30, (65, 49)), ".mp4", 10))) as film:
        stream = film.streams.video[0]
        assert (30, 3.0) == (stream.frames, pytest.approx(float(stream.duration * stream.time_base), abs=0.11))
        assert (64, 48) == (stream.width, stream.height)


PROGRAM = """#!{python}
import pathlib, sys
data = sys.stdin.buffer.read()
if {fails}:
    sys.exit("Unknown encoder 'libx264'")
pathlib.Path(sys.argv[-1]).write_text(f"{{len(data)}} {{' '.join(sys.argv[1:-1])}}")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a script in the place of the program")
def test_ffmpeg_writes_the_video_where_the_library_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffmpeg"
    monkeypatch.setattr(evolution.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    for fails in (False, True):
        program.write_text(PROGRAM.format(python=sys.executable, fails=fails))
        program.chmod(0o755)
        if not fails:
            size, words = film_of(way(3, (65, 49)), ".mp4", 12).decode().split(" ", 1)
            assert 3 * 64 * 48 * 3 == int(size)
            assert "-s 64x48 -r 12 -i -" in words and "-c:v libx264" in words and "-pix_fmt yuv420p" in words
    with pytest.raises(InvalidRequest, match=r"ffmpeg could not write the MP4: Unknown encoder 'libx264'\."):
        film_of(way(3), ".mp4", 12)


@pytest.mark.skipif(sys.platform == "win32", reason="a script in the place of the program")
@pytest.mark.parametrize("reads", [True, False])
def test_an_ffmpeg_that_says_much_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    """It says more than a pipe holds before it takes a frame, or before it ends without one."""
    monkeypatch.setattr(evolution.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    program = tmp_path / "ffmpeg"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.stderr.write('No space left on device\\n' * 9000)\n"
        f"{'sys.stdin.buffer.read()' if reads else ''}\nsys.exit(1)\n"
    )
    program.chmod(0o755)

    with pytest.raises(InvalidRequest, match=r"ffmpeg could not write the MP4: No space left on device\."):
        film_of(way(3, (640, 480)), ".mp4", 12)


@pytest.mark.parametrize("kind", [".gif", ".webp", ".mp4"])
def test_a_film_loses_quality_before_it_becomes_smaller_until_it_fits(kind: str) -> None:
    if kind == ".mp4":
        pytest.importorskip("av")
    pictures = way(3, (240, 180))

    full, whole = film_within(lambda: pictures, kind, 12, 10**7)
    coarse, same = film_within(lambda: pictures, kind, 12, len(full) - 1)
    small, size = film_within(lambda: pictures, kind, 12, len(full) // 6)

    assert (film_of(pictures, kind, 12), (240, 180), (240, 180)) == (full, whole, same)
    assert len(coarse) < len(full) and len(small) <= len(full) // 6
    assert size[0] < 240 and size[0] * 180 == pytest.approx(size[1] * 240, rel=0.05)
