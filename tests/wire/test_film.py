"""`/film`: frames painted one from another in the background, as one message that ends with a file that plays."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from bot.models.job import JobRow
from engine.film.plan import FilmSettings
from engine.images.opening import open_own
from engine.requests.request import build_request
from tests.wire.looks import deleted, dreamt, whispered
from tests.wire.people import Person, Shown
from tests.wire.world import World

SCENES = "an owl ^ snow"
USUAL = build_request("an owl")
STEPS, FIRST = USUAL.options.steps, USUAL.cost
LATER = FIRST * (STEPS - round(0.6 * STEPS)) / STEPS
pytestmark = pytest.mark.bot(environ={"DREAMBOT_FAKE_STEP": "0.005"})


def is_film(message: Shown) -> bool:
    """A finished film, with its buttons."""
    return "Info" in message.buttons and any(name.endswith((".mp4", ".webp", ".gif")) for name in message.files)


async def asked(person: Person, prompt: str = SCENES, **options: object) -> Shown:
    """The question about the cost of a film."""
    answer = await person.slash("film", prompt=prompt, **{"frames": 6, "seed": 7, "file": ".webp", **options})
    assert answer.message.ephemeral and ["Paint", "Don't"] == list(answer.message.buttons), answer.message
    return answer.message


async def begun(person: Person, prompt: str = SCENES, **options: object) -> Shown:
    return (await person.click(await asked(person, prompt, **options), "Paint")).message


async def filmed(person: Person, prompt: str = SCENES, **options: object) -> Shown:
    message = await begun(person, prompt, **options)
    return await person.wait_for(message, is_film, 30, what=f"the film of “{prompt}”")


async def the_film(world: World, person: Person) -> JobRow:
    [job] = [one for one in await world.jobs_of(person) if one.request.kind == "film"]
    return job


async def used(world: World, person: Person) -> float:
    return (await world.services.jobs.quota.balance(person.id)).used


def shown_frames(message: Shown) -> int:
    """Frames of the film in a message."""
    (data,) = [data for name, data in message.files.items() if name.endswith((".webp", ".gif"))]
    return int(getattr(Image.open(io.BytesIO(data)), "n_frames", 1))


def prompts(job: JobRow) -> Iterator[str]:
    """What each frame was asked for, by its record."""
    for picture in job.pictures:
        yield " + ".join(prompt["text"] for prompt in record(job, picture.index)["prompts"])


def record(job: JobRow, index: int) -> dict[str, object]:
    return job.pictures[index].facts["replay"]["request"]  # type: ignore[index,no-any-return]


async def test_a_film_is_confirmed_painted_in_the_background_and_shown_as_a_file_that_plays(
    world: World, max_: Person, mo: Person
) -> None:
    question = await asked(max_, SCENES, fade=1, zoom="1.1", angle="2")
    cost = FIRST + 5 * LATER
    assert question.content.startswith(f"This costs {cost:.2f} units of the 200 you have left and takes about ")
    assert question.content.endswith("Paint the film of 6 frames?")
    assert 0 == await used(world, max_) and [] == mo.sees()

    message = (await max_.click(question, "Paint")).message
    message = await max_.wait_for(message, is_film, 30)

    job = await the_film(world, max_)
    assert (6, "done", pytest.approx(cost)) == (len(job.pictures), job.state.value, await used(world, max_))
    assert ["an owl"] * 3 + ["an owl + snow", "snow", "snow"] == list(prompts(job))
    assert [7, 8, 9, 10, 11, 12] == [picture.facts["seed"] for picture in job.pictures]
    assert 6 == shown_frames(message)
    assert f"6 frames, 0.5 s · 256×256 · clip_diffusion · primer · {cost:.2f} units" in message.text
    assert ["Again", "Star", "Info", "Delete"] == list(message.buttons)
    assert [message.id] == [one.id for one in mo.sees()]


async def test_every_frame_starts_from_the_one_before_it_moved(world: World, max_: Person) -> None:
    await filmed(max_, frames=3, zoom="0:1, 2:1.5", x="10")

    job = await the_film(world, max_)
    film = job.request.film  # type: ignore[union-attr]
    for index in (1, 2):
        before = Path(str(job.pictures[index - 1].path)).read_bytes()
        request, images = film.request(index, before)
        assert request.init_image == record(job, index)["init_image"]
        (png,) = images.values()
        assert open_own(png).tobytes() != open_own(before).tobytes()
    assert "" == record(job, 0)["init_image"]


async def test_the_newest_frame_and_its_number_are_shown_on_the_way(max_: Person) -> None:
    message = await filmed(max_, "slowly an owl", frames=4)

    shown = [look["embeds"][0] for look in message.history]
    texts = [look["description"] for look in shown]
    assert any(f"frame {n} of 4" in text for n in (2, 3) for text in texts)
    assert all(look.get("image") for look in shown if "frame 3 of 4" in look["description"])
    assert any("you only pay for finished frames" in text for text in texts)


async def test_others_are_painted_while_a_film_is_under_way(world: World, max_: Person, mo: Person) -> None:
    message = await begun(max_, "slowly an owl", frames=60)
    await max_.wait_for(message, lambda m: "frame 2 of 60" in m.text, 20)

    await dreamt(mo, "a fox")
    await dreamt(max_, "a cat")

    assert len((await the_film(world, max_)).pictures) < 60
    await max_.click(message, "Cancel")


async def test_a_cancelled_film_is_shown_as_far_as_it_is_painted_and_paid(world: World, max_: Person) -> None:
    message = await begun(max_, "slowly an owl", frames=40)
    await max_.wait_for(message, lambda m: "frame 3 of 40" in m.text, 20)

    await max_.click(message, "Cancel")

    message = await max_.wait_for(message, is_film, 20)
    job = await the_film(world, max_)
    painted = len(job.pictures)
    assert 2 <= painted < 40
    assert f"Cancelled after {painted} of 40 frames; you only pay for those." in message.text
    assert painted == shown_frames(message)
    assert pytest.approx(FIRST + (painted - 1) * LATER) == await used(world, max_)


async def test_a_film_without_a_frame_is_cancelled_at_no_cost(world: World, max_: Person) -> None:
    message = await begun(max_, "hang on", frames=3)
    await max_.wait_for(message, lambda m: "frame 1 of 3" in m.text, 20)

    await max_.click(message, "Cancel")

    await max_.wait_for(message, lambda m: "Nothing was charged" in m.text)
    assert 0 == await used(world, max_)


@pytest.mark.parametrize("dies", ["bot", "engine"])
async def test_a_film_continues_at_its_last_frame(world: World, max_: Person, dies: str) -> None:
    message = await begun(max_, "slowly an owl", frames=5)
    await max_.wait_for(message, lambda m: "frame 3 of 5" in m.text, 20)
    before = {p.index: Path(str(p.path)).stat().st_mtime_ns for p in (await the_film(world, max_)).pictures}

    if dies == "bot":
        await world.restart_bot()
    else:
        os.kill(int(world.bot.engine.ready.pid), signal.SIGKILL)

    message = await max_.wait_for(message, is_film, 30)
    job = await the_film(world, max_)
    after = {p.index: Path(str(p.path)).stat().st_mtime_ns for p in job.pictures}
    assert (5, before) == (len(after), {index: after[index] for index in before})
    assert (5, [message.id]) == (shown_frames(message), [one.id for one in max_.sees() if not one.ephemeral])
    assert pytest.approx(job.cost) == await used(world, max_)


async def test_a_frame_of_infinite_numbers_ends_the_film(world: World, max_: Person) -> None:
    message = await begun(max_, "an owl ^ a boat nan", frames=4, fade=0)

    message = await max_.wait_for(message, is_film, 20)

    assert "This ended after 2 of 4 frames; you only pay for those. The numbers" in message.text
    assert 2 == shown_frames(message)


async def test_its_buttons_work_after_a_restart(world: World, max_: Person, mo: Person) -> None:
    film = await filmed(max_)
    await world.restart_bot()

    info = whispered(await max_.click(film, "Info"))
    assert f"6 frames at 12 per second · usual motion · {STEPS} steps · clip_diffusion · primer" in info
    assert "6 of 6 · 256×256" in info
    assert "⭐ Starred." in whispered(await mo.click(film, "Star"))
    again = (await mo.click(film, "Again")).message
    again = await mo.wait_for(again, is_film, 30)
    assert "Same prompt, new seed: [film](" in again.text and SCENES in again.text
    assert (await the_film(world, mo)).request.first.seed != 7  # type: ignore[union-attr]
    await deleted(max_, film)
    assert (True, False) == (film.gone, again.gone)


async def test_the_line_in_info_asks_for_the_same_film(world: World, max_: Person, mo: Person) -> None:
    await mo.slash("settings channel", style="ink", negative="blurry")
    first = await filmed(
        max_,
        r"an owl:2 | fog ^ a \^ sign",
        negative="rain",
        zoom="0:1, 3:1.2",
        edges="wrap",
        keep=0.5,
        more="hold=500 eta=0.5",
    )
    line = command(whispered(await max_.click(first, "Info")))
    await filmed(max_, line.pop("prompt"), **line)

    one, other = (job.request for job in await world.jobs_of(max_))
    same = ("first", "scenes", "settings", "fps", "file")
    assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]


def command(info: str) -> dict[str, object]:
    """The options of the /film line in Info."""
    line = info.split("/film ", 1)[1].split("\n", 1)[0].split("```")[0]
    found: dict[str, object] = {}
    for word in line.split(" "):
        name, colon, value = word.partition(":")
        if colon and name in ("prompt", *FilmSettings.__dataclass_fields__, "fps", "file", "negative", "style",
                              "method", "model", "profile", "size", "steps", "seed", "more"):  # fmt: skip
            found[last := name] = value
        else:
            found[last] = f"{found[last]} {word}"
    numbers = {"frames", "fps", "fade", "steps", "seed"}
    return {
        name: int(str(value)) if name in numbers else float(str(value)) if name == "keep" else value
        for name, value in found.items()
    }


MISTAKES = (
    ({"frames": 300}, "This film has 300 frames; the limit here is 240."),
    ({"zoom": "fast"}, "zoom, character 1: a frame and a value are missing here"),
    ({"prompt": "0: an owl | 90: a cat", "frames": 48}, "Frame 90 is never reached: the film has 48 frames."),
    ({"prompt": "an owl ^ "}, "A scene is empty"),
    ({"more": "hold=much"}, "hold=much is not a number."),
    ({"size": "4000x4000"}, "4000"),
    ({"model": "primer", "more": "eta=nine"}, "eta"),
)


async def test_mistakes_are_answered_at_once_and_nothing_is_painted(world: World, max_: Person) -> None:
    for options, said in MISTAKES:
        assert said in whispered(await max_.slash("film", **{"prompt": "an owl", **options}))
    assert [] == await world.jobs_of(max_)


@pytest.mark.bot(limits={"max_film": 0})
async def test_a_host_may_have_no_films(max_: Person) -> None:
    assert "This bot paints no films." == whispered(await max_.slash("film", prompt="an owl"))


async def test_adult_words_in_any_scene_are_refused_outside_restricted_channels(world: World, max_: Person) -> None:
    answer = await max_.slash("film", prompt="an owl ^ a nude")

    assert "“nude” is only allowed in 18+ channels." == whispered(answer)


async def test_a_star_keeps_all_frames_and_search_finds_the_film_once(world: World, max_: Person) -> None:
    film = await filmed(max_)
    await max_.click(film, "Star")
    store = world.services.store

    kept = {picture.index: starred for picture, starred in await store.pictures.least_missed(20)}
    assert dict.fromkeys(range(6), True) == kept
    await world.services.indexer.catch_up()
    assert [0] == [row["idx"] for row in await store.picture_index.of_owner(max_.id)]
    [row] = await store.picture_index.of_owner(max_.id)
    assert "an owl, snow" == row["words"]


async def test_a_film_that_has_expired_says_so(world: World, max_: Person) -> None:
    film = await filmed(max_)
    job = await the_film(world, max_)
    await world.services.store.pictures.let_go(job.pictures[3])

    answer = await max_.slash("history")
    opened = await max_.click(answer.message, "dream:history", [job.id])

    assert "The film has expired." in opened.message.text
    assert film.files


@pytest.mark.bot(quota={"units": 3.0})
async def test_a_film_beyond_the_quota_is_refused(world: World, max_: Person) -> None:
    answer = await max_.slash("film", prompt="an owl", frames=48)

    assert "units" in whispered(answer) and "Paint" not in answer.message.buttons
    assert [] == await world.jobs_of(max_)
