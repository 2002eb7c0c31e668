"""The shipped small model paints nouns: in their colours, where the prompt says, as many as it says."""

from __future__ import annotations

import functools

import pytest
import torch

from engine.loaders.diffusion import load_diffusion_net
from engine.methods._diffusion.step import sketched, without_nouns
from engine.primer.vocabulary import tokenise
from engine.requests.prompts import parse_prompts
from engine.runtime.runtime import Runtime


@functools.cache
def runtime() -> Runtime:
    return Runtime.open("cpu")


def sketch(prompt: str, seed: int = 0, sides: tuple[int, int] = (64, 64)) -> torch.Tensor:
    luck = torch.rand(64, generator=torch.Generator().manual_seed(seed))
    found = sketched(load_diffusion_net("primer", runtime()), parse_prompts(prompt), luck, sides)
    assert found is not None
    return found


def redness(part: torch.Tensor) -> float:
    """Red over blue, weighted by opacity."""
    return float((part[0] - part[2]).sum())


def test_two_things_have_their_own_colours() -> None:
    for seed in range(4):
        both = sketch("a red dragon to the left of a blue guitar", seed)
        assert redness(both[:, :, :32]) > 50
        assert redness(both[:, :, 32:]) < -50


def test_copies_are_counted() -> None:
    one, three = (float(sketch(p)[3].sum()) for p in ("a small penguin", "three penguins"))
    assert three > 1.5 * one


def test_three_things_stand_apart() -> None:
    composer = load_diffusion_net("primer", runtime()).composer
    assert composer is not None
    tokens = torch.tensor(tokenise("a green frog, a pink flamingo and a hat"))
    for seed in range(8):
        spots = composer.spots(tokens, torch.rand(64, generator=torch.Generator().manual_seed(seed)))
        assert 3 == len(spots)
        centres = spots[:, 2:4]
        assert float(torch.pdist(centres).min()) > 0.22


def test_positions_are_kept() -> None:
    left, right = (sketch(f"a small fox on the {side}")[3] for side in ("left", "right"))
    assert left[:, :32].sum() > 4 * left[:, 32:].sum()
    assert right[:, 32:].sum() > 4 * right[:, :32].sum()


def test_another_seed_moves_or_changes_the_drawing() -> None:
    assert not torch.equal(sketch("a guitar", 0), sketch("a guitar", 1))
    assert torch.equal(sketch("a guitar", 0), sketch("a guitar", 0))


def test_a_negative_part_is_not_sketched() -> None:
    assert torch.equal(sketch("a fox"), sketch("a fox | a pizza:-0.5"))
    assert not sketch("a sunset over the sea").any()


def test_a_wide_picture_has_one_scene() -> None:
    wide = sketch("a fox", sides=(64, 128))[3]
    columns = (wide.amax(dim=0) > 0.5).nonzero().flatten()
    assert len(columns) == int(columns[-1] - columns[0]) + 1
    assert 40 < float(columns.float().mean()) < 88


def test_the_text_embedding_reads_what_is_left() -> None:
    (prompt,) = without_nouns(parse_prompts("a small red dragon beside a house at night"))
    assert "a beside a house at night" == prompt.text


@pytest.mark.parametrize("prompt", ["pizza", "a dragon"])
def test_a_prompt_of_nouns_alone_still_conditions(prompt: str) -> None:
    assert sketch(prompt)[3].sum() > 200
    assert ["a"] == [p.text for p in without_nouns(parse_prompts(prompt))]
