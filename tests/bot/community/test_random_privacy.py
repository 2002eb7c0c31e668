"""Random histories of servers, persons, privacy and deletion: no list shows a picture that its reader must not see.

Beside the store runs a plain model of the same history. Gallery, favourites, search by words, search by look, lineage
and the starboard show exactly the pictures that the model allows. What a running challenge or an open vote hides is
shown to its owner only; a favourite of another person loses its words.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from discord import Permissions
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from bot.community.gallery.embedder import PictureEmbedder, PictureIndexer
from bot.community.gallery.finder import Finder
from bot.community.gallery.starboard import Starboard
from bot.community.lineage.access import ResultAccess
from bot.embeds.gallery import UNTOLD, list_embed
from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.models.challenge import ChallengeEntry, ChallengeState
from bot.models.gallery import IndexedPicture, Viewer
from bot.models.job import JobRow, JobState, Origin, Priority, new_job_id, owner_of
from bot.storage import Store
from bot.storage.community.searches import Search
from bot.storage.community.starboard import StarboardEntry
from bot.storage.community.stars import Star
from engine.protocol.messages import Picture
from tests.bot.core import dream, forgotten
from tests.prepared_database import open_store

PEOPLE = (1, 2, 3)
THRESHOLD = 1
DIM = 4


class Spot(NamedTuple):
    """A channel: its server (None: a direct message), who reads it, whether it is 18+, whether the bot is a guest."""

    server: int | None
    channel: int
    readers: frozenset[int]
    restricted: bool = False
    guest: bool = False


ALL = frozenset(PEOPLE)
SPOTS = (
    Spot(100, 11, ALL),
    Spot(100, 12, frozenset({1})),
    Spot(100, 13, ALL, restricted=True),
    Spot(200, 21, ALL),
    Spot(300, 31, ALL, guest=True),
    *(Spot(None, 900 + person, frozenset({person})) for person in PEOPLE),
)
BOARDS = {100: 19, 200: 29}
"""Server → its starboard, which everybody reads and which is not age-restricted."""


@dataclass
class Known:
    """One picture as the model knows it."""

    job_id: str
    owner: int
    spot: Spot
    words: str
    mature: bool
    sha256: str = ""
    shown: set[int] = field(default_factory=set)
    """Channels with a message of it."""
    on_disk: bool = True
    stars: dict[int, int | None] = field(default_factory=dict)
    """Person → server."""
    shows: Known | None = None
    """The picture that this is a copy of."""
    hidden_by: set[str] = field(default_factory=set)
    """Running challenges and open votes."""

    @property
    def blind(self) -> bool:
        return bool(self.hidden_by) or (self.shows is not None and self.shows.blind)

    def votes(self) -> int:
        return sum(server == self.spot.server for who, server in self.stars.items() if who != self.owner)

    @property
    def public(self) -> bool:
        return self.spot.server is not None and not self.spot.guest and self.spot.channel in self.shown and self.on_disk


class History:
    """The store and the model, changed together."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.known: dict[str, Known] = {}
        self.indexer = PictureIndexer(store, lambda channel: any(s.channel == channel and s.restricted for s in SPOTS))
        self.embedder = PictureEmbedder(store, None, self.indexer, "clip", lambda: False)  # type: ignore[arg-type]
        self.now = 1000.0

    def pick(self, number: int) -> Known | None:
        return list(self.known.values())[number % len(self.known)] if self.known else None

    async def hide(self, number: int, how: int) -> None:
        """Enter a picture into a challenge, or start a challenge's vote or one over a comparison with it."""
        if (one := self.pick(number)) is None or one.spot.server is None:
            return
        self.now += 1
        name = new_job_id()
        async with self.store.transaction() as session:
            if how % 2:
                await session.run(
                    "INSERT INTO challenges (id, server_id, channel_id, host_id, theme, entries_each, vote_seconds,"
                    " prize, state, created_at, deadline) VALUES (?, ?, 1, 1, 'x', 1, 1.0, 0, 'voting', 1.0, 2.0)",
                    name,
                    one.spot.server,
                )
                entry = ChallengeEntry(one.job_id, 0, one.owner, painted=False)
                await self.store.challenges.enter(session, name, entry, self.now)
            else:
                await session.run(
                    "INSERT INTO votes (id, server_id, channel_id, starter_id, title, others_only, spoiler, mature,"
                    " state, created_at, ends_at) VALUES (?, ?, 1, 1, 'x', 1, 0, 0, 'open', 1.0, 2.0)",
                    name,
                    one.spot.server,
                )
                await session.run(
                    "INSERT INTO vote_candidates VALUES (?, 0, ?, 0, ?, 'x', '[]')", name, one.job_id, one.owner
                )
        one.hidden_by.add(name)

    async def reveal(self, number: int) -> None:
        """End one challenge or vote."""
        names = [(name, one) for one in self.known.values() for name in sorted(one.hidden_by)]
        if not names:
            return
        name, one = names[number % len(names)]
        async with self.store.transaction() as session:
            await self.store.challenges.end(session, name, ChallengeState.ENDED, self.now)
        await self.store.votes.give_up(name)
        one.hidden_by.discard(name)

    async def paint(self, person: int, spot: int, nude: bool, source: int | None) -> None:
        place = SPOTS[spot % len(SPOTS)]
        if place.server is None:
            place = SPOTS[len(SPOTS) - len(PEOPLE) + PEOPLE.index(person)]
        parent = None if source is None else self.pick(source)
        if parent is not None and not parent.on_disk:
            parent = None
        words = "a nude fox" if nude else "a fox"
        copies = parent is not None and spot % 2 == 1 and (parent.shows is None or parent.shows.shows is None)
        job_id, self.now = new_job_id(), self.now + 1
        origin = Origin(
            place.channel,
            person,
            "x",
            place.server,
            server_id=place.server,
            guest=place.guest,
            kind="pick" if copies else "variation" if parent else "dream",
            parent_job=parent.job_id if parent else "",
        )
        request = dream(words, init_image=parent.sha256 if parent else "")
        job = JobRow(
            job_id, 1, 0, origin, owner_of(person), request, Priority.NORMAL, JobState.QUEUED, "", "", 1.0, 0.0
        )
        picture = Picture(job_id, 1, 0, job_id.encode(), {"width": 8, "height": 8})
        async with self.store.transaction() as session:
            await self.store.jobs.insert(session, job)
            await self.store.jobs.start(session, job_id, 1, self.now)
            row = await self.store.pictures.insert(session, picture, Path(f"pictures/{job_id}-0.png"), self.now)
            await self.store.jobs.end(session, job_id, 1, JobState.DONE, self.now)
        assert row is not None
        await self.store.messages.link(job_id, place.channel, int(self.now), self.now)
        mature = nude or place.restricted or bool(parent and parent.mature)
        known = Known(job_id, person, place, words, mature, row.sha256, {place.channel})
        self.known[job_id] = replace(known, shows=parent if copies else None)

    async def copy(self, number: int, spot: int) -> None:
        if (one := self.pick(number)) is not None and SPOTS[spot % len(SPOTS)].server is not None:
            self.now += 1
            channel = SPOTS[spot % len(SPOTS)].channel
            await self.store.messages.link(one.job_id, channel, int(self.now), self.now)
            one.shown.add(channel)

    async def delete(self, number: int, spot: int) -> None:
        """As `Takedowns` does: the last message takes the stars along."""
        if (one := self.pick(number)) is None or not one.shown:
            return
        channel = sorted(one.shown)[spot % len(one.shown)]
        async with self.store.transaction() as session:
            for place, message in await session.all(
                "SELECT channel_id, message_id FROM messages WHERE job_id = ?", one.job_id
            ):
                if place == channel:
                    await self.store.messages.forget(session, place, message)
            if not await self.store.messages.left(session, one.job_id):
                await self.store.stars.forget(session, one.job_id)
                one.stars.clear()
        one.shown.discard(channel)

    async def expire(self, number: int) -> None:
        if (one := self.pick(number)) is not None and one.on_disk:
            picture = await self.store.pictures.find(one.job_id, 0)
            assert picture is not None
            await self.store.pictures.let_go(picture)
            one.on_disk = False

    async def star(self, number: int, person: int, spot: int) -> None:
        """A person stars what they can see at one of its messages."""
        if (one := self.pick(number)) is None or not one.on_disk:
            return
        places = [s for s in SPOTS if s.channel in one.shown and person in s.readers]
        if places:
            place = places[spot % len(places)]
            server = None if place.guest else place.server
            async with self.store.transaction() as session:
                await self.store.stars.put(session, Star(one.job_id, 0, person, server, False, self.now))
            one.stars[person] = server if server is not None else one.stars.get(person)

    async def unstar(self, number: int, person: int) -> None:
        if (one := self.pick(number)) is not None:
            await self.store.stars.lift(one.job_id, 0, person)
            one.stars.pop(person, None)

    async def forget(self, person: int) -> None:
        await forgotten(self.store, person, self.now)
        await self.store.picture_index.erase_words()
        for one in self.known.values():
            one.stars.pop(person, None)
            if one.owner == person:
                one.hidden_by.clear()  # a deleted entry is in no vote any more, so its copies are not hidden
        self.known = {job_id: one for job_id, one in self.known.items() if one.owner != person}

    async def embed(self) -> None:
        """Give every due picture a vector."""
        vector = np.full(DIM, 0.5, "<f2").tobytes()
        for picture in await self.store.picture_index.due(1000):
            await self.store.picture_index.embedded(picture.id, "clip", vector)
        await self.store.settings.put("bot", "", "search_perceptor", ["clip", DIM])
        await self.embedder._open()


