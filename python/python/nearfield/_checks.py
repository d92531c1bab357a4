"""Checks of single arguments: a wrong type is a ``TypeError``, a wrong value names the argument."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from ._errors import InvalidArgumentError

COUNT_MAX = 2**63 - 1
_SHOWN_MAX = 60


def shown(value: Any) -> str:
    """Return the type and the start of the ``repr`` of a value, whatever its ``repr`` does."""
    kind = type(value).__name__
    if value is None:
        return kind.removesuffix("Type")
    try:
        text = repr(value)
    except Exception:
        return kind
    return f"{kind} {text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + '...'}"


def count(value: Any, argument: str, largest: int = COUNT_MAX) -> int:
    """Return an int of at least 0."""
    if type(value) is int and 0 <= value <= largest:
        return value
    if isinstance(value, bool):
        raise TypeError(f"{argument}: expected an int, found {shown(value)}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{argument}: expected an int, found {shown(value)}") from None
    if not 0 <= number <= largest:
        wanted = "an int of at least 0" if largest == COUNT_MAX else f"0 to {largest}"
        raise InvalidArgumentError(f"{argument}: expected {wanted}, found {shown(number)}")
    return number


def real(value: Any, argument: str) -> float:
    """Return a float."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{argument}: expected a number, found {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise InvalidArgumentError(
            f"{argument}: expected a 64-bit float, found {shown(value)}"
        ) from None


def text(value: Any, argument: str) -> str:
    """Return a str."""
    if not isinstance(value, str):
        raise TypeError(f"{argument}: expected a str, found {shown(value)}")
    if not value.isascii():
        _check_unicode(value, argument)
    return value


def _check_unicode(value: str, argument: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(
            f"{argument}: expected text that UTF-8 can hold, found a lone surrogate at "
            f"{error.start}"
        ) from None


def texts(value: Any, argument: str) -> list[str]:
    """Return a list of str."""
    if type(value) in (list, tuple) and not value:
        return []
    if isinstance(value, str):
        raise TypeError(f"{argument}: expected a list of str, found a str; use brackets")
    if not isinstance(value, Iterable):
        raise TypeError(f"{argument}: expected a list of str, found {shown(value)}")
    return [text(name, argument) for name in value]


def flag(value: Any, argument: str) -> bool:
    """Return a bool; numpy's is taken too."""
    if value is False or value is True:
        return value
    if not (isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")):
        raise TypeError(f"{argument}: expected a bool, found {shown(value)}")
    return bool(value)


def path(value: Any, argument: str) -> str:
    """Return a path as str."""
    try:
        decoded = os.fsdecode(value)
    except TypeError:
        raise TypeError(f"{argument}: expected a str or Path, found {shown(value)}") from None
    _check_unicode(decoded, argument)
    return decoded


def schema(value: Any) -> list[tuple[str, str]]:
    """Return names and types of columns; None is no column."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise TypeError(f"schema: expected a dict of str to str, found {type(value).__name__}")
    return [
        (text(name, "schema"), text(kind, f'schema column "{name}"'))
        for name, kind in value.items()
    ]
