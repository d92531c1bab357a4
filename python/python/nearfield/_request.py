"""The options of a search, in the form that Rust takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypedDict, Unpack

import numpy as np

from . import _checks
from ._boost import Boost
from ._decay import Decay
from ._eligible import ExcludeSets, Where, narrowed
from ._errors import InvalidArgumentError
from ._times import duration_us

K_DEFAULT = 10
K_MAX = 10_000


class SearchOptions(TypedDict, total=False):
    """The options of `Collection.search`."""

    recall: float | None
    ef: int | None
    exact: bool
    where: Where
    exclude: Any
    exclude_sets: ExcludeSets
    group_by: str | None
    max_per_group: int | None
    decay: Decay | None
    boosts: Sequence[Boost]
    min_score: float | None
    with_attributes: Sequence[str]
    with_vectors: bool
    timeout: str | float | timedelta | np.timedelta64 | None
    threads: int | None
    space: str | None
    explain: bool


_KNOWN = frozenset(SearchOptions.__annotations__)


def search_arguments(
    k: int | None, queries: int | None, **options: Unpack[SearchOptions]
) -> tuple[Any, ...]:
    """Return the tuple that ``SearchArguments`` in Rust takes apart, which is faster than a dict.

    Parameters
    ----------
    k : int, optional
        Results a query.
    queries : int, optional
        Their number, if known.
    **options
        As in `Collection.search`.
    """
    if not options.keys() <= _KNOWN:
        unknown = sorted(options.keys() - _KNOWN)
        raise TypeError(f"expected the options of search, found {unknown[0]!r}")
    of: Callable[..., Any] = options.get
    decay, floor, timeout = of("decay"), of("min_score"), of("timeout")
    recall, ef, threads = of("recall"), of("ef"), of("threads")
    group_by, cap, space = of("group_by"), of("max_per_group"), of("space")
    if decay is not None and not isinstance(decay, Decay):
        raise TypeError(f"decay: expected a nearfield.Decay, found {type(decay).__name__}")
    narrow, each = narrowed(of("where"), of("exclude"), of("exclude_sets"), queries)
    if k is None:
        k = K_DEFAULT if floor is None else K_MAX
    return (
        _checks.count(k, "k"),
        (
            None if recall is None else _checks.real(recall, "recall"),
            None if ef is None else _checks.count(ef, "ef"),
            _checks.flag(of("exact", False), "exact"),
        ),
        narrow,
        each,
        None if group_by is None else _checks.text(group_by, "group_by"),
        None if cap is None else _checks.count(cap, "max_per_group"),
        (None if decay is None else decay._arguments(), _boosts(of("boosts"))),
        _checks.texts(of("with_attributes", ()), "with_attributes"),
        _checks.flag(of("with_vectors", False), "with_vectors"),
        (
            None if threads is None else _checks.count(threads, "threads"),
            None if floor is None else _checks.real(floor, "min_score"),
            None if timeout is None else _timeout_us(timeout),
        ),
        None if space is None else _checks.text(space, "space"),
        _checks.flag(of("explain", False), "explain"),
    )


def _boosts(value: Any) -> list[tuple[str, float, str]]:
    if value is None:
        return []
    if isinstance(value, Boost):
        raise TypeError("boosts: expected a list of nearfield.Boost, found one; use brackets")
    if not isinstance(value, list | tuple):
        raise TypeError(f"boosts: expected a list of nearfield.Boost, found {_checks.shown(value)}")
    for boost in value:
        if not isinstance(boost, Boost):
            raise TypeError(f"boosts: expected nearfield.Boost, found {_checks.shown(boost)}")
    return [boost._arguments() for boost in value]


def _timeout_us(timeout: str | float | timedelta | np.timedelta64) -> int:
    if isinstance(timeout, str | timedelta | np.timedelta64):
        return duration_us(timeout, "timeout")
    seconds = _checks.real(timeout, "timeout")
    if not 0 < seconds < 1e9:
        raise InvalidArgumentError(
            f'timeout: expected seconds above 0, or a time like "50ms", found {seconds}'
        )
    return max(1, round(seconds * 1e6))
