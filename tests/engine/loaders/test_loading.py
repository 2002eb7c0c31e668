from __future__ import annotations

import hashlib
import io
import json
import os
import random
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor

from engine.catalogue import registry as table
from engine.catalogue.entry import Kind
from engine.errors import ModelUnavailable, WeightsError
from engine.loaders._diffusion_checkpoint import read_diffusion
from engine.loaders.diffusion import DiffusionNet
from engine.nets.adm import build_adm
from engine.weights.formats.convert import converter_environment
from engine.weights.formats.tensors import load_tensors
from engine.weights.formats.unpickling import unpickle
from engine.weights.store.folder import Folder
from engine.weights.store.hashed_file import open_hashed
from tests.engine.weights.made import TINY, Harm, lightning, put, rezipped, saved, tiny_tensors

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "weights")


def load(folder: Folder, content: bytes, **where: object) -> DiffusionNet:
    return read_diffusion(put(folder, content, **where), folder, CPU, torch.float32)  # type: ignore[arg-type]


def output(net: torch.nn.Module) -> Tensor:
    with torch.no_grad():
        out: Tensor = net(torch.linspace(-1, 1, 3072).view(1, 3, 32, 32), torch.tensor([500]))
    return out


def expected_output() -> Tensor:
    net = build_adm(TINY).eval()
    net.load_state_dict(tiny_tensors())
    return output(net)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(save_safetensors(tiny_tensors()), id="safetensors"),
        pytest.param(saved(tiny_tensors()), id="pytorch"),
        pytest.param(saved({f"module.{name}": t for name, t in tiny_tensors().items()}), id="data-parallel"),
        pytest.param(saved({"step": 7, "model": tiny_tensors()}), id="wrapped"),
    ],
)
def test_every_format_that_is_safe_by_itself_becomes_the_net(folder: Folder, content: bytes) -> None:
    loaded = load(folder, content)
    torch.testing.assert_close(expected_output(), output(loaded.net), rtol=0, atol=0)
    assert not any(parameter.requires_grad or parameter.is_meta for parameter in loaded.net.parameters())
    assert not (folder.root / "converted").exists()


def test_foreign_files_are_converted_once_and_the_result_is_watched(folder: Folder) -> None:
    content = lightning(tiny_tensors())
    loaded = load(folder, content)
    torch.testing.assert_close(expected_output(), output(loaded.net), rtol=0, atol=0)
    (made,) = (folder.root / "converted").iterdir()
    first = made.stat()

    load(folder, content)
    assert (first.st_ino, first.st_mtime_ns) == (made.stat().st_ino, made.stat().st_mtime_ns)

    made.write_bytes(save_safetensors({"out.2.bias": torch.ones(6)}))
    with pytest.raises(WeightsError, match="was damaged and is deleted; load it again"):
        load(folder, content)
    assert not made.exists()


@pytest.mark.parametrize("content", [lightning(tiny_tensors(), archive=False), saved(tiny_tensors(), archive=False)])
def test_files_from_before_pytorch_1_6_unpickle_too(content: bytes) -> None:
    found = unpickle(io.BytesIO(content), "net.pt")
    expected = tiny_tensors()
    assert expected.keys() == found.keys()
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


def test_half_precision_files_become_float32_where_the_net_computes_in_it(folder: Folder) -> None:
    loaded = load(folder, saved({name: tensor.half() for name, tensor in tiny_tensors().items()}))
    assert {torch.float32} == {parameter.dtype for parameter in loaded.net.parameters()}
    assert (output(loaded.net) - expected_output()).abs().max() < 1e-2


def test_the_hash_of_the_file_goes_with_the_net(folder: Folder) -> None:
    content = saved(tiny_tensors())
    assert put(folder, content).sha256 == load(folder, content).sha256


