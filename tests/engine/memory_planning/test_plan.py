"""A picture begins in the form that fits; one that fits in none is refused, with what it needs and what would fit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from engine.catalogue.models import MODELS
from engine.errors import InvalidRequest, OutOfMemory
from engine.memory_planning import plan as estimate
from engine.memory_planning.dry_run import DryRun
from engine.memory_planning.meta_memory import LiveBytes
from engine.memory_planning.plan import MARGIN, MemoryEstimate, MemoryPlan, plan_memory, smaller, without_irrelevant
from engine.methods import find_method
from engine.protocol.messages import Job
from engine.requests.request import DreamRequest, build_request
from engine.runtime.device import Device
from engine.runtime.runtime import Runtime, SizeLine
from engine.worker.admission import admit

NETS, PICTURE = 1000 * 2**20, 4000 * 2**20
SPARE_BYTES = MARGIN[1]


class Card(Device):
    """A device with so much memory for models and images."""

    def __init__(self, megabytes: float, swap: float = 0.0) -> None:
        super().__init__(torch.device("cpu"))
        self.bytes, self.swap = int(megabytes * 2**20), int(swap * 2**20)

    def reach(self) -> int:
        return self.bytes

    def most(self) -> int:
        return self.bytes + self.swap

    @property
    def description(self) -> str:
        return "Card"


def card_with(megabytes: float, swap: float = 0.0) -> Runtime:
    return Runtime.on(Card(megabytes, swap))


@dataclass
class Method:
    """A picture of 512 × 512 takes 4000 MiB, half as much in each of three lighter forms; others by their pixels."""

    forms: int = 3
    asked: list[int] = field(default_factory=list)

    def __hash__(self) -> int:
        return id(self)

    def reduce_memory(self, state: Any, runtime: object) -> bool:
        raise AssertionError

    def dry_run(self, request: DreamRequest, dtype: torch.dtype, memory_level: int) -> DryRun:
        self.asked.append(memory_level)
        found = min(memory_level, self.forms)
        part = PICTURE * request.width * request.height // 512**2 // 2**found
        return DryRun({"diffusion:imagenet-512": NETS}, part, found)


@pytest.fixture
def method(monkeypatch: pytest.MonkeyPatch) -> Method:
    monkeypatch.setattr(estimate, "dry_run", lambda method, *rest: method.dry_run(*rest))
    return Method()


def request_for(size: str = "512x512", model: str = "imagenet-512", method: str = "", **settings: str) -> DreamRequest:
    return build_request("a red circle", model=model, size=size, method=method, seed=1, settings=settings)


def megabytes_for(form: int) -> float:
    """What a card must have so that a picture begins in that form, and in no lighter one."""
    return math.ceil((NETS + int(PICTURE / 2**form * MARGIN[0]) + SPARE_BYTES) / 0.9 / 2**20) + 2


def test_where_there_is_room_it_begins_as_it_is(method: Method) -> None:
    assert 0 == plan_memory(method, request_for(), card_with(megabytes_for(0))).level
    assert [0] == method.asked, "nothing else is rehearsed"


@pytest.mark.parametrize("form", [1, 2, 3])
def test_a_picture_begins_in_the_first_form_that_fits(method: Method, form: int) -> None:
    assert form == plan_memory(method, request_for(), card_with(megabytes_for(form))).level
    assert form - 1 == plan_memory(method, request_for(), card_with(megabytes_for(form - 1))).level


def test_what_is_close_is_tried_in_its_lightest_form(method: Method) -> None:
    exactly = (NETS + PICTURE / 8) / 2**20

    assert 3 == plan_memory(method, request_for(), card_with(exactly)).level
    assert 3 == plan_memory(method, request_for(), card_with(exactly / 2, swap=exactly / 2)).level, "there is swap"


def test_what_never_fits_is_refused_with_what_it_needs_what_there_is_and_a_size_that_fits(method: Method) -> None:
    with pytest.raises(OutOfMemory) as refusal:
        plan_memory(method, request_for("1024x768"), card_with(2300))

    assert (
        "This picture needs 2.6 GB of memory even in its lightest form (1.0 GB for its nets, 1.6 GB for its largest "
        "step), and Card has 2.4 GB for it; 896×640 would fit." == str(refusal.value)
    )


def test_the_size_that_is_named_does_fit(method: Method) -> None:
    card = card_with(2300)

    assert isinstance(plan_memory(method, request_for("896x640"), card), MemoryPlan)


def test_where_no_size_fits_a_smaller_model_is_named(method: Method) -> None:
    with pytest.raises(OutOfMemory, match="no size of it would fit, but a smaller model may"):
        plan_memory(method, request_for("1024x768"), card_with(900))


def test_sizes_that_are_named_can_be_painted_and_keep_the_shape() -> None:
    sizes = list(smaller(request_for("1024x768"), MODELS["imagenet-512"]))

    assert (896, 640) == sizes[0] and sorted(sizes, reverse=True) == sizes
    for width, height in sizes:
        MODELS["imagenet-512"].check_size(width, height)


def test_what_was_seen_goes_before_what_was_counted(method: Method) -> None:
    card = card_with(megabytes_for(1))
    first = plan_memory(method, request_for(), card)
    assert first.estimate and 1 == first.level

    first.estimate.learn(0, PICTURE // 4)

    assert 0 == plan_memory(method, request_for(), card).level
    assert PICTURE // 4 == first.estimate.known(0)


def test_more_that_is_seen_counts_and_less_does_not(method: Method) -> None:
    found = MemoryEstimate(method, request_for(), card_with(9000))
    found.learn(0, 700)
    found.learn(0, 500)

    assert 700 == found.step(0) == found.known(0)
    assert 0 == found.known(1), "nobody has asked yet, and the loop must not wait for a rehearsal"


def test_unused_nets_are_unloaded_before_a_picture_is_made_lighter(method: Method) -> None:
    card = card_with(megabytes_for(0))
    card.net("other", lambda: torch.nn.Linear(4096, 4096))
    card.cache._entries["other"].used -= 1000

    assert 0 == plan_memory(method, request_for(), card).level
    assert {} == card.cache.sizes


def test_small_pictures_need_no_confirmation_with_enough_units(method: Method) -> None:
    assert MemoryPlan() == plan_memory(method, request_for("256x256", "primer"), card_with(16000))
    assert [] == method.asked


def test_what_cannot_be_rehearsed_is_painted_as_it_is(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> DryRun:
        raise InvalidRequest("its load will say why")

    monkeypatch.setattr(estimate, "dry_run", fail)

    assert MemoryPlan() == plan_memory(method, request_for(), card_with(10))


def test_requests_that_take_equally_much_are_rehearsed_once(method: Method) -> None:
    card, one = card_with(9000), request_for()
    other = build_request("three owls:2 | fog:-0.5", model="imagenet-512", seed=7, count=5)

    plan_memory(method, one, card)
    plan_memory(method, one.model_copy(update={"seed": 8, "count": 3}), card)

    assert [0] == method.asked
    assert 1 == without_irrelevant(other).count and len(other.prompts) == len(without_irrelevant(other).prompts)
    assert without_irrelevant(one) != without_irrelevant(request_for(cutouts="5"))


def test_a_refused_picture_has_loaded_nothing() -> None:
    card = card_with(20)
    request = request_for("512x512", "primer", "vqgan_clip", cutouts="128")

    with pytest.raises(OutOfMemory, match=r"needs \d+ MB of memory even in its lightest form .* has 21 MB for it"):
        admit(Job("a", 1, "", request), {}, card, find_method)

    assert {} == card.cache.sizes


def test_a_real_picture_begins_lighter_and_its_steps_never_take_more_than_was_said() -> None:
    card = card_with(160)
    request = request_for("256x256", "primer", "vqgan_clip", cutouts="64")

    admitted = admit(Job("a", 1, "", request), {}, card, find_method)

    (state,) = admitted.states
    assert admitted.needs and 0 < state.memory_level
    assert admitted.needs.known(state.memory_level) < admitted.needs.known(0)
    assert {} == card.memory.levels, "nothing has run out"
    with LiveBytes(torch.device("cpu")) as live:
        admitted.painter.advance([state], card)
    assert 0 < live.peak <= admitted.needs.known(state.memory_level)


def test_once_a_picture_did_not_fit_it_is_known_how_large_one_of_its_kind_may_be(method: Method) -> None:
    card = card_with(2300)
    refused = request_for("1024x768")
    with pytest.raises(OutOfMemory):
        plan_memory(method, refused, card)

    most = card.memory.largest(card.hardware.most())[refused.memory_kind]

    assert "imagenet-512 by net, ViT-B/32" == refused.memory_kind
    assert 896 * 640 <= most < 1024 * 768
    assert MODELS["imagenet-512"].shrunk(1024, 768, most) == (960, 704)
    assert request_for(gradient="xstart").memory_kind not in card.memory.sizes, "which may be larger"


def test_a_line_never_says_less_than_what_fits() -> None:
    line = SizeLine(10**9, 64 * 64, 1000.0)

    assert 64 * 64 <= line.within(int(0.95 * 10**9))
    assert 0 == line.within(10**6), "its nets alone are too large"
    assert line.within(2 * 10**9) > (10**9 / 1000)
