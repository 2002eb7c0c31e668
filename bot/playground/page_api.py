"""The page's API: acts of a person, control of the processes, the list of the bot's requests."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bot.playground.page_requests import (
    Act,
    Autocomplete,
    Click,
    Control,
    Delete,
    MessageCommand,
    React,
    Say,
    SetFault,
    Slash,
    SubmitAction,
    UserCommand,
)
from bot.playground.server.actions.people import AttachedFile, NotPossibleError
from bot.playground.server.fault_switches import FaultSwitch, FaultSwitches
from bot.playground.server.local import LocalDiscord
from bot.playground.server.validation.errors import ApiError
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.messages import Message
from bot.playground.server.world.record import Exchange

BODY_SHOWN = 6000
"""Characters of a body that the page receives."""
Files = Mapping[str, AttachedFile]


class ProcessControl(Protocol):
    """The processes of the bot and of its engine."""

    def state(self) -> Json:
        """{"online": bool, "engine": {"state": "ready" | "starting" | "gone", "note": str}}"""
        ...

    @property
    def faults(self) -> Sequence[FaultSwitch]:
        """Switches for faults of the processes."""
        ...

    async def control(self, wanted: str) -> None:
        """restart_bot, kill_bot or kill_engine; raises NotPossibleError."""
        ...


class PageApi:
    """Every refusal is a NotPossibleError, whose text the page shows."""

    def __init__(self, site: LocalDiscord, processes: ProcessControl, faults: FaultSwitches) -> None:
        self._site = site
        self._processes = processes
        self._faults = faults

    async def act(self, user: int, act: Act, files: Files) -> Json:
        """Carry out one act. Returns {"choices": …} for autocomplete, else {"ok": true}."""
        try:
            if isinstance(act, Autocomplete):
                return await self._autocomplete(user, act)
            self._carry_out(user, act, files)
        except ApiError as error:
            raise NotPossibleError(error.message) from error
        return {"ok": True}

    def _carry_out(self, user: int, act: Act, files: Files) -> None:
        people = self._site.people
        match act:
            case Slash():
                people.slash(user, act.channel, act.command, act.options, files, nonce=act.nonce)
            case MessageCommand():
                people.on_message(user, self._message(user, act), act.command, nonce=act.nonce)
            case UserCommand():
                people.on_user(user, act.channel, act.target, act.command, nonce=act.nonce)
            case Click():
                people.click(user, self._message(user, act), act.custom_id, act.values, nonce=act.nonce)
            case SubmitAction():
                opened = self._site.interactions.get(act.modal)
                if opened is None:
                    raise NotPossibleError("this form is no longer open")
                people.submit(user, opened, {**act.values, **files}, nonce=act.nonce)
            case React(type="react"):
                people.react(user, self._message(user, act), act.emoji)
            case React():
                people.unreact(user, self._message(user, act), act.emoji)
            case Say():
                people.say(user, act.channel, act.content, list(files.values()), reply_to=act.reply_to)
            case Delete():
                people.delete(user, self._message(user, act))

    async def _autocomplete(self, user: int, act: Autocomplete) -> Json:
        asked = self._site.people.autocomplete(
            user, act.channel, act.command, act.options, act.focused, nonce=act.nonce
        )
        return {"choices": list((await asked.outcome).choices)}

    def _message(self, user: int, act: MessageCommand | Click | React | Delete) -> Message:
        message = self._site.messages.get(act.channel, act.message)
        if message is None or message.visible_to not in (None, user):
            raise NotPossibleError("this message no longer exists")
        return message

    async def control(self, control: Control) -> Json:
        """Turn a fault switch, or restart or kill a process."""
        if isinstance(control, SetFault):
            self._faults.set(control.id, control.on)
        else:
            await self._processes.control(control.do)
        return {"ok": True}

    def requests(self, after: int) -> Json:
        """The bot's requests after number *after*, oldest first."""
        exchanges = [entry for entry in self._site.record.exchanges if entry.number > after]
        last = self._site.record.exchanges[-1].number if self._site.record.exchanges else 0
        return {"entries": [_entry(exchange) for exchange in exchanges], "last": last}


def _entry(exchange: Exchange) -> Json:
    """`findings` are mistakes of the bot; `note` is the result of a fault that the visitor switched on."""
    findings, note = list(exchange.findings), ""
    if exchange.status >= 400 and isinstance(exchange.answer, dict):
        answer = f"{exchange.answer.get('code', 0)} {exchange.answer.get('message', '')}"
        if exchange.injected:
            note = f"Injected: {answer}"
        elif exchange.expected:
            note = f"Refused because of a fault that you switched on: {answer}"
        else:
            findings.insert(0, f"refused: {answer}")
    return {
        "n": exchange.number,
        "at": exchange.at,
        "method": exchange.method,
        "route": exchange.path,
        "status": exchange.status,
        "seconds": exchange.seconds,
        "body": _summary(exchange),
        "findings": findings,
        "note": note,
    }


def _summary(exchange: Exchange) -> Any:
    """The body with its files by name and size; above BODY_SHOWN characters the beginning of its text."""
    body = exchange.body
    if exchange.files:
        files = [{"file": name, "bytes": size} for _, name, size in exchange.files]
        body = {**(body if isinstance(body, dict) else {}), "(files)": files}
    text = json.dumps(body)
    return body if len(text) <= BODY_SHOWN else text[:BODY_SHOWN] + " …"
