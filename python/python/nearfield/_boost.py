"""Preference for large values of an attribute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ._checks import real, text
from ._errors import InvalidArgumentError

_SCALES = ("linear", "log1p")


@dataclass(frozen=True)
class Boost:
    """Adds ``weight * scale(x) / scale(largest x)`` to the score of a point.

    The quotient is clamped to 0 to 1, so that a boost adds at most its weight.

    Parameters
    ----------
    column : str
        An ``i64`` or ``f64`` column, which holds ``x``; null adds 0.
    weight : float, default 1.0
        The bonus of the largest value that any point has, at least 0.
    scale : {"linear", "log1p"}
        Whether values count as they are, or as ``log(1 + x)``, so that large ones count for less.

    Raises
    ------
    InvalidArgumentError
        A weight or scale that can't be used.

    Examples
    --------
    >>> Boost("score", weight=0.1, scale="log1p").weight
    0.1
    """

    column: str
    weight: float = 1.0
    scale: Literal["linear", "log1p"] = "linear"

    def __post_init__(self) -> None:
        """Check every value at once, not when the search runs."""
        _, weight, scale = self._arguments()
        if not 0 <= weight < float("inf"):
            raise InvalidArgumentError(
                f"boost weight: expected a number of at least 0, found {weight}"
            )
        if scale not in _SCALES:
            raise InvalidArgumentError(
                f'boost scale: expected "linear" or "log1p", found {scale!r}'
            )

    def _arguments(self) -> tuple[str, float, str]:
        return (
            text(self.column, "boost column"),
            real(self.weight, "boost weight"),
            text(self.scale, "boost scale"),
        )
