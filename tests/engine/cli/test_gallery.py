"""One prompt by several methods: compared in the shell, and shown in docs/methods.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from engine.cli.drawing import all_methods
from engine.protocol.replay_record import read_record
from engine.requests.request import METHODS
from tests.engine.shell import Shell

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
PICTURES = ROOT / "docs" / "pictures" / "methods"
PARTS = ("**From:**", "**Good at:**", "**Cost:**", "**Defaults:**")
SHIPPED_BYTES = 600_000


def section(method: str) -> str:
    """What docs/methods.md says about a method."""
    return PAGE.split(f"\n### {method}\n", 1)[1].split("\n### ", 1)[0]


@pytest.mark.parametrize("method", METHODS)
def test_the_page_introduces_every_method(method: str) -> None:
    text = section(method)

    assert [] == [part for part in PARTS if part not in text]
    if method in all_methods.PAINTED:
        assert f"(pictures/methods/{method}.webp)" in text
    else:
        assert "pictures/methods" not in text and "weights do not ship" in text


def test_there_is_a_picture_of_every_method_that_the_small_model_paints_by() -> None:
    found = {path.stem: path for path in PICTURES.glob("*.webp")}

    assert set(all_methods.PAINTED) == set(found)
    assert SHIPPED_BYTES > sum(path.stat().st_size for path in found.values())
    for path in found.values():
        with Image.open(path) as image:
            assert all_methods.strip([Image.new("RGB", (9, 9))] * len(all_methods.PROMPTS)).size == image.size


def test_gallery_docs_paints_them(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "run this in the folder of the project" in shell("gallery", "docs").err
    Path("docs/pictures").mkdir(parents=True)
    monkeypatch.setattr(all_methods, "SETTINGS", {"pixels": {"steps": "5", "cutouts": "1"}})
    said = shell("gallery", "docs", "--only", "pixels")

    assert (0, True) == (said.status, said.out.startswith("docs/pictures/methods/pixels.webp  ")), said.err
    assert 688 == Image.open("docs/pictures/methods/pixels.webp").width
    assert "did you mean “pixels”?" in shell("gallery", "docs", "--only", "pixel").err


def test_one_prompt_is_painted_by_several_methods_and_compared(shell: Shell) -> None:
    order = ("compare", "--text", "a red owl", "--seed", 3, "--steps", 5, "--out", "way")
    said = shell(*order, "--methods", "siren,pixels,biggan", "--json")

    assert 0 == said.status, said.err
    assert "biggan is left out: biggan-deep-512 – " in said.err
    ranking = json.loads(said.out)["ranking"]
    assert {"way/siren.png", "way/pixels.png"} == {place["path"] for place in ranking}
    assert "primer-grader" == json.loads(said.out)["perceptor"]
    records = [read_record(Path(place["path"]).read_bytes())["request"] for place in ranking]
    assert [(3, 5)] * 2 == [(record["seed"], record["options"]["steps"]) for record in records]
    assert (2 * 256, 256) < Image.open("way/sheet.png").size


def test_mistakes_of_compare_methods_are_said_before_anything_is_painted(shell: Shell) -> None:
    for words, problem in (
        (("--methods", "pixels"), "at least two methods"),
        (("--methods", "pixels,oil"), "Unknown method “oil”"),
        (("--methods", "all", "a.png"), "leave out the pictures"),
    ):
        said = shell("compare", *words, "--text", "an owl")
        assert (2, True) == (said.status, problem in said.err), said.err
    assert "paints --text" in shell("compare", "--methods", "all").err
    assert not Path("methods").exists()
