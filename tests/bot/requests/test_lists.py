"""The grammar of experiments: which lists are read, what they paint, and where an error points."""

from __future__ import annotations

import asyncio
import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.community.defaults import Settled, Typed
from bot.community.experiments import Experiments
from bot.embeds.job import show_request
from bot.errors import Refused, TooLarge
from bot.models.comparison import MOST, Comparison
from bot.models.job import job_request_from_json, job_request_to_json
from bot.policy.limits import check_size
from bot.policy.server_rules import Location, ServerRules, preferred
from bot.requests.autocomplete import lists as offered
from bot.requests.experiment import CURLY, SETTINGS, SQUARE, plan_comparison, plan_dream, read_template, with_style
from bot.requests.format import compare_command
from bot.requests.parse import ParsedCommand
from engine.errors import DreamError, PromptError
from engine.requests.request import DreamRequest, build_request
from tests.bot.core import config

WORDS = st.text(string.ascii_lowercase, min_size=1, max_size=6)
TYPED = st.text(st.sampled_from("ab |[]{}\\=.,19:-steps"), max_size=40)


class PlainDefaults:
    """No style, no preference: the model's own defaults."""

    def unavailable(self) -> tuple[str, ...]:
        return ()

    async def settle(self, typed: Typed, user_id: int, location: Location) -> Settled:
        ways = preferred(typed.ways, (), "primer")
        return Settled(typed.prompt, typed.negative, ways, ways.settings | dict(typed.settings))

    async def levels(self, user_id: int, location: Location) -> tuple[object, ...]:
        return ()


class NoStyles:
    async def find(self, server_id: int | None, name: str) -> None:
        raise Refused("unknown")


class Somebody:
    user_id = 1
    location = Location()


EXPERIMENTS = Experiments(PlainDefaults(), NoStyles())  # type: ignore[arg-type]


def compared(prompt: str, values: str = "", *ways: str, **wanted: object) -> Comparison:
    asked = ParsedCommand(prompt, **{"seed": 7, **wanted})  # type: ignore[arg-type]
    made = asyncio.run(EXPERIMENTS.prepare(asked, values, ways, Somebody()))  # type: ignore[arg-type]
    assert isinstance(made.request, Comparison)
    return made.request


def dreamt(prompt: str) -> DreamRequest | Comparison:
    def build(settled: Settled) -> DreamRequest:
        return build_request(settled.prompt, seed=7)

    return asyncio.run(EXPERIMENTS.texts(Typed(prompt), Somebody(), build)).request  # type: ignore[arg-type]


def words(comparison: Comparison) -> list[str]:
    return [way.request.prompts[0].text for way in comparison.ways]


def labels(comparison: Comparison) -> list[str]:
    return [way.label for way in comparison.ways]


def pointed(error: PromptError) -> str:
    """The typed text from where the error points."""
    return error.source[error.position :]


def test_words_in_brackets_paint_one_picture_each_from_one_seed() -> None:
    found = compared("a [red|blue|green] fox | fog:-0.5")

    assert ["a red fox", "a blue fox", "a green fox"] == words(found)
    assert ["red", "blue", "green"] == labels(found)
    assert {7} == {way.request.seed for way in found.ways}
    assert {-0.5} == {way.request.prompts[1].weight for way in found.ways}
    assert "a \\[red\\|blue\\|green\\] fox \\| fog\\:-0.5" == show_request(found)
    assert found == job_request_from_json(job_request_to_json(found))


def test_settings_have_lists_in_the_prompt_and_beside_it() -> None:
    for found in (compared("a fox", "steps=[10,25,50]"), compared("a fox steps=[10,25,50]")):
        assert [10, 25, 50] == [way.request.options.steps for way in found.ways]
        assert ["a fox"] * 3 == words(found)
        assert ["steps=10", "steps=25", "steps=50"] == labels(found)
    assert ["primer", "pixels"] == [
        way.request.method if way.request.method == "pixels" else way.request.model
        for way in compared("a fox", "method=[clip_diffusion|pixels]").ways
    ]
    assert {0.5} == {way.request.options.eta for way in compared("a fox", "eta=0.5 steps=[5,10]").ways}
    assert [5, 10] == [way.request.options.steps for way in compared("a fox", "steps=[5,10]", "draft").ways]


def test_a_style_follows_the_words_of_the_first_part() -> None:
    assert ["a fox, ink", "a fox, watercolour"] == words(compared("a fox:2 | fog", "style=[ink|watercolour]"))


def test_seeds_count_and_again_moves_them() -> None:
    found = compared("an owl", "seed=[1..4,9]", seed=None)
    assert [1, 2, 3, 4, 9] == [way.request.seed for way in found.ways]

    again = found.with_seed(101)
    assert [101, 102, 103, 104, 109] == [way.request.seed for way in again.ways]
    assert ["seed=101", "seed=102", "seed=103", "seed=104", "seed=109"] == labels(again)
    assert "seed=[101,102,103,104,109]" == again.lists
    assert again == compared("an owl", again.lists, seed=None)


