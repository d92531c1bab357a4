"""How much of the truth a search found."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._checks import shown
from ._errors import InvalidArgumentError, InvalidTypeError
from ._result import SearchResult

MISSING_U64 = 2**64 - 1


def recall(result: Any, truth: Any) -> float:
    """Return recall@k: the share of the true neighbours that were found.

    Parameters
    ----------
    result : SearchResult or array_like of shape (n, k) or (k,)
        What a search found, or its ids.
    truth : SearchResult or array_like of shape (n, k') or (k',)
        The true neighbours, best first, e.g. of a search with ``exact=True``. With k' > k, the
        first k count; with k' < k, only the first k' of the result count.

    Returns
    -------
    float
        0 to 1. Missing hits and repeated ids count as misses; places that are empty in the truth
        (2**64 - 1, -1 or None) don't count. 1 if there is nothing to find.

    Raises
    ------
    InvalidArgumentError
        If the two have different numbers of queries, or more than two dimensions.

    Examples
    --------
    >>> recall([[1, 2, 2]], [[1, 2, 3]])
    0.6666666666666666
    """
    found = _rows(result, "result")
    wanted = _rows(truth, "truth")
    if len(found) != len(wanted):
        raise InvalidArgumentError(
            f"truth: expected {len(found)} rows, one a query of the result, found {len(wanted)}"
        )
    hits = total = 0
    for got, true in zip(found, wanted, strict=True):
        k = min(len(got), len(true))
        neighbours = {i for i in true[:k] if not _is_missing(i)}
        hits += len(neighbours.intersection(got[:k]))
        total += len(neighbours)
    return hits / total if total else 1.0


def _rows(value: Any, argument: str) -> list[list[Any]]:
    if isinstance(value, SearchResult):
        ids = value.ids
    else:
        try:
            ids = np.asarray(value)
        except Exception as error:
            raise InvalidArgumentError(
                f"{argument}: expected ids of shape (n, k) or (k,), found {shown(value)} ({error})"
            ) from None
    if ids.ndim not in (1, 2) or ids.dtype.kind not in "iufOUT":
        raise InvalidArgumentError(
            f"{argument}: expected ids of shape (n, k) or (k,), found {ids.dtype} of shape "
            f"{ids.shape}"
        )
    rows: list[list[Any]] = np.atleast_2d(ids).tolist()
    if ids.dtype.kind == "O":
        for row, of in enumerate(rows):
            for one in of:
                if not isinstance(one, int | str | np.integer | None):
                    raise InvalidTypeError(
                        f"{argument}, row {row}: expected ids, found {shown(one)}"
                    )
    return rows


def _is_missing(value: Any) -> bool:
    return value is None or value in (MISSING_U64, -1)