def ids(pictures: list[IndexedPicture]) -> set[str]:
    return {picture.job_id for picture in pictures}


async def check(history: History) -> None:
    """Compare every list of every reader in every place with the model."""
    store, index = history.store, history.store.picture_index
    finder = Finder(store, history.indexer, history.embedder, None, None, lambda: 0.0)  # type: ignore[arg-type]
    vector = np.full(DIM, 0.5, "<f2").tobytes()
    for person in PEOPLE:
        for server in (None, 100, 200, 300):
            for restricted in (False, True):
                here = [s for s in SPOTS if s.server == server and server is not None and not s.guest]
                readable = [s.channel for s in here if person in s.readers and (restricted or not s.restricted)]
                viewer = Viewer(person, server, tuple(readable), restricted)
                allowed = [one for one in history.known.values() if restricted or not one.mature]
                told = {o.job_id for o in history.known.values() if o.owner == person or not o.blind}
                public = told & {
                    o.job_id for o in allowed if o.public and o.spot.server == server and o.spot.channel in readable
                }
                mine = {o.job_id for o in allowed if o.owner == person and o.shown and o.on_disk}
                favorites = {
                    o.job_id for o in allowed if person in o.stars and o.on_disk and (o.owner == person or o.shown)
                }
                voted = {job for job in public if history.known[job].votes()}

                assert public == ids(await index.page(viewer, "newest", None, "", 1000, 0))
                assert public == ids(await index.page(viewer, "newest", None, "fox", 1000, 0))
                assert voted == ids(await index.page(viewer, "starred", None, "", 1000, 0))
                shown = await index.favorites(viewer, 1000, 0)
                assert favorites == ids(shown)
                assert favorites - told == {picture.job_id for picture in shown if picture.hidden}
                assert all((UNTOLD in list_embed("x", [one]).description) == one.hidden for one in shown)
                await check_reach(history, person, told)
                for place, expected in (
                    ("all", public | mine),
                    ("mine", mine),
                    ("server", public),
                    ("favorites", favorites & told),
                ):
                    search = Search("s", person, place, "fox", None, "clip", vector, 0.0)  # type: ignore[arg-type]
                    for found in (await finder._by_words(search, viewer), await finder._by_look(search, viewer)):
                        assert expected == ids(list((await index.among(viewer, search.place, list(found))).values()))
                        assert len(expected) == len(found)