def test_two_lists_are_crossed_with_the_longer_one_going_down() -> None:
    found = compared("a [red|blue] fox", "steps=[10,25,50]")

    assert (("steps=10", "steps=25", "steps=50"), ("red", "blue")) == found.grid
    assert [(10, "a red fox"), (10, "a blue fox"), (25, "a red fox")] == [
        (way.request.options.steps, way.request.prompts[0].text) for way in found.ways
    ][:3]
    assert ("steps=10 · red", 6) == (labels(found)[0], found.count)
    assert (("red", "blue"), ("big", "small")) == compared("a [red|blue] [big|small] fox").grid
    assert (("draft", "pixels"), ("red", "blue")) == tuple(
        sorted(compared("a [red|blue] fox", "", "draft", "pixels").grid or (), key=str)
    )


def test_ways_alone_are_what_they_were() -> None:
    found = compared("a fox", "", "draft", "pixels steps=20")

    assert (["draft", "pixels steps=20"], "", None) == (labels(found), found.source, found.grid)
    assert all(way.traits == () for way in found.ways)


def test_brackets_that_hold_no_list_are_words() -> None:
    assert ["an owl [grey] red", "an owl [grey] blue"] == words(compared("an owl [grey] [red|blue]"))
    assert ["[x] red", "[x] blue"] == words(compared(r"\[x\] [red|blue]"))
    assert ["a fox", "a red fox"] == [" ".join(text.split()) for text in words(compared("a [|red] fox"))]
    assert "(nothing)" == labels(compared("a [|red] fox"))[0]
    assert ["red|ish", "blue"] == words(compared(r"[red\|ish|blue]"))


REFUSED = [
    ("a [red|blue fox", "", "This list has no end", "[red|blue fox"),
    ("a [red|[blue]] fox", "", "cannot contain another list", "[blue]] fox"),
    ("a [red|blue|red] fox", "", "“red” appears twice", "red] fox"),
    ("a fox", "stepz=[1,2]", "Did you mean “steps”?", "stepz=[1,2]"),
    ("a fox", "steps=[10,]", "A value is missing here.", "]"),
    ("a fox", "[a|b]", "A list needs the name of a setting here", "[a|b]"),
    ("a fox", "steps=[10,abc]", "steps=abc: steps", "abc]"),
    ("a fox", "seed=[1,x]", "seed must be a whole number", "x]"),
    ("a fox", "seed=[9..1]", "A range must count up, as in 1..9.", "9..1]"),
    ("a fox", "seed=[1..4000000000]", "which is too many", "1..4000000000]"),
    ("a fox", "seed=[1..30]", f"This makes 30 pictures; the limit is {MOST}.", "seed=[1..30]"),
    ("a [b|c] [d|e] fox", "steps=[1,2]", "Use at most two lists", "steps=[1,2]"),
    ("a fox", "steps=[1,2] steps=[3,4]", "steps has two lists", "steps=[3,4]"),
    ("a [red:x|blue] fox | ", "", "part of the prompt is empty", " "),
    ("[castle:9e|fog]", "", "is not a number", "9e|fog]"),
]


@pytest.mark.parametrize(("prompt", "values", "said", "at"), REFUSED)
def test_an_error_points_at_the_character(prompt: str, values: str, said: str, at: str) -> None:
    with pytest.raises(PromptError) as caught:
        compared(prompt, values, seed=None)

    assert said in str(caught.value)
    assert at == pointed(caught.value)


@pytest.mark.parametrize(
    ("values", "ways", "said"),
    [
        ("", ("draft",), "There is nothing to compare yet."),
        ("eta=0.5", (), "There is nothing to compare yet."),
        ("steps=[1,2] steps=3", (), "steps has a value and a list."),
        ("seed=[1,2]", (), "seed has a value and a list."),
    ],
)
def test_what_is_no_experiment_is_refused(values: str, ways: tuple[str, ...], said: str) -> None:
    with pytest.raises(Refused, match=said):
        compared("a fox", values, *ways)


def test_the_host_and_the_server_set_the_limit() -> None:
    limits, nine = config().limits, compared("a fox", "seed=[1..9]", seed=None)

    check_size(nine, limits)
    with pytest.raises(TooLarge, match="This makes 9 pictures; the limit for one comparison is 8"):
        check_size(nine, limits.model_copy(update={"max_compare": 8}))
    with pytest.raises(TooLarge, match="the limit for one comparison is 4"):
        check_size(nine, ServerRules(max_count=1).limits(limits))


