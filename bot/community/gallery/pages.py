"""Pages of a server's pictures and of a person's favourites."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.community.gallery.embedder import ROUNDS, PictureIndexer
from bot.community.gallery.message_check import MessageCheck
from bot.community.gallery.visibility import Visibility
from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.models.gallery import IndexedPicture, Order, Viewer
from bot.storage import Store

PAGE = 9
"""Pictures on a page."""
LAST_PAGE = 9999
CHECKS = 3
"""How often a page is read again because messages of its pictures were deleted."""


@dataclass(frozen=True, slots=True)
class GalleryView:
    """What a page shows; a button's custom id holds it. *page* counts from 0."""

    favorites: bool = False
    order: Order = "newest"
    person: int | None = None
    words: str = ""
    page: int = 0


@dataclass(frozen=True, slots=True)
class GalleryPage:
    """The pictures of one page. *more*: another page follows."""

    view: GalleryView
    pictures: tuple[IndexedPicture, ...]
    more: bool


class Gallery:
    def __init__(
        self, store: Store, indexer: PictureIndexer, visibility: Visibility, message_check: MessageCheck
    ) -> None:
        self._store = store
        self._indexer = indexer
        self._visibility = visibility
        self._message_check = message_check

    async def page(self, view: GalleryView, caller: Invocation) -> GalleryPage:
        """One page, as the caller may see it here. Raises Refused outside of servers."""
        await self._indexer.catch_up(ROUNDS)
        viewer = await self._visibility.viewer(caller)
        found = await self._found(view, viewer)
        for _ in range(CHECKS):
            if not await self._message_check.gone(messages_of(found[:PAGE])):
                break
            found = await self._found(view, viewer)
        return GalleryPage(view, tuple(found[:PAGE]), len(found) > PAGE and view.page < LAST_PAGE)

    async def _found(self, view: GalleryView, viewer: Viewer) -> list[IndexedPicture]:
        """The pictures of a page, and one more if another page follows."""
        index, offset = self._store.picture_index, PAGE * view.page
        if view.favorites:
            return await index.favorites(viewer, PAGE + 1, offset)
        if viewer.server_id is None:
            raise Refused("The gallery shows the pictures of a server that I am a member of.")
        return await index.page(viewer, view.order, view.person, view.words, PAGE + 1, offset)

    async def picture(self, job_id: str, index: int, caller: Invocation) -> IndexedPicture:
        """One picture of a job that the caller may see. Raises Refused if it is gone, or not for this channel."""
        await self._indexer.ensure(job_id)
        found = await self._store.picture_index.find(job_id, index)
        if found is not None and await self._message_check.gone(messages_of([found])):
            found = await self._store.picture_index.find(job_id, index)
        shown = found is not None and await self._store.messages.of_job(job_id)
        if found is None or not (shown or found.owner == caller.user_id):
            raise Refused("This picture is not available here. It may have been deleted.")
        if found.mature and not caller.restricted and found.owner != caller.user_id:
            raise Refused("This picture is adult content; open it in an age-restricted (18+) channel.")
        return found.seen_by(caller.user_id)


def messages_of(pictures: Iterable[IndexedPicture]) -> list[tuple[int, int]]:
    """(channel id, message id) of the messages that a list of pictures links to."""
    return [(one.channel_id, one.message_id) for one in pictures if one.message_id is not None]
