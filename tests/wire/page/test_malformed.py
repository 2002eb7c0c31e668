"""Malformed requests to every route of the page get a 4xx with a sentence, never a 500."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.wire.page.conftest import Browser

DEEP = "[" * 100_000
HUGE = "9" * 5_000
"""More digits than `int` converts."""
BODIES: dict[str, Any] = {
    "no JSON": "{",
    "no object": "[]",
    "null": "null",
    "deep nesting": DEEP,
    "no type": {"channel": "1"},
    "type of another kind": {"type": ["say"]},
    "type as an object": {"type": {"a": 1}},
    "no channel": {"type": "say", "content": "x", "channel": None},
    "channel in words": {"type": "say", "content": "x", "channel": "studio"},
    "channel as a list": {"type": "say", "content": "x", "channel": [1]},
    "channel as an object": {"type": "say", "content": "x", "channel": {}},
    "negative channel": {"type": "say", "content": "x", "channel": -1},
    "huge channel": {"type": "say", "content": "x", "channel": HUGE},
    "channel with foreign digits": {"type": "say", "content": "x", "channel": "²"},
    "content as a list": {"type": "say", "content": ["x"]},
    "reply in words": {"type": "say", "content": "x", "reply_to": "x"},
    "reply as a list": {"type": "say", "content": "x", "reply_to": [1]},
    "message in words": {"type": "click", "message": "x", "custom_id": "b"},
    "message as an object": {"type": "react", "message": {}, "emoji": "👍"},
    "values as a number": {"type": "click", "message": "1", "custom_id": "b", "values": 5},
    "values of objects": {"type": "click", "message": "1", "custom_id": "b", "values": [{}]},
    "options as a list": {"type": "slash", "command": "paint", "options": ["prompt"]},
    "options as text": {"type": "slash", "command": "paint", "options": "prompt"},
    "option as an object": {"type": "slash", "command": "paint", "options": {"prompt": {}}},
    "infinite option": '{"type": "slash", "channel": "1", "command": "paint", "options": {"steps": Infinity}}',
    "command as a number": {"type": "slash", "command": 5},
    "empty command": {"type": "slash", "command": ""},
    "focused as a list": {"type": "autocomplete", "command": "paint", "focused": ["prompt"]},
    "target in words": {"type": "user", "target": "max", "command": "x"},
    "modal in words": {"type": "submit", "modal": "x"},
    "unknown modal": {"type": "submit", "modal": "1", "values": {}},
    "values of a form as a list": {"type": "submit", "modal": "1", "values": []},
    "emoji as a list": {"type": "react", "message": "1", "emoji": ["👍"]},
    "delete without a message": {"type": "delete"},
    "lone surrogate": '{"type": "say", "channel": "1", "content": "\\ud800"}',
}
CONTROLS = ["", "{", "[]", "null", DEEP, '{"do": ["fault"]}', '{"do": "fault"}', '{"do": "fault", "id": []}',
            '{"do": "fault", "id": "unknown", "on": true}', '{"do": "fault", "id": "slow", "on": "perhaps"}',
            '{"do": {}}', '{"do": "fly"}', b"\xff\xfe"]  # fmt: skip
PATHS = ["/static/%00", "/static/" + "a" * 5000, "/static/%ff%fe", "/static/js", "/static/../../page_server.py",
         "/static//etc/passwd", "/cdn/%00", "/cdn/%ff", "/api/requests?after=x", "/api/requests?after=-1",
         "/api/requests?after=²", f"/api/requests?after={HUGE}", "/api/events?user=²", f"/api/events?user={HUGE}",
         "/api/events?user=%00", "/api/events?user=-1", "/api/nothing", "/nothing", "/api/act", "/%ff"]  # fmt: skip
FIELD = b'--b\r\nContent-Disposition: form-data; name="json"'
MULTIPART = "multipart/form-data; boundary=b"
FORMS = [
    ("multipart/form-data", b"x"),
    ("multipart/form-data; boundary=" + "b" * 100, b"x"),
    (MULTIPART, b""),
    (MULTIPART, b"--b\r\n\r\n"),
    (MULTIPART, b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
    (MULTIPART, FIELD + b"\r\nContent-Transfer-Encoding: odd\r\n\r\nx\r\n--b--\r\n"),
    (MULTIPART, FIELD + b"\r\nContent-Type: text/plain; charset=odd\r\n\r\nx\r\n--b--\r\n"),
    (MULTIPART, FIELD + b"\r\n\r\n\xff\r\n--b--\r\n"),
    (MULTIPART, b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n"),
    ("application/x-www-form-urlencoded", b"json=%ff&json"),
    ("application/x-www-form-urlencoded; charset=odd", b"json={}"),
    ("application/json", b"{}"),
    ("text/plain", b""),
]


def is_sentence(text: str) -> bool:
    return text[:1].isupper() and text[-1:] in ".!?"


async def refused(browser: Browser, method: str, path: str, **sent: Any) -> None:
    headers = {"Origin": browser.base, **sent.pop("headers", {})}
    async with browser.session.request(method, browser.base + path, headers=headers, **sent) as response:
        text = await response.text()
    assert 400 <= response.status < 500, (response.status, text)
    sentence = json.loads(text)["error"] if path.startswith("/api/") else text
    assert is_sentence(sentence), sentence


async def test_malformed_requests_are_refused_with_a_sentence(browser: Browser) -> None:
    act = f"/api/act?user={browser.ids['max']}"
    for body in BODIES.values():
        text = json.dumps({"channel": str(browser.studio), **body}) if isinstance(body, dict) else body
        await refused(browser, "POST", act, data={"json": text})
    for kind, data in FORMS:
        await refused(browser, "POST", act, data=data, headers={"Content-Type": kind})
    for control in CONTROLS:
        await refused(browser, "POST", "/api/control", data=control)
    for path in PATHS:
        await refused(browser, "GET", path)
    await refused(browser, "DELETE", "/api/requests")
    await refused(browser, "POST", act, data=b"x" * (33 * 2**20))

    assert [] == browser.processes.wanted


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["channel", "message", "custom_id", "values", "command", "options", "focused", "target", "modal", "emoji",
        "content", "reply_to", "nonce"]  # fmt: skip
TYPES = ["slash", "context", "user", "autocomplete", "click", "submit", "react", "unreact", "say", "delete"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.tuples(*[st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6)] * len(TYPES)))
async def test_no_act_is_a_server_error(browser: Browser, bodies: tuple[dict[str, Any], ...]) -> None:
    for kind, body in zip(TYPES, bodies, strict=True):
        status, _ = await browser.act("max", {**body, "type": kind})

        assert status < 500
