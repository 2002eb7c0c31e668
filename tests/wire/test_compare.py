"""The same words in several ways: one message, one sheet with names, the sum of the costs."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.wire.looks import child_of, is_enlarged, is_result, link, whispered
from tests.wire.people import Person, Shown
from tests.wire.test_batch import ENLARGE, PICK, choose, menu
from tests.wire.world import World

SEEDS = "dream:useseed:"


async def parse_comparison(person: Person, *ways: str, **options: object) -> Shown:
    named = dict(zip(("first", "second", "third", "fourth"), ways, strict=False))
    answer = await person.slash("compare", prompt="an owl", **named, **options)
    return await person.wait_for(answer.message, is_result, 20, what="the comparison")


async def test_ways_are_painted_side_by_side_from_one_seed_and_cost_their_sum(world: World, max_: Person) -> None:
    message = await parse_comparison(max_, "draft", "pixels steps=20", "usual", seed=9)

    [job] = await world.jobs_of(max_)
    assert [(15, "clip_diffusion", 9), (20, "pixels", 9), (15, "clip_diffusion", 9)] == [
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


async def test_a_bot_stopped_between_two_ways_continues_with_the_rest(world: World, max_: Person) -> None:
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


async def experiment(person: Person, prompt: str, values: str = "", **options: object) -> Shown:
    given = {"values": values, **options} if values else options
    answer = await person.slash("compare", prompt=prompt, **given)
    return await person.wait_for(answer.message, is_result, 30, what="the experiment")


async def test_two_lists_are_crossed_in_one_job_with_one_price_and_one_sheet(world: World, max_: Person) -> None:
    message = await experiment(max_, "a [red|blue] fox", "steps=[5,10,20]", seed=9)

    [job] = await world.jobs_of(max_)
    assert [(5, "a red fox"), (5, "a blue fox"), (10, "a red fox"), (10, "a blue fox"), (20, "a red fox")] == [
        (way.request.options.steps, way.request.prompts[0].text) for way in job.request.ways
    ][:5]
    assert {9} == {way.request.seed for way in job.request.ways}
    assert pytest.approx(job.cost) == (await world.services.jobs.quota.balance(max_.id)).used
    assert 2 * 256 < (sheet := Image.open(io.BytesIO(message.pictures[0]))).width < 2 * 280
    assert 3 * 270 < sheet.height < 3 * 310
    assert ["1 · steps=5 · red", "6 · steps=20 · blue"] == [menu(message, PICK)[i]["label"] for i in (0, 5)]
    assert r"a \[red\|blue\] fox · steps=\[5,10,20\]" in message.text
    assert "seed 9 · 6 pictures" in message.text
    info = whispered(await max_.click(message, "Info"))
    assert (
        "/compare prompt:a [red|blue] fox values:steps=[5,10,20] model=primer profile=none size:256x256 seed:9" in info
    )


async def test_a_seed_of_a_search_is_used_in_the_remix_form_after_a_restart(
    world: World, max_: Person, mo: Person
) -> None:
    sheet = await experiment(max_, "an owl", "seed=[41..49]")
    assert [f"{n} · seed={40 + n}" for n in range(1, 10)] == [one["label"] for one in menu(sheet, SEEDS)]
    await world.restart_bot()

    form = await choose(mo, sheet, SEEDS, "6")
    assert "seed=47" in str(form.modal)
    remix = await mo.submit(form, prompt="an owl in fog")

    shown = await mo.wait_for(remix.message, is_result)
    assert "seed 47" in shown.text and f"Remix of [image 7]({link(world, sheet)}) by {max_.mention}" in shown.text
    [job] = await world.jobs_of(mo)
    assert (47, "an owl in fog") == (job.request.seed, job.request.prompts[0].text)


async def test_a_style_axis_takes_saved_styles_and_plain_words(max_: Person, world: World) -> None:
    template = "{prompt}, neon | paper:0.5"
    await max_.slash("style save", name="wash", template=template, options="steps=7")
    sheet = await experiment(max_, "an owl | fog:-0.5", "style=[wash|glowing]")

    [job] = await world.jobs_of(max_)
    assert [["an owl, neon", "fog", "paper"], ["an owl, glowing", "fog"]] == [
        [part.text for part in way.request.prompts] for way in job.request.ways
    ]
    assert 7 == job.request.ways[0].request.options.steps != job.request.ways[1].request.options.steps
    assert "style wash" not in sheet.text
    assert ["1 · wash", "2 · glowing"] == [line["label"] for line in menu(sheet, PICK)]


async def test_a_comparison_of_one_seed_has_no_menu_for_seeds(max_: Person) -> None:
    assert [] == menu(await experiment(max_, "a [red|blue] fox"), SEEDS)


async def test_braces_paint_one_picture_per_text_once_the_cost_is_confirmed(world: World, max_: Person) -> None:
    question = (await max_.slash("dream", prompt="a {red|blue} fox | fog", steps=10)).message
    assert question.ephemeral and "Paint all 2 pictures?" in question.text and "units" in question.text
    assert [] == await world.jobs_of(max_)
    await world.restart_bot()

    painted = await max_.click(question, "Paint")
    sheet = await max_.wait_for(painted.message, lambda m: "Info" in m.buttons, 20)

    [job] = await world.jobs_of(max_)
    assert [f"{job.id}-1.png", f"{job.id}-2.png"] == list(sheet.files)
    for picture, shown in zip(job.pictures, sheet.pictures, strict=True):
        assert picture.path.read_bytes() == shown
    assert "**1** red · **2** blue" in sheet.text
    assert ["a red fox", "a blue fox"] == [way.request.prompts[0].text for way in job.request.ways]
    assert 1 == len({way.request.seed for way in job.request.ways})
    assert ["1 · red", "2 · blue"] == [line["label"] for line in menu(sheet, PICK)]
    assert "/dream prompt:a {red|blue} fox | fog method:" in whispered(await max_.click(sheet, "Info"))
    refused = await max_.slash("dream", prompt="a {red|blue} fox", count=2)
    assert "Leave count out." in whispered(refused)


async def test_a_vote_on_separate_pictures_shows_one_sheet_until_it_ends(
    world: World, max_: Person, mo: Person
) -> None:
    question = (await max_.slash("dream", prompt="a {red|blue} fox", steps=10)).message
    message = (await max_.click(question, "Paint")).message
    await max_.wait_for(message, lambda m: "Vote" in m.buttons, 20)
    before = message.pictures
    vote = (await max_.click(message, "Vote")).message
    await max_.click(vote, "10 minutes")

    await mo.wait_for(message, lambda m: "labels are hidden" in m.text)
    assert 1 == len(message.pictures) and "**1** red" not in message.text

    world.forward(601)
    await mo.wait_for(message, lambda m: "**1** red" in m.text)
    assert before == message.pictures


@pytest.mark.bot(limits={"max_compare": 12})
async def test_more_pictures_than_a_message_holds_become_one_sheet(max_: Person) -> None:
    colours = "|".join(["red", "green", "blue", "pink", "black", "white", "gold", "grey", "teal", "lime", "plum"])
    question = (await max_.slash("dream", prompt=f"a {{{colours}}} fox", steps=5)).message
    message = (await max_.click(question, "Paint")).message
    await max_.wait_for(message, lambda m: "Info" in m.buttons, 40)

    assert 1 == len(message.pictures)


async def test_values_of_every_script_and_hostile_ones_stay_text(world: World, max_: Person) -> None:
    words = ("🦊 🦊", "שלום", "```x```", "<@&1> @everyone", "\u202eowl", "w" * 700)
    sheet = await experiment(max_, f"a [{'|'.join(words)}] owl")

    assert "```" not in sheet.text and "\u202e" not in sheet.text and len(sheet.text) < 6000
    assert r"\@everyone" in sheet.text
    labels = [line["label"] for line in menu(sheet, PICK)]
    assert (6, True) == (len(set(labels)), all(len(label) <= 100 for label in labels))
    vote_labels = whispered(await max_.click(sheet, "Info"))
    assert "commands.txt" in vote_labels or "/compare" in vote_labels
    [job] = await world.jobs_of(max_)
    assert [f"a {word} owl" for word in words] == [way.request.prompts[0].text for way in job.request.ways]


async def test_errors_point_at_the_character_and_cost_nothing(world: World, max_: Person) -> None:
    for options, pointer in (
        ({"prompt": "a [red|blue fox"}, "a [red|blue fox\n  ^"),
        ({"prompt": "a fox", "values": "steps=[10,abc]"}, "steps=[10,abc]\n          ^"),
        ({"prompt": "a [red|blue:z9] fox:1x"}, "a [red|blue:z9] fox:1x\n                    ^"),
    ):
        assert pointer in whispered(await max_.slash("compare", **options)), options
    said = whispered(await max_.slash("compare", prompt="a fox", first="draft"))
    assert "There is nothing to compare yet." in said
    said = whispered(await max_.slash("dream", prompt="a {red|red} fox"))
    assert "“red” appears twice in this list." in said
    assert [] == await world.jobs_of(max_)


@pytest.mark.bot(limits={"max_compare": 4})
async def test_the_host_limits_the_pictures_of_a_comparison(world: World, max_: Person) -> None:
    said = whispered(await max_.slash("compare", prompt="a fox", values="seed=[1..5]"))
    assert "This makes 5 pictures; the limit for one comparison is 4." in said
    assert "limit for one comparison is 4" in whispered(await max_.slash("dream", prompt="a {a|b|c|d|e} fox"))


async def test_lists_are_offered_while_a_person_types(max_: Person) -> None:
    offered = await max_.autocomplete("compare", "values", prompt="a fox", values="st")
    assert ["st", "steps=[10,25,50]", "style=[ink|watercolour|neon]"] == [one["value"] for one in offered]


async def test_ways_are_offered_while_a_person_types(max_: Person) -> None:
    given = {"prompt": "an owl", "first": "dr"}
    assert "draft" in [choice["value"] for choice in await max_.autocomplete("compare", "first", **given)]
    given = {"prompt": "an owl", "first": "draft", "second": "pixels"}
    assert "pixels" == (await max_.autocomplete("compare", "second", **given))[0]["value"]
