"""The engine's border for what nobody expected: it is logged with its traceback and becomes words with a number."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

from engine.errors import DreamError, OutOfMemory

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


def catch(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | DreamError:
    """What *call* returns, or its failure as a DreamError in words, freed of tracebacks (they keep tensors alive)."""
    try:
        return call(*args, **kwargs)
    except DreamError as error:
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    except Exception as error:  # the border: one job's unknown mishap must not end the others
        if is_out_of_memory(error):
            return OutOfMemory("There is not enough memory for this, whatever was tried; a smaller picture may fit.")
        number = secrets.token_hex(3)
        log.exception("Something broke (id %s)", number)
        return Unexpected(f"Something broke; it has been logged (id {number}).")


class Unexpected(DreamError):
    """Not foreseen by anybody; the log has the traceback under the number in the text."""

    @property
    def code(self) -> str:
        """Outside it is a DreamError like any other."""
        return DreamError.__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether *error* is a device's or the system's way to say that memory is used up."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("DefaultCPUAllocator: can't allocate", "out of memory", "CUBLAS_STATUS_ALLOC")
    )
