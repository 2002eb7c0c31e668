"""Errors with a message for the user.

    DreamError                  str() is shown to the user unchanged
    ├── InvalidRequest          the request cannot be carried out; the message says what is possible
    │   └── PromptError         invalid prompt syntax, with the position of the character
    ├── UnreadablePicture       the file is not a supported picture, or it is broken or too large
    ├── ModelUnavailable        the engine lacks the model, method or upscaler; the message says why
    ├── WeightsError            a checkpoint is missing, corrupt, or does not match its architecture or hash
    ├── OutOfMemory             a single picture of this size does not fit into memory
    ├── NotFinite               the values of one picture became NaN or infinite
    ├── Cancelled               the job was cancelled
    ├── EngineRestarting        temporary: the engine is starting or restarting; the job may be retried
    └── EngineUnusable          permanent: the engine cannot start until its host acts

Imports neither torch nor discord. The class name is the error code between processes (`Failure.error`).
"""

from __future__ import annotations

import re

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Replace control characters in *text*, except tabs and line feeds, so that no terminal interprets them."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


class DreamError(Exception):
    """An error with a message for the user. Control characters in the message are replaced."""

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))

    @property
    def code(self) -> str:
        """The class's name, by which the error crosses a process border."""
        return type(self).__name__


class InvalidRequest(DreamError):
    """What was asked for cannot be done; the text says what can."""


class PromptError(InvalidRequest):
    """Bad prompt syntax. *position* is the index of the offending character in *source*."""

    def __init__(self, message: str, source: str, position: int) -> None:
        super().__init__(message)
        self.source = source
        self.position = position

    @property
    def pointer(self) -> str:
        """Two lines for a monospaced block: the prompt, and a caret under the character."""
        return f"{self.source}\n{' ' * self.position}^"


class UnreadablePicture(DreamError):
    """These bytes are not a picture that we open: broken, too large, or of another kind."""


class ModelUnavailable(DreamError):
    """This engine has not got the model, method or upscaler that was asked for; the text says why."""


class WeightsError(DreamError):
    """A checkpoint is missing, corrupt, of another architecture, or not what its hash says."""


class OutOfMemory(DreamError):
    """Not even one picture of this size fits into the device's memory."""


class NotFinite(DreamError):
    """The numbers of one picture became NaN or infinite; its neighbours are not harmed."""


class Cancelled(DreamError):
    """A person stopped the job."""


class EngineRestarting(DreamError):
    """The engine died or is not ready yet. Recoverable: the same job may be tried again."""


class EngineUnusable(DreamError):
    """The engine cannot start; the host has to do something about it."""


def error_from_code(code: str, message: str) -> DreamError:
    """Rebuild what `Failure.error` and `Failure.message` say; an unknown code becomes a plain DreamError."""
    known = {cls.__name__: cls for cls in _descendants(DreamError) if cls is not PromptError}
    return known.get(code, InvalidRequest if code == "PromptError" else DreamError)(message)


def _descendants(cls: type[DreamError]) -> list[type[DreamError]]:
    return [cls, *(deep for child in cls.__subclasses__() for deep in _descendants(child))]
