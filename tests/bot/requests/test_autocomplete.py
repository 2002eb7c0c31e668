"""What `/dream` suggests while a person types."""

from __future__ import annotations

import pytest

from bot.requests.autocomplete import LONGEST, MOST, adapters, icons, methods, models, more, profiles, prompts, sizes
from engine.catalogue import registry
from engine.catalogue.models import MODELS
from engine.catalogue.registry import Entry, Kind
from engine.primer.vocabulary import WELCOME_PROMPTS
from engine.requests.profiles import profiles_of
from engine.requests.request import METHODS, build_options, painter_by, parse_settings, parse_size


def test_methods_say_what_they_are() -> None:
    [(shown, value)] = methods("pixels", "", {})

    assert "pixels" == value
    assert shown.startswith("pixels – a pyramid of colour grids")


def test_the_last_word_of_a_prompt_is_completed_to_things() -> None:
    offered = [value for _, value in prompts("a red dra", "")]
    assert offered[:2] == ["a red dra", "a red dragon"]
    assert WELCOME_PROMPTS[0] == prompts("", "primer")[0][1]
    assert [] == prompts("a dra", next(name for name, model in MODELS.items() if not model.limited_words))
    assert all(len(value) <= LONGEST for _, value in prompts("a " * 48 + "dra", ""))


def test_what_cannot_be_used_says_why() -> None:
    assert ("primer – unavailable: no weights", "primer") in models("prim", "", {"primer": "no weights"})


def test_what_can_be_used_stands_first() -> None:
    usable = [name for _, name in models("", "vqgan_clip", {})]

    assert [*usable[1:], usable[0]] == [name for _, name in models("", "vqgan_clip", {usable[0]: "no weights"})]


def test_sizes_begin_with_the_usual_one() -> None:
    assert ("256x256 usual", "256x256") == sizes("", "primer", 1024)[0]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("limit", [256, 384, 4096])
def test_every_size_that_is_offered_can_be_painted(model: str, limit: int) -> None:
    for _, size in sizes("", model, limit):
        width, height = parse_size(size)
        MODELS[model].check_size(width, height)
        assert max(width, height) <= max(limit, *MODELS[model].size)


def test_sizes_follow_what_was_typed() -> None:
    assert all(size.startswith("512x3") for _, size in sizes("512 × 3", "primer", 1024))


def test_profiles_are_offered_where_there_are_any() -> None:
    assert [one.name for one in profiles_of("clip_diffusion")] == [name for _, name in profiles("", "", "")]
    assert ["clipdraw"] == [name for _, name in profiles("", "primer", "clipdraw")]
    assert [] == profiles("", "primer", "pixels")
    [(shown, _)] = profiles("disc", "", "", lambda name: f" · {name} costs much")
    assert shown.startswith("disco · disco costs much · overview first")


def test_options_are_offered_with_range_and_usual_value() -> None:
    [(shown, value)] = more("et", "clip_diffusion", "primer")

    assert shown.startswith(f"{value} · 0 to 1 · noise added per step")


def test_options_that_stand_already_are_not_offered_twice() -> None:
    assert not [value for _, value in more("eta=0.5 ", "", "") if value.count("eta=") > 1]


def test_what_is_complete_is_left_alone() -> None:
    assert [("eta=0.5", "eta=0.5")] == more("eta=0.5", "", "")


@pytest.mark.parametrize("method", METHODS)
def test_every_option_that_is_offered_is_accepted_as_it_stands(method: str) -> None:
    model = painter_by(method)
    for _, value in more("", method, model):
        build_options(MODELS[model], method, parse_settings(value))


@pytest.mark.parametrize("typed", ["", "a", "eta=0.5 " * 12, "x" * 200])
def test_nothing_is_longer_or_more_than_discord_takes(typed: str) -> None:
    costly = profiles(typed, "", "", lambda _: " · 1234.56 units, about 12 min 34 s")
    for offered in (more(typed, "", ""), methods(typed, "", {}), sizes(typed, "", 4096), costly):
        assert len(offered) <= MOST
        assert all(0 < len(shown) <= LONGEST and 0 < len(value) <= LONGEST for shown, value in offered)