def test_the_printed_command_paints_the_same_again() -> None:
    for found in (
        compared("a [red|blue] fox", "steps=[10,25]", negative="fog", size="320x256"),
        compared("a fox", "seed=[1..9] eta=0.5", seed=None),
        compared("a [red|blue] fox", "", "draft", "pixels"),
        compared("a fox steps=[5,6]", "style=[ink|neon]", "draft"),
    ):
        line = compare_command(found)
        options = dict(
            zip(("prompt", "values", "first", "second", "negative", "size", "seed"), _read(line), strict=True)
        )
        ways = [options[name] for name in ("first", "second") if options[name]]
        seed = int(options["seed"]) if options["seed"] else None
        again = compared(options["prompt"], options["values"], *ways, negative=options["negative"],
                         size=options["size"], seed=seed)  # fmt: skip
        assert found.ways == again.ways, line


def _read(line: str) -> list[str]:
    """The value of each option of a command line, or an empty text."""
    names = ("prompt", "values", "first", "second", "negative", "size", "seed")
    found = sorted((line.find(f" {name}:"), name) for name in names if f" {name}:" in line)
    ends = [at for at, _ in found[1:]] + [len(line)]
    read = {name: line[at + len(name) + 2 : end] for (at, name), end in zip(found, ends, strict=True)}
    return [read.get(name, "") for name in names]


def test_dream_reads_braces_and_leaves_brackets_and_timelines_alone() -> None:
    found = dreamt("a {red|blue} [old] fox")
    assert isinstance(found, Comparison)
    assert (["a red [old] fox", "a blue [old] fox"], "dream") == (words(found), found.command)
    assert 1 == len({way.request.seed for way in found.ways})
    for text in ("a fox", "a {fox}", '{0: "a seed", 40: "a tree | fog"}', "a [red|blue] fox", r"a \{red|blue\}"):
        assert 1 == len(plan_dream(text)), text
    with pytest.raises(PromptError) as caught:
        dreamt("a {red|blue:zz} fox:1x")
    assert "1x" == pointed(caught.value)


def test_examples_are_offered_and_all_of_them_can_be_painted() -> None:
    for _, example in offered(""):
        assert compared("a fox", example, seed=None).count > 1
    assert ("eta=0.5 steps=[10,25,50]",) * 2 == offered("eta=0.5 st")[1]


@given(st.lists(st.lists(WORDS, min_size=2, max_size=4, unique=True), min_size=1, max_size=2))
def test_every_combination_is_painted_once(axes: list[list[str]]) -> None:
    found = compared(" and ".join(f"[{'|'.join(axis)}]" for axis in axes))

    assert sorted(" and ".join(one) for one in itertools.product(*axes)) == sorted(words(found))
    assert len(set(labels(found))) == found.count == len(list(itertools.product(*axes)))


@given(TYPED, TYPED)
def test_any_text_is_painted_or_refused_in_words_that_point_into_it(prompt: str, values: str) -> None:
    try:
        found = compared(prompt, values, seed=None)
    except PromptError as error:
        assert str(error) and error.source in (prompt, values, "")
        assert 0 <= error.position <= len(error.source)
    except DreamError as error:
        assert str(error)
    else:
        assert 2 <= found.count <= MOST
        assert len(set(labels(found))) == found.count


@given(TYPED)
def test_a_template_keeps_every_character_outside_its_lists(text: str) -> None:
    for brackets in (("[", "]"), CURLY):
        try:
            template = read_template(text, brackets)
        except PromptError:
            continue
        filled = template.fill({one: one.values[0] for one in template.lists})
        assert len(filled.origins) == len(filled.text) + 1
        assert all(text[at] == char for at, char in zip(filled.origins, filled.text, strict=False))


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("an owl:2 | fog", "an owl, ink:2 | fog"),
        ("0: an owl | fog:-0.5 | 10: a cat", "0: an owl, ink | fog:-0.5 | 10: a cat, ink"),
        ("snow | 0: an owl | 10: a cat", "snow, ink | 0: an owl | 10: a cat"),
    ],
)
def test_a_style_word_holds_in_every_phase_of_a_timeline(prompt: str, expected: str) -> None:
    assert expected == with_style(prompt, "ink")


def test_hostile_lists_are_read_within_the_timeout() -> None:
    for brackets in (SQUARE, CURLY):
        opening = brackets[0]
        read_template(opening * 30_000, brackets, SETTINGS)
        read_template(f"{opening}a " * 10_000, brackets, SETTINGS)
        read_template(f" steps={opening}" * 3_000, brackets, SETTINGS)
    ranges = "|".join(f"{start}..{start + 99}" for start in range(0, 100_000, 100))
    [seeds] = read_template(f"seed=[{ranges}]", settings=SETTINGS).lists
    assert 100_000 == len(seeds.values)
    with pytest.raises(PromptError, match="100000 pictures"):
        plan_comparison("an owl", f"seed=[{ranges}]", ())


def test_brackets_behind_an_escaped_backslash_are_a_list() -> None:
    [colours] = read_template(r"a \\[red|blue] fox").lists
    assert ["red", "blue"] == [value.text for value in colours.values]
