"""Inpainting: masks are attached, kept with what is made from them, or refused with a sentence."""

from __future__ import annotations

from PIL import Image

from engine.images.pictures import to_png
from tests.wire.looks import child_of, is_result, whispered
from tests.wire.people import Person, upload
from tests.wire.world import World


def picture(size: tuple[int, int] = (64, 48)) -> bytes:
    return to_png(Image.new("RGB", size, "orange"))


def mask(size: tuple[int, int] = (64, 48)) -> bytes:
    image = Image.new("L", size, 0)
    image.paste(255, (0, 0, size[0] // 2, size[1]))
    return to_png(image)


async def test_a_mask_is_kept_for_again_variation_and_remix_also_after_a_restart(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl", image=upload(picture()), mask=upload(mask(), "mask.png"))
    message = await max_.wait_for(answer.message, is_result)
    [job] = await world.jobs_of(max_)
    assert {job.request.init_image, job.request.mask_image} == set(job.request.images)
    assert len(answer.messages) == 1

    await world.restart_bot()
    await max_.click(message, "Again")
    again = await child_of(max_, message)
    await max_.click(message, "Variation")
    varied = await child_of(max_, again)
    opened = await max_.click(message, "Remix")
    await max_.submit(opened, prompt="a fox")
    await child_of(max_, varied)

    jobs = await world.jobs_of(max_)
    assert [job.request.mask_image] * 4 == [one.request.mask_image for one in jobs]
    assert "that picture and mask (image:, mask:)" in whispered(await max_.click(message, "Info"))


async def test_a_mask_of_another_size_is_stretched_with_a_note(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl", image=upload(picture()), mask=upload(mask((30, 30))))
    await max_.wait_for(answer.messages[0], is_result)

    told = [message for message in answer.messages if message.ephemeral]
    assert ["The mask was stretched from 30×30 to the picture's 64×48."] == [one.text for one in told]


NO_MASKS = (
    ({"mask": upload(mask())}, "Attach the picture as image, too."),
    ({"image": upload(picture()), "mask": upload(b"\x89PNG\r\n\x1a\nno")}, "not a picture that can be opened"),
    ({"image": upload(picture()), "mask": upload(to_png(Image.new("L", (8, 8))))}, "completely black"),
    ({"image": upload(picture()), "mask": upload(mask()), "method": "pixels"}, "does not support a mask"),
    ({"image": upload(picture()), "mask": upload(b"<svg/>", "mask.svg")}, "This file is “image/svg+xml”."),
)


async def test_what_is_no_use_as_a_mask_is_refused_in_a_sentence(world: World, max_: Person) -> None:
    for options, said in NO_MASKS:
        assert said in whispered(await max_.slash("dream", prompt="an owl", **options))
    assert [] == await world.jobs_of(max_)


async def test_a_mask_goes_with_the_job_that_needed_it(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl", image=upload(picture()), mask=upload(mask()))
    await max_.wait_for(answer.message, is_result)
    folder = world.folder / "inputs"
    assert 2 == len(list(folder.iterdir()))

    await max_.click((await max_.slash("forget")).message, "Delete all my data")

    await world.until(lambda: not list(folder.iterdir()), what="the inputs to be gone")
