"""The family of a result: what it was made from, and what was made from it, as far as one person may see it.

An ancestor that the person may not see is a grey box without any text, picture or further ancestors. Descendants that
the person may not see are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.community.lineage.access import ResultAccess
from bot.interactions.context import Invocation
from bot.models.job import JobRow, JobState
from bot.storage import Store
from bot.storage.jobs import Descent

UP, DOWN = 4, 3
"""Generations above and below the result."""
PER_ROW = 4
"""Members of a generation; of more, the last box counts the others."""
Look: TypeAlias = Literal["shown", "covered", "private", "deleted", "more"]


@dataclass(frozen=True, slots=True)
class Relative:
    """One box of the tree. Only with the looks “shown” and “covered” (a spoiler) there is a *job*.

    *generation*: 0 for the result itself, negative for ancestors. *others*: how many more there are.
    """

    key: str
    generation: int
    look: Look
    job: JobRow | None = None
    index: int = 0
    relation: str = ""
    others: int = 0


@dataclass(frozen=True, slots=True)
class Family:
    """*members* by generation, the oldest first; *lines*: keys of parent and child."""

    root: str
    members: tuple[Relative, ...]
    lines: tuple[tuple[str, str], ...]

    @property
    def generations(self) -> Mapping[int, Sequence[Relative]]:
        found: dict[int, list[Relative]] = {}
        for member in self.members:
            found.setdefault(member.generation, []).append(member)
        return dict(sorted(found.items()))

    @property
    def numbered(self) -> tuple[Relative, ...]:
        """The members that can be named, in the order of their numbers in the drawing."""
        return tuple(one for row in self.generations.values() for one in row if one.job is not None)


class Families:
    def __init__(self, store: Store, access: ResultAccess) -> None:
        self._store = store
        self._access = access

    async def of(self, root: JobRow, caller: Invocation) -> Family:
        """The family of *root*, which the caller may see."""
        members = {root.id: self._member(root, 0, caller, root.origin.parent_index)}
        lines: list[tuple[str, str]] = []
        await self._climb(members, lines, caller)
        await self._descend(root.id, members, lines, caller)
        return Family(root.id, tuple(sorted(members.values(), key=lambda one: one.generation)), tuple(lines))

    async def _climb(self, members: dict[str, Relative], lines: list[tuple[str, str]], caller: Invocation) -> None:
        below = list(members)
        for generation in range(-1, -UP - 1, -1):
            row: list[Relative] = []
            found = await self._store.ancestry.parents(below)
            for parent, children in _by_parent(found).items():
                if parent not in members and (member := await self._ancestor(children[0], generation, caller)):
                    row.append(member)
                lines += [(parent, one.child) for one in children]
            below = _add(members, lines, row, generation)
            if not below:
                return

    async def _descend(
        self, root: str, members: dict[str, Relative], lines: list[tuple[str, str]], caller: Invocation
    ) -> None:
        above = [root]
        for generation in range(1, DOWN + 1):
            row: dict[str, Relative] = {}
            for one in await self._store.ancestry.children(above):
                if one.child not in members and one.child not in row:
                    job = await self._store.jobs.find(one.child)
                    if job is None or not await self._access.sees(job, caller):
                        continue
                    row[one.child] = self._member(job, generation, caller, 0, one.relation)
                lines.append((one.parent, one.child))
            above = _add(members, lines, list(row.values()), generation)
            if not above:
                return

    async def _ancestor(self, descent: Descent, generation: int, caller: Invocation) -> Relative | None:
        """None for a job that failed and was tried again."""
        job = await self._store.jobs.find(descent.parent)
        if job is None:
            return Relative(descent.parent, generation, "deleted")
        if job.state is not JobState.DONE:
            return None
        if not await self._access.sees(job, caller):
            return Relative(descent.parent, generation, "private")
        return self._member(job, generation, caller, descent.index)

    @staticmethod
    def _member(job: JobRow, generation: int, caller: Invocation, index: int, relation: str = "") -> Relative:
        covered = job.origin.spoiler and not job.owned_by(caller.user_id)
        kept = index if job.picture(index) else 0
        kind = relation or (job.origin.kind if job.origin.parent_job else "")
        return Relative(job.id, generation, "covered" if covered else "shown", job, kept, kind)


def _by_parent(found: Sequence[Descent]) -> dict[str, list[Descent]]:
    parents: dict[str, list[Descent]] = {}
    for one in found:
        parents.setdefault(one.parent, []).append(one)
    return parents


def _add(
    members: dict[str, Relative], lines: list[tuple[str, str]], row: Sequence[Relative], generation: int
) -> list[str]:
    """Add a generation, cut to `PER_ROW`; returns the keys of those that are shown. Lines to the others are dropped."""
    kept = list(row) if len(row) <= PER_ROW else list(row[: PER_ROW - 1])
    for member in kept:
        members[member.key] = member
    if left := len(row) - len(kept):
        members[f"more {generation}"] = Relative(f"more {generation}", generation, "more", others=left)
    lines[:] = [line for line in dict.fromkeys(lines) if line[0] in members and line[1] in members]
    return [member.key for member in kept if member.job is not None]
