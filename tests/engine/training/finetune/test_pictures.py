"""A folder of images: what is read, how it is cut, what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from engine.errors import InvalidRequest
from engine.training.finetune.pictures import read_folder
from tests.engine.training.finetune.workshop import scene


def test_files_that_teach_nothing_are_listed_with_reasons(tmp_path: Path) -> None:
    scene(1).save(tmp_path / "a.png")
    scene(1).save(tmp_path / "b.jpg", quality=85)
    scene(2).save(tmp_path / "c.webp")
    scene(3, 20, 90).save(tmp_path / "d.png")
    (tmp_path / "e.png").write_bytes((tmp_path / "a.png").read_bytes()[:300])
    (tmp_path / "notes.md").write_text("not an image")
    found = read_folder(tmp_path, 32)
    assert ["a.png", "c.webp"] == found.files
    assert {
        "b.jpg": "duplicate of a.png",
        "d.png": "too small: 20×90, the shorter side needs 32",
        "e.png": "broken: The picture is broken or incomplete: it cannot be decoded.",
    } == {item.file: item.why for item in found.skipped}
    assert (2, 32, 32, 3) == found.images.shape


def test_plain_images_of_two_colours_are_no_duplicates(tmp_path: Path) -> None:
    for name in ("red", "blue"):
        Image.new("RGB", (32, 32), name).save(tmp_path / f"{name}.png")
    assert 2 == len(read_folder(tmp_path, 32).files)


def test_images_are_turned_as_exif_says_and_cut_from_the_middle(tmp_path: Path) -> None:
    image = Image.new("RGB", (96, 32), "red")
    image.paste("blue", (32, 0, 64, 32))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    cropped = read_folder(tmp_path, 32).images[0]
    assert (0, 0, 255) == tuple(cropped.reshape(-1, 3).mean(0).round())
    padded = read_folder(tmp_path, 32, shape="pad").images[0]
    assert [(255, 0, 0), (0, 0, 255), (255, 0, 0)] == [tuple(padded[row, 16]) for row in (3, 16, 29)]


def test_captions_come_from_text_files_and_tables(tmp_path: Path) -> None:
    for seed, name in enumerate(("a", "b", "c", "d")):
        scene(seed).save(tmp_path / f"{name}.png")
    (tmp_path / "a.txt").write_text("an owl\nin ink\n")
    (tmp_path / "metadata.csv").write_text('file_name,text\nb.png,"a red circle, small"\n')
    (tmp_path / "metadata.jsonl").write_text(json.dumps({"file_name": "c.png", "text": "a blue square"}) + "\n")
    found = read_folder(tmp_path, 32)
    assert ["an owl in ink", "a red circle, small", "a blue square", ""] == found.captions


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    scene(1).save(tmp_path / "a.png")
    (tmp_path / "metadata.csv").write_text("name,words\na.png,an owl\n")
    with pytest.raises(InvalidRequest, match="needs file_name and text in every row"):
        read_folder(tmp_path, 32)


def test_a_folder_without_images_is_refused_with_the_reasons(tmp_path: Path) -> None:
    scene(1, 16, 16).save(tmp_path / "a.png")
    with pytest.raises(InvalidRequest, match=r"no image to train on \(a.png: too small"):
        read_folder(tmp_path, 32)
    with pytest.raises(InvalidRequest, match="is not a folder"):
        read_folder(tmp_path / "absent", 32)