def test_icons_are_offered_by_name_then_their_settings() -> None:
    assert ("owl – drawing", "owl") in icons("ow")
    assert {"owl size=0.8", "owl colour=own"} <= {value for _, value in icons("owl ")}
    assert ["owl size=0.5"] == [value for _, value in icons("owl size=0.5")]
    assert len(icons("")) == MOST and all(len(shown) <= LONGEST for shown, _ in icons("a"))


def test_adapters_of_the_model_are_offered_also_behind_another(monkeypatch: pytest.MonkeyPatch) -> None:
    adapts = {"ink": "primer", "gold": "primer", "cats": "bedrooms"}
    own = {name: Entry(name, Kind.ADAPTER, f"my {name}", "/w", "free.", adapts=net) for name, net in adapts.items()}
    monkeypatch.setattr(registry, "_own", own)

    assert [("ink – my ink, for the model primer", "ink")] == adapters("in", "primer", {})
    assert ["ink", "gold"] == [value for _, value in adapters("", "primer", {})]
    assert 3 == len(adapters("", "", {}))
    assert ["gold", "ink"] == [value for _, value in adapters("", "primer", {"adapter ink": "not trusted"})]
    assert ["ink:0.5+gold"] == [value for _, value in adapters("ink:0.5+", "primer", {})]
    assert ["ink:0.5"] == [value for _, value in adapters("ink:0.5", "primer", {})]


def values(offered: list[tuple[str, str]]) -> list[str]:
    return [value for _, value in offered]


def test_classes_are_offered_by_name_where_one_is_typed() -> None:
    sharks = more("eta=0.5 class_id=shark", "", "imagenet-128")
    assert sharks[0] == (
        "eta=0.5 class_id=great_white_shark · class 2: great white shark",
        "eta=0.5 class_id=great_white_shark",
    )
    assert ["class_id=goldfish", "class_id=goldfinch"] == values(more("class_id=gold", "", "imagenet-64"))[:2]
    assert ["class_id=goldfish"] == values(more("class_id=1", "", "imagenet-64"))[:1]
    assert ["class_id=missile", "class_id=744"] == values(more("class_id=miss", "", "imagenet-64"))
    assert ["class_id=kite_bird_of_prey"] == values(more("class_id=kite_(bi", "", "imagenet-64"))
    assert ["class_id=-1"] == values(more("class_id=-1", "", "imagenet-64"))
    assert MOST == len(more("class_id=", "", "imagenet-64"))


def test_classes_of_a_gan_are_offered_one_after_the_other() -> None:
    assert ["classes=volcano"] == values(more("classes=volc", "", "biggan-deep-256"))
    assert "classes=980:2+tench" in values(more("classes=980:2+ten", "biggan", "biggan-deep-256"))
    assert ["classes=980:2"] == values(more("classes=980:2", "", "biggan-deep-256"))


def test_the_option_of_classes_brings_them_along_and_is_absent_without_classes() -> None:
    offered = values(more("class", "", "imagenet-128"))
    assert ["class_id=-1", "class_id=tench"] == offered[:2]
    assert [] == more("class", "", "bedrooms")
    assert "class_id=-1" not in values(more("cl", "", "bedrooms"))


CLASSED = [name for name, model in MODELS.items() if model.class_names]


@pytest.mark.parametrize("name", CLASSED)
def test_every_class_that_is_offered_is_that_class(name: str) -> None:
    """Models of the same methods share the thousand classes, which are the same for all of them."""
    model, option = MODELS[name], "class_id" if "clip_diffusion" in MODELS[name].methods else "classes"
    alike = [other for other in CLASSED if MODELS[other].methods == model.methods]
    assert {MODELS[other].class_names for other in alike} == {model.class_names}
    for number, label in list(enumerate(model.class_names))[alike.index(name) :: len(alike)]:
        shown, value = next(one for one in more(f"{option}={number}", "", name) if f"class {number}: {label}" in one[0])
        options = build_options(model, "", parse_settings(value))
        assert number == (options.class_id if option == "class_id" else options.chosen[0][0]), shown  # type: ignore[union-attr]
