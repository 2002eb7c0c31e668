"""What a run says while it runs."""

import io

from engine.training.progress import Meter, Reporter, bar, clock_time


def test_a_bar_fills_by_eighths() -> None:
    assert bar(0, 4) == "····"
    assert bar(0.5, 4) == "██··"
    assert bar(1 / 32, 4) == "▏···"
    assert bar(2, 4) == "████"


def test_time_left_reads_like_a_clock() -> None:
    assert clock_time(95) == "1:35"
    assert clock_time(4000) == "1:06:40"


def test_pictures_per_second_are_those_of_the_last_minute() -> None:
    now = iter([0.0, 30.0, 90.0, 100.0])
    meter = Meter(clock=lambda: next(now), window=60)
    assert meter.count(0) == 0
    assert meter.count(3000) == 100
    assert meter.count(3600) == 40
    assert meter.count(4300) == 1300 / 70


def test_a_log_gets_a_line_now_and_then_and_every_note() -> None:
    now = iter([0.0, 1.0, 40.0])
    stream = io.StringIO()
    reporter = Reporter("net", stream, seconds=30, clock=lambda: next(now))
    for _ in range(3):
        reporter.progress(0.5, 1200, 24.0, 95, {"loss": 0.25})
    reporter.note("done")
    lines = stream.getvalue().splitlines()
    assert lines[-1] == "done"
    assert len(lines) == 3
    assert "1,200 pictures  24/s  1:35 left  loss 0.25" in lines[0]
