"""Command lines to copy: they ask for the same picture, independent of defaults."""

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from bot.models.comparison import PLACES, Comparison
from bot.policy.server_rules import PaintChoice, Preferences, preferred
from bot.requests.format import compare_command, shell_command, slash_command
from bot.requests.parse import ParsedCommand, parse_comparison
from engine.catalogue.models import DEFAULT_MODEL, MODELS
from engine.errors import DreamError
from engine.requests.profiles import profiles_of
from engine.requests.request import MAX_SEED, PROFILES, DreamRequest, build_request, parse_settings

OPTIONS = ("prompt", "negative", *PaintChoice._fields, "steps", "seed", "count", "more", *PLACES)
WORDS = st.text(st.sampled_from("owl é|:'\\ "), min_size=1, max_size=20).map(
    lambda text: f"x{text.replace(chr(92), '')}x".replace("|", "\\|").replace(":", "\\:")
)
WAYS = [(model.name, method) for model in MODELS.values() for method in model.methods]
USUAL = st.builds(
    Preferences,
    model=st.sampled_from(["", *MODELS]),
    method=st.sampled_from(["", "pixels", "clip_diffusion", "vqgan_clip"]),
    size=st.sampled_from(["", "192x256", "512x512"]),
    profile=st.sampled_from(["", *PROFILES]),
)


def typed(line: str) -> dict[str, str]:
    """What a client makes of a pasted line: option → value."""
    parts = re.split(rf" ({'|'.join(OPTIONS)}):", line)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def painted(line: str, usual: Preferences, init: str = "") -> DreamRequest:
    """The request that `/dream` makes of *line* where *usual* holds."""
    said = typed(line)
    wanted = PaintChoice(*(said.get(name, "") for name in PaintChoice._fields))
    ways = preferred(wanted, (usual,), DEFAULT_MODEL)
    return build_request(
        said["prompt"],
        negative=said.get("negative", ""),
        model=ways.model,
        method=ways.method,
        size=ways.size,
        steps=int(said["steps"]),
        seed=int(said["seed"]),
        count=int(said.get("count", 1)),
        init_image=init,
        settings=ways.settings | parse_settings(said.get("more", "")),
    )


@given(WORDS, st.sampled_from([1.0, 2.0, 0.123456789]), st.sampled_from(WAYS), USUAL, st.integers(0, MAX_SEED))
def test_a_line_asks_for_the_same_where_other_things_are_usual(
    words: str, weight: float, way: tuple[str, str], usual: Preferences, seed: int
) -> None:
    model, method = way
    request = build_request(
        f"{words}:{weight:.10f} | fog", negative=words, model=model, method=method, seed=seed, count=2
    )

    assert request == painted(slash_command(request), usual)


@pytest.mark.parametrize("profile", [one.name for one in profiles_of("clip_diffusion")])
@given(model=st.sampled_from([name for name, method in WAYS if method == "clip_diffusion"]), usual=USUAL)
def test_a_profile_is_said_by_its_options(profile: str, model: str, usual: Preferences) -> None:
    request = build_request("an owl", model=model, seed=7, settings={"profile": profile})

    line = slash_command(request)

    assert request == painted(line, usual)
    assert len(typed(line).get("more", "")) <= 500


@pytest.mark.parametrize(
    "settings",
    [
        "sampler=plms order=4",
        "sampler=ddpm",
        "perlin=mixed skip_steps=0",
        "respacing=10,15,25",
        "cutouts=[12]*400+[4]*600 cut_kind=disco overview=[4]*2+[1]*3",
        "perceptors=primer+primer-grader:0.5 eta=0.12345678",
    ],
)
@given(usual=USUAL)
def test_options_of_every_kind_are_said(settings: str, usual: Preferences) -> None:
    request = build_request("an owl", seed=7, settings=parse_settings(settings))

    assert request == painted(slash_command(request), usual)


@pytest.mark.parametrize("skipped", ["", "skip_steps=0", "skip_steps=12", "skip_steps=3"])
def test_with_its_picture_beside_it_a_line_begins_as_the_first_one_did(skipped: str) -> None:
    request = build_request("an owl", seed=7, init_image="f" * 64, settings=parse_settings(skipped))

    assert request == painted(slash_command(request), Preferences(profile="draft"), "f" * 64)


@given(
    labels=st.lists(
        st.sampled_from(["usual", "draft", "disco", "pixels", "draft eta=0.25", "size=192x256", "cutouts=3"]),
        min_size=2,
        max_size=4,
        unique=True,
    ),
    size=st.sampled_from(["", "192x256"]),
    here=USUAL,
    there=USUAL,
)
def test_a_comparison_is_the_same_where_other_things_are_usual(
    labels: list[str], size: str, here: Preferences, there: Preferences
) -> None:
    here = here.model_copy(update={"model": "", "size": size})
    try:
        comparison = parse_comparison(labels, ParsedCommand("owl:2 | fog", "people", size, 7), _settling(here))
    except DreamError:
        reject()  # as draft is none of pixels

    said = typed(compare_command(comparison))

    texts = [said[place] for place in PLACES if place in said]
    wanted = ParsedCommand(said["prompt"], said["negative"], said.get("size", ""), int(said["seed"]))
    assert _requests(comparison) == _requests(parse_comparison(texts, wanted, _settling(there)))
    assert max(map(len, texts)) <= 1000


def _settling(usual: Preferences):  # type: ignore[no-untyped-def]
    return lambda ways: preferred(ways, (usual,), DEFAULT_MODEL)


def _requests(comparison: Comparison) -> list[DreamRequest]:
    return [way.request for way in comparison.ways]


def test_what_a_way_was_called_stays_in_its_line() -> None:
    comparison = parse_comparison(["draft", "pixels"], ParsedCommand("an owl", seed=7), _settling(Preferences()))

    assert (
        "/compare prompt:an owl first:draft method=clip_diffusion model=primer second:pixels model=primer "
        "size:256x256 seed:7" == compare_command(comparison)
    )


def test_lines_say_ways_and_what_is_not_usual() -> None:
    request = build_request("owl:2 | it's fog", negative="people", seed=7, count=2, settings={"eta": "0.5"})

    assert (
        "/dream prompt:owl:2 | it's fog negative:people method:clip_diffusion model:primer profile:none "
        "size:256x256 steps:15 seed:7 count:2 more:eta=0.5" == slash_command(request)
    )
    assert (
        "python -m engine dream 'owl:2 | it'\"'\"'s fog | people:-0.3' --size 256x256 --steps 15 --seed 7 --count 2 "
        "--set eta=0.5" == shell_command(request)
    )
    assert "owl:2 | it's fog | people:-0.3" == shlex.split(shell_command(request))[4]


def test_a_picture_to_start_from_has_its_place_in_the_shell() -> None:
    request = build_request("owl", seed=1, init_image="f" * 64)

    assert "--init PICTURE.png" in shell_command(request)


def test_an_icon_is_part_of_both_commands() -> None:
    request = build_request("owl", seed=1, init_icon="owl size=0.5", target_icon="robot")

    assert "--init 'icon:owl size=0.5' --target 'icon:robot background_noise=0'" in shell_command(request)
    assert " icon:owl size=0.5 target_icon:robot background_noise=0 method:" in slash_command(request)


def test_another_method_is_named_in_the_shell() -> None:
    assert "--method pixels" in shell_command(build_request("owl", method="pixels", seed=1))
