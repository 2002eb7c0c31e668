"""What a server always avoids holds from the first step to the last, whatever a timeline says."""

from __future__ import annotations

import pytest

from bot.policy.enforced_negative import enforced
from engine.requests.prompts import format_prompts, phases_of
from engine.requests.request import DreamRequest
from tests.bot.samples import job


def avoided(prompt: str, negative: str = "fog") -> DreamRequest:
    found = enforced(job(prompt), negative).request
    assert isinstance(found, DreamRequest)
    return found


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("0: an owl | 10: a cat", "fog:-0.3 | 0: an owl | 10: a cat"),
        ("0: an owl | 10: a cat | fog:-0.5", "fog:-0.3 | 0: an owl | 10: a cat | fog:-0.5"),
        ("0: an owl | fog:-0.3 | 10: a cat | fog:-0.6", ""),
        ("fog:-0.3 | 0: an owl | 10: a cat", ""),
    ],
)
def test_it_is_added_unless_every_phase_has_it(prompt: str, expected: str) -> None:
    found = avoided(prompt)

    assert (expected or prompt) == format_prompts(found.prompts)
    assert all(any(part.text == "fog" and part.weight <= -0.3 for part in p.prompts) for p in phases_of(found.prompts))
