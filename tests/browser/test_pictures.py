"""Images from the command to the lightbox: progress without flicker, the result, earlier states."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Watch, send
from tests.browser.fake_server import FakeServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

WATCH_FRAME = """() => {
    window.emptyMoments = 0;
    const look = () => {
        const frame = document.querySelector(".message .picture");
        if (frame?.dataset.begun && !frame.querySelector("img")) window.emptyMoments++;
        if (frame?.querySelector("img")) frame.dataset.begun = "yes";
        requestAnimationFrame(look);
    };
    look();
}"""


async def dream(page: Page, line: str = "/dream an owl") -> None:
    """Paint and wait for the result."""
    await send(page, line)
    await expect(page.locator(".message .button", has_text="Remix").last).to_be_visible()


async def test_a_message_shows_thinking_progress_and_result(page: Page, world: FakeServer) -> None:
    thinking, half = world.hold("thinking"), world.hold("step 10")
    await send(page, "/dream an owl")
    await expect(page.locator(".message .waiting")).to_have_text("dreambot is thinking…")
    await expect(page.locator(".message .reference")).to_have_text("Ada used /dream")
    thinking.set()
    await expect(page.locator(".message .prose")).to_contain_text("step 10 of 25")
    await expect(page.locator(".message .picture img").last).to_be_visible()
    half.set()
    await expect(page.locator(".message .button")).to_have_text(
        ["Upscale", "🔁Again", "Variation", "Remix", "Info", "Delete"]
    )
    await expect(page.locator(".message .head")).to_contain_text("(edited)")
    await expect(page.locator(".message .picture img")).to_have_count(1)


async def test_a_frame_is_never_empty_while_its_picture_changes(page: Page) -> None:
    await page.evaluate(WATCH_FRAME)
    await dream(page)
    assert await page.evaluate("window.emptyMoments") == 0


async def test_the_frame_keeps_its_size_while_the_picture_forms(page: Page, world: FakeServer) -> None:
    half = world.hold("step 10")
    await send(page, "/dream an owl")
    frame = page.locator(".message .picture")
    await expect(frame.locator("img").last).to_be_visible()
    small = await frame.bounding_box()
    half.set()
    await expect(page.locator(".message .button", has_text="Remix")).to_be_visible()
    large = await frame.bounding_box()
    assert small and large
    assert (small["width"], small["height"]) == (large["width"], large["height"])


async def test_an_image_opens_large_with_its_earlier_states(page: Page) -> None:
    await dream(page)
    await page.click(".message .picture")
    await expect(page.locator("#lightbox")).to_be_visible()
    await expect(page.locator(".lightbox-caption")).to_have_text("an owl")
    newest = page.locator(".thumbnail").last
    await expect(newest).to_have_attribute("aria-current", "true")
    assert await page.locator(".thumbnail").count() >= 3
    before = await page.locator(".lightbox-image").get_attribute("src")
    await page.keyboard.press("ArrowUp")
    await expect(page.locator(".lightbox-image")).not_to_have_attribute("src", before or "")
    await page.keyboard.press("p")
    await expect(newest).to_have_attribute("aria-current", "true")
    await page.keyboard.press("Escape")
    await expect(page.locator("#lightbox")).to_be_hidden()


async def test_the_arrow_keys_go_through_all_images(page: Page) -> None:
    await dream(page, "/dream hills count:4")
    await page.locator(".message .picture").first.click()
    await expect(page.locator(".lightbox-place")).to_have_text("1 of 4")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    await expect(page.locator(".lightbox-place")).to_have_text("3 of 4")


async def test_earlier_states_remain_after_the_server_has_dropped_them(page: Page, world: FakeServer) -> None:
    await dream(page)
    world.pictures.clear()
    await page.click(".message .picture")
    await page.locator(".thumbnail").first.click()
    assert await page.locator(".lightbox-image").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


async def test_a_missing_image_shows_a_note(page: Page, world: FakeServer, watch: Watch) -> None:
    watch.forgive("404")
    gone = {"id": "1", "filename": "x.png", "url": "/cdn/attachments/1/x.png", "width": 256, "height": 256}
    world.post("1", {"id": "900", "username": "dreambot", "bot": True}, attachments=[gone])
    await expect(page.locator(".missing-note")).to_have_text("This image could not be loaded.")


async def test_cancel_stops_a_picture(page: Page, world: FakeServer) -> None:
    half = world.hold("step 10")
    await send(page, "/dream an owl")
    await page.locator(".message .button", has_text="Cancel").click()
    half.set()
    await expect(page.locator(".message .prose")).to_contain_text("Cancelled: an owl")
    await expect(page.locator(".message .picture")).to_have_count(0)


async def test_upscale_posts_a_larger_image(page: Page) -> None:
    await dream(page)
    await page.locator(".message .button", has_text="Upscale").click()
    answer = page.locator(".message").last
    await expect(answer.locator(".reference")).to_contain_text("dreambot")
    await expect(answer.locator(".prose")).to_contain_text("1024 × 1024")


async def test_remix_opens_a_modal_and_paints_its_prompt(page: Page, world: FakeServer) -> None:
    await dream(page)
    await page.locator(".message .button", has_text="Remix").click()
    dialog = page.locator("#modal")
    await expect(dialog.get_by_role("heading")).to_have_text("Remix this picture")
    prompt = dialog.get_by_role("textbox", name="Prompt", exact=True)
    await expect(prompt).to_be_focused()
    await expect(prompt).to_have_value("an owl")
    await expect(dialog.locator(".unknown")).to_have_text("[component type 99: not drawn here]")
    await prompt.fill("two owls")
    await dialog.get_by_role("button", name="Submit").click()
    await expect(dialog).to_be_hidden()
    await expect(page.locator(".message").last).to_contain_text("two owls")
    submit = next(act for act in world.acts if act["type"] == "submit")
    assert {"prompt": "two owls", "steps": "25"} == submit["values"]
    assert submit["modal"].startswith("modal-")


async def test_escape_cancels_a_modal(page: Page, world: FakeServer) -> None:
    await dream(page)
    await page.locator(".message .button", has_text="Remix").click()
    await expect(page.locator("#modal")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#modal")).to_be_hidden()
    assert [] == [act for act in world.acts if act["type"] == "submit"]
