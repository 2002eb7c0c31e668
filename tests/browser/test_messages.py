"""Messages: people, reactions, ephemeral messages, errors, hostile text, reconnection."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import PHONE, Watch, send
from tests.browser.fake_data import BOT, PEOPLE, button, row
from tests.browser.fake_images import paint
from tests.browser.fake_server import FakeServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def become(page: Page, name: str) -> None:
    await page.locator(".person", has_text=name).click()
    await expect(page.locator(".person", has_text=name).locator("input")).to_be_checked()


async def test_an_ephemeral_message_is_marked_and_visible_to_one_person(page: Page) -> None:
    await send(page, "/quota")
    await expect(page.locator(".message.ephemeral .private")).to_contain_text("Only you can see this")
    await expect(page.locator(".message.ephemeral strong")).to_have_text("87 of 100")
    await become(page, "Béla")
    await expect(page.locator(".message")).to_have_count(0)
    await become(page, "Ada")
    await page.click("text=Dismiss message")
    await expect(page.locator(".message")).to_have_count(0)


@pytest.mark.usefixtures("own_tab")
async def test_a_relative_time_ticks(page: Page) -> None:
    await page.clock.install()
    await send(page, "/queue")
    moment = page.locator("time[data-ticks]")
    before = await moment.inner_text()
    await page.clock.fast_forward(90_000)
    await expect(moment).not_to_have_text(before)


async def test_reactions_are_added_counted_and_removed(page: Page, world: FakeServer) -> None:
    message = world.post("1", BOT, content="vote")
    await page.locator(".message").hover()
    await page.locator(".tools .react").click()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    mine = page.locator(".reaction")
    await expect(mine).to_have_attribute("aria-label", "🔁, 1, yours too")
    world.react(message["id"], "🔁", "102", add=True)
    await expect(mine.locator(".count")).to_have_text("2")
    await mine.click()
    await expect(mine).to_have_attribute("aria-pressed", "false")
    await expect(mine.locator(".count")).to_have_text("1")


async def test_an_edit_keeps_the_reactions(page: Page, world: FakeServer) -> None:
    message = world.post("1", BOT, content="vote")
    world.react(message["id"], "🔁", "102", add=True)
    await expect(page.locator(".reaction")).to_have_count(1)
    world.edit(message, content="vote now")
    await expect(page.locator(".message .prose")).to_contain_text("vote now")
    await expect(page.locator(".reaction")).to_have_count(1)


async def test_a_click_without_a_response_shows_an_error_at_the_message(page: Page, world: FakeServer) -> None:
    world.post("1", BOT, content="**an owl**", components=[row(button("Variation", "dream:vary:j1"))])
    await page.locator(".message .button").click()
    await expect(page.locator(".message .failure")).to_contain_text("The application did not respond.")
    await expect(page.locator(".message .button")).not_to_have_attribute("aria-busy", "true")


async def test_a_command_without_a_response_shows_an_error_in_the_list(page: Page) -> None:
    await send(page, "/dream silence")
    await expect(page.locator(".pending.failed")).to_contain_text("The application did not respond.")
    await page.locator(".pending.failed button").click()
    await expect(page.locator(".pending")).to_have_count(0)


async def test_an_offline_bot_gives_a_sentence(page: Page, world: FakeServer, watch: Watch) -> None:
    watch.forgive("400")
    world.online = False
    await send(page, "/dream an owl")
    await expect(page.locator(".pending.failed")).to_contain_text("The bot is offline; it cannot answer.")


async def test_the_lamps_show_a_restart_of_bot_and_engine(page: Page, world: FakeServer) -> None:
    for name, lamp in (("Restart bot", "#bot-state"), ("Kill engine", "#engine-state")):
        gone = world.hold("gone")
        gone.clear()
        await page.get_by_role("button", name=name).click()
        await expect(page.locator(lamp)).to_have_attribute("data-lamp", "bad")
        gone.set()
        await expect(page.locator(lamp)).to_have_attribute("data-lamp", "good")


async def test_a_prompt_full_of_markup_stays_text(page: Page) -> None:
    evil = '<img src=x onerror="window.caught=1"><script>window.caught=1</script>'
    await send(page, f"/dream {evil}")
    await expect(page.locator(".message .button", has_text="Remix")).to_be_visible()
    await expect(page.locator(".message strong")).to_have_text(evil)
    assert await page.evaluate("window.caught") is None
    assert await page.locator(".message img[src=x], .message script").count() == 0


async def test_an_unknown_component_is_named(page: Page, world: FakeServer) -> None:
    world.post("1", BOT, components=[{"type": 99}, row(button("Old", "x:y", disabled=True))])
    await expect(page.locator(".message .unknown")).to_have_text("[component type 99: not drawn here]")
    await expect(page.locator(".message .button")).to_be_disabled()


async def test_layout_components_are_drawn(page: Page, world: FakeServer) -> None:
    media = {"url": world.picture(paint(3), "a.png", 256)["url"]}
    inside = [
        {"type": 10, "content": "# Results\nof *today*"},
        {"type": 14},
        {"type": 12, "items": [{"media": media, "description": "hills"}] * 2},
        {"type": 9, "components": [{"type": 10, "content": "More"}], "accessory": button("Open", "x:open")},
    ]
    world.post("1", BOT, flags=1 << 15, components=[{"type": 17, "accent_color": 0xF0B541, "components": inside}])
    message = page.locator(".message")
    await expect(message.locator(".heading")).to_have_text("Results")
    await expect(message.locator(".picture img")).to_have_count(2)
    await expect(message.get_by_role("button", name="Open", exact=True)).to_be_visible()


async def test_a_menu_sends_its_choice(page: Page, world: FakeServer) -> None:
    options = [{"label": "Small", "value": "s"}, {"label": "Large", "value": "l"}]
    world.post("1", BOT, components=[row({"type": 3, "custom_id": "dream:vary:size", "options": options})])
    await page.locator(".message select").select_option("l")
    await expect(page.locator(".message .failure")).to_be_visible()
    assert [["l"]] == [act["values"] for act in world.acts]


async def test_channels_keep_their_messages_and_show_unread_ones(page: Page, world: FakeServer) -> None:
    world.post("4", PEOPLE[1], content="owls here")
    line = page.locator(".channel", has_text="owl studies")
    await expect(line).to_have_class("channel unread thread")
    await line.click()
    await expect(page.locator("h1")).to_have_text("owl studies")
    await expect(page.locator(".message .prose")).to_have_text("owls here")
    await expect(line).to_have_class("channel thread")


async def test_only_the_author_and_moderators_may_delete(page: Page, world: FakeServer) -> None:
    world.post("1", PEOPLE[1], content="mine")
    trash = page.get_by_label("Delete this message")
    await expect(page.locator(".message")).to_have_count(1)
    await expect(trash).to_have_count(0)
    await become(page, "Cleo")
    await page.locator(".message").hover()
    await trash.click()
    await expect(page.locator(".message")).to_have_count(0)


async def test_the_drawer_shows_requests_mistakes_and_faults(page: Page, world: FakeServer) -> None:
    world.log("POST", "/interactions/{id}/callback", 200, {"type": 5})
    world.log("PATCH", "/channels/{id}/messages/{id}", 400, {"content": "x"}, ("content: too long",))
    world.log("GET", "/users/@me", 502)
    world.sent[-1]["note"] = "Injected: 0 502: Bad Gateway"
    await page.click("#open-drawer")
    await expect(page.locator(".sent")).to_have_count(3)
    await expect(page.locator("#finding-count")).to_have_text("1")
    await expect(page.locator(".sent.bad")).to_have_count(1)
    await expect(page.locator(".note")).to_have_text("Injected: 0 502: Bad Gateway")
    await expect(page.locator(".finding")).to_have_text("content: too long")
    await page.click("text=Mistakes only")
    await expect(page.locator(".sent:visible")).to_have_count(1)
    await page.click("text=Inject faults")
    await page.click("text=Slow network")
    await expect(page.locator("#fault-count")).to_have_text("1 on")
    await page.click("text=Break the connection")
    assert [{"id": "drop", "on": True}] == world.happened
    await expect(page.locator("[data-fault=slow]")).to_be_checked()
    assert world.faults[0]["on"]
    await page.keyboard.press("Escape")
    await expect(page.locator("#drawer")).to_be_hidden()


async def test_a_lost_connection_is_shown_and_restored(page: Page, world: FakeServer, watch: Watch) -> None:
    watch.forgive("ERR_INCOMPLETE_CHUNKED_ENCODING")
    await send(page, "first")
    await expect(page.locator(".message")).to_have_count(1)
    world.hang_up()
    await expect(page.locator("#connection")).to_be_visible()
    world.post("1", PEOPLE[1], content="while you were away")
    await expect(page.locator(".message")).to_have_count(2, timeout=15_000)
    await expect(page.locator("#connection")).to_be_hidden()


async def test_an_unknown_person_becomes_the_first_one(page: Page, watch: Watch) -> None:
    watch.forgive("400")
    await page.evaluate("sessionStorage.setItem('dreambot.person', '666')")
    await page.reload()
    await expect(page.locator(".person", has_text="Ada").locator("input")).to_be_checked()
    await send(page, "hello")
    await expect(page.locator(".message .author")).to_have_text("Ada")


async def test_a_new_signature_does_not_reload_the_image(page: Page, world: FakeServer) -> None:
    shot_ = world.picture(paint(1), "a.png", 256)
    message = world.post("1", BOT, attachments=[shot_])
    await expect(page.locator(".picture img")).to_have_count(1)
    world.edit(message, attachments=[{**shot_, "url": f"{shot_['url']}?ex=2"}])
    await expect(page.locator(".head")).to_contain_text("(edited)")
    await page.click(".picture")
    await expect(page.locator(".thumbnail")).to_have_count(1)


async def test_new_messages_are_announced_to_screen_readers(page: Page, world: FakeServer) -> None:
    world.post("1", PEOPLE[1], content="**hello** there")
    await expect(page.locator("#announcer")).to_contain_text("Béla: hello there")


async def test_a_reader_further_up_keeps_the_scroll_position(page: Page, world: FakeServer) -> None:
    for number in range(40):
        world.post("1", PEOPLE[number % 2], content=f"line {number}")
    await expect(page.locator(".message")).to_have_count(40)
    await page.locator("#scroller").evaluate("box => { box.scrollTop = 0; }")
    await expect(page.locator(".message").first).to_be_in_viewport()
    world.post("1", PEOPLE[0], content="news")
    await expect(page.locator("#to-end")).to_be_visible()
    await expect(page.locator(".message").first).to_be_in_viewport()
    await page.click("#to-end")
    await expect(page.locator(".message").last).to_be_in_viewport()


async def test_a_tall_message_right_after_a_scroll_is_followed(page: Page, world: FakeServer) -> None:
    for number in range(40):
        world.post("1", PEOPLE[number % 2], content=f"line {number}")
    await expect(page.locator(".message").last).to_be_in_viewport()
    await page.evaluate("""() => {
        document.querySelector("#scroller").scrollTop -= 1;
        const tall = document.createElement("div");
        tall.style.height = "800px";
        document.querySelector("#messages").append(tall, "the end");
    }""")
    left = "box => Math.round(box.scrollHeight - box.clientHeight - box.scrollTop)"
    await page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert await page.locator("#scroller").evaluate(left) <= 1


async def test_a_message_can_reply_to_another(page: Page, world: FakeServer) -> None:
    world.post("1", PEOPLE[1], content="which owl?")
    await page.locator(".message").hover()
    await page.get_by_label("Reply", exact=True).click()
    await expect(page.locator("#replying")).to_contain_text("Replying to Béla")
    await page.keyboard.type("the brown one")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message").last.locator(".reference")).to_contain_text("which owl?")
    await expect(page.locator("#replying")).to_be_empty()


async def test_on_a_touch_screen_the_tools_do_not_cover_the_line_above_a_message(
    browser: Browser, address: str, world: FakeServer
) -> None:
    """Without a pointer that hovers, the tools are always visible."""
    async with await browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True) as phone:
        page = await phone.new_page()
        await page.goto(address)
        await page.wait_for_selector(".person")
        world.post("1", BOT, content="done", message_reference={"message_id": "404"})
        await expect(page.locator(".reference i")).to_have_text("The original message was deleted.")
        text, tools = [await page.locator(part).bounding_box() for part in (".reference i", ".tools")]
    assert text and tools
    assert text["x"] + text["width"] <= tools["x"]


async def test_a_command_can_be_applied_to_a_message(page: Page, world: FakeServer) -> None:
    world.post("1", PEOPLE[1], content="an owl")
    await page.locator(".message").hover()
    await page.get_by_label("Commands for this message").click()
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.ephemeral .prose")).to_have_text("Describe: an owl")


async def test_a_link_to_a_message_jumps_there(page: Page, world: FakeServer) -> None:
    first = world.post("1", PEOPLE[1], content="the first")
    world.post("4", BOT, content=f"from [this picture](https://discord.com/channels/1/1/{first['id']})")
    await page.locator(".channel", has_text="owl studies").click()
    await page.get_by_role("button", name="this picture").click()
    await expect(page.locator("h1")).to_have_text("dreams")
    await expect(page.locator(".message", has_text="the first")).to_be_focused()
