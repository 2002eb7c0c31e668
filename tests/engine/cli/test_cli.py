"""The shell: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.images.foreign import MAX_BYTES
from engine.protocol.replay_record import read_record
from engine.requests.request import METHODS
from tests.engine.shell import Shell

ROOT = Path(__file__).parents[3]


def test_a_dream_becomes_a_file_that_knows_how_it_was_made(shell: Shell) -> None:
    said = shell("dream", "a red circle", "--seed", 7, "--steps", 4, "--out", "x.png")

    assert 0 == said.status
    assert "x.png  256×256, seed 7, CLIP score 0.500\n" == said.out
    assert 7 == read_record(Path("x.png").read_bytes())["request"]["seed"]


def test_json_is_one_record_of_all_that_was_asked_and_found(shell: Shell) -> None:
    said = shell(
        "dream", "a cat:2 | fog:-0.5", "--seed", 7, "--steps", 4, "--set", "eta=0.5", "--out", "x.png", "--json"
    )

    record = json.loads(said.out)
    pixels = Image.open("x.png").tobytes()
    assert 0.5 == record["request"]["options"]["eta"]
    assert hashlib.sha256(pixels).hexdigest() == record["pictures"][0]["sha256"]
    assert ("x.png", 0.5) == (record["pictures"][0]["path"], record["pictures"][0]["clip_score"])
    assert {"start", "load", "begin", "steps", "encode", "total"} <= set(record["seconds"])
    assert {"device", "dtype"} <= set(record["resolved"])


def test_many_pictures_are_many_files(shell: Shell) -> None:
    said = shell("dream", "a cat", "--seed", 7, "--steps", 4, "--count", 3, "--out", "new/x.png")

    assert ["new/x-0.png", "new/x-1.png", "new/x-2.png"] == [line.split("  ")[0] for line in said.out.splitlines()]
    assert all(Path(f"new/x-{i}.png").is_file() for i in range(3))


def test_without_a_name_the_seed_is_the_name(shell: Shell, tmp_path: Path) -> None:
    shell("dream", "a cat", "--seed", 7, "--steps", 2)
    shell("dream", "a cat", "--seed", 8, "--steps", 2, "--out", tmp_path / "folder")

    assert Path("dream-7.png").is_file() and Path("folder/dream-8.png").is_file()


def test_a_replay_is_the_same_picture_pixel_by_pixel(shell: Shell) -> None:
    shell("dream", "a cat", "--seed", 7, "--steps", 4, "--count", 2, "--out", "x.png")

    said = shell("dream", "--replay", "x-1.png", "--out", "again.png")

    assert (0, True) == (said.status, "seed 8" in said.out)
    assert "Equal: the same picture, pixel by pixel." in said.err
    assert (np.asarray(Image.open("x-1.png")) == np.asarray(Image.open("again.png"))).all()


def test_a_replay_takes_no_other_wishes(shell: Shell) -> None:
    shell("dream", "a cat", "--seed", 7, "--steps", 2, "--out", "x.png")

    said = shell("dream", "--replay", "x.png", "--seed", 8, "--negative", "dogs")

    assert (2, "error: --replay repaints the recorded picture; leave out negative, seed.\n") == (said.status, said.err)


def test_pictures_on_the_way_are_written_where_they_are_wanted(shell: Shell) -> None:
    shell("dream", "a cat", "--seed", 7, "--steps", 60, "--out", "x.png", "--snapshots", "way")

    written = sorted(Path("way").iterdir())
    assert written
    assert {"WEBP"} == {Image.open(io.BytesIO(path.read_bytes())).format for path in written}
    assert written[0].name.startswith("x-0-step-")


def test_a_picture_is_enlarged(shell: Shell, small: Path) -> None:
    said = shell("upscale", small, "--upscaler", "lanczos", "--scale", 3, "--out", "large.png")

    assert (0, "large.png  120×90, by lanczos\n") == (said.status, said.out)
    assert (120, 90) == Image.open("large.png").size


def test_a_large_file_of_ones_own_is_enlarged(shell: Shell, small: Path) -> None:
    with small.open("ab") as file:  # what follows the end of a PNG counts only as its size
        file.write(bytes(MAX_BYTES))

    said = shell("upscale", small, "--upscaler", "lanczos", "--scale", 2, "--out", "large.png")

    assert (0, (80, 60)) == (said.status, Image.open("large.png").size), said.err


def test_what_is_large_enough_is_told_so_before_it_is_decoded(shell: Shell) -> None:
    Image.new("L", (8200, 8000)).save("large.png")

    said = shell("upscale", "large.png", "--scale", 2)

    assert (2, 1) == (said.status, len(said.err.splitlines()))
    assert "178 megapixels are the most: it is large enough." in said.err


@pytest.mark.parametrize(
    ("name", "kind"), [("x.webp", "WEBP"), ("x.JPG", "JPEG"), ("x.jpeg", "JPEG"), ("x.png", "PNG")]
)
def test_the_name_says_the_format(shell: Shell, small: Path, name: str, kind: str) -> None:
    shell("upscale", small, "--upscaler", "lanczos", "--scale", 2, "--out", name)

    assert (kind, (80, 60)) == (Image.open(name).format, Image.open(name).size)


def test_a_folder_is_enlarged_picture_by_picture_and_a_broken_one_harms_no_other(shell: Shell, small: Path) -> None:
    folder = Path("many")
    folder.mkdir()
    for name in ("b.png", "a.png"):
        (folder / name).write_bytes(small.read_bytes())
    (folder / "broken.png").write_bytes(b"nothing")
    (folder / "notes.txt").write_text("not a picture")

    said = shell("upscale", folder, "--upscaler", "lanczos", "--scale", 2, "--out", "large")

    lines = ["large/a-x2.png  80×60, by lanczos", "large/b-x2.png  80×60, by lanczos"]
    assert (2, lines) == (said.status, said.out.splitlines())
    assert "many/broken.png: This file is not a picture" in said.err
    assert "1 of 3 could not be enlarged." in said.err


def test_several_pictures_as_json_are_a_record_each(shell: Shell, small: Path) -> None:
    Path("other.png").write_bytes(small.read_bytes())

    said = shell("upscale", small, "other.png", "--upscaler", "lanczos", "--scale", 2, "--out", "large", "--json")

    first, _, second = said.out.partition("\n}\n")
    records = [json.loads(first + "}"), json.loads(second)]
    assert ["large/small-x2.png", "large/other-x2.png"] == [record["pictures"][0]["path"] for record in records]
    assert ["lanczos"] * 2 == [record["resolved"]["upscaler"] for record in records]


def test_auto_takes_what_is_here_and_says_what_it_was(
    shell: Shell, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.worker.admission.usable_upscalers", lambda: ("lanczos",))

    said = shell("upscale", small, "--scale", 2, "--out", "x.png")

    assert "by lanczos" in said.out
    record = read_record(Path("x.png").read_bytes())
    assert ("auto", "lanczos") == (record["request"]["upscaler"], record["resolved"]["upscaler"])
    assert "by lanczos" in Image.open("x.png").text["parameters"]


def test_an_enlarged_picture_still_knows_how_it_was_painted(shell: Shell) -> None:
    shell("dream", "a red circle", "--seed", 7, "--steps", 4, "--out", "x.png")

    shell("upscale", "x.png", "--upscaler", "lanczos", "--scale", 2, "--out", "large.png")
    shell("upscale", "large.png", "--upscaler", "lanczos", "--scale", 2, "--out", "huge.png")

    large, huge = (read_record(Path(name).read_bytes()) for name in ("large.png", "huge.png"))
    assert ("upscale", 7) == (large["request"]["kind"], large["source"]["request"]["seed"])
    assert large == huge["source"]


def test_a_missing_upscaler_names_the_command_that_brings_it(
    shell: Shell, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(small.parent / "weights"))

    said = shell("upscale", small, "--upscaler", "realesrgan-x4plus")

    assert 2 == said.status
    assert "not downloaded; run python -m engine weights download realesrgan-x4plus" in said.err


def test_the_painter_paints_without_any_net(shell: Shell) -> None:
    said = shell("primer", "paint", "a red circle on a blue background", "--out", "p.png", "--size", 64)

    red, _, blue = Image.open("p.png").convert("RGB").getpixel((2, 2))
    assert (0, "p.png\n") == (said.status, said.out)
    assert blue > red


def test_the_painter_replaces_no_other_picture_unless_it_is_named(shell: Shell) -> None:
    said = [shell("primer", "paint", "a red circle", "--size", 64).out for _ in range(2)]

    assert ["painted.png\n", "painted.2.png\n"] == said


def test_the_painter_too_may_be_given_a_folder(shell: Shell, tmp_path: Path) -> None:
    said = shell("primer", "paint", "a red circle", "--out", "new", "--size", 64)

    assert (0, "new/painted.png\n", "PNG") == (said.status, said.out, Image.open("new/painted.png").format)


@pytest.mark.parametrize("command", ["verify", "list", "path"])
def test_a_folder_of_weights_may_have_any_name(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(tmp_path / "[/b]"))

    said = shell("weights", command)

    assert (0, True) == (said.status, str(tmp_path / "[/b]") in said.out)


def test_every_option_of_every_method_is_explained(shell: Shell) -> None:
    said = shell("methods")

    for name, options in METHODS.items():
        assert name in said.out
        for option, field in options.model_fields.items():
            assert option == "method" or (option in said.out and field.description in said.out)


def test_help_shows_brackets_and_breaks_lines_only_at_the_margin(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", None)

    assert "(pip install 'dreambot[primer]')" in shell("primer", "icons", "--help").out
    assert "By default the scoring CLIP is one that did not guide the picture" in shell("score", "--help").out


def test_the_help_of_dream_names_options_and_ranges(shell: Shell) -> None:
    said = shell("dream", "--help")

    rate = METHODS["pixels"].model_fields["learning_rate"].default
    assert "eta=1 (0–1)" in said.out
    assert f"learning_rate={rate:g} (> 0, ≤ 1)" in said.out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["dream", "cat", "--size", "100x100"], "the nearest size is 192×192"),
        (["dream", "cat", "--set", "ets=1"], "did you mean “eta”"),
        (["dream", "cat", "--set", "eta"], "not of the form option=value"),
        (["dream", "cat", "--steps", "1"], "steps"),
        (["dream", "cat", "--method", "magic"], "There is no method “magic”"),
        (["dream", "cat", "--model", "zzz"], "There is no model “zzz”; known, installed or not: bedrooms, "),
        (["dream", "cat", "--out", "x.jpg"], "Pictures are written as PNG"),
        (["dream", "cat", "--init", "absent.png"], "absent.png cannot be read: No such file"),
        (["dream", "--replay", "small.png"], "This PNG has no replay record"),
        (["dream", ""], "The prompt is empty"),
        (["dream", "cat", "--device", "tpu9"], "The device “tpu9” does not work"),
        (["dream", "nan"], "became infinite"),
        (["upscale", "small.png", "--scale", "99"], "1 to 8 times, not 99"),
        (["upscale", "small.png", "--upscaler", "magic"], "There is no upscaler “magic”"),
        (["upscale", "small.png", "--upscaler", "realesrgan"], "did you mean “realesrgan-anime”"),
        (["upscale", "small.png", "--out", "x.gif"], "written as PNG, WebP or JPEG; x.gif is"),
        (["upscale", "small.png", "small.png"], "Two of these pictures would be written to small-x4.png"),
        (["upscale", "small.png", "a.png", "--out", "x.png"], "x.png names one picture"),
        (["upscale", "absent.png"], "absent.png cannot be read: No such file"),
        (["primer", "paint", "cyberpunk"], "cyberpunk"),
        (["primer", "paint", "a red circle", "--out", "x.jpg"], "Pictures are written as PNG"),
        (["primer", "paint", "a red circle", "--out", "small.png/x.png"], "a part of its path is a file"),
        (["dream", "cat", "--size", r"\[/x]"], r"“\[/x]” is not a size"),
        (["dream", "cat", "--size", "[red]:cat:"], "“[red]:cat:” is not a size"),
    ],
)
def test_a_mistake_is_one_line_and_the_status_2(shell: Shell, small: Path, words: list[str], error: str) -> None:
    said = shell(*words)

    assert (2, "", 1) == (said.status, said.out, len(said.err.splitlines())), said.err
    assert error in said.err


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("words", [["methods"], ["weights", "list"]])
def test_what_the_terminal_cannot_show_is_replaced(words: list[str]) -> None:
    command = [sys.executable, "-m", "engine", *words]
    environ = os.environ | {"PYTHONIOENCODING": "ascii"}

    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, timeout=60, check=False)

    assert (0, b"") == (done.returncode, done.stderr)
    assert b"?" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
def test_a_full_disk_behind_the_output_is_said() -> None:
    command = [sys.executable, "-m", "engine", "methods"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)

    assert (1, b"error: The output cannot be written: the disk is full.\n") == (done.returncode, done.stderr)


def test_ctrl_c_while_the_commands_are_imported_ends_in_words() -> None:
    code = (
        "import sys\nclass Interrupted:\n    def find_spec(self, name, *_):\n"
        "        if name == 'engine.cli.main': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\nimport engine.__main__\nengine.__main__.dream()"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (130, "Stopped.\n") == (done.returncode, done.stderr)


def test_bad_prompt_syntax_points_at_the_character() -> None:
    done = run("dream", "a cat | fog:-x")

    error, prompt, caret = done.stderr.splitlines()
    assert (2, "a cat | fog:-x") == (done.returncode, prompt)
    assert prompt.index("-x") == caret.index("^")
    assert "“-x” is not a number" in error


def test_nothing_is_overwritten_without_a_name(shell: Shell, small: Path) -> None:
    paint = ("dream", "--seed", 7, "--steps", 5, "--method", "pixels")
    for prompt in ("a red circle", "a blue owl", "a green fox"):
        assert 0 == shell(*paint, prompt).status
    for _ in range(2):
        assert 0 == shell("upscale", small, "--upscaler", "lanczos", "--scale", 2).status

    found = {path.name for path in Path().glob("*.png")}
    assert {"dream-7.png", "dream-7.2.png", "dream-7.3.png"} <= found
    assert {f"{small.stem}-x2.png", f"{small.stem}-x2.2.png"} <= found
    assert "a red circle" in str(read_record(Path("dream-7.png").read_bytes())["request"])


def test_what_may_be_meant_otherwise_is_said(shell: Shell) -> None:
    said = shell("dream", "an owl at 10:30 --ar 16:9", "--seed", 7, "--steps", 5, "--method", "pixels")

    assert 0 == said.status
    assert "“16:9” was read as words" in said.err
    assert "the size is an option, as in 512x288" in said.err


def test_an_address_is_no_file(shell: Shell) -> None:
    said = shell("dream", "an owl", "--init", "https://example.org/owl.png")

    assert (2, True) == (said.status, "owl.png is a web address, but --init, --target" in said.err)


def test_what_becomes_of_an_init_picture_of_another_shape_is_said(shell: Shell) -> None:
    Image.new("RGB", (90, 30), "red").save("wide.gif", save_all=True, append_images=[Image.new("RGB", (90, 30))])
    paint = ("dream", "a red circle", "--seed", 7, "--steps", 5, "--method", "pixels", "--init", "wide.gif")

    cropped, padded = shell(*paint), shell(*paint, "--set", "init_fit=pad")

    assert "The file is animated; its first frame is used." in cropped.err
    assert "is 90×30 and was cropped to 256×256; init_fit=pad or init_fit=stretch keeps all of it." in cropped.err
    assert "is 90×30 and was padded to 256×256." in padded.err


def test_a_scale_may_lie_between_whole_numbers(shell: Shell, small: Path) -> None:
    clear = Image.open(small).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").rotate(90).resize(clear.size))
    clear.save("clear.png")

    assert 0 == shell("upscale", small, "--scale", 1.5, "--upscaler", "lanczos", "--out", "a.png").status
    assert 0 == shell("upscale", "clear.png", "--scale", 1.5, "--upscaler", "primer").status
    large, plain = Image.open("a.png").convert("RGB"), Image.open(small).convert("RGB").resize((60, 45), 1)
    assert np.abs(np.asarray(large).astype(int) - np.asarray(plain)).mean() < 3
    assert ((60, 45), "RGBA") == (Image.open("clear-x1.5.png").size, Image.open("clear-x1.5.png").mode)
    assert 1.5 == read_record(Path("a.png").read_bytes())["request"]["scale"]


@pytest.mark.parametrize(
    "words, problem",
    [
        (("--scale", "1"), "A scale of 1 is for nets that restore pictures: name one with --upscaler."),
        (("--scale", "0.5"), "1 to 8 times, not 0.5"),
        (("--denoise", "0.5", "--upscaler", "lanczos"), "--denoise blends two nets of realesr-general"),
        (("--denoise", "1.5"), "a number from 0 to 1, not 1.5"),
        (("--denoise", "0.5"), "The weights “realesr-general” are not downloaded"),
    ],
)
def test_what_cannot_be_upscaled_so_is_said(shell: Shell, small: Path, words: tuple[str, ...], problem: str) -> None:
    said = shell("upscale", small, *words)

    assert (2, True) == (said.status, problem in said.err), said.err
