"""When a call is made again: only where that can't do what its caller didn't ask for."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any

import grpc

from .._errors import InvalidArgumentError
from ._errors import pause, reason

# The server refuses so before it does anything.
_NOT_BEGUN = frozenset({"FULL", "STOPPING"})


@dataclass(frozen=True)
class Retry:
    """How often and when a call is made again.

    Reads are made again when the server can't be reached or is full. Writes only when the server
    says that it did not begin: of a write whose answer was lost nobody knows whether it happened,
    and what another client wrote since would be written over. Ingest knows, and goes on.

    Parameters
    ----------
    attempts : int, default 7
        In all; 1 is never again.
    first : float, default 0.05
        Seconds before the second; each pause is twice the one before, with half of it at random.
    longest : float, default 2.0
        Seconds that a pause takes at most.
    """

    attempts: int = 7
    first: float = 0.05
    longest: float = 2.0

    def __post_init__(self) -> None:
        """Check at once."""
        if self.attempts < 1 or not 0 <= self.first <= self.longest:
            raise InvalidArgumentError(
                f"retry: expected attempts of at least 1 and pauses 0 <= first <= longest, "
                f"found {self}"
            )


class Attempts:
    """Those of one call, until its time is up."""

    def __init__(self, retry: Retry, safe: bool, timeout: float | None) -> None:
        self._retry = retry
        self._safe = safe
        self._end = None if timeout is None else time.monotonic() + timeout
        self._made = 0

    def time_left(self) -> float | None:
        """Return the seconds that are left of the call."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def again_after(self, error: Any) -> float | None:
        """Return the seconds to wait before another attempt; None: there is none."""
        self._made += 1
        if self._made >= self._retry.attempts or not self._may(error):
            return None
        grown = min(self._retry.longest, self._retry.first * 2 ** (self._made - 1))
        wait = max(grown * random.uniform(0.5, 1.0), pause(error) or 0.0)
        left = self.time_left()
        return None if left is not None and wait >= left else wait

    def _may(self, error: Any) -> bool:
        why = reason(error)
        if why in _NOT_BEGUN:
            return True
        return self._safe and error.code() == grpc.StatusCode.UNAVAILABLE and why != "CLOSED"
