"""The same words in several ways: one message, one sheet with names, the sum of the costs."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.wire.looks import child_of, is_enlarged, is_result, link, whispered
from tests.wire.people import Person, Shown
from tests.wire.test_batch import ENLARGE, PICK, choose, menu
from tests.wire.world import World


async def parse_comparison(person: Person, *ways: str, **options: object) -> Shown:
    named = dict(zip(("first", "second", "third", "fourth"), ways, strict=False))
    answer = await person.slash("compare", prompt="an owl", **named, **options)
    return await person.wait_for(answer.message, is_result, 20, what="the comparison")


async def test_ways_are_painted_side_by_side_from_one_seed_and_cost_their_sum(world: World, max_: Person) -> None:
    message = await parse_comparison(max_, "draft", "pixels steps=20", "usual", seed=9)

    [job] = await world.jobs_of(max_)
    assert [(15, "clip_diffusion", 9), (20, "pixels", 9), (25, "clip_diffusion", 9)] == [
        (way.request.options.steps, way.request.method, way.request.seed) for way in job.request.ways
    ]
    used = (await world.services.jobs.quota.balance(max_.id)).used
    assert pytest.approx(sum(way.request.cost for way in job.request.ways)) == used
    assert [message.id] == [one.id for one in max_.sees()]
    assert (3 * 256 < (sheet := Image.open(io.BytesIO(message.pictures[0]))).width < 3 * 280, True) == (
        True,
        256 < sheet.height < 340,
    )
    assert ["1 · draft", "2 · pixels steps=20", "3 · usual"] == [line["label"] for line in menu(message, PICK)]
    assert ["Again", "Info", "Vote", "Delete"] == list(message.buttons)
    assert "seed 9 · 3 ways" in message.text
    info = whispered(await max_.click(message, "Info"))
    assert (
        "/compare prompt:an owl first:draft method=clip_diffusion model=primer second:pixels steps=20 model=primer "
        "third:usual method=clip_diffusion model=primer profile=none size:256x256 seed:9" in info
    )


async def test_a_way_is_shown_by_itself_and_enlarged_also_after_a_restart(
    world: World, max_: Person, mo: Person
) -> None:
    sheet = await parse_comparison(max_, "draft", "pixels", seed=9)
    await world.restart_bot()

    shown = (await choose(mo, sheet, PICK, "1")).message
    assert f"Image 2 of [comparison]({link(world, sheet)}) by {max_.mention}" in shown.text
    assert "seed 9 · 256×256 · 80 steps · pixels" in shown.text
    await choose(mo, sheet, ENLARGE, "0")
    large = await child_of(mo, shown)
    assert is_enlarged(large) and "**an owl**" in large.text
    await max_.click(sheet, "Again")
    again = await child_of(max_, large)
    assert ["1 · draft", "2 · pixels"] == [line["label"] for line in menu(again, PICK)]


async def test_a_bot_stopped_between_two_ways_goes_on_with_the_rest(world: World, max_: Person) -> None:
    answer = await max_.slash("compare", prompt="slowly owls", first="draft", second="pixels", third="usual")
    await max_.wait_for(answer.message, lambda m: "1 of 3 painted" in m.text, 20)
    [job] = await world.jobs_of(max_)
    before = {p.index: p.path.stat().st_mtime_ns for p in job.pictures}

    await world.restart_bot()

    await max_.wait_for(answer.message, is_result, 20)
    [job] = await world.jobs_of(max_)
    after = {p.index: p.path.stat().st_mtime_ns for p in job.pictures}
    assert (3, before) == (len(after), {index: after[index] for index in before})


async def test_a_comparison_that_is_stopped_charges_what_is_painted(world: World, max_: Person) -> None:
    answer = await max_.slash("compare", prompt="slowly owls", first="draft", second="pixels", third="usual")
    await max_.wait_for(answer.message, lambda m: "1 of 3 painted" in m.text, 20)

    await max_.click(answer.message, "Cancel")

    message = await max_.wait_for(answer.message, is_result)
    [job] = await world.jobs_of(max_)
    painted = sum(job.request.ways[picture.index].request.cost for picture in job.pictures)
    assert f"Cancelled after {len(job.pictures)} of 3 pictures; you only pay for those." in message.text
    assert pytest.approx(painted) == (await world.services.jobs.quota.balance(max_.id)).used


REFUSED = [
    ({"first": "draft", "second": "drafd"}, "drafd: “drafd” is not a profile, method or model; did you mean “draft”?"),
    ({"first": "draft", "second": "draft"}, "“draft” appears twice"),
    ({"first": "usual", "second": "pixels eta=0.5"}, "pixels eta=0.5: pixels has no option “eta”"),
    ({"first": "usual", "second": "steps=999"}, "steps=999: 999 steps are too many; the limit here is 250."),
    ({"first": "usual", "second": "imagenet-256"}, "imagenet-256: The model “imagenet-256” cannot be used here"),
    ({"first": "usual", "second": "draft", "size": "300x300"}, "usual: "),
    ({"first": "usual", "second": "draft", "prompt": "an owl | | fog"}, "an owl | | fog"),
]


async def test_what_cannot_be_compared_is_refused_by_the_name_of_the_way(world: World, max_: Person) -> None:
    await world.until(lambda: world.services.jobs.ready, what="the engine")
    for options, said in REFUSED:
        assert said in whispered(await max_.slash("compare", **{"prompt": "an owl", **options})), options
    assert [] == await world.jobs_of(max_)
    assert 0 == (await world.services.jobs.quota.balance(max_.id)).reserved


async def test_ways_are_offered_while_somebody_types(max_: Person) -> None:
    given = {"prompt": "an owl", "first": "dr"}
    assert "draft" in [choice["value"] for choice in await max_.autocomplete("compare", "first", **given)]
    given = {"prompt": "an owl", "first": "draft", "second": "pix"}
    assert "pixels" == (await max_.autocomplete("compare", "second", **given))[0]["value"]
