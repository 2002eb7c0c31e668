from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.runtime.runtime import Runtime
from tests.engine.methods.easels import Easel, biggan_easel, vqgan_easel


@pytest.fixture(scope="module")
def biggan() -> Iterator[Easel]:
    with biggan_easel() as easel:
        yield easel


@pytest.fixture(scope="module")
def vqgan() -> Iterator[Easel]:
    with vqgan_easel() as easel:
        yield easel


@pytest.fixture
def runtime(easel: Easel) -> Runtime:
    """Of the easel that the test's own file has chosen."""
    return easel.runtime
