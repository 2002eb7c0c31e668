"""Errors of the bot, with messages for people; they continue the tree of `engine.errors`.

DreamError
├── Refused                 a valid request, but not now or not for this person
│   ├── TooLarge            beyond the host's limits of size, steps or count
│   ├── QueueFull           too many queued jobs, in all or of this person
│   ├── CoolingDown         too soon after the last request; knows when it is over
│   ├── QuotaUsedUp         not enough units left; knows when they come back
│   ├── Unconfirmed         the job is expensive and needs a confirmation; knows the units left
│   ├── Lapsed              the question was answered, or has expired
│   ├── NoRoom              the disk is nearly full
│   ├── BlockedWords        words that are not allowed here; says why
│   ├── Blocked             this person is blocked here; says why
│   └── ShuttingDown        the bot is stopping
├── NotAllowed              the job belongs to another person
├── NothingToCancel         the job has ended, or does not exist
├── PictureGone             the picture was deleted
├── PlaceGone               the server or channel of a job was deleted
├── SetAside                the engine crashed repeatedly under this job alone
├── ConfigError             config.toml, token or environment are wrong
├── FolderInUse             another dreambot uses the data folder
└── StoreError              the database or a file cannot be read or written
"""

from __future__ import annotations

from engine.errors import DreamError

EXIT_FAILED = 1
"""Exit status of a failure that a restart may cure."""
EXIT_UNUSABLE = 78
"""Exit status (EX_CONFIG of sysexits.h) if a person must first change token, intents or configuration."""


class Refused(DreamError):
    """Not now, or not for this person. *retry_at*: unix seconds from which on it would work, if known."""

    def __init__(self, message: str, retry_at: float | None = None) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class TooLarge(Refused):
    """More pixels, steps or pictures than the host allows; the text names the limit."""


class QueueFull(Refused):
    """Too many jobs are queued, in all or of this person."""


class CoolingDown(Refused):
    """Too soon after this person's last request."""


class QuotaUsedUp(Refused):
    """The units left do not pay for this job; *retry_at* is when more come back."""


class Unconfirmed(Refused):
    """The job costs so much of the *left* units that it needs a confirmation.

    The message is for places without buttons, such as reactions.
    """

    def __init__(self, left: float) -> None:
        super().__init__(
            "This costs a large part of your remaining units and needs your confirmation. Use a command or a button "
            "instead. Nothing was painted or charged."
        )
        self.left = left


class Lapsed(Refused):
    """The question was answered, or has expired."""


class NoRoom(Refused):
    """The disk is nearly full. Queued jobs continue."""


class BlockedWords(Refused):
    """The prompt holds words that are not allowed in this channel."""


class Blocked(Refused):
    """A moderator has blocked this person here."""


class ShuttingDown(Refused):
    """The bot is stopping. Queued jobs are kept."""


class NotAllowed(DreamError):
    """Only the job's owner or a moderator may do that."""


class NothingToCancel(DreamError):
    """The job does not exist, or has ended."""


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
