"""From `/dream` to a picture."""

from __future__ import annotations

import io

from PIL import Image

from bot.playground.server.people import Attached
from tests.wire.journey.stage import Stage, is_painting, is_result, labels, seen


async def test_a_dream_is_one_message_that_ends_as_a_picture(stage: Stage) -> None:
    await stage.start()

    message = await stage.dreamt("a fox in fog", seed=7)

    assert [message] == stage.messages()
    assert ["Upscale", "Variation", "Again", "Remix", "Info", "Delete"] == labels(message)
    assert "**a fox in fog**" in seen(message)
    assert "seed 7 · 256×256 · 25 steps · clip_diffusion · primer · CLIP 0.3" in seen(message)


async def test_the_picture_can_be_watched_while_it_forms(stage: Stage) -> None:
    await stage.start()

    message = stage.dream("slowly an owl")
    shown = await stage.newest(is_painting, "a snapshot with a bar")

    assert ["Cancel"] == labels(shown)
    assert f"{stage.bot.dispatcher.running()[0].id}.webp" == shown.files[0].filename  # type: ignore[union-attr]
    assert not message.outcome.result().failed


async def test_the_answer_shows_the_prompt_as_it_was_understood(stage: Stage) -> None:
    await stage.start()

    message = await stage.dreamt("castle:2 | fog | people:-0.5")

    assert "**castle ×2 · fog · people ×−0.5**" in seen(message)


async def test_words_that_the_small_model_lacks_are_named(stage: Stage) -> None:
    await stage.start()

    message = await stage.dreamt("a cyberpunk owl")

    assert "The small model does not know “cyberpunk”." in seen(message)


async def test_several_pictures_come_as_one_grid_with_buttons_for_each(stage: Stage) -> None:
    await stage.start()

    message = await stage.dreamt("an owl", count=3, seed=1)

    numbered = [f"{what} {n}" for what in ("Upscale", "Vary") for n in (1, 2, 3)]
    assert [*numbered, "Again", "Remix", "Info", "Delete"] == labels(message)
    assert "seeds 1–3" in seen(message)
    assert 256 * 2 < Image.open(io.BytesIO(message.files[0].data)).width < 256 * 2 + 20


async def test_a_mention_in_a_prompt_pings_nobody(stage: Stage) -> None:
    await stage.start()

    message = await stage.dreamt(f"<@{stage.olive}> and @everyone")

    assert [] == list(message.mentions.users)
    assert not message.mentions.everyone


async def test_an_attached_picture_is_what_painting_starts_from(stage: Stage) -> None:
    bot = await stage.start()
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), "orange").save(picture, "PNG")

    message = stage.dream_with("an owl", Attached("my picture.png", picture.getvalue()), steps=20)
    await stage.newest(is_result, "the picture")

    [job] = await bot.dispatcher.history(stage.max)
    assert 64 == len(job.request.images[0])
    assert 8 == job.request.options.skip_steps  # type: ignore[union-attr]
    assert not message.outcome.result().failed


async def test_an_attachment_that_is_no_picture_is_refused_in_words(stage: Stage) -> None:
    bot = await stage.start()

    await stage.answered(stage.dream_with("an owl", Attached("evil.png", b"\x89PNG\r\n\x1a\nnot really")))

    await stage.until(stage.whispers, "a refusal")
    assert ["The picture is broken or incomplete: it cannot be decoded."] == stage.whispers()
    assert [] == stage.messages()
    assert [] == await bot.dispatcher.history(stage.max)


async def test_methods_models_sizes_and_options_are_offered_while_typing(stage: Stage) -> None:
    await stage.start()

    async def offered(option: str, typed: str, **others: str) -> list[str]:
        given = {"prompt": "an owl", **others, option: typed}
        asked = stage.site.people.autocomplete(stage.max, stage.studio.id, "dream", given, option)
        return [choice["value"] for choice in (await stage.answered(asked)).choices]

    assert ["pixels"] == await offered("method", "pix")
    assert ["primer"] == await offered("model", "")
    assert "256x256" == (await offered("size", "2"))[0]
    assert ["eta=0.5 tv_scale=0"] == await offered("more", "eta=0.5 tv")
    assert ["learning_rate=0.1"] == await offered("more", "lea", method="pixels")
