"""Requests → text → requests: every request can be typed again."""

from __future__ import annotations

import shlex

from hypothesis import assume, given
from hypothesis import strategies as st

from bot.policy.server_rules import Preferences
from bot.requests.format import form_of, shell_command, slash_command
from bot.requests.parse import parse_remix
from engine.catalogue.models import MODELS
from engine.errors import DreamError
from engine.requests.request import METHODS, PROFILES, DreamRequest, build_request
from tests.bot.requests.test_command_text import painted
from tests.bot.samples import done

WAYS = [(model.name, method) for model in MODELS.values() for method in model.methods]
TEXTS = st.text(st.sampled_from("owl é'16"), min_size=1, max_size=12).map(lambda text: f"x{text}x")
WEIGHTS = st.sampled_from(["", ":2", ":-0.3", ":0.123456", ":-1"])
PROMPTS = st.lists(st.tuples(TEXTS, WEIGHTS), min_size=1, max_size=4).map(
    lambda parts: " | ".join(text + weight for text, weight in parts)
)
SETTINGS = {
    "eta": ["0", "0.5", "0.12345678"],
    "sampler": ["ddim", "plms", "ddpm"],
    "cutouts": ["3", "[4]*2+[8]"],
    "learning_rate": ["0.05", "0.2"],
    "symmetry": ["none", "x"],
    "perlin": ["mixed"],
    "strokes": ["40"],
    "tv_scale": ["100"],
}


@st.composite
def requests(draw: st.DrawFn) -> DreamRequest:
    """Requests of all methods and models, with profiles, options and starting pictures where the method has them."""
    model, method = draw(st.sampled_from(WAYS))
    names = METHODS[method].model_fields
    options = {
        name: draw(st.sampled_from(values))
        for name, values in SETTINGS.items()
        if name in names and draw(st.booleans())
    }
    if method == "clip_diffusion" and draw(st.booleans()):
        options["profile"] = draw(st.sampled_from(list(PROFILES)))
    try:
        return build_request(
            draw(PROMPTS),
            negative=draw(st.sampled_from(["", "xfogx", "xfogx | xrainx:0.5"])),
            model=model,
            method=method,
            seed=draw(st.integers(0, 2**32 - 1)),
            count=draw(st.integers(1, 4)),
            steps=draw(st.sampled_from([None, 7, 30])),
            init_image=draw(st.sampled_from(["", "f" * 64])) if "clip_diffusion" == method else "",
            settings=options,
        )
    except DreamError:  # options that contradict each other, or weights that add up to nothing
        assume(False)
        raise


@given(requests())
def test_a_remix_modal_sent_back_unchanged_asks_for_the_same(request: DreamRequest) -> None:
    assert request == parse_remix(done(request=request), *form_of(request))


@given(requests())
def test_a_slash_command_asks_for_the_same_under_other_defaults(request: DreamRequest) -> None:
    usual = Preferences(profile="draft", size="192x256", method="pixels")

    assert request == painted(slash_command(request), usual, request.init_image)


@given(requests())
def test_a_shell_command_is_one_line_of_plain_words(request: DreamRequest) -> None:
    words = shlex.split(shell_command(request))

    assert words[:4] == ["python", "-m", "engine", "dream"]
    values = dict(zip(words[5::2], words[6::2], strict=True))
    assert str(request.seed) == values["--seed"]
    again = build_request(words[4], negative=values.get("--negative", ""), seed=request.seed)
    assert request.prompts == again.prompts


def test_the_requests_cover_every_method() -> None:
    assert set(METHODS) == {method for _, method in WAYS}
