"""What the page asks for: acts of a person, control of the processes, the list of what the bot sent. Knows no HTTP."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.playground.server.actions.interactions import Interaction
from bot.playground.server.actions.people import Attached, NotPossibleError
from bot.playground.server.fault_switches import Trouble, Troubles
from bot.playground.server.local import LocalDiscord
from bot.playground.server.validation.errors import Refusal
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.messages import Message
from bot.playground.server.world.record import Exchange

BODY_SHOWN = 6000
"""Characters of a body that the panel gets."""


class Machine(Protocol):
    """The processes beside the page: the bot and, below it, the engine."""

    def state(self) -> Json:
        """{"online": …, "engine": {"state": "ready" | "starting" | "gone", "note": …}}"""
        ...

    @property
    def troubles(self) -> Sequence[Trouble]:
        """Switches of its own."""
        ...

    async def control(self, wish: str) -> None:
        """restart_bot, kill_bot or kill_engine; raises NotPossibleError in words."""
        ...


@dataclass(frozen=True)
class Wish:
    """One request of the page, parsed."""

    user: int
    body: Json
    files: Mapping[str, Attached]

    @property
    def nonce(self) -> str:
        return str(self.body.get("nonce", ""))

    @property
    def channel(self) -> int:
        return int(self.body["channel"])


class PageApi:
    """Turns the page's wishes into acts; every refusal is a NotPossibleError."""

    def __init__(self, site: LocalDiscord, machine: Machine, troubles: Troubles) -> None:
        self._site = site
        self._machine = machine
        self._troubles = troubles
        self._acts: dict[str, Callable[[Wish], Awaitable[Json]]] = {
            "slash": self._slash,
            "context": self._context,
            "user": self._user,
            "autocomplete": self._autocomplete,
            "click": self._click,
            "submit": self._submit,
            "react": self._react,
            "unreact": self._unreact,
            "say": self._say,
            "delete": self._delete,
        }

    async def act(self, wish: Wish) -> Json:
        """Carry out one act; the answer is {"ok": true}, or {"choices": …} for autocomplete."""
        kind = wish.body.get("type")
        if kind not in self._acts:
            raise NotPossibleError(f"{kind!r} is nothing that people do here; there are {sorted(self._acts)}")
        try:
            return await self._acts[kind](wish)
        except Refusal as refusal:
            raise NotPossibleError(refusal.message) from refusal
        except KeyError as missing:
            raise NotPossibleError(f"{kind}: {missing.args[0]!r} is missing or unknown") from missing

    async def control(self, body: Json) -> Json:
        """Make or end trouble, or have a process restarted or killed."""
        if body.get("do") == "trouble":
            try:
                self._troubles.set(str(body["id"]), bool(body.get("on")))
            except KeyError as missing:
                raise NotPossibleError(f"there is no trouble {missing.args[0]!r}") from missing
        else:
            await self._machine.control(str(body.get("do")))
        return {"ok": True}

    def sent(self, after: int) -> Json:
        """What the bot sent after number *after*, oldest first."""
        exchanges = [entry for entry in self._site.record.exchanges if entry.number > after]
        last = self._site.record.exchanges[-1].number if self._site.record.exchanges else 0
        return {"entries": [_entry(exchange) for exchange in exchanges], "last": last}

    async def _slash(self, wish: Wish) -> Json:
        command, options = str(wish.body["command"]), wish.body.get("options") or {}
        self._site.people.slash(wish.user, wish.channel, command, options, wish.files, nonce=wish.nonce)
        return {"ok": True}

    async def _context(self, wish: Wish) -> Json:
        command = str(wish.body["command"])
        self._site.people.on_message(wish.user, self._message(wish), command, nonce=wish.nonce)
        return {"ok": True}

    async def _user(self, wish: Wish) -> Json:
        target, command = int(wish.body["target"]), str(wish.body["command"])
        self._site.people.on_user(wish.user, wish.channel, target, command, nonce=wish.nonce)
        return {"ok": True}

    async def _autocomplete(self, wish: Wish) -> Json:
        command, options = str(wish.body["command"]), wish.body.get("options") or {}
        focused = str(wish.body["focused"])
        asked = self._site.people.autocomplete(wish.user, wish.channel, command, options, focused, nonce=wish.nonce)
        return {"choices": list((await asked.outcome).choices)}

    async def _click(self, wish: Wish) -> Json:
        values = [str(value) for value in wish.body.get("values") or []]
        self._site.people.click(wish.user, self._message(wish), str(wish.body["custom_id"]), values, nonce=wish.nonce)
        return {"ok": True}

    async def _submit(self, wish: Wish) -> Json:
        opened = self._opened(wish)
        values = {**(wish.body.get("values") or {}), **wish.files}
        self._site.people.submit(wish.user, opened, values, nonce=wish.nonce)
        return {"ok": True}

    async def _react(self, wish: Wish) -> Json:
        self._site.people.react(wish.user, self._message(wish), str(wish.body["emoji"]))
        return {"ok": True}

    async def _unreact(self, wish: Wish) -> Json:
        self._site.people.unreact(wish.user, self._message(wish), str(wish.body["emoji"]))
        return {"ok": True}

    async def _say(self, wish: Wish) -> Json:
        files = list(wish.files.values())
        reply = wish.body.get("reply_to")
        self._site.people.say(
            wish.user, wish.channel, str(wish.body["content"]), files, reply_to=int(reply) if reply else None
        )
        return {"ok": True}

    async def _delete(self, wish: Wish) -> Json:
        self._site.people.delete(wish.user, self._message(wish))
        return {"ok": True}

    def _message(self, wish: Wish) -> Message:
        message = self._site.messages.get(wish.channel, int(wish.body["message"]))
        if message is None or message.visible_to not in (None, wish.user):
            raise NotPossibleError("this message is gone")
        return message

    def _opened(self, wish: Wish) -> Interaction:
        opened = self._site.interactions.get(int(wish.body["modal"]))
        if opened is None:
            raise NotPossibleError("this form is no longer open")
        return opened


def _entry(exchange: Exchange) -> Json:
    findings = list(exchange.findings)
    if exchange.status >= 400 and isinstance(exchange.answer, dict):
        made = "made on purpose" if exchange.injected else "refused"
        findings.insert(0, f"{made}: {exchange.answer.get('code', 0)} {exchange.answer.get('message', '')}")
    return {
        "n": exchange.number,
        "at": exchange.at,
        "method": exchange.method,
        "route": exchange.path,
        "status": exchange.status,
        "seconds": exchange.seconds,
        "body": _summary(exchange),
        "findings": findings,
    }


def _summary(exchange: Exchange) -> Any:
    """The body, and its files by name and size; a very long one as the text of its beginning."""
    body = exchange.body
    if exchange.files:
        files = [{"file": name, "bytes": size} for _, name, size in exchange.files]
        body = {**(body if isinstance(body, dict) else {}), "(files)": files}
    text = json.dumps(body)
    return body if len(text) <= BODY_SHOWN else text[:BODY_SHOWN] + " …"
