"""Turns unexpected exceptions into DreamErrors, so that one job's failure does not end the others."""

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
    """What *call* returns, or its failure as a DreamError without traceback (a traceback keeps tensors alive).

    Lack of memory becomes OutOfMemory. Anything unexpected is logged under a number that the message names.
    """
    try:
        return call(*args, **kwargs)
    except DreamError as error:
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    except Exception as error:  # one job's unexpected failure must not end the others
        if is_out_of_memory(error):
            return OutOfMemory("There is not enough memory for this, whatever was tried; a smaller picture may fit.")
        number = secrets.token_hex(3)
        log.exception("Something broke (id %s)", number)
        return Unexpected(f"Something broke; it has been logged (id {number}).")


class Unexpected(DreamError):
    """An unexpected exception. The log has its traceback under the number in the message."""

    @property
    def code(self) -> str:
        """Clients see a plain DreamError."""
        return DreamError.__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether *error* says that the device or the system is out of memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("DefaultCPUAllocator: can't allocate", "out of memory", "CUBLAS_STATUS_ALLOC")
    )
