"""Finds pictures by the words of their prompts and by their look, among those that the reader may see."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from bot.community.gallery.embedder import ROUNDS, PictureEmbedder, PictureIndexer
from bot.community.gallery.message_check import MessageCheck
from bot.community.gallery.pages import CHECKS, PAGE, messages_of
from bot.community.gallery.visibility import Visibility
from bot.errors import Lapsed, Refused
from bot.interactions.context import Invocation
from bot.models.gallery import IndexedPicture, Viewer
from bot.models.job import new_job_id
from bot.storage import Store
from bot.storage.community.searches import Place, Search
from engine.errors import DreamError
from engine.images.vector_file import Floats

log = logging.getLogger(__name__)

MOST = 90
"""Results of one search."""
BY_LOOK = 45
"""Most results by look alone; further ones have little to do with the search."""
RANK = 60
"""Constant of reciprocal rank fusion (Cormack, Clarke, Büttcher 2009): a result at rank r counts 1 / (60 + r)."""
ALL_WORDS = 2.0
"""Weight of a prompt with all words, beside 1 for one with some of them and for the look."""
UNRELATED = 0.0
"""Cosine up to which a look has nothing to do with the search."""
EXPIRED = "This search is more than a day old. Search again with /find."


@dataclass(frozen=True, slots=True)
class FoundPage:
    """One page of results. *notes*: how each picture was found; *hint*: what the search could not do."""

    search: Search
    page: int
    pictures: tuple[IndexedPicture, ...]
    notes: tuple[str, ...]
    more: bool
    hint: str = ""


@dataclass(eq=False, repr=False)
class Finder:
    _store: Store
    _indexer: PictureIndexer
    _embedder: PictureEmbedder
    _visibility: Visibility
    _message_check: MessageCheck
    _clock: Callable[[], float]
    """Unix seconds."""

    async def by_words(
        self, words: str, place: Place, caller: Invocation, png: bytes | None = None, *, seconds: float = 0
    ) -> FoundPage:
        """Search for words, for pictures that resemble *png*, or both. Without the engine only words count.

        *seconds*: how long ago a result may have been painted; 0 = at any time.
        """
        vector, hint = None, ""
        try:
            if png is not None:
                vector = await self._embedder.of_image(png)
            elif self._embedder.can_read(words):
                vector = await self._embedder.of_text(words)
            elif self._embedder.enabled:
                hint = "This bot's CLIP does not know these words, so only prompts were searched."
        except (DreamError, TimeoutError) as error:
            log.info("a search is answered by words only: %s", error)
            if png is not None:
                raise Refused("The engine is too busy to look at pictures right now. Try again in a minute.") from error
            hint = "The engine is busy, so only prompts were searched."
        return await self._begin(words, place, caller, vector, None, hint, seconds)

    async def like(self, picture: IndexedPicture, caller: Invocation) -> FoundPage:
        """Search for pictures that resemble one. Raises Refused."""
        if not self._embedder.enabled:
            raise Refused("This bot does not compare pictures.")
        try:
            vector = await self._embedder.of_picture(picture)
        except (DreamError, TimeoutError) as error:
            if isinstance(error, Refused):
                raise
            raise Refused("The engine is too busy to look at pictures right now. Try again in a minute.") from error
        return await self._begin("", "all", caller, vector, picture.id)

    async def page(self, search_id: str, page: int, caller: Invocation) -> FoundPage:
        """Another page of a search of this person. Raises Lapsed."""
        search = await self._store.searches.find(search_id)
        if search is None or search.user_id != caller.user_id:
            raise Lapsed(EXPIRED)
        return await self._page(search, page, caller)

    async def _begin(
        self,
        words: str,
        place: Place,
        caller: Invocation,
        vector: tuple[str, Floats] | None,
        like_id: int | None,
        hint: str = "",
        seconds: float = 0,
    ) -> FoundPage:
        now = self._clock()
        since = now - seconds if seconds else 0.0
        perceptor, halves = (vector[0], vector[1].astype("<f2").tobytes()) if vector else ("", None)
        search = Search(new_job_id(), caller.user_id, place, words, like_id, perceptor, halves, now, since)
        await self._store.searches.put(search)
        return await self._page(search, 0, caller, hint)

    async def _page(self, search: Search, page: int, caller: Invocation, hint: str = "") -> FoundPage:
        await self._indexer.catch_up(ROUNDS)
        viewer = await self._visibility.viewer(caller)
        found = await self._found(search, page, viewer, hint)
        for _ in range(CHECKS):
            if not await self._message_check.gone(messages_of(found.pictures)):
                break
            found = await self._found(search, page, viewer, hint)
        return found

    async def _found(self, search: Search, page: int, viewer: Viewer, hint: str) -> FoundPage:
        worded = await self._by_words(search, viewer)
        looks = await self._by_look(search, viewer)
        scores: dict[int, float] = {}
        for ranking in (worded, dict.fromkeys(looks, 1.0)):
            for rank, (picture_id, weight) in enumerate(ranking.items(), 1):
                scores[picture_id] = scores.get(picture_id, 0.0) + weight / (RANK + rank)
        order = sorted(scores, key=lambda one: (-scores[one], -one))[:MOST]
        here = order[PAGE * page : PAGE * (page + 1)]
        seen = await self._store.picture_index.among(viewer, search.place, here, search.since)
        shown = [seen[one] for one in here if one in seen]
        notes = tuple(_note(picture.id in worded, looks.get(picture.id)) for picture in shown)
        if search.words and shown and not worded and not page:
            hint = hint or "No prompt has these words. The pictures are sorted by what they look like."
        return FoundPage(search, page, tuple(shown), notes, len(order) > PAGE * (page + 1), hint)

    async def _by_words(self, search: Search, viewer: Viewer) -> Mapping[int, float]:
        """Picture id → weight: those with all words, newest first, then those with some of them."""
        if not search.words:
            return {}
        match = partial(self._store.picture_index.match, viewer, search.place, search.words, since=search.since)
        found = dict.fromkeys(await match(every=True, limit=MOST), ALL_WORDS)
        if len(found) < PAGE and len(search.words.split()) > 1:
            found = dict.fromkeys(await match(every=False, limit=MOST), 1.0) | found
            found = dict(sorted(found.items(), key=lambda one: -one[1]))
        return found

    async def _by_look(self, search: Search, viewer: Viewer) -> Mapping[int, float]:
        """Picture id → cosine of the nearest that the viewer may see, best first."""
        if search.vector is None:
            return {}
        vector = np.frombuffer(search.vector, "<f2").astype(np.float32)
        among = None
        if search.place == "favorites":
            among = await self._store.picture_index.starred(viewer.user_id)
        elif search.since:
            among = await self._store.picture_index.painted_since(search.since, viewer)
        server_id = viewer.server_id if search.place in ("all", "server") else None
        owner = viewer.user_id if search.place in ("all", "mine") else 0
        count = 2 * BY_LOOK
        while True:
            nearest = await self._embedder.nearest(search.perceptor, vector, count, server_id, owner, among)
            cosines = {one: cosine for one, cosine in nearest if one != search.like_id and cosine > UNRELATED}
            seen = await self._store.picture_index.among(viewer, search.place, list(cosines), search.since)
            if len(seen) >= BY_LOOK or len(nearest) < count or nearest[-1][1] <= UNRELATED:
                return dict([(one, cosine) for one, cosine in cosines.items() if one in seen][:BY_LOOK])
            count *= 4


def _note(by_words: bool, cosine: float | None) -> str:
    """How a picture was found."""
    if cosine is None:
        return "by words"
    return f"by words and look ({cosine:.2f})" if by_words else f"by look ({cosine:.2f})"
