"""The reader of pickles, in this process: what it lists, and what it refuses to list."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch

from engine.weights.formats import pickle_index
from engine.weights.formats.pickle_index import UnsafePickle, find_groups, read_archive, read_legacy
from tests.engine.weights.made import saved


def legacy(*objects: object) -> io.BytesIO:
    return io.BytesIO(b"".join(pickle.dumps(one) for one in objects))


def test_a_mapping_within_itself_is_listed_once() -> None:
    weights: dict[str, Any] = {"a": pickle_index.Tensor("0", "float32", 1, 0, (1,), (1,))}
    weights["self"] = [weights]

    assert [((), ["a"])] == [(group["path"], list(group["tensors"])) for group in find_groups(weights)]


def test_what_lies_deeper_than_any_checkpoint_is_left_out() -> None:
    tensor = {"a": pickle_index.Tensor()}
    deep: Any = tensor
    for _ in range(pickle_index.MAX_DEPTH + 1):
        deep = [deep]

    assert [] == list(find_groups(deep))
    assert 1 == len(list(find_groups(deep[0])))


@pytest.mark.parametrize(
    "root",
    [{"a" * (pickle_index.MAX_NAME + 1): pickle_index.Tensor()}, {str(n): pickle_index.Tensor() for n in range(9)}],
)
def test_more_tensors_or_longer_names_than_any_net_has_are_refused(
    root: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickle_index, "MAX_TENSORS", 8)

    with pytest.raises(UnsafePickle, match="holds more than 8 tensors, or names of more than 500 letters"):
        list(find_groups(root))


@pytest.mark.parametrize(("magic", "version"), [(1, 1001), (pickle_index.LEGACY_MAGIC, 1000)])
def test_a_legacy_file_begins_as_pytorch_writes_it(magic: int, version: int) -> None:
    with pytest.raises(UnsafePickle, match="does not begin as PyTorch writes it"):
        read_legacy(legacy(magic, version, {}, {}, []))


def test_a_legacy_file_says_where_each_storage_lies() -> None:
    content = saved({"a": torch.arange(6.0), "b": torch.ones(2, 3)}, archive=False)

    found = read_legacy(io.BytesIO(content))

    [group] = found["groups"]  # type: ignore[misc]
    for name, expected in (("a", torch.arange(6.0)), ("b", torch.ones(6))):
        start, count = found["storages"][group["tensors"][name].key]  # type: ignore[index]
        assert (
            expected.tolist()
            == torch.frombuffer(bytearray(content[start : start + 4 * count]), dtype=torch.float32).tolist()
        )


class Foreign:
    """Pickled as a call of *function* with *arguments*."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, ...]:
        return self.call


@pytest.mark.parametrize("function", [print, eval, open, getattr, __import__])
def test_no_function_is_run(function: Callable[..., object]) -> None:
    with pytest.raises(UnsafePickle, match=f"it wants to run “.*{function.__name__}”"):
        read_archive(io.BytesIO(pickle.dumps({"a": Foreign(function, "x")})))


def test_a_reference_that_is_no_storage_is_refused() -> None:
    class Pickler(pickle.Pickler):
        def persistent_id(self, value: object) -> object:
            return ("file", "x", "0", "cpu", 1) if value == "here" else None

    data = io.BytesIO()
    Pickler(data).dump({"a": "here"})
    with pytest.raises(ValueError, match="unknown persistent id"):
        read_archive(io.BytesIO(data.getvalue()))


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"\x80\x02K", b"\x80\x02c", b"(((((", b"\x80\x02]q\x00(e"])
def test_a_pickle_that_is_cut_off_raises_what_its_caller_expects(content: bytes) -> None:
    with pytest.raises(pickle_index.BREAKAGE):
        read_archive(io.BytesIO(content))
