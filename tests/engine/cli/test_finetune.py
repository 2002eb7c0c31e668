"""`train`: what a folder's owner reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.engine.shell import Shell


def save_scenes(folder: Path, count: int, side: int = 24) -> None:
    """Different coarse colours, smoothly enlarged."""
    folder.mkdir()
    for seed in range(count):
        coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{seed}.png")


def test_prepare_counts_and_lists_what_is_left_out(shell: Shell, tmp_path: Path) -> None:
    save_scenes(tmp_path / "mine", 4)
    (tmp_path / "mine" / "0.txt").write_text("an owl")
    (tmp_path / "mine" / "cut.png").write_bytes((tmp_path / "mine" / "1.png").read_bytes()[:99])
    said = shell("train", "prepare", tmp_path / "mine", "--image_size", 16, "--sheet", "sheet.png")
    assert 0 == said.status
    assert "4 pictures, 1 of them with captions; 1 left out." == said.out.splitlines()[0]
    assert ["cut.png", "broken:"] == said.out.splitlines()[1].split()[:2]
    assert Image.open(tmp_path / "sheet.png").width > 32


def test_prepare_refuses_a_folder_that_is_missing(shell: Shell) -> None:
    said = shell("train", "prepare", "absent")
    assert (2, "error: absent is not a folder.") == (said.status, said.err.strip())
