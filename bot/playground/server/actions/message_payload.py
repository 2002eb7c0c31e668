"""The message object for a receiver (docs: resources/message.mdx, "Message Structure")."""

from typing import Any

from bot.playground.server.validation.components import SELECTS, ComponentKind
from bot.playground.server.world.clock import iso
from bot.playground.server.world.entities import World
from bot.playground.server.world.files import Files, StoredFile
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.messages import Message, Messages
from bot.playground.server.world.payloads import user_payload

_FILLED_IN: dict[int, Json] = {
    ComponentKind.CONTAINER: {"accent_color": None, "spoiler": False},
    ComponentKind.SEPARATOR: {"spacing": 1, "divider": True},
    ComponentKind.THUMBNAIL: {"description": None, "spoiler": False},
    ComponentKind.FILE: {"spoiler": False},
    **{kind: {"min_values": 1, "max_values": 1} for kind in SELECTS},
}
"""Defaults that Discord adds to components."""


class MessagePayloads:
    """Renders messages as JSON with fresh file URLs."""

    def __init__(self, world: World, files: Files, messages: Messages) -> None:
        self._world = world
        self._files = files
        self._messages = messages

    def message(self, message: Message, viewer: int, *, content: bool = True, deep: bool = True) -> Json:
        """The message object (docs: resources/message.mdx, "Message Structure") as *viewer* gets it.

        Without *content* messages of others are blank, except DMs and mentions ("Message Content Intent").
        """
        mine = message.author_id == viewer or message.guild_id is None or viewer in message.mentions.users
        payload = {**_frame(message, self._world), **self._inside(message, shown=content or mine)}
        if message.reactions:
            payload["reactions"] = [_reaction(emoji, who, viewer) for emoji, who in message.reactions.items()]
        if message.reference is not None:
            payload |= self._reference(message, viewer, content=content, deep=deep)
        return payload

    def _inside(self, message: Message, *, shown: bool) -> Json:
        if not shown:
            return {"content": "", "embeds": [], "attachments": [], "components": []}
        pointed = _MediaResolver(message.files, self._files)
        embeds = [_rendered_embed(embed, pointed) for embed in message.embeds]
        components = [pointed.component(component) for component in message.components]
        # Files in embeds or components are not listed as attachments (resources/message.mdx, note on `attachments`).
        listed = [self._files.payload(file) for file in message.files if file.id not in pointed.used]
        return {"content": message.content, "embeds": embeds, "attachments": listed, "components": components}

    def _reference(self, message: Message, viewer: int, *, content: bool, deep: bool) -> Json:
        reference: Json = {"type": 0, "channel_id": str(message.channel_id), "message_id": str(message.reference)}
        if message.guild_id:
            reference["guild_id"] = str(message.guild_id)
        if not deep:
            return {"message_reference": reference}
        target = self._messages.get(message.channel_id, message.reference or 0)
        shown = self.message(target, viewer, content=content, deep=False) if target else None
        return {"message_reference": reference, "referenced_message": shown}


def _frame(message: Message, world: World) -> Json:
    payload: Json = {
        "id": str(message.id),
        "type": message.type,
        "channel_id": str(message.channel_id),
        "author": user_payload(world.users[message.author_id]),
        "timestamp": iso(message.created_at),
        "edited_timestamp": iso(message.edited_at) if message.edited_at else None,
        "flags": message.flags,
        "tts": message.tts,
        "pinned": message.pinned,
        "mention_everyone": message.mentions.everyone,
        "mentions": [user_payload(world.users[user]) for user in message.mentions.users],
        "mention_roles": [str(role) for role in message.mentions.roles],
    }
    if message.by_webhook:
        payload |= {"webhook_id": str(world.app.id), "application_id": str(world.app.id)}
    if message.metadata is not None:
        payload["interaction_metadata"] = message.metadata
    if message.metadata is not None and message.command:
        payload["interaction"] = {
            "id": message.metadata["id"],
            "type": 2,
            "name": message.command,
            "user": message.metadata["user"],
        }
    return payload


