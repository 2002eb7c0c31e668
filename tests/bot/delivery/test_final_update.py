"""The final update of a job is delivered by another route, or the log says why not."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from bot.delivery.message_updater import DeliveryRoute, FinalUpdate
from bot.interactions.message_api import Address, MessagePayload, Post, Trouble, nonce, trouble_of
from bot.models.job import JobState, Update
from tests.bot.samples import done, job


def refusal(status: int, code: int, text: str = "no") -> discord.HTTPException:
    response = cast(Any, SimpleNamespace(status=status, reason="refused"))
    kind = {403: discord.Forbidden, 404: discord.NotFound}.get(status, discord.HTTPException)
    return kind(response, {"code": code, "message": text})


GONE = refusal(404, 10008)
TOO_LARGE = refusal(413, 40005)
NO_ACCESS = refusal(403, 50013)
EXPIRED = refusal(401, 50027)
EXPLICIT = refusal(400, 20009, "Explicit content")
LONG_LIMIT = discord.RateLimited(3000.0)


@dataclass
class FakePost:
    """Refuses each way as often as its list says, and writes down what arrived."""

    address: Address = field(default_factory=lambda: Address(10, 20, 30))
    edit_errors: list[Exception] = field(default_factory=list)
    token_errors: list[Exception] = field(default_factory=list)
    send_errors: list[Exception] = field(default_factory=list)
    direct_errors: list[Exception] = field(default_factory=list)
    found: int | None = None
    arrived: list[tuple[str, MessagePayload]] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    upload_limit: int = 10 * 2**20

    async def edit(self, message_id: int, face: MessagePayload) -> None:
        self._arrive(f"edit {message_id}", face, self.edit_errors)

    async def edit_by_token(self, message_id: int, face: MessagePayload) -> None:
        self._arrive(f"token {message_id}", face, self.token_errors)

    async def send(self, face: MessagePayload, key: str) -> int:
        self._arrive(f"post {key}", face, self.send_errors)
        return 99

    async def send_directly(self, face: MessagePayload, key: str) -> tuple[int, int]:
        self._arrive("direct", face, self.direct_errors)
        return 40, 98

    async def find(self, job_id: str, since: float, without: int | None = None) -> int | None:
        return self.found

    async def delete(self, message_id: int) -> None:
        self.deleted.append(message_id)

    def _arrive(self, way: str, face: MessagePayload, errors: list[Exception]) -> None:
        if errors:
            raise errors.pop(0)
        self.arrived.append((way, face))


class FakeRenderer:
    """Draws a face that says how large its file may be."""

    async def render(self, update: Update, upload_limit: int) -> MessagePayload:
        return MessagePayload(discord.Embed(description=f"limit {upload_limit}"), (("x.png", b"x"),))

    async def render_refusal(self, update: Update, why: str) -> MessagePayload:
        return MessagePayload(discord.Embed(description=why))


async def deliver(post: FakePost, **changes: Any) -> FinalUpdate:
    given: dict[str, Any] = {"message_id": 1, "route": DeliveryRoute.EDIT, "searched": True, **changes}
    update = given.pop("update", Update(done()))
    ending = FinalUpdate(update, cast(Post, post), FakeRenderer(), **given)
    await ending.deliver()
    return ending


def ways(post: FakePost) -> list[str]:
    return [way for way, _ in post.arrived]


FINAL = f"post {nonce('abc123def4', 'final')}"


async def test_usually_the_message_is_edited() -> None:
    post = FakePost()

    ending = await deliver(post)

    assert (["edit 1"], "", 1) == (ways(post), ending.failed, ending.message_id)


async def test_a_message_that_is_gone_is_posted_anew_under_a_nonce() -> None:
    post = FakePost(edit_errors=[GONE])

    ending = await deliver(post)

    assert ([FINAL], 99) == (ways(post), ending.message_id)
    assert len(FINAL.removeprefix("post ")) <= 25


async def test_after_a_restart_an_earlier_lifes_message_is_looked_for_first() -> None:
    post = FakePost(edit_errors=[GONE], found=7)

    ending = await deliver(post, searched=False)

    assert (["edit 7"], 7) == (ways(post), ending.message_id)


async def test_the_search_is_made_once() -> None:
    post = FakePost(edit_errors=[GONE, GONE], found=7)

    await deliver(post, searched=False)

    assert [FINAL] == ways(post)


async def test_a_message_too_old_to_be_edited_is_replaced_and_removed() -> None:
    post = FakePost(edit_errors=[LONG_LIMIT])

    await deliver(post)

    assert ([FINAL], [1]) == (ways(post), post.deleted)


async def test_files_that_are_too_large_are_halved_until_they_fit() -> None:
    post = FakePost(edit_errors=[TOO_LARGE, TOO_LARGE])

    await deliver(post)

    [(_, face)] = post.arrived
    assert f"limit {10 * 2**20 // 4}" == face.embed.description


async def test_files_that_never_fit_are_replaced_by_words() -> None:
    post = FakePost(edit_errors=[TOO_LARGE] * 7)

    await deliver(post)

    [(_, face)] = post.arrived
    assert ("no (40005)", ()) == (face.embed.description, face.files)


async def test_a_picture_that_discord_refuses_is_replaced_by_words() -> None:
    post = FakePost(edit_errors=[EXPLICIT])

    ending = await deliver(post)

    [(_, face)] = post.arrived
    assert ("Explicit content (20009)", (), "") == (face.embed.description, face.files, ending.failed)


async def test_bad_weather_is_waited_out() -> None:
    busy = discord.DiscordServerError(cast(Any, SimpleNamespace(status=503, reason="")), "busy")
    post = FakePost(edit_errors=[busy, TimeoutError()])
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    await deliver(post, sleep=sleep)

    assert ([1.0, 2.0], ["edit 1"]) == (slept, ways(post))


async def test_without_access_the_interactions_token_helps_while_it_lives() -> None:
    post = FakePost(Address(None, 20, 30, "secret"), edit_errors=[NO_ACCESS])

    await deliver(post)

    assert ["token 1"] == ways(post)


async def test_without_access_and_token_the_picture_comes_directly() -> None:
    post = FakePost(Address(None, 20, 30, "secret"), edit_errors=[NO_ACCESS], token_errors=[EXPIRED])

    await deliver(post)

    assert ["direct"] == ways(post)


async def test_no_direct_message_is_sent_about_a_picture_that_does_not_exist() -> None:
    post = FakePost(edit_errors=[NO_ACCESS])

    ending = await deliver(post, update=Update(job(state=JobState.FAILED)))

    assert ([], "no (50013)") == (ways(post), ending.failed)


async def test_when_every_way_is_closed_it_says_why() -> None:
    post = FakePost(edit_errors=[NO_ACCESS], direct_errors=[refusal(403, 50007, "Cannot send messages to this user")])

    ending = await deliver(post)

    assert ([], "Cannot send messages to this user (50007)") == (ways(post), ending.failed)


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (Trouble.GONE, GONE),
        (Trouble.TOO_OLD, refusal(429, 30046)),
        (Trouble.ARCHIVED, refusal(400, 50083)),
        (Trouble.NO_ACCESS, refusal(400, 160005)),
        (Trouble.TOO_OLD, LONG_LIMIT),
        (Trouble.TOO_LARGE, refusal(413, 0)),
        (Trouble.NO_ACCESS, refusal(403, 0)),
        (Trouble.NO_ACCESS, refusal(404, 10003)),
        (Trouble.EXPIRED, refusal(404, 10062)),
        (Trouble.EXPIRED, refusal(404, 10015)),
        (Trouble.LATER, refusal(429, 0)),
        (Trouble.LATER, ConnectionResetError()),
        (Trouble.REFUSED, refusal(400, 50035)),
    ],
)
def test_refusals_are_told_apart_by_what_can_be_done(trouble: Trouble, error: Exception) -> None:
    assert trouble is trouble_of(error)


def test_nonces_differ_by_job_and_purpose() -> None:
    assert 4 == len({nonce(job_id, purpose) for job_id in "ab" for purpose in ("final", "ping")})
