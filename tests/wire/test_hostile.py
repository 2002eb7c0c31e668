"""What people send to see what happens: it is answered with a sentence or painted; nothing breaks, nothing is lost."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from PIL import Image

from bot.playground.server.validation.components import walk
from bot.views.discovery import BUTTONS, MODALS
from bot.views.menus import MoreMenu
from engine.requests import foreign_spellings
from tests.engine.images.hostile import png_bomb, text_bomb
from tests.wire.looks import dreamt, is_over, is_result, whispered
from tests.wire.people import Answer, Person, Shown, upload
from tests.wire.protocol_bot import picture
from tests.wire.world import World


def animated() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=10)
    return file.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><image href="file:///etc/passwd"/></svg>'
REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "fifty megapixels": ("big.png", lambda: png_bomb(7_104)),
    "a bomb": ("bomb.png", lambda: png_bomb(30_000, rows=500)),
    "a bomb in a comment": ("text.png", lambda: text_bomb(200)),
    "an SVG": ("picture.png", lambda: SVG),
    "a script": ("picture.png", lambda: b"#!/bin/sh\nrm -rf /\n"),
    "a page": ("picture.png", lambda: b"<html><script>alert(1)</script></html>"),
    "nothing": ("picture.png", lambda: b""),
    "half a picture": ("picture.png", lambda: picture("green", 64)[:90]),
    "only a head": ("picture.jpg", lambda: b"\xff\xd8\xff\xe0"),
    "a PDF": ("picture.png", lambda: b"%PDF-1.7\n"),
    "an ICO": ("picture.png", lambda: saved("ICO")),
    "PostScript": ("picture.png", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"),
    "a text file": ("notes.txt", lambda: b"hello"),
}


def saved(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(file, kind)
    return file.getvalue()


async def test_what_is_no_picture_is_refused_in_words_and_nothing_is_queued(world: World, max_: Person) -> None:
    for name, (filename, make) in REFUSED.items():
        answer = await max_.slash("dream", prompt="an owl", image=upload(make(), filename))

        assert "picture" in whispered(answer), name
        assert "Something went wrong" not in answer.message.text, name
    assert [] == await world.jobs_of(max_)


async def test_a_picture_under_a_wrong_name_is_a_picture(max_: Person) -> None:
    mislabelled = {"moving.png": animated(), "mislabelled.jpg": picture("green", 64), "webp.gif": saved("WEBP")}
    for filename, data in mislabelled.items():
        answer = await max_.slash("dream", prompt="an owl", image=upload(data, filename))

        await max_.wait_for(answer.message, is_result, what=filename)


@pytest.mark.slow
async def test_damaged_pictures_are_painted_from_or_refused(world: World, max_: Person) -> None:
    world.allow("429")
    generator = random.Random(3)
    for good in (picture("green", 48), saved("WEBP"), saved("JPEG"), animated()):
        for _ in range(6):
            data = bytearray(good)
            for _ in range(generator.randint(1, 8)):
                data[generator.randrange(len(data))] = generator.randrange(256)
            answer = await max_.slash("dream", prompt="an owl", image=upload(bytes(data)))
            assert "Something went wrong" not in answer.message.text
            if not answer.message.ephemeral:
                await max_.wait_for(answer.message, is_over)


def as_an_odd_client(world: World) -> None:
    """From now on people send what no real client would let them send: texts of any length."""
    for command in world.site.commands.all():
        for option in command.get("options") or []:
            option.pop("max_length", None)


# Words

LONG = "a" * 6000
WORDS = [
    LONG,
    "|" * 500,
    ":" * 500,
    "a:1e999",
    "a:nan",
    "a:-1e308 | b:-1e308",
    "owl:999999999999999999999999",
    "@everyone @here <@1> <@&2> <#3>",
    "**bold** __under__ ~~gone~~ ||spoiler|| `code` ```block```",
    "[free](https://evil.example) <https://evil.example> https://evil.example",
    "</dream:1> <t:1:R> <:x:1> <a:x:1>",
    "# heading\n> quote\n- list\n-# small",
    "\u202eevil\u202c owl \u2066x\u2069",
    "o\u200bw\u200bl",
    "\u200b\u200b",
    "\ufeff",
    "owl" + "\u0301" * 400,
    "\x00\x07\x1b[31m",
    "مرحبا بالعالم 🦉🏳️‍🌈",
    "'; DROP TABLE jobs; --",
    "{0} %s ${HOME} $(id) {{7*7}}",
    "<img src=x onerror=alert(1)>",
    "\ud83d\ude00 \U0010ffff",
]
TRICKS = ("](http", "||", "```", "**bold**", "\u202e", "\u2066", "\u200b")


@pytest.mark.bot(quota={"units": 0.0})
async def test_words_are_painted_as_they_are_or_refused_and_never_act(world: World, max_: Person) -> None:
    as_an_odd_client(world)
    for words in WORDS:
        answer = await max_.slash("dream", prompt=words)

        assert not answer.failed, words
        assert "Something went wrong" not in answer.message.text, words
        if not answer.message.ephemeral:
            await max_.wait_for(answer.message, is_over, what=words)
            shown = json.dumps(answer.message.raw["embeds"], ensure_ascii=False)
            acting = [trick for trick in TRICKS if trick in shown.replace("\\\\", "\\").replace("\\|", "")]
            assert ([], words) == (acting, words)
        assert ([], False) == (answer.message.raw["mentions"], answer.message.raw["mention_everyone"])


MORE = [
    "steps=-1",
    "steps=99999999999999999999",
    "steps=1e3",
    "steps=0x10",
    "steps=",
    "=",
    "===",
    "eta=nan",
    "eta=inf",
    "cutouts=-5",
    "clip_guidance_scale=1e400",
    "__class__=1",
    "method=pixels",
    "model=../../etc/passwd",
    "a=b " * 300,
]


SIZES = ["-5x-5", "0x0", "1x999999999", "x", "²x²", "٣٢x٣٢", "256×", "9" * 400, "256x256; rm"]


async def test_settings_that_cannot_be_are_refused_in_words(world: World, max_: Person) -> None:
    as_an_odd_client(world)
    for given in [*({"more": more} for more in MORE), *({"size": size} for size in SIZES)]:
        text = whispered(await max_.slash("dream", prompt="an owl", **given))

        assert "Something went wrong" not in text, given
        assert len(text) > 10, given
    assert [] == await world.jobs_of(max_)


# Buttons and forms


async def forged(world: World, person: Person, message: Shown, custom_id: str) -> Answer:
    """Press a button that the message never had."""
    with planted(message, {"type": 2, "id": 98, "style": 2, "label": "x", "custom_id": custom_id}):
        return await person._answer(world.site.people.click(person.id, message.state, custom_id))


@contextmanager
def planted(message: Shown, component: dict[str, Any]) -> Iterator[None]:
    """Show a component in the message for one press."""
    components = message.state.components  # an edit of the message replaces this list
    components.append({"type": 1, "id": 99, "components": [component]})
    try:
        yield
    finally:
        components.pop()


NEVER_ISSUED = [
    "dream:again:zzzzzzzzzz",
    "dream:up:zzzzzzzzzz:0",
    "dream:vary:{job}:7",
    "dream:up:{job}:99",
    "dream:cancel:zzzzzzzzzz",
    "dream:delete:zzzzzzzzzz",
    "dream:explode:{job}",
    "dream:up:{job}:-1",
    "dream:up:{job}:99999999999999",
    "dream:",
    "dream:info:zzzzzzzzzz",
    "dream:remix:zzzzzzzzzz",
]


async def test_buttons_that_were_never_there_are_answered_in_words(world: World, max_: Person, mo: Person) -> None:
    message = await dreamt(max_, "an owl")
    [job] = await world.jobs_of(max_)
    for custom_id in NEVER_ISSUED:
        text = whispered(await forged(world, mo, message, custom_id.format(job=job.id)))

        assert "Something went wrong" not in text, custom_id
    assert [] == await world.jobs_of(mo)
    assert is_result(message)


@pytest.mark.bot(queue={"per_user": 9})
async def test_a_button_of_another_persons_job_gives_no_rights(world: World, max_: Person, mo: Person) -> None:
    await dreamt(mo, "an owl")
    [theirs] = await world.jobs_of(mo)
    mine = await dreamt(max_, "a fox")

    for action in ("delete", "cancel"):
        answer = await forged(world, max_, mine, f"dream:{action}:{theirs.id}")
        assert "Something went wrong" not in whispered(answer)

    assert "done" == (await world.jobs_of(mo))[0].state.value
    assert 2 == len([message for message in max_.sees() if is_result(message)])


HIDDEN = "This picture is not available here. It may have been deleted."
ANYWHERE = {
    *("older", "newer", "keptolder", "keptnewer", "forget", "yes", "no", "rdelete", "rblock", "rdismiss", "words"),
    *("found", "ballot", "styles", "stylestar", "stylepaint", "styledelete", "challenge", "leaders"),
}
"""Actions whose custom ids name no job: own pages and questions, help, and reports, which check the moderator."""


FORMS_WITHOUT_JOB = {"styleform", "entryform", "startheld", "targetheld", "explainheld"}
"""Modals whose custom ids name a style, a challenge, or a picture that the person holds: see `test_forged_ids`."""


@pytest.mark.bot(queue={"per_user": 9})
async def test_no_custom_id_leads_to_a_job_that_the_person_cannot_see(world: World, max_: Person, mo: Person) -> None:
    await dreamt(max_, "a secret owl", channel=str(world.dm(max_).id), count=2)
    [secret] = await world.jobs_of(max_)
    mine = await dreamt(mo, "an owl")
    before = [message.id for message in max_.sees()]

    for kind in BUTTONS:
        if kind.action not in ANYWHERE:
            for index in ("", ":0"):
                answer = await forged(world, mo, mine, f"dream:{kind.action}:{secret.id}{index}")
                assert HIDDEN == whispered(answer), kind.action
    for action, value in (("pick", "0"), ("enlarge", "0"), *(("more", action) for action in MoreMenu.kinds)):
        assert HIDDEN == whispered(await forged_choice(world, mo, mine, action, secret.id, value)), (action, value)
    for action in MODALS.keys() - FORMS_WITHOUT_JOB:
        opened = await mo.click(mine, "Remix")
        opened.modal["custom_id"] = f"dream:{action}:{secret.id}"
        assert whispered(await mo.submit(opened)).startswith(HIDDEN), action

    assert [secret.id] == [job.id for job in await world.jobs_of(max_)]
    assert 1 == len(await world.jobs_of(mo))
    assert before == [message.id for message in max_.sees()]


async def forged_choice(world: World, person: Person, message: Shown, action: str, job: str, value: str) -> Answer:
    """Choose from a menu that the message never had."""
    custom_id = f"dream:{action}:{job}"
    menu = {"type": 3, "id": 98, "custom_id": custom_id, "options": [{"label": "x", "value": value}]}
    with planted(message, menu):
        return await person._answer(world.site.people.click(person.id, message.state, custom_id, [value]))


async def test_a_form_with_another_id_or_other_fields_is_answered_in_words(world: World, max_: Person) -> None:
    message = await dreamt(max_, "an owl")

    async def send(change: Callable[[dict[str, Any]], None], **values: str) -> str:
        opened = await max_.click(message, "Remix")
        change(opened.modal)
        return whispered(await max_.submit(opened, **values))

    def unlimited(modal: dict[str, Any]) -> None:
        for field in walk(modal["components"]):
            field.pop("max_length", None)

    def renamed(modal: dict[str, Any]) -> None:
        next(c for c in walk(modal["components"]) if c.get("custom_id") == "prompt")["custom_id"] = "evil"

    gone = await send(lambda modal: modal.update(custom_id="dream:form:zzzzzzzzzz"))
    assert "This picture is not available here" in gone
    for text in (
        await send(unlimited, prompt="a" * 3900),
        await send(unlimited, settings="steps=-1 " * 200),
        await send(renamed),
        await send(lambda _: None, settings="seed=-99999999999999999999"),
    ):
        assert "Something went wrong" not in text
    assert 1 == len(await world.jobs_of(max_))


async def test_a_name_cannot_hide_a_link(world: World, max_: Person, mo: Person) -> None:
    [guild] = world.site.world.guilds.values()
    guild.members[mo.id].nick = "[x](https://evil.example)"
    message = await dreamt(mo, "an owl")

    text = whispered(await max_.click(message, "Delete"))

    assert "](https" not in text


async def test_words_that_are_longer_than_a_message_are_cut(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_spellings, "MOST", 1000)

    answer = await max_.slash("dream", prompt=" ".join(f"owl{number}:1" for number in range(110)) + " tree")

    await world.until(lambda: any("was read as words" in shown.text for shown in answer.messages), what="the notes")
