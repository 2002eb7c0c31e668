"""Differences of a replayed picture in figures, and their likely reasons."""

from __future__ import annotations

import numpy as np
from PIL import Image

from engine.cli._dream.output import compare, reasons
from engine.images.pictures import pixels_sha256, to_png

GREY = np.full((8, 10, 3), 100, dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    return to_png(Image.fromarray(pixels))


def record(**resolved: object) -> dict[str, object]:
    return {"engine": "1.0", "resolved": {"course": [[4, 1, 0, 9]], **resolved}, "pixels": ""}


def test_equal_pixels_are_the_same_picture_however_they_are_packed() -> None:
    likeness = compare(png(GREY), to_png(Image.fromarray(GREY), {"a": "comment"}))

    assert (True, "Equal: the same picture, pixel by pixel.") == (likeness.equal, str(likeness))


def test_what_differs_is_counted_and_the_largest_difference_is_named() -> None:
    other = GREY.copy()
    other[0, 0, 1] += 3
    other[1, 1] -= 1

    likeness = compare(png(GREY), png(other))

    assert (2, 3) == (likeness.differing, likeness.largest)
    assert "Not equal: 2 of 80 pixels (2.50%) differ, by at most 3 of 255." == str(likeness)


def test_black_and_white_are_255_apart() -> None:
    assert 255 == compare(png(GREY * 0), png(GREY * 0 + 255)).largest


def test_other_sizes_are_said() -> None:
    assert "Not equal: 10×8 then, 8×8 now." == str(compare(png(GREY), png(GREY[:, :8])))


def test_reasons_are_what_the_records_resolved_otherwise() -> None:
    then = record(weights="a" * 64, dtype="float32", device="CPU (2 cores)")
    now = record(weights="b" * 64, dtype="float32", device="NVIDIA H100 (80 GB)")

    assert [
        "Another value for the net's weights: aaaaaaaaaaaa… then, bbbbbbbbbbbb… now.",
        "Another value for the device: CPU (2 cores) then, NVIDIA H100 (80 GB) now.",
    ] == reasons(png(GREY), then, now)


def test_a_picture_that_was_changed_after_it_was_painted_is_told_apart() -> None:
    painted = record() | {"pixels": pixels_sha256(Image.fromarray(GREY))}

    (sentence,) = reasons(png(GREY + 1), painted, record())

    assert "The PNG was changed after it was painted: its pixels are not those of its record." == sentence


def test_a_step_that_could_not_be_run_as_the_first_time_is_told() -> None:
    then = record(course=[[2, 8, 0, 3], [8, 8, 1, 6]])
    now = record(course=[[2, 8, 0, 3], [8, 2, 1, 6]])

    assert [
        "6 of 9 steps could not be run as they were the first time: 8 at once on 8 threads, memory level 1 then, "
        "8 at once on 2 threads, memory level 1 now."
    ] == reasons(png(GREY), then, now)


def test_a_record_without_the_steps_says_so() -> None:
    (sentence,) = reasons(png(GREY), record(bucket=4, course=None), record(bucket=4))

    assert sentence.startswith("Its record does not say how each step was run")


def test_nothing_known_is_said_too_and_what_a_stranger_wrote_cannot_steer_the_terminal() -> None:
    (unknown,) = reasons(png(GREY), record(), record())
    (strange,) = reasons(png(GREY), record(device="\x1b[2J\x07evil"), record(device="CPU"))

    assert unknown.startswith("Everything recorded is the same, so")
    assert strange.isprintable() and "[2Jevil then, CPU now" in strange