async def check_reach(history: History, person: int, told: set[str]) -> None:
    """Lineage and buttons refuse what a vote hides, in the very channel that shows it."""
    access = ResultAccess(history.store)
    for one in history.known.values():
        for channel in one.shown:
            caller = Invocation(person, "x", channel, 100, (), False, Permissions.all(), False, True)
            job = await history.store.jobs.find(one.job_id)
            assert job is not None
            assert await access.sees(job, caller) == (one.job_id in told)
            assert job == await caller.job(history.store, one.job_id, blind=True)
            with nullcontext() if one.job_id in told else pytest.raises(Refused, match="blind vote"):
                await caller.job(history.store, one.job_id)


class Channel(NamedTuple):
    """A stand-in for discord.py's channel: roles are persons here."""

    readers: frozenset[int]
    nsfw: bool

    def permissions_for(self, role: int) -> SimpleNamespace:
        return SimpleNamespace(view_channel=role in self.readers)


class Client:
    """The servers with their channels and starboards."""

    def get_channel(self, channel_id: int) -> Channel | None:
        found = [s for s in SPOTS if s.channel == channel_id]
        return Channel(found[0].readers, found[0].restricted) if found else Channel(ALL, False)

    def get_guild(self, server_id: int) -> Any:
        return SimpleNamespace(get_channel_or_thread=self.get_channel, roles=PEOPLE) if server_id in BOARDS else None


