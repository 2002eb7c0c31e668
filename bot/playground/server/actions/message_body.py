"""Creates and edits messages from bodies (docs: resources/message.mdx, "Create Message", "Edit Message")."""

from dataclasses import dataclass, field
from typing import Any

from bot.playground.server.actions.state import SiteState
from bot.playground.server.validation.components import V2_FLAG, ComponentKind, check_components, numbered, walk
from bot.playground.server.validation.errors import ApiError, FormErrors, empty_message, too_large
from bot.playground.server.validation.limits import (
    ALT_TEXT,
    ATTACHMENTS,
    check_content,
    check_embeds,
    check_mentions,
    check_nonce,
    file_limit,
)
from bot.playground.server.world.entities import Channel
from bot.playground.server.world.files import StoredFile, detect_type, safe_name
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.mentions import Mentions, found
from bot.playground.server.world.messages import EPHEMERAL, LOADING, NORMAL, Message

SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS = 1 << 2, 1 << 12
_SETTABLE = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | V2_FLAG
_USERS_ONLY: Json = {"parse": ["users"]}
KNOWN_FIELDS = {
    *(
        "content",
        "nonce",
        "enforce_nonce",
        "tts",
        "embeds",
        "embed",
        "allowed_mentions",
        "message_reference",
        "components",
    ),
    *("attachments", "flags", "username", "avatar_url", "thread_name", "applied_tags", "file", "files"),
}
"""Fields of a message's body. The schemas accept any field, so an unknown one becomes a finding."""


@dataclass(frozen=True)
class Upload:
    """One part of a multipart body."""

    field: str
    filename: str
    data: bytes
    content_type: str


@dataclass
class Body:
    """The body of a request that makes or changes a message."""

    fields: Json
    uploads: list[Upload] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    """Mistakes that Discord ignores; the record of exchanges shows them."""

    def part(self, key: str) -> "Body":
        """The object under *key* with the same uploads and findings."""
        return Body(self.fields.get(key) or {}, self.uploads, self.findings)


def unknown_fields(body: Json) -> list[str]:
    """Findings about unknown fields, which Discord ignores (polls and stickers are not implemented)."""
    return [f"body: {field!r} is not a known field of a message" for field in body.keys() - KNOWN_FIELDS]


def new_message(
    state: SiteState,
    channel: Channel,
    given: Body,
    *,
    interaction: bool = False,
) -> Message:
    """The checked message of the app, not posted yet; raises ApiError."""
    body, errors = given.fields, FormErrors()
    given.findings += unknown_fields(body)
    flags = _flags(body, 0, interaction=interaction)
    embeds, components = body.get("embeds") or [], body.get("components") or []
    _check(body, embeds, components, flags, errors)
    check_nonce(body.get("nonce"), errors)
    files = _new_files(state, channel, given, errors, ephemeral=bool(flags & EPHEMERAL))
    _check_media(components, files, errors)
    errors.check()
    content = (body.get("content") or "").strip()
    if not (content or embeds or components or files):
        raise empty_message()
    now = state.clock.now()
    message = Message(
        state.ids.next(),
        channel.id,
        channel.guild_id,
        state.world.app.id,
        now,
        NORMAL,
        content,
        flags,
        embeds,
        numbered(components),
        files,
    )
    message.nonce, message.tts = body.get("nonce"), bool(body.get("tts"))
    message.mentions = _mentions(state, channel, message, body, interaction=interaction)
    for file in files:
        state.files.keep(file)
    given.findings += lost_pictures(message)
    return message


def edit_message(state: SiteState, message: Message, given: Body, *, interaction: bool = False) -> None:
    """Apply *given*: a missing key keeps the value, null clears it. Raises ApiError before any change."""
    body, errors = given.fields, FormErrors()
    given.findings += unknown_fields(body)
    channel = state.world.channels[message.channel_id]
    # Only SUPPRESS_EMBEDS can be unset; the V2 flag is permanent (components/reference.mdx).
    flags = (message.flags & ~LOADING & ~SUPPRESS_EMBEDS) | _flags(body, message.flags, interaction=False)
    content = (body["content"] or "").strip() if "content" in body else message.content
    embeds = body["embeds"] or [] if "embeds" in body else message.embeds
    components = body["components"] or [] if "components" in body else message.components
    _check({**body, "content": content}, embeds, components, flags, errors)
    kept = _kept(message, body, errors)
    added = _new_files(state, channel, given, errors, ephemeral=message.ephemeral)
    if len(kept) + len(added) > ATTACHMENTS:
        errors.too_long("attachments", ATTACHMENTS)
    _check_media(components, kept + added, errors)
    errors.check()
    if not (content or embeds or components or kept or added):
        raise empty_message()
    state.files.release(file for file in message.files if file not in kept)
    for file in added:
        state.files.keep(file)
    message.content, message.embeds, message.flags, message.files = content, embeds, flags, kept + added
    message.components = numbered(components) if "components" in body else components
    message.mentions = _mentions(state, channel, message, body, interaction=interaction)
    given.findings += lost_pictures(message)


def _flags(body: Json, before: int, *, interaction: bool) -> int:
    """The flags that a bot may set; EPHEMERAL only in a response to an interaction."""
    if body.get("flags") is None:
        return before & _SETTABLE
    return int(body["flags"]) & (_SETTABLE | EPHEMERAL if interaction else _SETTABLE)