def emoji_payload(key: str) -> Json:
    """A partial emoji: {"id": null, "name": "👍"} or a custom one."""
    name, _, custom = key.partition(":")
    return {"id": custom or None, "name": name}


def _reaction(key: str, who: list[int], viewer: int) -> Json:
    return {
        "emoji": emoji_payload(key),
        "count": len(who),
        "count_details": {"burst": 0, "normal": len(who)},
        "burst_colors": [],
        "me_burst": False,
        "me": viewer in who,
    }


class _MediaResolver:
    """Resolves "attachment://name" and CDN URLs to fresh URLs; `used` collects the ids of these files."""

    def __init__(self, files: list[StoredFile], store: Files) -> None:
        self._own = files
        self._store = store
        self.used: set[int] = set()

    def file(self, url: str) -> StoredFile | None:
        if url.startswith("attachment://"):
            name = url.removeprefix("attachment://")
            found = next((file for file in self._own if file.filename == name), None)
        else:
            found = self._store.by_url(url)
        if found is not None:
            self.used.add(found.id)
        return found

    def media(self, item: Json) -> Json:
        """The media object of an embed, with the fields that Discord adds."""
        file = self.file(item["url"])
        if file is None:
            return {**item, "proxy_url": item["url"]}
        size = {"width": file.size[0], "height": file.size[1]} if file.size else {}
        fresh = {"url": self._store.url(file), "proxy_url": self._store.url(file, "media.discordapp.net")}
        return {**item, **fresh, "content_type": file.content_type, **size}

    def unfurled(self, item: Json) -> Json:
        """The "Unfurled Media Item" of components (docs: components/reference.mdx)."""
        file = self.file(item["url"])
        if file is None:
            return {
                "id": "0",
                "loading_state": 1,
                "flags": 0,
                "proxy_url": item["url"],
                "width": 0,
                "height": 0,
                **item,
            }
        return {"id": str(file.id), "loading_state": 2, "flags": 0, **self.media(item), "attachment_id": str(file.id)}

    def component(self, component: Json) -> Json:
        """A component with resolved media, its children included; a standard emoji has no `id` there."""
        shown: dict[str, Any] = _without_null_id({**_FILLED_IN.get(component["type"], {}), **component})
        if "options" in shown:
            shown["options"] = [_without_null_id(option) for option in shown["options"]]
        for key in ("media", "file"):
            if isinstance(shown.get(key), dict) and "url" in shown[key]:
                shown[key] = self.unfurled(shown[key])
        if "items" in shown:
            plain = {"description": None, "spoiler": False}
            shown["items"] = [{**plain, **item, "media": self.unfurled(item["media"])} for item in shown["items"]]
        if "components" in shown:
            shown["components"] = [self.component(child) for child in shown["components"]]
        if isinstance(shown.get("accessory"), dict):
            shown["accessory"] = self.component(shown["accessory"])
        return shown


def _without_null_id(item: Json) -> Json:
    emoji = item.get("emoji")
    return {**item, "emoji": {k: v for k, v in emoji.items() if v is not None}} if isinstance(emoji, dict) else item


def _rendered_embed(embed: Json, pointed: _MediaResolver) -> Json:
    shown: Json = {"type": "rich", **{key: value for key, value in embed.items() if value is not None}}
    for key in ("image", "thumbnail"):
        if (shown.get(key) or {}).get("url"):
            shown[key] = pointed.media(shown[key])
    for key, icon in (("footer", "icon_url"), ("author", "icon_url")):
        file = pointed.file(shown[key][icon]) if (shown.get(key) or {}).get(icon) else None
        if file:
            shown[key] = {**shown[key], icon: pointed.media({"url": shown[key][icon]})["url"]}
    return shown
