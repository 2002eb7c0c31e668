"""A comparison as a value: how it is stored, what its parts are and cost, how its ways are named."""

from __future__ import annotations

import dataclasses
import json

import pytest

from bot.embeds.job import show_request
from bot.errors import Refused
from bot.jobs.engine_loop import next_portion, of_the_whole
from bot.models.comparison import Comparison
from bot.models.job import JobRow, job_request_from_json, job_request_to_json, named, share_of
from bot.policy.server_rules import preferred, wanted_texts
from bot.requests.autocomplete import ways as offered
from bot.requests.derive import single_request
from bot.requests.parse import ParsedCommand, parse_comparison
from engine.errors import InvalidRequest
from engine.protocol.messages import Progress
from engine.requests.request import build_request
from tests.bot.samples import job, picture


def three() -> Comparison:
    wanted = ParsedCommand("castle:2 | fog", "people", seed=7)
    return parse_comparison(("draft", "pixels", "usual"), wanted, lambda ways: preferred(ways, (), "primer"))


def row(*painted: int) -> JobRow:
    return dataclasses.replace(job(), request=three(), pictures=tuple(map(picture, painted)))


def test_what_is_stored_is_read_back() -> None:
    dream = build_request("an owl", seed=1)

    assert [three(), dream] == [job_request_from_json(job_request_to_json(asked)) for asked in (three(), dream)]
    for broken in ('{"kind": "compare", "ways": []}', '{"kind": "compare", "version": 9}', "[]", "no"):
        with pytest.raises(InvalidRequest):
            job_request_from_json(broken)


def test_a_comparison_of_earlier_versions_is_read() -> None:
    way = {"label": "draft", "request": json.loads(build_request("an owl", seed=1).model_dump_json())}
    old = json.dumps({"version": 1, "kind": "compare", "ways": [way, way]})

    found = job_request_from_json(old)

    assert isinstance(found, Comparison)
    assert (2, (), "", None) == (found.count, found.ways[0].traits, found.source, found.grid)


def test_its_parts_are_its_ways_one_after_the_other() -> None:
    part = next_portion(row(0), 4)
    assert part is not None
    assert (1, three().ways[1].request, None) == (part.first, part.request, next_portion(row(0, 1, 2), 4))
    told = of_the_whole(Progress("abc", 1, 20, 80, 0.1, {0: b"seen"}), row(0), part)
    assert Progress("abc", 1, 80 + 20, 3 * 80, 0.1, {}) == told
    assert three().ways[2].request == single_request(row(0, 1, 2), 2)


def test_each_way_counts_for_what_it_costs() -> None:
    costs = [way.request.cost for way in three().ways]

    assert pytest.approx(costs[0] / sum(costs)) == share_of(three(), {0})
    assert [pytest.approx(1.0), 0] == [share_of(three(), {0, 1, 2}), share_of(three(), ())]


def test_rules_and_words_see_what_is_painted() -> None:
    assert ("castle", "fog") == wanted_texts(three())
    assert "castle ×2 · fog · people ×−0.3" == show_request(three())
    assert {11} == {way.request.seed for way in three().with_seed(11).ways}


def test_what_is_refused_says_of_which_way() -> None:
    with pytest.raises(Refused, match=r"^draft: too large$"), named("draft"):
        raise Refused("too large")


def test_what_is_not_here_is_offered_last() -> None:
    assert ("pixels – unavailable: no weights", "pixels") == offered("pixel", {"pixels": "no weights"})[-1]
    assert (25, "usual") == (len(offered("", {})), offered("", {})[0][1])
    assert [("draft eta=0.5", "draft eta=0.5")] == offered("draft eta=0.5", {})
