"""A CLIP that guided judges only if there is no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.catalogue.registry import clip_named
from engine.perceptors.judge_choice import choose_grader, guides_of
from engine.requests.request import build_request


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return {"DREAMBOT_WEIGHTS": str(tmp_path)}


def install(weights: dict[str, str], *names: str) -> None:
    for name in names:
        entry = clip_named(name)
        assert entry
        (Path(weights["DREAMBOT_WEIGHTS"]) / entry.file).write_bytes(b"")


def test_the_small_models_pictures_go_to_their_grader_whatever_else_is_here(weights: dict[str, str]) -> None:
    install(weights, "ViT-B/32")

    assert ("primer-grader", "") == choose_grader(guides_of(build_request("an owl")), weights)


def test_an_additional_guide_does_not_judge(weights: dict[str, str]) -> None:
    both = guides_of(build_request("an owl", settings={"perceptors": "usual+primer-grader"}))
    turned = guides_of(build_request("an owl", settings={"perceptors": "primer-grader"}))

    name, note = choose_grader(both, weights)

    assert ("primer", "") == choose_grader(turned, weights)
    assert name in both and "guided these pictures" in note
    install(weights, "RN50")
    assert ("RN50", "") == choose_grader(both, weights)


def test_others_go_to_the_best_clip_that_did_not_guide(weights: dict[str, str]) -> None:
    install(weights, "ViT-B/32", "ViT-B/16", "RN50")

    assert ("ViT-B/32", "") == choose_grader(["ViT-B/16"], weights)
    assert ("ViT-B/16", "") == choose_grader([], weights)
    assert ("RN50", "") == choose_grader(["ViT-B-32", "ViT-B/16", "primer"], weights)


def test_a_guide_that_must_judge_its_own_pictures_is_called_that(weights: dict[str, str]) -> None:
    install(weights, "ViT-B/32")

    name, note = choose_grader(["ViT-B/32"], weights)

    assert "ViT-B/32" == name
    assert "guided these pictures and favours them" in note and "download ViT-B/16" in note


def test_pictures_from_anywhere_are_judged_by_what_ships_with_a_warning(weights: dict[str, str]) -> None:
    name, note = choose_grader([], weights)

    assert "primer-grader" == name
    assert "it knows the small models' world only" in note and "download ViT-B/32" in note
