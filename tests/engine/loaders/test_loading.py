from __future__ import annotations

import json
import os
import random
import resource
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor

from engine.catalogue.registry import Kind
from engine.errors import ModelUnavailable, WeightsError
from engine.loaders.diffusion import DiffusionNet, read_diffusion
from engine.nets.adm import build_adm
from engine.nets.kernels import freeze
from engine.weights.formats import pytorch_file
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
    net = build_adm(TINY)
    net.load_state_dict(tiny_tensors())
    return output(freeze(net, torch.device("cpu")))


OTHER = {name: tensor + 1 for name, tensor in tiny_tensors().items()}
"""Weights that were not averaged."""


def prefixed(prefix: str, tensors: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in (tensors or tiny_tensors()).items()}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(save_safetensors(tiny_tensors()), id="safetensors"),
        pytest.param(saved(tiny_tensors()), id="pytorch"),
        pytest.param(saved(tiny_tensors(), archive=False), id="before 1.6"),
        pytest.param(lightning(tiny_tensors()), id="lightning"),
        pytest.param(lightning(tiny_tensors(), archive=False), id="lightning before 1.6"),
        pytest.param(saved({"step": 7, "model": tiny_tensors()}), id="wrapped"),
        pytest.param(saved({"model": tiny_tensors(), "step": torch.tensor(7)}), id="a tensor beside the wrapper"),
        pytest.param(saved({"params_ema": tiny_tensors(), "iter": torch.ones(2)}), id="a tensor beside the averaged"),
        pytest.param(saved({"ema_model": tiny_tensors(), "model": OTHER}), id="the averaged one of two"),
        pytest.param(saved({"model": OTHER, "model_ema": tiny_tensors()}), id="the averaged one, last"),
        pytest.param(saved({"a": [{"b": {"state_dict": tiny_tensors()}}]}), id="deep"),
        pytest.param(saved({"state_dict": {**prefixed("model.", OTHER), **prefixed("ema.")}}), id="averaged by prefix"),
        pytest.param(saved({"n_averaged": torch.tensor(9), **prefixed("module.")}), id="AveragedModel of torch"),
        pytest.param(save_safetensors({**prefixed("model.", OTHER), **prefixed("ema.")}), id="averaged, safetensors"),
    ],
)
def test_the_weights_are_found_whatever_holds_them(folder: Folder, content: bytes) -> None:
    loaded = load(folder, content)

    torch.testing.assert_close(expected_output(), output(loaded.net), rtol=0, atol=0)
    assert not any(parameter.requires_grad or parameter.is_meta for parameter in loaded.net.parameters())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "net.diffusion.unet."])
@pytest.mark.parametrize("save", [saved, save_safetensors], ids=["pytorch", "safetensors"])
def test_a_prefix_that_all_names_share_goes(
    folder: Folder, prefix: str, save: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        loaded = load(folder, save(prefixed(prefix)))

    assert torch.equal(expected_output(), output(loaded.net))
    assert f"net: read the weights, without the prefix “{prefix}”" in caplog.text


def test_tensors_that_share_or_transpose_a_storage_are_read(folder: Folder) -> None:
    tensors = tiny_tensors()
    name = "out.2.weight"
    both = torch.stack([tensors[name], tensors[name]])
    tensors[name] = both[1].permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)

    assert torch.equal(expected_output(), output(load(folder, saved(tensors)).net))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(folder: Folder, number: float) -> None:
    tensors = tiny_tensors()
    tensors["out.2.bias"][3] = number

    with pytest.raises(WeightsError, match=r"“net\.pt” is damaged: “out\.2\.bias” holds numbers that are not finite"):
        load(folder, saved(tensors))


def quantised() -> Tensor:
    return torch.quantize_per_tensor(torch.ones(6), 0.1, 0, torch.qint8)


@pytest.mark.parametrize("archive", [True, False])
@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        pytest.param(torch.empty(6, device="meta"), "holds a meta tensor", id="meta"),
        pytest.param(quantised(), "holds a quantised tensor", id="quantised"),
        pytest.param(torch.ones(6).to_sparse(), "holds a sparse tensor", id="sparse"),
        pytest.param(torch.ones(1).expand(6), r"repeats its numbers \(stride 0\)", id="stride 0"),
        pytest.param(torch.ones(6, dtype=torch.complex64), "holds a complex64 tensor", id="complex"),
    ],
)
def test_a_tensor_without_plain_numbers_is_named(folder: Folder, tensor: Tensor, words: str, archive: bool) -> None:
    with pytest.raises(WeightsError, match=rf"“net\.pt” .*{words}"):
        load(folder, saved({**tiny_tensors(), "out.2.bias": tensor}, archive=archive))


def test_such_a_tensor_elsewhere_in_the_file_does_no_harm(folder: Folder) -> None:
    content = saved({"optimizer": {"a": quantised()}, "model": tiny_tensors()})

    assert torch.equal(expected_output(), output(load(folder, content).net))


def test_half_precision_files_become_float32_where_the_net_computes_in_it(folder: Folder) -> None:
    loaded = load(folder, saved({name: tensor.half() for name, tensor in tiny_tensors().items()}))
    assert {torch.float32} == {parameter.dtype for parameter in loaded.net.parameters()}
    assert (output(loaded.net) - expected_output()).abs().max() < 1e-2


def test_the_hash_of_the_file_goes_with_the_net(folder: Folder) -> None:
    content = saved(tiny_tensors())
    assert put(folder, content).sha256 == load(folder, content).sha256


