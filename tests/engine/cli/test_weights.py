from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from engine.catalogue import registry as table
from engine.catalogue.registry import Entry, Kind
from engine.cli.weights import weights
from engine.errors import DreamError, WeightsError
from tests.engine.weights.made import TINY, saved, tiny_tensors
from tests.engine.weights.server import Shelf, serving

CONTENT = b"these are no real weights" * 1000


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with serving(Shelf(CONTENT)) as shelf:
        yield shelf


@pytest.fixture
def folder(tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, and three entries: one with a hash, one without, one whose hash is another file's."""
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("DREAMBOT_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").touch()
    monkeypatch.setattr(table, "_own", {})
    for name, sha256 in (("good", hashlib.sha256(CONTENT).hexdigest()), ("unknown", ""), ("bad", "0" * 64)):
        entry = Entry(
            name, Kind.CLIP, f"the {name} one", f"{name}.pth", "Free for all.", (shelf.address + "/f",), sha256
        )
        table.add_entries([entry])
    return tmp_path / "weights"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(weights, arguments)


def test_a_download_shows_the_licence_and_where_the_file_lies(folder: Path) -> None:
    result = run("download", "good")
    assert 0 == result.exit_code, result.output
    assert "good  the good one\nLicence: Free for all." in result.output
    assert f"{folder / 'good.pth'}  0.0 MB, SHA-256 {hashlib.sha256(CONTENT).hexdigest()}" in result.output
    assert "good is already installed; its hash is correct." in run("download", "good").output


def test_without_a_published_hash_trust_is_needed_once(folder: Path) -> None:
    assert isinstance(run("download", "unknown").exception, DreamError)
    assert 0 == run("download", "--trust", "unknown").exit_code
    assert 0 == run("verify", "unknown").exit_code
    (folder / "unknown.pth").write_bytes(b"changed")
    result = run("verify", "unknown")
    assert 1 == result.exit_code
    assert "wrong  “unknown.pth” is not the file it should be" in result.output


def test_a_file_of_ones_own_that_was_trained_further_is_trusted_again_by_name(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.pt"
    mine.write_bytes(saved(tiny_tensors()))
    table.add_entries([Entry("mine", Kind.DIFFUSION, "my own", str(mine), "Mine.", flags=TINY)])
    assert 0 == run("verify", "--trust", "mine").exit_code
    mine.write_bytes(saved({"params_ema": tiny_tensors(), "params": {}, "step": torch.tensor(1)}))

    refused = run("verify", "mine").output
    assert "if you replaced it, run python -m engine weights verify --trust mine." in refused
    assert 1 == run("verify", "--trust").exit_code, "all files are not trusted anew at once"
    trusted = run("verify", "--trust", "mine")

    assert 0 == trusted.exit_code
    assert f"ok  mine  {mine}  the averaged weights under “params_ema”" in trusted.output


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_not_trusted(folder: Path, tmp_path: Path, number: float) -> None:
    mine = tmp_path / "mine.pt"
    mine.write_bytes(saved({**tiny_tensors(), "out.2.bias": torch.full((6,), number)}))
    table.add_entries([Entry("mine", Kind.DIFFUSION, "my own", str(mine), "Mine.", flags=TINY)])

    result = run("verify", "--trust", "mine")

    assert 1 == result.exit_code
    assert "wrong  “mine.pt” is damaged: “out.2.bias” holds numbers that are not finite." in result.output
    assert not (folder / "pins.json").exists()


@pytest.mark.parametrize(
    ("name", "sha256", "own", "words"),
    [
        ("good", "0" * 64, False, r"with a table \[models\.NAME\] in config\.toml"),
        ("mine", "0" * 64, True, r"change sha256 under \[models\.mine\] in config\.toml"),
    ],
)
def test_the_advice_about_a_wrong_file_leads_somewhere(
    folder: Path, tmp_path: Path, name: str, sha256: str, own: bool, words: str
) -> None:
    folder.mkdir()
    path = tmp_path / "mine.pth" if own else folder / "good.pth"
    path.write_bytes(b"another file")
    table.add_entries([Entry(name, Kind.CLIP, name, str(path) if own else path.name, "Mine.", (), sha256)])

    assert re.search(words, run("verify", name).output)


def test_a_file_that_was_put_there_by_hand_can_be_trusted(folder: Path) -> None:
    folder.mkdir()
    (folder / "unknown.pth").write_bytes(CONTENT)
    assert "not trusted yet" in run("list").output
    assert 1 == run("verify").exit_code
    assert 0 == run("verify", "--trust", "unknown").exit_code
    assert "ok" in run("verify").output


def test_the_list_says_what_is_here(folder: Path) -> None:
    before = run("list").output
    assert all(name in before for name in ("imagenet-256", "ViT-L/14@336px", "swinir-l", "good"))
    run("download", "good")
    (line,) = [line for line in run("list").output.splitlines() if line.startswith("good")]
    assert line.split()[-1] == "yes"
    details = run("list", "good").output
    assert all(words in details for words in ("Free for all.", "127.0.0.1", hashlib.sha256(CONTENT).hexdigest()))


def test_another_address_may_be_named(folder: Path, shelf: Shelf) -> None:
    with serving(Shelf(CONTENT)) as other:
        assert 0 == run("download", "good", "--from", other.address + "/mirror").exit_code
    assert ([], [("/mirror", "")]) == (shelf.requests, other.requests)
    assert "--from is the URL of one file" in str(run("download", "good", "bad", "--from", "http://x").exception)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_removing_leaves_nothing(folder: Path) -> None:
    run("download", "--trust", "unknown")
    assert isinstance(run("download", "bad").exception, DreamError)
    quarantined = f"bad.pth-{hashlib.sha256(CONTENT).hexdigest()[:12]}"
    assert {"pins.json", "pins.lock", quarantined, "unknown.pth"} == files(folder)
    assert "unknown: 0.0 MB freed." in run("remove", "unknown").output
    assert "bad: 0.0 MB freed." in run("remove", "bad").output
    assert "unknown: nothing to delete." in run("remove", "unknown").output
    assert {"pins.json", "pins.lock"} == files(folder)


def test_a_file_of_ones_own_is_never_deleted(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.pth"
    mine.write_bytes(CONTENT)
    table.add_entries([Entry("mine", Kind.CLIP, "my own", str(mine), "Mine.")])
    assert 0 == run("verify", "--trust", "mine").exit_code
    assert f"mine: nothing to delete. {mine} is your own file and is kept." in run("remove", "mine").output
    assert CONTENT == mine.read_bytes()
    assert 1 == run("verify", "mine").exit_code


def test_the_path_is_printed_bare(folder: Path) -> None:
    assert f"{folder}\n" == run("path").output
    assert f"{folder / 'good.pth'}\n" == run("path", "good").output


def refused(*arguments: str) -> str:
    """What is said to a command that ends in words."""
    result = run(*arguments)
    assert isinstance(result.exception, WeightsError), result.exception
    return str(result.exception)


def test_a_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    folder.touch()
    assert f"{folder / 'good.pth'}.part cannot be written: a part of its path is a file." == refused("download", "good")


def test_a_file_whose_place_is_taken_is_named(folder: Path) -> None:
    (folder / "good.pth").mkdir(parents=True)
    assert refused("download", "good").startswith(f"{folder / 'good.pth'} cannot be written: ")
    assert 0 == run("remove", "good").exit_code


def test_a_hash_that_cannot_be_remembered_or_forgotten_is_said(folder: Path) -> None:
    (folder / "pins.lock").mkdir(parents=True)
    (folder / "unknown.pth").write_bytes(CONTENT)

    result = run("verify", "--trust", "unknown")

    assert 1 == result.exit_code
    assert "The hash of “unknown” cannot be written into" in result.output and "Is a directory" in result.output


def test_what_cannot_be_deleted_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    run("download", "good")
    monkeypatch.setattr(Path, "unlink", read_only)
    assert f"{folder / 'good.pth'} cannot be deleted: Read-only file system." == refused("remove", "good")


@pytest.mark.parametrize("address", ["http://[x", "http://x:port/", "ftp://x", "x"])
def test_an_invalid_address_is_a_reason(folder: Path, address: str) -> None:
    assert refused("download", "good", "--from", address).startswith("“good” could not be downloaded. ")
