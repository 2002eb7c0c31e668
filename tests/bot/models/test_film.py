"""Films as jobs: their frames, their cost, and the stored form."""

from __future__ import annotations

from typing import Any

import pytest

from bot.models.film import FilmRequest, frames_of
from bot.models.job import job_request_from_json, job_request_to_json, parts_of, share_of
from bot.scheduling.throughput import Workload
from engine.errors import InvalidRequest
from engine.film.plan import FilmSettings
from engine.requests.request import DreamRequest, build_request


def film(prompt: str = "an owl ^ snow", frames: int = 8, **options: Any) -> FilmRequest:
    settings = FilmSettings(frames, fade=2)
    made = settings.plan(prompt, lambda words: build_request(words, seed=7, negative="fog", **options))
    return FilmRequest(
        first=made.first, scenes=made.story.scenes, settings=settings, source=prompt, fps=12, file=".webp"
    )


def test_the_parts_are_the_frames_that_the_film_asks_for() -> None:
    request = film()
    asked = [part.request for part in parts_of(request)]

    expected = [request.film.asked(frame) for frame in range(8)]
    assert [one.model_copy(update={"init_image": ""}) for one in expected] == asked == list(frames_of(request))
    assert ["fog"] * 8 == [one.prompts[-1].text for one in asked if isinstance(one, DreamRequest)]


@pytest.mark.parametrize(
    ("options", "later"),
    [({"steps": 20}, 0.4), ({"method": "vqgan_clip", "steps": 100}, 0.1)],
)
def test_skipped_steps_cost_nothing_anywhere(options: dict[str, Any], later: float) -> None:
    request = film(**options)
    first = request.first.cost

    assert request.cost == pytest.approx(first * (1 + 7 * later))
    assert share_of(request, [0]) == pytest.approx(first / request.cost)
    assert share_of(request, range(8)) == pytest.approx(1)
    left = Workload.of(request, [6, 7])
    assert sum(units for _, units in left.costs) == pytest.approx(2 * first * later)


def test_the_stored_form_is_read_back_and_holds_its_version() -> None:
    request = film("0: an owl:2 | 3: a cat")
    raw = job_request_to_json(request)

    assert request == FilmRequest.model_validate_json(raw) == job_request_from_json(raw)
    assert '"version":1,"kind":"film"' in raw
    with pytest.raises(InvalidRequest, match="stored by another version"):
        job_request_from_json(raw.replace('"fps":12', '"fps":0'))


def test_a_first_request_that_cannot_be_filmed_is_refused() -> None:
    request = film()
    with pytest.raises(InvalidRequest, match="pixels cannot start from a frame"):
        request.with_first(build_request("an owl", method="pixels"))
