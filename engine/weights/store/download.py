"""Downloads a checkpoint: tries its sources in turn until one has the file with the right hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.catalogue.registry import Entry
from engine.errors import WeightsError
from engine.weights.store.folder import COMMAND, Check, Folder
from engine.weights.store.hashed_file import TrustedHash
from engine.weights.store.http import SourceFailed, host
from engine.weights.store.resume import DownloadLimits, PartialFile, Report, transfer


@dataclass(frozen=True, slots=True)
class Download:
    """Downloads into one folder, with its limits and progress reports."""

    folder: Folder
    report: Report = lambda done, total: None
    limits: DownloadLimits = field(default_factory=DownloadLimits)

    def fetch(
        self, entry: Entry, *, sources: Sequence[str] = (), trust: bool = False, check: Check = lambda *_: None
    ) -> TrustedHash:
        """Downloads *entry*, from *sources* instead of its own if given; returns its hash.

        *trust*: accept a file without a published hash if *check* does, and pin its hash.
        Raises WeightsError that names every source and its problem.
        """
        expected = self.folder.expected(entry)
        if not expected and not trust:
            raise WeightsError(
                f"No hash is published for “{entry.name}”, so a wrong file cannot be recognised. "
                f"`{COMMAND} download --trust {entry.name}` accepts the file and pins its hash."
            )
        addresses = tuple(sources) or entry.sources
        if not addresses:
            raise WeightsError(_by_hand(entry, self.folder))
        pin = self._from_any(entry, addresses, expected)
        if not entry.sha256 and not expected:
            self.folder.trust(entry, check)
        return pin

    def _from_any(self, entry: Entry, addresses: Sequence[str], expected: str) -> TrustedHash:
        failures = []
        for url in addresses:
            try:
                with PartialFile(self.folder.part(entry)) as part:
                    return self._from_one(entry, url, expected, part)
            except SourceFailed as failure:
                failures.append(f"{host(url)}: {failure}")
        where = f" Download page: {entry.page}." if entry.page else ""
        raise WeightsError(f"“{entry.name}” could not be downloaded. {'; '.join(failures)}.{where}")

    def _from_one(self, entry: Entry, url: str, expected: str, part: PartialFile) -> TrustedHash:
        """Downloads and hashes the file. A wrong one that continued earlier bytes is downloaded once more, whole."""
        continued = part.size > 0
        transfer(url, part, entry.limit, bool(expected), self.limits, self.report)
        sha256, size = part.hash()
        if expected and sha256 != expected:
            if continued:
                part.restart(url, "")
                return self._from_one(entry, url, expected, part)
            kept = self.folder.quarantine(entry, sha256)
            part.become(kept)
            raise SourceFailed(f"what it sends has the SHA-256 {sha256} instead of {expected} (kept as {kept})")
        part.become(self.folder.file(entry))
        return TrustedHash(sha256, size, url)


def _by_hand(entry: Entry, folder: Folder) -> str:
    where = f"look at {entry.page}; then " if entry.page else ""
    return (
        f"No address is known for “{entry.name}”: {where}put its file as {folder.file(entry)}, or name an address with "
        f"`{COMMAND} download {entry.name} --from ADDRESS`; its hash is checked either way."
    )
