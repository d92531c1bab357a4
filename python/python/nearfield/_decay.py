"""Preference for what is fresh."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ._checks import real, text
from ._errors import InvalidArgumentError
from ._times import duration_us, moment_us


@dataclass(frozen=True)
class Decay:
    """Adds ``weight * 2 ** (-max(0, origin - t) / half_life)`` to the score of a point.

    Parameters
    ----------
    column : str
        A ``timestamp`` column, which holds ``t``; null adds 0.
    half_life : str, datetime.timedelta or numpy.timedelta64
        The age at which the bonus has halved, above zero. A str is a number and a unit: us, ms,
        s, m, h, d or w, as in ``"6h"``.
    origin : datetime.datetime, numpy.datetime64 or str, optional
        The moment from which age is counted; by default the time of the request. A str is in
        ISO 8601 format. Without a zone it is UTC.
    weight : float, default 1.0
        The bonus of what is as new as the origin, at least 0.

    Raises
    ------
    InvalidArgumentError
        A duration, moment or weight that can't be used.

    Examples
    --------
    >>> Decay("created_utc", half_life="6h", weight=0.3).half_life
    '6h'
    """

    column: str
    half_life: str | timedelta | np.timedelta64
    origin: datetime | np.datetime64 | str | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check every value at once, not when the search runs."""
        weight = self._arguments()[-1]
        if not 0 <= weight < float("inf"):
            raise InvalidArgumentError(
                f"decay weight: expected a number of at least 0, found {weight}"
            )

    def _arguments(self) -> tuple[str, int, int | None, float]:
        origin = None if self.origin is None else moment_us(self.origin, "decay origin")
        return (
            text(self.column, "decay column"),
            duration_us(self.half_life, "decay half_life"),
            origin,
            real(self.weight, "decay weight"),
        )
