"""Moments and durations, in microseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from ._checks import shown
from ._errors import InvalidArgumentError, InvalidTypeError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
I64_MAX = 2**63 - 1

_UNITS_US = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*")


def moment_us(value: Any, argument: str) -> int:
    """Return a moment as microseconds since 1970 in UTC; without a zone it is UTC.

    Parameters
    ----------
    value : datetime.datetime, numpy.datetime64 or str
        A str is in ISO 8601 format.
    argument : str
        Where the value was given, for errors.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise InvalidArgumentError(
                f"{argument}: expected a moment in ISO 8601 format, found {value!r}; "
                'for example "2013-01-01T00:00:00Z"'
            ) from None
    if isinstance(value, np.datetime64):
        if np.isnat(value):
            raise InvalidArgumentError(f"{argument}: expected a moment, found NaT")
        return int(value.astype("datetime64[us]").astype(np.int64))
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return (aware - EPOCH) // MICROSECOND
    raise InvalidTypeError(
        f"{argument}: expected a datetime, numpy datetime64 or ISO 8601 str, found {shown(value)}"
    )


def duration_us(value: Any, argument: str) -> int:
    """Return a duration above zero in microseconds.

    Parameters
    ----------
    value : str, datetime.timedelta or numpy.timedelta64
        A str is a number and a unit: us, ms, s, m (or min), h, d or w.
    argument : str
        Where the value was given, for errors.
    """
    if isinstance(value, timedelta):
        micros = value // MICROSECOND
    elif isinstance(value, np.timedelta64):
        micros = int(value.astype("timedelta64[us]").astype(np.int64))
    elif isinstance(value, str):
        found = _DURATION.fullmatch(value)
        unit = _UNITS_US.get(found[2]) if found else None
        if found is None or unit is None:
            raise InvalidArgumentError(
                f"{argument}: expected a number and a unit of {', '.join(_UNITS_US)}, "
                f'found {value!r}; for example "6h"'
            )
        micros = round(min(float(found[1]) * unit, 2.0**64))
    else:
        raise InvalidTypeError(
            f'{argument}: expected a str such as "6h" or a timedelta, found {shown(value)}'
        )
    if not 0 < micros <= I64_MAX:
        raise InvalidArgumentError(f"{argument}: expected a time above zero, found {value!r}")
    return micros
