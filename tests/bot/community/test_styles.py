"""Styles: templates around every kind of prompt, names, and what a server's list shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.community.styles.library import (
    MAX_OPTIONS,
    MAX_OWN,
    MAX_STYLES,
    Styles,
    check_name,
    check_options,
    check_template,
    styled,
)
from bot.community.styles.starters import PAINTED, STARTERS, SYNONYMS
from bot.errors import BlockedWords, NotAllowed, Refused
from bot.models.style import Style
from bot.policy.server_rules import NOWHERE, PromptLineage, ServerRules, Word
from bot.storage import Store
from engine.errors import DreamError
from engine.primer.vocabulary import unknown_words
from engine.requests.prompts import MAX_PARTS, parse_prompts
from engine.requests.request import build_request
from tests.prepared_database import open_store

HERE, ELSEWHERE = 1, 2
ANN, BOB = 30, 31


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(tmp_path / "data") as store:
        yield store


def allowed(_: PromptLineage) -> None:
    """Every text is allowed."""


async def save(styles: Styles, name: str, template: str = "oil", *, server: int = HERE, user: int = ANN) -> Style:
    return await styles.save(server, user, name, template, "", "", allowed)


def test_every_part_with_a_positive_weight_takes_the_place_of_the_prompt() -> None:
    ink = Style("ink", "ink", "{prompt}, ink | paper:0.5")

    assert "an owl, ink | paper:0.5" == styled(ink, "an owl")
    assert "an owl, ink:2 | fog:-0.5 | paper:0.5" == styled(ink, "an owl:2 | fog:-0.5")
    assert "a \\| b, ink | paper:0.5" == styled(ink, "a \\| b")


words = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="|:\\"), min_size=1, max_size=40)


@given(st.lists(words.filter(str.strip), min_size=1, max_size=4), st.sampled_from(sorted(STARTERS)))
def test_a_styled_prompt_is_a_prompt_that_contains_the_words(parts: list[str], name: str) -> None:
    prompt = " | ".join(parts)

    made = parse_prompts(styled(STARTERS[name], prompt))

    assert len(made) == len(parse_prompts(prompt))
    assert all(part.text in one.text for part, one in zip(parse_prompts(prompt), made, strict=True))


def test_a_prompt_that_the_template_makes_too_long_is_refused_with_the_length() -> None:
    with pytest.raises(Refused, match=r"With this style the prompt has 1005 characters; the limit is 1000"):
        styled(STARTERS["ink"], "a" * 993)


def test_a_prompt_to_which_the_template_adds_too_many_parts_is_refused_with_their_number() -> None:
    style = Style("frame", "frame", " | ".join(["{prompt}", *(f"part {n}:0.1" for n in range(MAX_PARTS - 1))]))

    assert MAX_PARTS == len(parse_prompts(styled(style, "an owl")))
    with pytest.raises(Refused, match=f"With the style “frame” the prompt has {MAX_PARTS + 1} parts; the limit is"):
        styled(style, "an owl | fog")


def test_more_options_than_anybody_types_are_refused() -> None:
    with pytest.raises(Refused, match=f"The options have {MAX_OPTIONS + 1} characters; the limit is {MAX_OPTIONS}"):
        check_options("s" * (MAX_OPTIONS + 1))


def test_templates_get_one_place_for_the_prompt() -> None:
    assert "{prompt}, oil on canvas" == check_template(" oil  on canvas ")
    assert "a sketch of {prompt} | paper:0.2" == check_template("a sketch of {prompt} | paper:0.2")
    for wrong, said in (("{prompt} {prompt}", "once"), ("{prompt}:-1", "positive"), ("x" * 501, "501 characters")):
        with pytest.raises(Refused, match=said):
            check_template(wrong)
    with pytest.raises(DreamError, match="part of the prompt is empty"):
        check_template("{prompt} | ")


def test_names_are_words_and_options_belong_to_a_style() -> None:
    assert "Öl auf Leinwand 2" == check_name("  Öl  auf Leinwand 2 ")
    for wrong in ("", "a|b", "[x]", "x" * 33, "none", "USUAL", "-", "a\u202eb", "@everyone", "{prompt}"):
        with pytest.raises(Refused):
            check_name(wrong)
    assert {"method": "pixels", "steps": "40"} == check_options("method=pixels steps=40")
    for wrong in ("seed=7", "count=2", "steps=many", "eta"):
        with pytest.raises(DreamError):
            check_options(wrong)


def test_every_shipped_style_paints_and_says_whether_the_small_model_knows_its_words() -> None:
    for style in STARTERS.values():
        options = dict(style.options)
        build_request(styled(style, "an owl"), method=options.pop("method", ""), settings=options)
        check_name(style.name)
        assert len(style.id) <= 12 and style.id.isalnum() and style.id.islower()
    assert [] == [style.name for style in PAINTED if unknown_words(style.template.replace("{prompt}", "an owl"))]
    assert set(SYNONYMS.values()) <= set(STARTERS)
    assert not set(SYNONYMS) & set(STARTERS)


async def test_a_server_sees_its_own_styles_only(store: Store) -> None:
    styles = Styles(store, lambda: 0.0)
    saved = await save(styles, "Mine", "oil")

    assert "{prompt}, oil" == (await styles.find(HERE, " mINE ")).template
    for elsewhere in (ELSEWHERE, None):
        assert "Mine" not in {one.name for one in await styles.all(elsewhere)}
        with pytest.raises(Refused, match="Unknown style “Mine”"):
            await styles.find(elsewhere, "Mine")
        with pytest.raises(Refused, match="was deleted"):
            await styles.by_id(elsewhere, saved.id)
    assert "ink" == (await styles.find(None, "INK")).name
    assert "watercolor" == (await styles.find(HERE, "watercolour")).name
    with pytest.raises(Refused, match="Did you mean “watercolor”"):
        await styles.find(HERE, "watercolr")


async def test_duplicates_and_limits_are_said(store: Store) -> None:
    styles = Styles(store, lambda: 0.0)
    await save(styles, "Mine")
    with pytest.raises(Refused, match="already has a style “Mine”"):
        await save(styles, "MINE", user=BOB)
    with pytest.raises(Refused, match="every server has"):
        await save(styles, "Ink")
    with pytest.raises(DreamError, match="This style does not work"):
        await styles.save(HERE, ANN, "odd", "oil", "", "eta=0.5 method=pixels", allowed)
    for number in range(1, MAX_OWN):
        await save(styles, f"mine {number}")
    with pytest.raises(Refused, match=f"You have saved {MAX_OWN} styles"):
        await save(styles, "one more")
    for number in range(MAX_STYLES - MAX_OWN):
        await save(styles, f"theirs {number}", user=100 + number)
    with pytest.raises(Refused, match=f"This server has {MAX_STYLES} styles"):
        await save(styles, "the last straw", user=BOB)
    await save(styles, "one more", server=ELSEWHERE)


async def test_the_word_filter_reads_templates_and_names(store: Store) -> None:
    styles = Styles(store, lambda: 0.0)
    rules = ServerRules(words=(Word(phrase="kraken"),))

    for name, template in (("nice", "a kraken near {prompt}"), ("Kraken", "oil"), ("nude", "oil"), ("x", "naked")):
        with pytest.raises(BlockedWords):
            await styles.save(HERE, ANN, name, template, "", "", lambda meant: rules.check_words(meant, NOWHERE))
    await styles.save(HERE, ANN, "nice", "oil", "kraken", "", lambda meant: rules.check_words(meant, NOWHERE))


async def test_authors_and_moderators_delete_and_stars_go_with_the_style(store: Store) -> None:
    styles = Styles(store, lambda: 0.0)
    mine = await save(styles, "Mine")
    with pytest.raises(NotAllowed):
        await styles.delete(HERE, "mine", BOB, moderator=False)
    with pytest.raises(Refused, match="come with the bot"):
        await styles.delete(HERE, "ink", ANN, moderator=True)
    with pytest.raises(Refused, match="your own style"):
        await styles.turn_star(HERE, mine, ANN)
    assert await styles.turn_star(HERE, mine, BOB)
    assert await styles.turn_star(HERE, STARTERS["ink"], BOB)
    assert {"Mine", "ink"} == {one.name for one in (await styles.all(HERE))[:2]}
    assert not await styles.turn_star(HERE, STARTERS["ink"], BOB)

    await styles.delete(HERE, "mine", BOB, moderator=True)
    assert 0 == (await save(styles, "Mine")).stars
    assert {0} == {one.stars for one in await styles.all(HERE)}


async def test_who_is_forgotten_leaves_styles_without_a_name(store: Store) -> None:
    styles = Styles(store, lambda: 0.0)
    await save(styles, "Mine")
    async with store.transaction() as session:
        await store.styles.turn_star(session, HERE, "ink", ANN)
    about = await store.styles.of_person(ANN)
    assert ["Mine"] == [one["name"] for one in about["styles"]]
    assert ["ink"] == [one["name"] for one in about["starred_styles"]]

    async with store.transaction() as session:
        await store.styles.forget(session, ANN)

    assert (None, 0) == ((kept := await styles.find(HERE, "mine")).author, kept.stars)
    assert {"styles": [], "starred_styles": []} == await store.styles.of_person(ANN)