def test_what_is_no_diffusion_model_is_not_loaded_as_one(folder: Folder) -> None:
    with pytest.raises(ModelUnavailable, match="“net” is no diffusion model but a checkpoint of the kind upscaler"):
        load(folder, b"", kind=Kind.UPSCALER)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"out.2.bias": None}, r"net\.pt” does not hold the net that its flags describe: out\.2\.bias is missing\."),
        ({"left.over": torch.ones(1)}, r"left\.over is unknown\."),
        ({"out.2.bias": torch.ones(3)}, r"out\.2\.bias is \[3\] instead of \[6\]\."),
        (
            {"out.2.bias": None, "out.2.weight": None, "out.0.bias": None},
            r"3 tensors are missing \(out\.0\.bias, .*, …\)",
        ),
        (
            {"out.2.bias": torch.ones(3), "a": torch.ones(1), "b": torch.ones(1)},
            r"2 tensors are unknown \(a, b\), out\.2",
        ),
    ],
)
def test_another_architecture_is_described_in_one_sentence(
    folder: Folder, change: dict[str, Tensor | None], words: str
) -> None:
    tensors = {name: tensor for name, tensor in {**tiny_tensors(), **change}.items() if tensor is not None}
    with pytest.raises(WeightsError, match=words) as caught:
        load(folder, saved(tensors))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("whole", [save_safetensors(tiny_tensors()), saved(tiny_tensors())])
@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.999])
def test_a_file_that_is_cut_off_is_refused(folder: Folder, whole: bytes, part: float) -> None:
    with pytest.raises(WeightsError, match=r"net\.pt” (is a broken|holds no)") as caught:
        load(folder, whole[: int(len(whole) * part)])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", [0.001, 0.1, 0.5, 0.999])
def test_an_old_file_that_is_cut_off_is_refused(part: float) -> None:
    whole = saved(tiny_tensors(), archive=False)
    with pytest.raises(WeightsError, match=r"net\.pt” is a broken PyTorch file"):
        unpickle(io.BytesIO(whole[: int(len(whole) * part)]), "net.pt")


@pytest.mark.parametrize("seed", range(8))
def test_a_file_with_flipped_bytes_is_refused_or_fits(folder: Folder, seed: int) -> None:
    whole = bytearray(saved({"out.2.bias": torch.ones(6)}))
    dice = random.Random(seed)
    for _ in range(12):
        whole[dice.randrange(4, len(whole))] ^= 1 << dice.randrange(8)
    with pytest.raises(WeightsError, match=r"net\.pt”"):
        load(folder, bytes(whole))


def test_a_web_page_is_recognised(folder: Folder) -> None:
    with pytest.raises(WeightsError, match=r"“net\.pt” holds no weights: it is a web page\."):
        load(folder, b"<!DOCTYPE html><title>404</title>")


def test_a_pipe_is_not_waited_for(folder: Folder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WeightsError, match="it is not a regular file"), open_hashed(tmp_path / "pipe", "net"):
        pass


def hostile(marker: Path) -> dict[str, bytes]:
    """Files that would create *marker*, in every way that a pickle can be wrapped."""
    harm = {"state_dict": {"out.2.bias": Harm(marker)}}
    with_tensors = {**tiny_tensors(), "extra": Harm(marker)}
    return {
        "archive": saved(harm),
        "beside good tensors": saved(with_tensors),
        "before 1.6": saved(harm, archive=False),
        "hidden in an archive": rezipped(saved(tiny_tensors()), data_pkl=f"cposix\nmkdir\n(V{marker}\ntR.".encode()),
        "by a dotted name": rezipped(
            saved(tiny_tensors()),
            data_pkl=b"\x80\x04\x8c\x0bcollections\x8c\x20OrderedDict.__init__.__globals__\x93.",
        ),
        "by eval": rezipped(
            saved(tiny_tensors()), data_pkl=f"cbuiltins\neval\n(V__import__('os').mkdir({str(marker)!r})\ntR.".encode()
        ),
    }


@pytest.mark.parametrize("how", list(hostile(Path("marker"))))
def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path: Path, how: str) -> None:
    marker = tmp_path / "harm"
    with pytest.raises(WeightsError, match=r"“net\.pt” is not safe to read: it wants to run “.*”"):
        unpickle(io.BytesIO(hostile(marker)[how]), "net.pt")
    assert not marker.exists()


def test_the_whole_way_it_runs_none_either(folder: Folder, tmp_path: Path) -> None:
    marker = tmp_path / "harm"
    with pytest.raises(WeightsError, match=r"“net\.pt” is not safe to read: it wants to run “posix.mkdir”") as caught:
        load(folder, hostile(marker)["beside good tensors"])
    assert "\n" not in str(caught.value)
    assert not marker.exists()


