"""Which buttons and menus a message has in each state of its job; the buttons of an unfinished one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeAlias

from discord import ButtonStyle, ui

from bot.interactions.handlers import Access
from bot.models.film import FilmRequest
from bot.models.job import JobRow, JobState
from bot.models.vote import Blindness
from bot.views.base import JobButton, Press
from bot.views.community.challenges import (
    EnterButton,
    WithdrawButton,
)
from bot.views.community.edges import edges_menu
from bot.views.community.picture_lists import SimilarButton
from bot.views.community.stars import (
    StarButton,
    StarOneButton,
    UnstarButton,
    star_menu,
)
from bot.views.community.votes import VoteButton
from bot.views.history import PostButton, refresh_public, show_private
from bot.views.info import InfoButton
from bot.views.menus import more_menu, sheet_menus
from bot.views.report import ReportButton
from bot.views.result import (
    AgainButton,
    DeleteButton,
    RankButton,
    RemixButton,
    UpscaleButton,
    VariationButton,
)
from engine.requests.request import DreamRequest


class CancelButton(
    JobButton,
    action="cancel",
    label="Cancel",
    style=ButtonStyle.danger,
    private=True,
    access=Access.OPEN | Access.BLIND,
):
    """Cancels a queued or running job and returns its reservation."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        """Cancel the job. Its own message then shows that.

        A message with this button whose job has ended is out of date, and this press updates it. Ephemeral
        copies are only updated by a press, so they show the result at once.
        """
        if await press.shows_copy(job):
            if not job.state.over:
                await press.services.jobs.cancel(job.id, press.caller.user_id, press.caller.moderator)
                job = await press.job(job.id, blind=True)
            await show_private(press, job, replace=True)
            return
        shown, messages = press.message, press.services.store.messages
        if job.state.over and shown and await messages.job_id(shown.channel.id, shown.id) == job.id:
            await refresh_public(press, job)
        await press.services.jobs.cancel(job.id, press.caller.user_id, press.caller.moderator)
        await press.responder.defer()


class RefreshButton(JobButton, action="refresh", label="Refresh", private=True, access=Access.OPEN):
    """Updates an ephemeral copy of a job."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        await show_private(press, job, replace=await press.shows_copy(job))


PER_ROW = 5
Row: TypeAlias = list[tuple[type[JobButton], int | None]]


@dataclass(slots=True)
class _Layout:
    """Rows of buttons, then the actions of the More menu."""

    rows: list[Row]
    more: list[type[JobButton]] = field(default_factory=list)
    stars: bool = False
    """A menu of pictures to star follows the rows."""
    edges: bool = False
    """A menu that extends, crops and tiles the picture follows the rows."""


def buttons_for(
    job: JobRow, reports: bool = False, challenge: bool = False, blindness: Blindness = Blindness.NONE
) -> ui.View:
    """A fresh view for a public message. *reports*: the server accepts reports. *challenge*: one takes entries there.

    *blindness*: during a vote a sheet has no menus, which name its pictures; no button shows an entry's prompt.

    It holds DynamicItems only and never times out, because discord.py unregisters a kind of button for the whole
    process when a view that mixes it with other items ends.
    """
    entry: type[JobButton] = WithdrawButton if job.origin.kind == "entry" else EnterButton
    public: list[type[JobButton]] = [] if not job.state.over else [DeleteButton]
    if reports and job.state is JobState.DONE and job.origin.guild_id is not None:
        public.append(ReportButton)
    if challenge and job.state is JobState.DONE and job.origin.guild_id is not None and not _is_film(job):
        public.append(entry)
    if blindness in (Blindness.ENTRY, Blindness.OPEN_ENTRY):
        return _view(job, _entry_layout(job, reports, withdraws=blindness is Blindness.OPEN_ENTRY), menus=False)
    layout = _layout(job)
    if entry in public and not layout.more and len(layout.rows[-1]) + len(public) > PER_ROW:
        public.remove(entry)  # Info has it too
        if not _is_sheet(job):
            layout.rows.append(_plain(entry))
    if layout.more:
        layout.more += public
    elif public:
        layout.rows[-1] += _plain(*public)
    return _view(job, layout, menus=blindness is Blindness.NONE)


