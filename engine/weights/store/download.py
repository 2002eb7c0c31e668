"""A checkpoint from its sources, one after the other, until one gives the file with the right hash. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.catalogue.entry import Entry
from engine.errors import WeightsError
from engine.weights.store.folder import COMMAND, Folder
from engine.weights.store.http import SourceFailed, host
from engine.weights.store.resume import Part, Patience, Report, transfer
from engine.weights.store.trusted_hashes import Pin


@dataclass(frozen=True, slots=True)
class Download:
    """How downloads are made here."""

    folder: Folder
    report: Report = lambda done, total: None
    patience: Patience = field(default_factory=Patience)

    def fetch(self, entry: Entry, *, sources: Sequence[str] = (), trust: bool = False) -> Pin:
        """Download *entry*, from *sources* instead of its own if there are any; returns the hash that it has.

        *trust*: take what comes where nobody has published a hash, and insist on it from then on.
        Raises WeightsError in words that name every source and what was wrong with it.
        """
        expected = self.folder.expected(entry)
        if not expected and not trust:
            raise WeightsError(
                f"Nobody has published a hash for “{entry.name}”, so nobody can tell whether what comes is the right "
                f"file; `{COMMAND} download --trust {entry.name}` takes it, and from then on only the same again."
            )
        addresses = tuple(sources) or entry.sources
        if not addresses:
            raise WeightsError(_by_hand(entry, self.folder))
        pin = self._from_any(entry, addresses, expected)
        if not entry.sha256 and not expected:
            self.folder.remember(entry.name, pin)
        return pin

    def _from_any(self, entry: Entry, addresses: Sequence[str], expected: str) -> Pin:
        failures = []
        for url in addresses:
            try:
                with Part(self.folder.part(entry)) as part:
                    return self._from_one(entry, url, expected, part)
            except SourceFailed as failure:
                failures.append(f"{host(url)}: {failure}")
        where = f" Download page: {entry.page}." if entry.page else ""
        raise WeightsError(f"“{entry.name}” could not be downloaded. {'; '.join(failures)}.{where}")

    def _from_one(self, entry: Entry, url: str, expected: str, part: Part) -> Pin:
        """All of it, hashed; a wrong file that was continued from an earlier attempt is asked for once more, whole."""
        continued = part.size > 0
        transfer(url, part, entry.limit, bool(expected), self.patience, self.report)
        sha256, size = part.hash()
        if expected and sha256 != expected:
            if continued:
                part.restart(url, "")
                return self._from_one(entry, url, expected, part)
            kept = self.folder.quarantine(entry, sha256)
            part.become(kept)
            raise SourceFailed(f"what it sends has the SHA-256 {sha256} instead of {expected} (kept as {kept})")
        part.become(self.folder.file(entry))
        return Pin(sha256, size, url)


def _by_hand(entry: Entry, folder: Folder) -> str:
    where = f"look at {entry.page}; then " if entry.page else ""
    return (
        f"No address is known for “{entry.name}”: {where}put its file as {folder.file(entry)}, or name an address with "
        f"`{COMMAND} download {entry.name} --from ADDRESS`; its hash is checked either way."
    )
