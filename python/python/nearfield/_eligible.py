"""Who is eligible: a filter and exclusions for all queries, or for each."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number
from typing import Any, TypeAlias

import numpy as np

from . import _checks, _inputs
from ._errors import InvalidArgumentError

Where: TypeAlias = str | Sequence[str | None] | None
ExcludeSets: TypeAlias = Sequence[str] | Sequence[Sequence[str] | None] | None

_IDS = (int, str)

# A filter, ids, names of sets.
Narrowed: TypeAlias = tuple[str | None, Any, list[str]]


def narrowed(
    where: Where, exclude: Any, exclude_sets: ExcludeSets, queries: int | None
) -> tuple[Narrowed, list[Narrowed] | None]:
    """Return what holds for all queries and, if anything is given as a list of n, for each.

    Parameters
    ----------
    where, exclude, exclude_sets
        As in `Collection.search`.
    queries : int, optional
        Their number, if known.
    """
    if where is None and exclude is None and exclude_sets is None:
        return (None, None, []), None
    filters = where if isinstance(where, list | tuple) else None
    ids = exclude if _is_list_of_ids(exclude) else None
    sets = exclude_sets if _is_list_of_names(exclude_sets) else None
    all_queries: Narrowed = (
        None if where is None or filters is not None else _checks.text(where, "where"),
        None if exclude is None or ids is not None else _inputs.ids(exclude, "exclude"),
        [] if exclude_sets is None or sets is not None else _names(exclude_sets, "exclude_sets"),
    )
    lists = {"where": filters, "exclude": ids, "exclude_sets": sets}
    lengths = {name: len(each) for name, each in lists.items() if each is not None}
    if not lengths:
        return all_queries, None
    expected = next(iter(lengths.values())) if queries is None else queries
    for name, found in lengths.items():
        if found != expected:
            raise InvalidArgumentError(
                f"{name}: expected one value for all queries or a list of {expected}, one a query, "
                f"found a list of {found}"
            )
    return all_queries, [
        (
            None if not filters or filters[row] is None else _checks.text(filters[row], "where"),
            None if ids is None or ids[row] is None else _inputs.ids(ids[row], f"exclude[{row}]"),
            [] if not sets or sets[row] is None else _names(sets[row], "exclude_sets"),
        )
        for row in range(expected)
    ]


def _names(value: Any, argument: str) -> list[str]:
    return _checks.texts(value, argument)


def _is_list_of_ids(value: Any) -> bool:
    """Whether these are ids for each query, rather than ids."""
    if isinstance(value, np.ndarray):
        return value.ndim == 2
    if not isinstance(value, list | tuple):
        return False
    return any(
        type(of) not in _IDS and not isinstance(of, str | bytes | Number | np.generic)
        for of in value[:64]
    )


def _is_list_of_names(value: Any) -> bool:
    if not isinstance(value, list | tuple):
        return False
    return any(of is None or isinstance(of, list | tuple) for of in value)
