"""Which buttons a message has at each moment of its job's life."""

from __future__ import annotations

from typing import Any, TypeAlias

from discord import ui

from bot.models.job import JobRow, JobState
from bot.views.audit_log import LogNewerButton, LogOlderButton
from bot.views.base import IdButton, PressButton
from bot.views.batch_menus import EnlargeMenu, PickMenu, menus
from bot.views.confirm_cost import DontButton, PaintButton
from bot.views.confirm_erasure import ForgetButton
from bot.views.history import HistoryMenu, KeptNewerButton, KeptOlderButton, NewerButton, OlderButton, PostButton
from bot.views.info import InfoButton, KeepButton, LetGoButton, WatchButton
from bot.views.progress import CancelButton, RefreshButton
from bot.views.report import ReportBlockButton, ReportButton, ReportDeleteButton, ReportDismissButton
from bot.views.result import AgainButton, DeleteButton, RankButton, RemixButton, UpscaleButton, VariationButton
from engine.requests.request import DreamRequest

ALL: tuple[type[IdButton], ...] = (
    UpscaleButton,
    AgainButton,
    VariationButton,
    RemixButton,
    RankButton,
    InfoButton,
    WatchButton,
    KeepButton,
    LetGoButton,
    CancelButton,
    RefreshButton,
    DeleteButton,
    PostButton,
    OlderButton,
    NewerButton,
    KeptOlderButton,
    KeptNewerButton,
    ReportButton,
    ReportDeleteButton,
    ReportBlockButton,
    ReportDismissButton,
    ForgetButton,
    PaintButton,
    DontButton,
)
"""Every kind of button, to be made known to discord.py at start."""
OTHERS: tuple[type[ui.DynamicItem[Any]], ...] = (
    HistoryMenu,
    PickMenu,
    EnlargeMenu,
    LogOlderButton,
    LogNewerButton,
)
"""Menus, and buttons whose custom ids hold more than an id, likewise."""
PUBLIC = (DeleteButton, ReportButton)
"""Buttons that make sense only where everybody sees the message."""
ROWS = 5
PER_ROW = 5
Kinds: TypeAlias = list[tuple[type[PressButton], int | None]]


def buttons_for(job: JobRow) -> ui.View:
    """A fresh set for *job*, for everybody: nothing but DynamicItems, and never stopped.

    discord.py forgets a kind of button for the whole process when a View that mixes it with others ends.
    """
    return _view(job, _public(job))


def private_buttons_for(job: JobRow, own: bool, kept: bool) -> ui.View:
    """The same where one person alone sees the message: the job is their *own*, they have *kept* it."""
    return _view(job, _private(job, own, kept))


def _view(job: JobRow, rows: list[Kinds]) -> ui.View:
    view = ui.View(timeout=None)
    above = menus(job) if _is_sheet(job) else ()
    for menu in above:
        view.add_item(menu)
    for row, kinds in enumerate(rows, len(above)):
        for kind, index in kinds:
            view.add_item(kind(job.id, index, row))
    return view


def _is_sheet(job: JobRow) -> bool:
    """Whether *job* shows a batch or a comparison from which one can choose."""
    return job.in_parts and job.state is JobState.DONE and len(job.pictures) > 1


def _private(job: JobRow, own: bool, kept: bool) -> list[Kinds]:
    rows = [[(kind, index) for kind, index in row if kind not in PUBLIC] for row in _rows(job)]
    if not job.state.over:
        rows[-1].append((RefreshButton, None))
    if kept or job.on_disk:
        rows[-1].append((LetGoButton if kept else KeepButton, None))
    if own and job.state is JobState.DONE:
        rows[-1].append((PostButton, None))
    return rows


def _public(job: JobRow) -> list[Kinds]:
    """Where there is a server, a result can be reported to its moderators."""
    rows = _rows(job)
    if job.state is JobState.DONE and job.origin.guild_id is not None:
        rows[-1].append((ReportButton, None))
    return rows


def _rows(job: JobRow) -> list[Kinds]:
    painted = isinstance(job.request, DreamRequest)
    if not job.state.over:
        return [[(CancelButton, None)]]
    if job.state is not JobState.DONE:
        return [[(AgainButton, None), *([(RemixButton, None)] if painted else []), (DeleteButton, None)]]
    if _is_sheet(job):
        remix: Kinds = [(RemixButton, None)] if painted else []
        return [[(AgainButton, None), *remix, (InfoButton, None), (DeleteButton, None)]]
    if not painted:
        return [[(UpscaleButton, None), (InfoButton, None), (DeleteButton, None)]]
    if len(job.pictures) <= 1:
        first: Kinds = [(kind, None) for kind in (UpscaleButton, VariationButton, AgainButton, RemixButton)]
        return [first, [(InfoButton, None), (DeleteButton, None)]]
    numbered = [*_per_picture(UpscaleButton, job), *_per_picture(VariationButton, job)]
    if len(numbered) + 2 > ROWS:  # more than five pictures leave one row for everything else
        return [*numbered, [(kind, None) for kind in (AgainButton, RemixButton, InfoButton, DeleteButton)]]
    whole: Kinds = [(kind, None) for kind in (AgainButton, RemixButton, RankButton)]
    return [*numbered, whole, [(InfoButton, None), (DeleteButton, None)]]


def _per_picture(kind: type[PressButton], job: JobRow) -> list[Kinds]:
    """One button for each picture, five in a row."""
    buttons: Kinds = [(kind, picture.index) for picture in job.pictures]
    return [buttons[start : start + PER_ROW] for start in range(0, len(buttons), PER_ROW)]
