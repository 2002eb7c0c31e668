"""A fake server for the page: people, messages, and a bot that simulates painting.

Most tests of the page use it, because its responses can be delayed, omitted or wrong. `test_playground.py` tests the
page with the real playground.
"""

from __future__ import annotations

import asyncio
import datetime
import itertools
from collections.abc import Awaitable
from typing import Any

from tests.browser import fake_bot
from tests.browser.fake_data import BOT, CHANNELS, COMMANDS, PEOPLE, SUGGESTIONS, Json

EPHEMERAL = 64


class FakeServer:
    """The state of the fake server, and the acts of the page."""

    def __init__(self, step: float = 0.1) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self.reset(step)

    def reset(self, step: float = 0.1) -> None:
        """Forget everything and stop painting."""
        self.stop()
        self.step = step
        self.ids = itertools.count(1_000_000)
        self.messages: dict[str, Json] = {}
        self.owners: dict[str, str] = {}
        self.reactions: dict[str, dict[str, set[str]]] = {}
        self.pictures: dict[str, bytes] = {}
        self.sent: list[Json] = []
        self.listeners: dict[asyncio.Queue[tuple[str, Json]], str] = {}
        self.online = True
        self.held = False
        """Whether suggestions keep the page waiting."""
        self.engine = "ready"
        self.acts: list[Json] = []
        self.faults: list[Json] = [
            {"id": "slow", "label": "Slow network", "once": False, "on": False},
            {"id": "drop", "label": "Break the connection", "once": True, "on": False},
        ]
        self.happened: list[Json] = []
        self.cancelled: set[str] = set()
        self.held: dict[str, asyncio.Event] = {}

    def stop(self) -> None:
        for task in self.tasks:
            task.cancel()

    # -- what everybody hears -------------------------------------------------------------------------------------

    def tell(self, event: str, data: Json, user: str = "") -> None:
        """Send one event to *user*, or to everybody."""
        for queue, listener in self.listeners.items():
            if user in ("", listener):
                queue.put_nowait((event, data))

    def hang_up(self) -> None:
        """Close every stream, as a killed server does."""
        for queue in self.listeners:
            queue.put_nowait(("", {}))

    def post(self, channel: str, author: Json, user: str = "", **parts: Any) -> Json:
        """Post a message; it is ephemeral for *user*, if given."""
        message = {
            "id": str(next(self.ids)),
            "channel_id": channel,
            "author": author,
            "content": "",
            "timestamp": _now(),
            "edited_timestamp": None,
            "flags": EPHEMERAL if user else 0,
            "attachments": [],
            "embeds": [],
            "components": [],
            **parts,
        }
        if user:
            message["flags"] |= EPHEMERAL
            self.owners[message["id"]] = user
        self.messages[message["id"]] = message
        self.tell("message_create", message, user)
        return message

    def edit(self, message: Json, **parts: Any) -> None:
        """Edit a message unless it was deleted."""
        if message["id"] in self.messages:
            message.update(flags=message["flags"] & ~128, edited_timestamp=_now(), **parts)
            self.tell("message_update", message, self.owners.get(message["id"], ""))

    def picture(self, data: bytes, name: str, side: int) -> Json:
        """Store *data* and describe it as an attachment."""
        key = f"{next(self.ids)}/{name}"
        self.pictures[key] = data
        shape = {"width": side, "height": side, "size": len(data), "content_type": "image/png"}
        return {"id": key.split("/")[0], "filename": name, "url": f"/cdn/attachments/{key}", **shape}

    def log(self, method: str, route: str, status: int, body: object = None, findings: tuple[str, ...] = ()) -> None:
        """Add an entry to the list of the bot's requests."""
        entry = {"method": method, "route": route, "status": status, "body": body, "findings": list(findings)}
        now = datetime.datetime.now().timestamp()
        self.sent.append({"n": len(self.sent) + 1, "at": now, "seconds": 0.004, **entry})

    def hold(self, moment: str) -> asyncio.Event:
        """Make the bot wait at *moment* ("thinking", "step 10") until the event is set."""
        return self.held.setdefault(moment, asyncio.Event())

    async def reach(self, moment: str) -> None:
        """Wait at *moment* while it is held, then for one step."""
        if moment in self.held:
            await self.held[moment].wait()
        await asyncio.sleep(self.step)

    def spawn(self, story: Awaitable[None]) -> None:
        """Run *story* as a task."""
        task = asyncio.ensure_future(story)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # -- what the page does ---------------------------------------------------------------------------------------

    def snapshot(self, user: str) -> Json:
        """The snapshot for *user*."""
        seen = [self._seen_by(m, user) for m in self.messages.values() if self.owners.get(m["id"], user) == user]
        return {
            "users": [*PEOPLE, BOT],
            "me": user,
            "guild": {"name": "The Studio"},
            "channels": CHANNELS,
            "channel": "1",
            "messages": seen,
            "commands": COMMANDS if self.online else [],
            "bot": {"online": self.online},
            "engine": {"state": self.engine},
            "permissions": {c["id"]: "8192" if user == "103" else "0" for c in CHANNELS},
            "faults": self.faults,
        }

    def _seen_by(self, message: Json, user: str) -> Json:
        reactions = self.reaction_list(message["id"], user)
        return {**message, "reactions": reactions} if reactions else message

    def reaction_list(self, message_id: str, user: str) -> list[Json]:
        """The reactions of a message as *user* sees them."""
        found = self.reactions.get(message_id, {})
        return [
            {"emoji": {"id": None, "name": e}, "count": len(who), "me": user in who} for e, who in found.items() if who
        ]

    def react(self, message_id: str, emoji: str, user: str, *, add: bool) -> None:
        """Add or remove a reaction and publish it."""
        who = self.reactions.setdefault(message_id, {}).setdefault(emoji, set())
        (who.add if add else who.discard)(user)
        channel = self.messages[message_id]["channel_id"]
        for queue, listener in self.listeners.items():
            data = {"channel_id": channel, "message_id": message_id}
            queue.put_nowait(("reaction", {**data, "reactions": self.reaction_list(message_id, listener)}))

    def remove(self, message_id: str) -> None:
        """Delete a message."""
        message = self.messages.pop(message_id)
        self.tell("message_delete", {"id": message_id, "channel_id": message["channel_id"]})

    def answering(self, message_id: str | None) -> Json:
        """The reply fields of a message."""
        original = self.messages.get(message_id or "")
        if original is None:
            return {}
        return {"message_reference": {"message_id": original["id"]}, "referenced_message": original}

    async def act(self, user: str, body: Json) -> Json:
        """Carry out an act of a person; raises ValueError with a sentence."""
        self.acts.append({"user": user, **body})
        kind = body["type"]
        if kind == "say":
            author = next(person for person in PEOPLE if person["id"] == user)
            self.post(body["channel"], author, content=body["content"], **self.answering(body.get("reply_to")))
        elif kind in ("react", "unreact"):
            self.react(body["message"], body["emoji"], user, add=kind == "react")
        elif kind == "delete":
            self.remove(body["message"])
        elif kind == "autocomplete":
            while self.held:
                await asyncio.sleep(0.02)
            typed = str(body["options"].get(body["focused"], ""))
            choices = [word for word in SUGGESTIONS.get(body["focused"], ()) if typed in word]
            return {"choices": [{"name": word, "value": word} for word in choices]}
        elif not self.online:
            raise ValueError("The bot is offline; it cannot answer.")
        else:
            self.spawn(fake_bot.play(self, user, body))
        return {"ok": True}

    async def control(self, body: Json) -> Json:
        """Turn a fault switch, or restart or kill a process."""
        if body["do"] == "fault":
            fault = next(each for each in self.faults if each["id"] == body["id"])
            if fault["once"]:
                self.happened.append({"id": body["id"], "on": body["on"]})
            else:
                fault["on"] = body["on"]
            self.tell("faults", {"faults": self.faults})
        else:
            self.spawn(fake_bot.restart(self, whole=body["do"] != "kill_engine"))
        return {"ok": True}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat()