def test_the_harm_is_real(tmp_path: Path) -> None:
    path = tmp_path / "harm.pt"
    path.write_bytes(hostile(tmp_path / "harm")["archive"])
    torch.load(path, weights_only=False)
    assert (tmp_path / "harm").exists()


def test_names_of_frameworks_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "pytorch_lightning" / "callbacks"
    package.mkdir(parents=True)
    for place in (package, package.parent):
        (place / "__init__.py").write_text(f"import os; os.mkdir({str(tmp_path / 'imported')!r})")
    monkeypatch.syspath_prepend(tmp_path)
    assert tiny_tensors().keys() == unpickle(io.BytesIO(lightning(tiny_tensors())), "net.ckpt").keys()
    assert not (tmp_path / "imported").exists()


def test_a_program_is_no_checkpoint(folder: Folder, tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(path))
    with pytest.raises(WeightsError, match="is a program"):
        load(folder, path.read_bytes())


def test_a_zip_bomb_is_not_unfolded(folder: Folder) -> None:
    bomb = rezipped(saved(tiny_tensors()), zipfile.ZIP_DEFLATED, data_0=bytes(50_000_000))
    assert len(bomb) < 3_000_000
    with pytest.raises(WeightsError, match=r"broken PyTorch file: “.*” would unfold from [\d,]+ to [\d,]+ bytes"):
        load(folder, bomb)


def test_records_that_overlap_do_not_count_twice(folder: Folder) -> None:
    archive = bytearray(saved(tiny_tensors()))
    central = archive.index(b"PK\x01\x02")
    struct.pack_into("<II", archive, central + 20, len(archive), len(archive))  # the first record claims the whole file
    with pytest.raises(WeightsError, match="broken PyTorch file"):
        load(folder, bytes(archive))


def header(**tensors: object) -> bytes:
    raw = json.dumps(tensors).encode()
    return struct.pack("<Q", len(raw)) + raw


TERABYTES = 10**12
PLACE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (struct.pack("<Q", TERABYTES) + b"{" + bytes(20), "claims 1,000,000,000,000 bytes, .* whole file has 29"),
        (header(a={**PLACE, "shape": [TERABYTES]}) + bytes(4), "needs 4,000,000,000,000 bytes, not 4"),
        (header(a={**PLACE, "shape": [TERABYTES], "data_offsets": [0, 4 * TERABYTES]}) + bytes(4), "it has 4;"),
        (header(a=PLACE, b=PLACE) + bytes(4), "“b” begins at byte 0, not at 4"),
        (header(a={**PLACE, "shape": [-1], "data_offsets": [0, -4]}), "whole numbers from 0 on"),
        (header(a={**PLACE, "shape": [True]}) + bytes(4), "whole numbers from 0 on"),
        (header(a={**PLACE, "dtype": "F99"}) + bytes(4), "KeyError: 'F99'"),
        (header(a=7), "TypeError"),
        (struct.pack("<Q", 20_000) + b'{"a":' + b"[" * 20_000, "header"),
        (header(a=PLACE) + bytes(8), "its tensors need 4 bytes, and it has 8"),
    ],
)  # fmt: skip
def test_a_safetensors_header_is_not_believed(folder: Folder, content: bytes, words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        load(folder, content)


def test_an_upscalers_smoothed_tensors_are_what_is_loaded(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved({"params": {"body.0.weight": torch.zeros(1)}, "params_ema": {"body.0.weight": torch.ones(1)}})
    monkeypatch.setattr(table, "_own", {"net": put(folder, content, kind=Kind.UPSCALER)})
    loaded = load_tensors("net", Kind.UPSCALER, {"DREAMBOT_WEIGHTS": str(folder.root)})
    assert {"body.0.weight": 1.0} == {name: tensor.item() for name, tensor in loaded.tensors.items()}
    assert hashlib.sha256(content).hexdigest() == loaded.sha256
    with pytest.raises(ModelUnavailable, match="“net” is no checkpoint of the kind secondary but of upscaler"):
        load_tensors("net", Kind.SECONDARY)


def test_the_converter_gets_no_secret() -> None:
    secrets = {
        "DISCORD_TOKEN": "s",
        "HTTPS_PROXY": "http://me:secret@proxy",
        "AWS_SECRET_ACCESS_KEY": "s",
        "HOME": "/root",
    }
    assert not secrets.keys() & converter_environment({**secrets, "PATH": "/bin"}).keys()