def _check(body: Json, embeds: list[Json], components: list[Json], flags: int, errors: FormErrors) -> None:
    check_content(body.get("content"), errors)
    check_embeds(embeds, errors)
    check_components(components, flags, errors)
    check_mentions(body.get("allowed_mentions"), errors)
    if flags & V2_FLAG and (body.get("content") or embeds):
        for field in ("content", "embeds"):
            if body.get(field):
                code = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"
                errors.add(field, code, f"The '{field}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2")


def _mentions(state: SiteState, channel: Channel, message: Message, body: Json, *, interaction: bool) -> Mentions:
    """By default a response to an interaction mentions users only, another message all that it names."""
    allowed: Any = body.get("allowed_mentions")
    if allowed is None and interaction:
        allowed = _USERS_ONLY
    texts = [
        message.content,
        *(c.get("content") or "" for c in walk(message.components) if c.get("type") == ComponentKind.TEXT_DISPLAY),
    ]
    return found(state.world, channel, message.author_id, "\n".join(texts), allowed)


def _kept(message: Message, body: Json, errors: FormErrors) -> list[StoredFile]:
    """The files to keep: all if the key is missing, else those listed by id."""
    if "attachments" not in body:
        return list(message.files)
    own = {str(file.id): file for file in message.files}
    kept = []
    for number, entry in enumerate(body["attachments"] or []):
        given = str(entry.get("id"))
        if given in own:
            kept.append(_described(own[given], entry))
        elif len(given) > 2:  # Too long for the number of a file in this request, so it is the id of a file.
            errors.add(
                f"attachments.{number}.id", "ATTACHMENT_NOT_FOUND", f"Attachment {given} is not part of this message."
            )
    pointed = {file.id for file in message.files if _shown_by_address(file, body.get("embeds") or [])}
    return kept + [file for file in message.files if file.id in pointed and file not in kept]


def _described(file: StoredFile, entry: Json) -> StoredFile:
    return file if "description" not in entry else StoredFile(**{**file.__dict__, "description": entry["description"]})


def _shown_by_address(file: StoredFile, embeds: list[Json]) -> bool:
    """An embed that still contains a file's URL keeps the file (assumptions.md)."""
    urls = [(embed.get(key) or {}).get("url") or "" for embed in embeds for key in ("image", "thumbnail")]
    return any(file.path in url for url in urls)


def _new_files(
    state: SiteState, channel: Channel, given: Body, errors: FormErrors, *, ephemeral: bool
) -> list[StoredFile]:
    """The uploads as files; the `attachments` entry with the same number gives name and description."""
    limit = file_limit(state.world.guild_of(channel))
    if any(len(upload.data) > limit for upload in given.uploads):
        raise too_large()
    if len(given.uploads) > ATTACHMENTS:
        errors.too_long("attachments", ATTACHMENTS)
    entries = {str(entry.get("id")): entry for entry in given.fields.get("attachments") or []}
    return [_new_file(state, channel, upload, entries, errors, ephemeral=ephemeral) for upload in given.uploads]


def _new_file(
    state: SiteState,
    channel: Channel,
    upload: Upload,
    entries: dict[str, Json],
    errors: FormErrors,
    *,
    ephemeral: bool,
) -> StoredFile:
    number = upload.field.removeprefix("files[").removesuffix("]")
    entry = entries.get(number, {})
    description = entry.get("description")
    if description and len(description) > ALT_TEXT:
        errors.too_long(f"attachments.{number}.description", ALT_TEXT)
    name = safe_name(entry.get("filename") or upload.filename)
    kind, size = detect_type(upload.data, name)
    return StoredFile(state.ids.next(), channel.id, name, upload.data, kind, ephemeral, description, size)


def _check_media(components: list[Json], files: list[StoredFile], errors: FormErrors) -> None:
    """An "attachment://" URL in a component must name a file of the message."""
    names = {file.filename for file in files}
    for component in walk(components):
        items = [
            component.get("media"),
            component.get("file"),
            *(item.get("media") for item in component.get("items") or []),
        ]
        for url in (item.get("url", "") for item in items if isinstance(item, dict)):
            if url.startswith("attachment://") and url.removeprefix("attachment://") not in names:
                code = "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND"
                errors.add("components", code, f"The referenced attachment {url!r} was not found")


def lost_pictures(message: Message) -> list[str]:
    """Findings about embeds that refer to files which the message does not have; Discord shows no image there."""
    names = {file.filename for file in message.files}
    urls = [(embed.get(key) or {}).get("url") or "" for embed in message.embeds for key in ("image", "thumbnail")]
    lost = [url for url in urls if url.startswith("attachment://") and url.removeprefix("attachment://") not in names]
    return [f"an embed refers to {url}, but the message has no such file" for url in lost]


def reference_of(state: SiteState, channel: Channel, body: Json) -> int | None:
    """The id of the message to reply to; raises ApiError if it is missing, unless fail_if_not_exists is false."""
    reference = body.get("message_reference")
    if not reference:
        return None
    target = state.messages.get(channel.id, int(reference.get("message_id", 0)))
    if target is not None and not target.ephemeral:
        return target.id
    if reference.get("fail_if_not_exists", True):
        errors = {"message_reference": {"_errors": [{"code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown message"}]}}
        raise ApiError(400, 50035, "Invalid Form Body", errors=errors)
    return None