class QuietBoard(Starboard):
    """Posts nothing; an entry counts as posted at once."""

    async def _show(self, entry: StarboardEntry, picture: IndexedPicture, *, wanted: bool, fresh: bool) -> None:
        if wanted:
            await self._store.starboard.shown(entry.job_id, entry.index, picture.stars)
        else:
            await self._drop(entry)


async def check_boards(history: History) -> None:
    """Settle all changes, then compare the entries with the model. With one star as the threshold, it alone decides."""
    board = QuietBoard(
        Client(),  # type: ignore[arg-type]
        history.store,
        None,  # type: ignore[arg-type]
        history.indexer,
        None,  # type: ignore[arg-type]
        lambda job, index: None,  # type: ignore[arg-type, return-value]
        lambda: None,
        lambda: history.now,
    )
    await board._settle_changes()
    async with history.store.database.reading() as session:
        entries = {(row[0], row[1]) for row in await session.all("SELECT job_id, channel_id FROM starboard")}
    wanted = {
        (one.job_id, BOARDS[one.spot.server])
        for one in history.known.values()
        if one.public and one.spot.server is not None and one.votes() and not one.mature and one.spot.readers == ALL
    }
    kept = {(one.job_id, BOARDS.get(one.spot.server or 0, 0)) for one in history.known.values() if not one.on_disk}
    blind = {one.job_id for one in history.known.values() if one.blind}
    wanted, kept = [{place for place in places if place[0] not in blind} for places in (wanted, kept)]
    assert wanted <= entries <= wanted | kept  # an entry has its own copy of a file that expires


NUMBER = st.integers(0, 50)
PERSON = st.sampled_from(PEOPLE)
EVENTS = st.one_of(
    st.tuples(st.just("paint"), PERSON, NUMBER, st.booleans(), st.none() | NUMBER),
    st.tuples(st.just("paint"), PERSON, NUMBER, st.just(False), st.none()),
    st.tuples(st.just("paint"), PERSON, st.sampled_from((1, 3)), st.just(False), NUMBER),
    st.tuples(st.just("copy"), NUMBER, NUMBER),
    st.tuples(st.just("delete"), NUMBER, NUMBER),
    st.tuples(st.just("expire"), NUMBER),
    st.tuples(st.just("star"), NUMBER, PERSON, NUMBER),
    st.tuples(st.just("star"), NUMBER, PERSON, NUMBER),
    st.tuples(st.just("unstar"), NUMBER, PERSON),
    st.tuples(st.just("forget"), PERSON),
    st.tuples(st.just("hide"), NUMBER, NUMBER),
    st.tuples(st.just("hide"), NUMBER, NUMBER),
    st.tuples(st.just("reveal"), NUMBER),
    st.tuples(st.just("settle")),
)


# No shrinking: an example takes a second.
@settings(max_examples=20, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@example([("paint", 1, 3, False, None), ("hide", 0, 1), ("paint", 2, 3, False, 0), ("star", 1, 3, 0)])
@example(
    [
        ("paint", 1, 3, False, None),
        ("paint", 2, 3, False, 0),
        ("paint", 3, 3, False, 1),
        ("hide", 0, 1),
        ("forget", 2),
    ]
)
@example([("paint", 1, 0, False, None), ("hide", 0, 1), ("paint", 3, 3, False, 0), ("forget", 1)])
@example([("paint", 1, 0, False, None), ("hide", 0, 0), ("paint", 3, 3, False, 0), ("forget", 1)])
@given(st.lists(EVENTS, min_size=5, max_size=40))
def test_no_list_shows_what_its_reader_must_not_see(events: list[tuple[Any, ...]]) -> None:
    asyncio.run(lived(events))


async def lived(events: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with await open_store(Path(folder)) as store:
            for server, channel in BOARDS.items():
                await store.settings.put("server", str(server), "starboard", channel)
                await store.settings.put("server", str(server), "stars", THRESHOLD)
            history = History(store)
            for name, *values in events:
                if name == "settle":
                    await check_boards(history)
                else:
                    await getattr(history, name)(*values)
                await history.indexer.catch_up()
            await history.embed()
            await check(history)
            await check_boards(history)
