"""Painted pictures are kept between runs."""

from pathlib import Path

import numpy as np
import pytest

from engine.primer.tasks.albums import album
from engine.primer.tasks.dataset import render


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DREAMBOT_TRAINING", str(tmp_path))
    return tmp_path


def test_an_album_is_what_the_painter_paints() -> None:
    expected, found = render(6, 3, 16, "tidy", workers=1), album(6, 3, "tidy", size=16)
    assert expected.captions == found.captions
    for name in ("images", "tokens", "negatives", "labels"):
        np.testing.assert_array_equal(getattr(expected, name), getattr(found, name))


def test_it_is_painted_once_and_read_from_then_on(folder: Path) -> None:
    album(4, 3, size=16)
    (images,) = folder.glob("albums/*/images.npy")
    np.save(images, np.zeros((4, 16, 16, 3), np.uint8))
    assert int(album(4, 3, size=16).images.max()) == 0


def test_a_second_size_comes_along() -> None:
    found = album(2, 3, size=16, large=32)
    assert found.large is not None
    assert (2, 32, 32, 3) == found.large.shape
    assert album(2, 3, size=16).large is None


def test_nothing_unfinished_is_left_behind(folder: Path) -> None:
    album(2, 3, size=16)
    assert ["full-3-2-16"] == [path.name for path in (folder / "albums").iterdir()]
