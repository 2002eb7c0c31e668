"""What is written comes back as it was, however many signs that takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import PromptError
from engine.requests.prompts import MAX_PARTS, MAX_PROMPT, MAX_SOURCE, Prompt, format_prompts, parse_prompts

TEXTS = st.text(st.sampled_from(":|: ab1\\-."), min_size=1, max_size=12).filter(str.strip).map(str.strip)
WEIGHTS = st.sampled_from([1.0, 2.0, 0.125, 99.5, 0.3333, 5e-5, -1e-7, 0.1234567]) | st.floats(0.001, 100)


PROMPTS = st.lists(st.builds(Prompt, text=TEXTS, weight=WEIGHTS), min_size=1, max_size=MAX_PARTS).map(tuple)


def aims(prompts: tuple[Prompt, ...]) -> bool:
    """Whether the weights add up to something."""
    return abs(sum(prompt.weight for prompt in prompts)) >= 1e-3


@given(PROMPTS.filter(aims))
def test_every_prompt_that_is_taken_is_taken_again_as_it_is_shown(prompts: tuple[Prompt, ...]) -> None:
    assert prompts == parse_prompts(format_prompts(prompts))


@pytest.mark.parametrize("sign", [":", "|"])
def test_the_longest_prompt_may_be_nothing_but_signs(sign: str) -> None:
    longest = (Prompt(text=sign * MAX_PROMPT, weight=0.33333),)

    assert longest == parse_prompts(format_prompts(longest))


@pytest.mark.parametrize("source", ["o" * (MAX_PROMPT + 1), "o" * 600 + "|" + "o" * 401, "o:1" + " " * MAX_SOURCE])
def test_more_words_are_refused_with_the_most(source: str) -> None:
    with pytest.raises(PromptError, match=rf"^The prompt has \d+ characters; {MAX_PROMPT} is the most\.$"):
        parse_prompts(source)


@pytest.mark.parametrize(
    ("weight", "shown"),
    [(5e-5, "fog:0.00005"), (100, "fog:100"), (-0.3, "fog:-0.3"), (0.1234567, "fog:0.1234567"), (1, "fog")],
)
def test_weights_are_shown_as_they_may_be_typed(weight: float, shown: str) -> None:
    assert shown == format_prompts([Prompt(text="fog", weight=weight)])