def test_what_is_no_diffusion_model_is_not_loaded_as_one(folder: Folder) -> None:
    with pytest.raises(ModelUnavailable, match="“net” is not a diffusion model but a checkpoint of the kind upscaler"):
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
def test_an_old_file_that_is_cut_off_is_refused(folder: Folder, part: float) -> None:
    whole = saved(tiny_tensors(), archive=False)
    with pytest.raises(WeightsError, match=r"net\.pt” (is a broken|ends too early|holds a tensor of shape)"):
        load(folder, whole[: int(len(whole) * part)])


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
def test_a_file_that_would_run_code_is_refused_and_runs_none(folder: Folder, tmp_path: Path, how: str) -> None:
    marker = tmp_path / "harm"
    with pytest.raises(WeightsError, match=r"“net\.pt” is not safe to read: it wants to run “.*”") as caught:
        load(folder, hostile(marker)[how])
    assert not marker.exists()
    assert "\n" not in str(caught.value)


SLOW_HASH = b"\x80\x02})" + b"2\x86" * 60 + b"K\x01s."
"""A tuple of two tuples of two tuples …, 60 levels, as a key: hashing it takes 2^60 steps."""
LARGE_MEMO = b"\x80\x02}r\xff\xff\xff\x7f."
"""Stores its dictionary at place 2^31 - 1 of the unpickler's memo, which takes 16 GB."""
LEGACY_HEAD = saved({}, archive=False)[: saved({}, archive=False).rindex(b"\x80\x02}q\x00.")]
"""Magic number, version and system, as PyTorch wrote them before 1.6."""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits on CPU time and memory of a process")
@pytest.mark.parametrize(
    ("bomb", "archive"),
    [
        pytest.param(SLOW_HASH, True, id="time, archive"),
        pytest.param(LARGE_MEMO, False, id="memory, legacy"),
        pytest.param(SLOW_HASH, False, id="time, legacy", marks=pytest.mark.slow),
        pytest.param(LARGE_MEMO, True, id="memory, archive", marks=pytest.mark.slow),
    ],
)
def test_a_pickle_that_is_a_bomb_costs_little(
    folder: Folder, bomb: bytes, archive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pytorch_file, "CPU_SECONDS", 1)
    content = rezipped(saved(tiny_tensors()), data_pkl=bomb) if archive else LEGACY_HEAD + bomb
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    with pytest.raises(WeightsError, match=r"“net\.pt” is not safe to read: listing its tensors takes"):
        load(folder, content)

    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 3, "seconds of CPU, in the child"


class Lie:
    """A tensor of six numbers that claims another *size* and *stride*."""

    def __init__(self, size: object, stride: object) -> None:
        self.size, self.stride = size, stride

    def __reduce__(self) -> tuple[object, ...]:
        storage = torch.ones(6).storage()
        return torch._utils._rebuild_tensor_v2, (storage, 0, self.size, self.stride, False, OrderedDict())


@pytest.mark.parametrize(
    ("size", "stride"),
    [((2**40,), (1,)), ((1,) * 100, (1,) * 100), ((-1,), (1,)), ((6,), (2**40,)), ((0, 2**40), (1, 1)), ((6,), ())],
)
def test_an_archives_shapes_are_not_believed(folder: Folder, size: tuple[int, ...], stride: tuple[int, ...]) -> None:
    with pytest.raises(WeightsError, match=r"“net\.pt” holds a tensor (with an impossible shape|of shape .* without)"):
        load(folder, saved({**tiny_tensors(), "out.2.bias": Lie(size, stride)}))


def test_the_harm_is_real(tmp_path: Path) -> None:
    path = tmp_path / "harm.pt"
    path.write_bytes(hostile(tmp_path / "harm")["archive"])
    torch.load(path, weights_only=False)
    assert (tmp_path / "harm").exists()


def test_names_of_frameworks_are_not_imported(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "pytorch_lightning" / "callbacks"
    package.mkdir(parents=True)
    for place in (package, package.parent):
        (place / "__init__.py").write_text(f"import os; os.mkdir({str(tmp_path / 'imported')!r})")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    load(folder, lightning(tiny_tensors()))
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
        (header(a={**PLACE, "shape": [10**9], "data_offsets": [0, 4 * 10**9]}) + bytes(4), "it has 4;"),
        (header(a=PLACE, b=PLACE) + bytes(4), "“b” begins at byte 0, not at 4"),
        (header(a={**PLACE, "shape": [-1], "data_offsets": [0, -4]}), "whole numbers from 0 on"),
        (header(a={**PLACE, "shape": [True]}) + bytes(4), "whole numbers from 0 on"),
        (header(a={**PLACE, "dtype": "F99"}) + bytes(4), "KeyError: 'F99'"),
        (header(a=7), "TypeError"),
        (struct.pack("<Q", 20_000) + b'{"a":' + b"[" * 20_000, "header"),
        (header(a=PLACE) + bytes(8), "its tensors need 4 bytes, and it has 8"),
        (header(a={**PLACE, "shape": [0, 2**62], "data_offsets": [0, 0]}) + b"{", "impossible shape"),
        (header(**{f"{i}": {**PLACE, "shape": [0], "data_offsets": [0, 0]} for i in range(20_001)}), "20,001 tensors"),
    ],
)  # fmt: skip
def test_a_safetensors_header_is_not_believed(folder: Folder, content: bytes, words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        load(folder, content)


def test_the_reader_of_pickles_gets_no_secret() -> None:
    secrets = {
        "DISCORD_TOKEN": "s",
        "HTTPS_PROXY": "http://me:secret@proxy",
        "AWS_SECRET_ACCESS_KEY": "s",
        "HOME": "/root",
    }
    assert not secrets.keys() & pytorch_file._environment({**secrets, "PATH": "/bin"}).keys()
