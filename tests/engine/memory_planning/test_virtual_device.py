"""What `docs/performance.md` says that pictures take is what is counted; a card can be supposed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import InvalidRequest
from engine.memory_planning.plan import MemoryReport, VirtualDevice, report_memory
from engine.requests.request import DreamRequest, build_request
from engine.runtime.runtime import Runtime
from tests.engine.shell import Shell

DOCUMENT = Path(__file__).parents[3] / "docs" / "performance.md"
CARD = 8
SIZES, PROFILES = ("256x256", "512x512"), ("draft", "classic", "disco")
NETS = {
    "imagenet-512": "`imagenet-512`, `handpainted-cg`, `isometric`",
    "imagenet-256": "`imagenet-256`",
    "imagenet-128": "`imagenet-128`",
    "imagenet-64": "`imagenet-64`",
    "bedrooms": "`bedrooms` and all others of LSUN's shape",
    "portraits": "`portraits`",
    "ukiyo-e": "`ukiyo-e`",
}
GENERATORS = {
    "vqgan-imagenet-16384": "VQGANs of 16 pixels a code",
    "vqgan-gumbel-8192": "`vqgan-gumbel-8192`",
    "biggan-deep-256": "`biggan-deep-256`",
    "biggan-deep-512": "`biggan-deep-512`",
}


def request_for(model: str, size: str, profile: str = "") -> DreamRequest | None:
    """None where the model cannot paint that size."""
    try:
        return build_request("red", model=model, size=size, seed=0, settings={"profile": profile} if profile else {})
    except InvalidRequest:
        return None


def cell(model: str, size: str, profile: str = "") -> str:
    request = request_for(model, size, profile)
    return report_memory(request, Runtime.on(VirtualDevice(CARD))).short if request else ""


def row(model: str) -> str:
    if model in GENERATORS:
        cells = [GENERATORS[model], *(cell(model, size) for size in SIZES)]
    else:
        cells = [NETS[model], *(cell(model, size, profile) for size in SIZES for profile in PROFILES)]
    return f"| {' | '.join(cells)} |"


def rows() -> Iterator[str]:
    """Both tables of the document."""
    yield from map(row, NETS)
    yield from map(row, GENERATORS)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["biggan-deep-512", "imagenet-512", "bedrooms", "vqgan-gumbel-8192"])
def test_the_table_of_what_pictures_take_is_what_is_counted(model: str) -> None:
    assert row(model) in DOCUMENT.read_text(encoding="utf-8")


def test_a_verdict_is_short() -> None:
    assert "2.5" == MemoryReport(10**9, 15 * 10**8, 15 * 10**8).short
    assert "11.0 → 3.0" == MemoryReport(10**9, 10**10, 2 * 10**9).short
    assert "11.0 → no" == MemoryReport(10**9, 10**10, 0, "too large").short
    assert "?" == MemoryReport().short


def test_the_shell_says_what_would_fit_into_a_card_that_one_has_not_got(shell: Shell) -> None:
    said = shell("memory", "biggan-deep-512", "--card", "4").out
    refused = shell("memory", "biggan-deep-512", "--card", "1.5").out

    assert "840 MB" in said and "full" in said and "3.7 GB available for models and one step" in said
    assert "no size of it would fit" in " ".join(refused.split())


if __name__ == "__main__":
    print("\n".join(rows()))