def private_buttons_for(job: JobRow, own: bool, starred: Collection[int]) -> ui.View:
    """A fresh view for an ephemeral message. *own*: the reader owns the job; *starred*: pictures that they starred."""
    layout, extra = _layout(job), _plain(*([] if job.state.over else [RefreshButton]))
    grid = len(job.pictures) > 1 and not _is_sheet(job) and not _is_film(job)
    if grid and job.on_disk and job.state is JobState.DONE:
        extra += _plain(StarOneButton)
        layout.stars = False
    if starred:
        unstar: Row = [(UnstarButton, None)]
        layout.rows = [[one for one in row if one[0] is not StarButton] for row in layout.rows]
        extra += unstar
    if own and job.state is JobState.DONE:
        extra += _plain(PostButton)
    if not layout.more:
        layout.rows[-1] += extra
    elif len(layout.rows) < PER_ROW - 1:
        layout.rows.append(extra)
    else:  # ten images leave one row, which cannot hold both a menu and buttons
        layout.rows.append(
            _plain(AgainButton, RemixButton, InfoButton) + [one for one in extra if one[0] is not UnstarButton]
        )
        layout.more = []
    return _view(job, layout)


def _view(job: JobRow, layout: _Layout, *, menus: bool = True) -> ui.View:
    view = ui.View(timeout=None)
    above = sheet_menus(job) if menus and _is_sheet(job) else ()
    for menu in above:
        view.add_item(menu)
    rows = [row for row in layout.rows if row]
    for number, row in enumerate(rows, len(above)):
        for kind, index in row:
            view.add_item(kind(job.id, index, number))
    below = len(above) + len(rows)
    if layout.stars and job.on_disk:
        view.add_item(star_menu(job, below))
        below += 1
    if layout.edges and job.on_disk:
        view.add_item(edges_menu(job, below))
        below += 1
    if layout.more:
        view.add_item(more_menu(job, layout.more, below))
    return view


def _entry_layout(job: JobRow, reports: bool, *, withdraws: bool) -> _Layout:
    """The buttons of an entry whose author and prompt are hidden."""
    if not job.state.over:
        return _Layout([_plain(CancelButton)])
    done = job.state is JobState.DONE
    star: Row = _plain(StarOneButton if len(job.pictures) > 1 else StarButton)
    withdraw: Row = _plain(WithdrawButton) if withdraws and len(job.pictures) == 1 else []
    report: Row = _plain(ReportButton) if reports else []
    return _Layout([[*star * done, *withdraw * done, *_plain(DeleteButton), *report * done]])


def _is_sheet(job: JobRow) -> bool:
    """Whether *job* shows a batch or comparison from which images can be chosen."""
    return job.in_parts and job.state is JobState.DONE and len(job.pictures) > 1 and not _is_film(job)


def _is_film(job: JobRow) -> bool:
    return isinstance(job.request, FilmRequest)


def _layout(job: JobRow) -> _Layout:
    """The buttons that public and ephemeral messages share."""
    painted = isinstance(job.request, DreamRequest)
    remix: list[type[JobButton]] = [RemixButton] if painted else []
    if not job.state.over:
        return _Layout([_plain(CancelButton)])
    if job.state is not JobState.DONE:
        return _Layout([_plain(AgainButton, *remix)])
    if _is_film(job):
        return _Layout([_plain(AgainButton, StarButton, InfoButton)])
    vote: list[type[JobButton]] = [VoteButton] if job.origin.guild_id is not None else []
    if _is_sheet(job):
        if painted:
            return _Layout([_plain(AgainButton, RemixButton, InfoButton), _plain(*vote)])
        return _Layout([_plain(AgainButton, InfoButton, *vote)])  # four menus may leave one row
    if not painted:
        return _Layout([_plain(UpscaleButton, StarButton), _plain(InfoButton, SimilarButton)])
    if len(job.pictures) <= 1:
        return _Layout(
            [
                _plain(UpscaleButton, VariationButton, AgainButton, RemixButton, StarButton),
                _plain(InfoButton, SimilarButton),
            ],
            edges=True,
        )
    return _grid(job, vote)


def _grid(job: JobRow, vote: list[type[JobButton]]) -> _Layout:
    """``U1 U2 U3 U4 Again / V1 V2 V3 V4 Remix / Star / More``; full rows leave Again, Remix and Star to the menu."""
    ups, variations = _per_picture(UpscaleButton, job), _per_picture(VariationButton, job)
    rare: list[type[JobButton]] = [*vote, RankButton, SimilarButton, InfoButton]
    if len(job.pictures) >= PER_ROW:
        return _Layout([*ups, *variations], [AgainButton, RemixButton, StarOneButton, *rare])
    return _Layout([[*ups[0], (AgainButton, None)], [*variations[0], (RemixButton, None)]], rare, stars=True)


def _plain(*kinds: type[JobButton]) -> Row:
    return [(kind, None) for kind in kinds]


def _per_picture(kind: type[JobButton], job: JobRow) -> list[Row]:
    """One button for each image, five in a row."""
    buttons: Row = [(kind, picture.index) for picture in job.pictures]
    return [buttons[start : start + PER_ROW] for start in range(0, len(buttons), PER_ROW)]
