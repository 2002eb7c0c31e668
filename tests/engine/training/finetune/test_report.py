"""The report is one file without scripts."""

from pathlib import Path

from PIL import Image

from engine.training.finetune.report import MOST_GRIDS, write_report


def test_it_holds_every_curve_and_grid(tmp_path: Path) -> None:
    for step in (5, 10):
        Image.new("RGB", (8, 8), "red").save(tmp_path / f"samples-{step:07}.png")
    rows = [{"step": 1.0, "loss": 2.0}, {"step": 2.0, "loss": 1.0}, {"step": 2.0, "held_out": float("nan")}]
    page = write_report(tmp_path, "<mine>", rows, {"Pictures": 3}).read_text()
    assert "<h1>&lt;mine&gt;</h1>" in page
    assert "<th>Pictures<td>3" in page
    assert page.index("Loss</h3>") < page.index("Loss on held-out pictures</h3><p>No finite value.")
    assert 1 == page.count("<polyline")
    assert "24.0,24.0 406.0,146.0" in page
    assert page.index("Step 5") < page.index("Step 10")
    assert 2 == page.count("data:image/png;base64,")
    assert "<script" not in page


def test_the_grid_before_training_is_always_among_those_shown(tmp_path: Path) -> None:
    for step in range(0, 300, 10):
        Image.new("RGB", (8, 8), "red").save(tmp_path / f"samples-{step:07}.png")
    page = write_report(tmp_path, "mine", [], {}).read_text()
    assert page.index("Before training") < page.index("Step 20<") < page.index("Step 290<")
    assert "Step 0<" not in page
    assert page.count("data:image/png;base64,") <= MOST_GRIDS + 1
