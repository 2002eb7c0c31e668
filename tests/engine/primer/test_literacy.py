from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.nets.primer.conditions import TextReader
from engine.primer.captions.captions import caption_pair
from engine.primer.painter.scenes import COLOURS, KINDS
from engine.primer.tasks.dataset import scene_at
from engine.primer.tasks.literacy import QUESTIONS, answers, teach_reading
from engine.primer.tasks.remake import load_guide
from engine.primer.vocabulary import tokenise


def named(caption: str) -> list[str]:
    return [(*known, "")[i] for known, i in zip(QUESTIONS, answers(caption), strict=True)]


def test_a_caption_is_asked_for_everything_that_it_says() -> None:
    first, second = ["owl", "red", "small", "left", "1"], ["", "", "", "", ""]
    assert [*first, *second, "", "blue", "", "", "", "plain"] == named(
        "a small red owl on the left on a blue background"
    )
    both = named("two cyan cups above a big pink star on a black to white gradient in neon")
    assert ["cup", "cyan", "medium", "middle", "2", "star", "pink", "big", "middle", "1"] == both[:10]
    assert ["above", "black", "white", "", "", "neon"] == both[10:]
    assert ["sea", "night"] == named("a boat on the sea at night")[-3:-1]


@pytest.fixture(scope="module")
def lessons() -> tuple[torch.Tensor, list[str]]:
    captions = [caption_pair(scene_at(5, i, "tidy"), np.random.default_rng(i))[0] for i in range(600)]
    tokens = torch.from_numpy(np.stack([tokenise(caption) for caption in captions]))
    return load_guide().encode_text(tokens), captions


def test_reading_is_learned_from_captions_alone(lessons: tuple[torch.Tensor, list[str]]) -> None:
    contexts, captions = lessons
    reader = TextReader(contexts.shape[1], 64, 32)
    right = teach_reading(reader, contexts, captions)
    assert right > 10 / len(KINDS)
    assert not reader.out.weight.any()  # the net that it is given to is unchanged
    assert not any(p.requires_grad for p in reader.body.parameters())


def test_what_cannot_be_followed_is_passed_over() -> None:
    reader = TextReader(8, 16, 4)
    before = [p.clone() for p in reader.parameters()]
    assert teach_reading(reader, torch.ones(2, 8), ["colourless green ideas", " ".join(COLOURS)]) == 0
    assert all(torch.equal(old, new) for old, new in zip(before, reader.parameters(), strict=True))
