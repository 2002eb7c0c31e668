"""The parsers of the page, run in the browser: markdown, and the one-line form of a command."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from engine.primer.vocabulary import unknown_words
from engine.requests.prompts import parse_prompts
from tests.browser.fake_data import COMMANDS
from tests.browser.fake_http import serve
from tests.browser.fake_server import FakeServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

DRAW = """async (text) => {
    const { markdown } = await import("/static/js/markdown.js");
    const box = document.createElement("div");
    box.append(markdown(text, { user: (id) => ({ 101: "Ada" })[id], channel: () => "dreams" }));
    return box.innerHTML;
}"""
READ = """async ([line, commands]) => {
    const { parseLine, resolve } = await import("/static/js/command_line.js");
    const read = parseLine(line, commands);
    return read.kind === "command" ? resolve(read.command, read.given).values : read;
}"""
WRITE = """async ([line, commands]) => {
    const { parseLine, writeLine } = await import("/static/js/command_line.js");
    const read = parseLine(line, commands);
    return writeLine(read.command, read.given);
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sheet(browser: Browser) -> AsyncIterator[Page]:
    """One page for all tests of this file; they do not change it."""
    async with serve(FakeServer()) as address, await browser.new_context() as context:
        page = await context.new_page()
        await page.goto(address)
        yield page


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain", "<p>plain</p>"),
        ("**b** *i* __u__ ~~s~~", "<p><strong>b</strong> <em>i</em> <u>u</u> <s>s</s></p>"),
        ("***both***", "<p><strong><em>both</em></strong></p>"),
        ("snake_case_name", "<p>snake_case_name</p>"),
        ("2 * 3 * 4", "<p>2 * 3 * 4</p>"),
        ("`**code**`", "<p><code>**code**</code></p>"),
        (r"\*not\* \@a \:b \<c", "<p>*not* @a :b &lt;c</p>"),
        ("<b>&amp;</b>", "<p>&lt;b&gt;&amp;amp;&lt;/b&gt;</p>"),
        ("```py\nx = 1\n```", '<pre tabindex="0"><code>x = 1</code></pre>'),
        ("> a\n> b", "<blockquote><p>a</p><p>b</p></blockquote>"),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("## Title", '<p class="heading heading-2">Title</p>'),
        ("<@101> <@7>", '<p><span class="mention">@Ada</span> <span class="mention">@somebody</span></p>'),
        ("<#1>", '<p><span class="mention">#dreams</span></p>'),
        ("[x](https://a.b/c)", '<p>x<span class="address"> (https://a.b/c)</span></p>'),
        (
            "see https://discord.com/channels/5/1/22.",
            '<p>see <button type="button" class="jump">#dreams › message</button>.</p>',
        ),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("**open", "<p>**open</p>"),
        ("<:owl:123>", "<p>:owl:</p>"),
    ],
)
async def test_markdown_becomes_elements(sheet: Page, text: str, html: str) -> None:
    assert html == await sheet.evaluate(DRAW, text)


@pytest.mark.parametrize("text", ["*_~|`[", "**a", "[a]("])
async def test_long_hostile_text_is_drawn(sheet: Page, text: str) -> None:
    """Backtracking would need longer than the timeout of a test."""
    html = await sheet.evaluate(DRAW, text * 1300)

    assert text[-1] in html


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("/dream a fox", {"prompt": "a fox"}),
        ("/dream a fox seed:7 count:2", {"prompt": "a fox", "seed": 7, "count": 2}),
        ("/dream seed:7 a fox", {"prompt": "a fox", "seed": 7}),
        ("/dream castle:2 | fog:-0.5", {"prompt": "castle:2 | fog:-0.5"}),
        ("/dream prompt:a fox seed:7", {"prompt": "a fox", "seed": 7}),
        ("/dream a fox negative:blurry, dark seed:7", {"prompt": "a fox", "negative": "blurry, dark", "seed": 7}),
        ('/dream a fox model:"my net" in fog', {"prompt": "a fox in fog", "model": "my net"}),
        ("/dream a fox method:Pixels", {"prompt": "a fox", "method": "pixels"}),
        ("/dream a fox size:my size seed:7", {"prompt": "a fox", "size": "my size", "seed": 7}),
        ("/dream size:256x256 a fox", {"prompt": "a fox", "size": "256x256"}),
        ("/dream a fox private:yes", {"prompt": "a fox", "private": True}),
    ],
)
async def test_a_line_is_parsed_into_values(sheet: Page, line: str, values: dict[str, object]) -> None:
    assert values == await sheet.evaluate(READ, [line, COMMANDS])


async def test_the_example_prompts_use_words_that_the_bundled_model_knows(sheet: Page) -> None:
    prompts = await sheet.evaluate("import('/static/js/welcome.js').then(({ PROMPTS }) => PROMPTS)")
    assert prompts
    assert [] == [word for prompt in prompts for part in parse_prompts(prompt) for word in unknown_words(part.text)]


@pytest.mark.parametrize("line", ["/dream a fox seed:7 count:2", '/dream a fox negative:"very dark" seed:7'])
async def test_parsing_and_formatting_a_line_round_trips(sheet: Page, line: str) -> None:
    once = await sheet.evaluate(WRITE, [line, COMMANDS])
    assert once == await sheet.evaluate(WRITE, [once, COMMANDS])
    assert await sheet.evaluate(READ, [line, COMMANDS]) == await sheet.evaluate(READ, [once, COMMANDS])


@pytest.mark.parametrize("typed", ["gallery", "#gallery", "42"])
async def test_a_channel_may_be_typed_with_its_sign(sheet: Page, typed: str) -> None:
    choices = [{"name": "gallery", "value": "42"}, {"name": "gallery two", "value": "43"}]
    options = [{"name": "to", "type": 7, "choices": choices}, {"name": "stars", "type": 4}]
    command = {"id": "1", "name": "best", "description": "-", "options": options}

    assert {"to": "42", "stars": 3} == await sheet.evaluate(READ, [f"/best to:{typed} stars:3", [command]])
    assert {"to": "43"} == await sheet.evaluate(READ, ["/best to:#gallery two", [command]])
