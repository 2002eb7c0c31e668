"""What goes wrong on the bot's side of the border, in words; continues the tree of `engine.errors`.

DreamError
├── Refused                 the request is fine, but not now or not for this person
│   ├── TooLarge            beyond the host's limits of size, steps or count
│   ├── QueueFull           too many jobs wait, of everybody's or of this person's
│   ├── CoolingDown         the last submission is too recent; knows when it is over
│   ├── QuotaUsedUp         the allowance does not reach; knows when it comes back
│   ├── Unconfirmed         it costs much, and nobody has said yes to that yet; knows how much
│   ├── Lapsed              the question has been answered, or was asked too long ago
│   ├── NoRoom              the disk is nearly full, so a picture could not be kept
│   ├── BlockedWords        words that are not painted here; says why
│   ├── Blocked             this person may not paint here; says why
│   └── ShuttingDown        the bot is about to stop and takes nothing new
├── NotAllowed              this belongs to somebody else
├── NothingToCancel         the job has ended already, or never was
├── PictureGone             the picture is no longer kept
├── PlaceGone               the server or channel where a job was to be shown is no longer there
├── SetAside                the engine died under this job alone, time and again; it is not tried again
├── ConfigError             config.toml says something that cannot be
├── FolderInUse             another dreambot owns the data folder
└── StoreError              the database or the pictures' folder cannot be read or written
"""

from __future__ import annotations

from engine.errors import DreamError

EXIT_FAILED = 1
"""Exit status of a failure that a restart may cure."""
EXIT_UNUSABLE = 78
"""Exit status (EX_CONFIG of sysexits.h) if a person must first change token, intents or configuration."""


class Refused(DreamError):
    """Not now, or not for this person. *retry_at* (unix seconds) says when it would work, where that is known."""

    def __init__(self, message: str, retry_at: float | None = None) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class TooLarge(Refused):
    """More pixels, steps or pictures than the host allows; the text says how many are."""


class QueueFull(Refused):
    """Too many jobs are waiting already: the whole bot's, or this person's."""


class CoolingDown(Refused):
    """The last submission was too short a time ago."""


class QuotaUsedUp(Refused):
    """What is left of the allowance does not pay for this; *retry_at* is when more comes back."""


class Unconfirmed(Refused):
    """The job would be taken, but costs so much of what is *left* (units) that its person is asked first.

    The words are for where nobody can be asked.
    """

    def __init__(self, left: float) -> None:
        super().__init__(
            "This costs so much of what you have left that I ask first, which I can only where you use a command or a "
            "button. Nothing is painted or charged yet."
        )
        self.left = left


class Lapsed(Refused):
    """That question is closed: answered already, or too old."""


class NoRoom(Refused):
    """The disk is nearly full; what waits goes on."""


class BlockedWords(Refused):
    """The prompt holds words that are not painted in this place."""


class Blocked(Refused):
    """A moderator has taken this person's leave to paint here."""


class ShuttingDown(Refused):
    """The bot is about to stop; what waits is kept, nothing new is taken."""


class NotAllowed(DreamError):
    """Only the job's owner or a moderator may do that."""


class NothingToCancel(DreamError):
    """There is no such job, or it has ended."""


class PictureGone(DreamError):
    """The picture is no longer kept, or its job never made it."""


class PlaceGone(DreamError):
    """The bot was removed from the server, or the channel was deleted, before the job's turn came."""


class SetAside(DreamError):
    """The engine died each time it painted this job; an apology instead of another try."""


class ConfigError(DreamError):
    """The configuration cannot be used; the text names section, key, value and what would be right."""


class FolderInUse(DreamError):
    """Another dreambot works on this data folder."""


class StoreError(DreamError):
    """The database cannot be used: newer than this code, read-only, locked, corrupt, or the disk is full."""
