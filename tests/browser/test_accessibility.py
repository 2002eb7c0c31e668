"""Accessibility: contrast, names, focus, narrow screens, reduced motion."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import PHONE, send
from tests.browser.fake_data import BOT
from tests.browser.fake_images import paint
from tests.browser.fake_server import FakeServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FAINT_TEXT = """() => {
    const channel = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
    const over = (top, below) => [0, 1, 2].map((i) => top[i] * (top[3] ?? 1) + below[i] * (1 - (top[3] ?? 1)));
    const background = (element) => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
        return layers.reverse().reduce((below, layer) => layer.length ? over(layer, below) : below, [255, 255, 255]);
    };
    const seen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
        && element.getBoundingClientRect().width > 1
        && !element.closest(".hidden, :disabled, .emoji, .spoiler:not(.shown)");
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node.parentElement;
        if (!node.data.trim() || !seen(element)) continue;
        const below = background(element);
        const [a, b] = [luminance(over(parse(getComputedStyle(element).color), below)), luminance(below)];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${element.className} ${node.data.trim().slice(0, 40)}`);
    }
    return faint;
}"""

NAMELESS = """() => [...document.querySelectorAll("button, input, select, textarea, a[href], [role=listbox], dialog")]
    .filter((each) => !each.closest("[hidden]") && !(each.labels?.length) && !each.getAttribute("aria-label")
        && !each.getAttribute("aria-labelledby") && !each.textContent.trim())
    .map((each) => each.outerHTML.slice(0, 120))"""


async def fill(page: Page, world: FakeServer) -> None:
    """Put one of each kind of message on the page."""
    world.log("PATCH", "/channels/{id}/messages/{id}", 400, {"content": "x"}, ("content: too long",))
    rich = "**bold** `code` <t:1700000000:R> <@101> <#2> ||secret|| [site](https://example.org)\n> quote\n-# small"
    note = world.post("1", BOT, content=rich, embeds=[{"title": "T", "description": "d", "footer": {"text": "f"}}])
    world.react(note["id"], "🔁", "101", add=True)
    world.react(note["id"], "❤️", "102", add=True)
    await send(page, "/quota")
    await send(page, "/dream an owl")
    await expect(page.locator(".message .button", has_text="Remix")).to_be_visible()
    await send(page, "/dream silence")
    await expect(page.locator(".pending.failed")).to_be_visible()
    await page.fill("#line", "/dream a fox seed:x")
    await page.press("#line", "Enter")


TOO_WIDE = """
[...document.querySelectorAll(".message *")].filter((each) => each.getBoundingClientRect().right > innerWidth)
  .map((each) => each.className)
"""


@pytest.mark.usefixtures("own_tab")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_is_readable(page: Page, world: FakeServer, scheme: str) -> None:
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    await fill(page, world)
    await page.click("#open-drawer")
    await expect(page.locator(".sent.bad").first).to_be_visible()
    assert [] == await page.evaluate(FAINT_TEXT)


async def test_every_control_has_a_name(page: Page, world: FakeServer) -> None:
    await fill(page, world)
    await page.locator(".message .button", has_text="Remix").click()
    await expect(page.locator("#modal")).to_be_visible()
    assert [] == await page.evaluate(NAMELESS)
    await page.keyboard.press("Escape")
    await page.fill("#line", "/dream a fox seed:7")
    await page.keyboard.press("Tab")
    assert [] == await page.evaluate(NAMELESS)


async def test_the_theme_switch_overrides_the_system_and_persists(page: Page) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(paper)
    await page.get_by_label("Switch to dark").click()
    assert light != await page.evaluate(paper)
    await page.reload()
    assert light != await page.evaluate(paper)
    await expect(page.get_by_label("Switch to light")).to_be_visible()


async def test_the_keyboard_reaches_all_controls(page: Page) -> None:
    """The order of Tab: skip link, channels, people, processes, tools, input."""
    await page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(24):
        await page.keyboard.press("Tab")
        reached.append(
            await page.evaluate(
                "document.activeElement.id || document.activeElement.dataset.do || document.activeElement.name"
            )
        )
    assert reached[0] == ""
    assert {"open-keys", "person", "restart_bot", "kill_engine", "open-drawer", "theme", "line"} <= set(reached)


async def test_the_focus_is_visible(page: Page) -> None:
    await page.locator("#theme").focus()
    await page.keyboard.press("Shift+Tab")
    style = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"


async def test_alt_and_a_digit_switch_the_person(page: Page) -> None:
    await page.keyboard.press("Alt+2")
    await expect(page.locator(".person", has_text="Béla").locator("input")).to_be_checked()


async def test_a_question_mark_shows_the_shortcuts(page: Page) -> None:
    await page.locator("#theme").focus()
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_be_visible()
    await page.keyboard.press("Escape")


@pytest.mark.usefixtures("own_tab")
async def test_a_phone_shows_everything_without_horizontal_overflow(page: Page, world: FakeServer) -> None:
    await page.set_viewport_size(PHONE)
    await send(page, "/dream an owl in a forest of very tall and narrow trees count:4")
    await expect(page.locator(".message .button", has_text="Remix")).to_be_visible()
    world.post("1", BOT, attachments=[world.picture(paint(3, size=512), "film.webp", 512)])
    await expect(page.get_by_label("Open image: film.webp")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert [] == await page.evaluate(TOO_WIDE)
    await page.get_by_role("button", name="Channels", exact=True).click()
    await page.locator(".channel", has_text="announcements").click()
    await expect(page.locator("h1")).to_have_text("announcements")
    await expect(page.locator("#sidebar")).not_to_be_in_viewport()
    await page.get_by_role("button", name="Bot and engine").click()
    await expect(page.get_by_role("button", name="Restart bot")).to_be_visible()


@pytest.mark.usefixtures("own_tab")
async def test_reduced_motion_disables_the_crossfade(page: Page) -> None:
    await page.emulate_media(reduced_motion="reduce")
    await send(page, "/dream an owl")
    await expect(page.locator(".message .button", has_text="Remix")).to_be_visible()
    assert await page.locator("img.arriving").count() == 0


async def test_an_empty_channel_shows_examples(page: Page) -> None:
    await expect(page.locator(".welcome h2")).to_have_text("What would you like to see?")
    example = page.locator(".example").first
    prompt = await example.inner_text()
    await example.click()
    await expect(page.locator("#line")).to_have_value(f"/dream {prompt}")
