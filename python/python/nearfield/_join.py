"""A whole file of queries, answered into another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

from . import _checks, _collection
from ._boost import Boost
from ._collection import Collection, PathLike
from ._decay import Decay
from ._progress import bar
from ._report import Report
from ._request import search_arguments


class JoinOptions(TypedDict, total=False):
    """The options that `knn_join` shares with `Collection.search`."""

    recall: float | None
    ef: int | None
    exact: bool
    exclude: Any
    exclude_sets: Sequence[str]
    group_by: str | None
    max_per_group: int | None
    decay: Decay | None
    boosts: Sequence[Boost]
    min_score: float | None
    threads: int | None
    space: str | None


def knn_join(
    queries: PathLike,
    collection: Collection | PathLike,
    out: PathLike,
    k: int = 100,
    *,
    id: str = "id",  # noqa: A002 - the name of a column
    vector: str = "embedding",
    where: str | None = None,
    exclude_column: str | None = None,
    exclude_set: str | None = None,
    group: str | None = None,
    weight: str | None = None,
    progress: bool = True,
    **options: Unpack[JoinOptions],
) -> Report:
    """Search for every query of a file; write the results to a Parquet file.

    A query means what it means in `Collection.search`, and all of them see the collection as it is
    when the call begins. Reading, searching and writing go on at the same time, in bounded memory.
    A call that was interrupted or killed goes on where it stopped when it is made again, as long as
    the queries and the arguments are the same: what is done is kept beside `out`.

    Parameters
    ----------
    queries : str or Path
        ``.parquet`` or ``.arrow`` files; a str may be a glob.
    collection : Collection, str or Path
        Where to search, or its path.
    out : str or Path
        A ``.parquet`` file; one that is there is replaced when all is done.
    k : int, default 100
        Results a query, 1 to 10,000.
    id, vector : str
        Columns of the queries' ids (integers or strings) and vectors.
    where : str, optional
        A filter that all queries share.
    exclude_column : str, optional
        Column of lists of ids: what each query leaves out.
    exclude_set : str, optional
        An exclusion set to leave out; ``{id}`` in it stands for the query's id, as in
        ``"user:{id}:seen"``.
    group : str, optional
        Column of users: the rows of one are their interests, wherever they are in the file, and
        have one list together, as of `Collection.search_interests`. ``query_id`` is then the user,
        and ``{id}`` too; `id` isn't read.
    weight : str, optional
        Column of the weights of interests, above 0.
    progress : bool
        Whether to show a tqdm bar.
    **options
        As in `Collection.search`: recall, ef, exact, exclude, exclude_sets, group_by,
        max_per_group, decay, boosts, min_score, threads, space.

    Returns
    -------
    Report
        lists (made by this call), hits (in them), resumed (lists that an earlier call had made).
        The file has a row a hit: query_id, rank (from 0), id, score; the lists in the order of the
        queries, those of users in the order of their last rows.

    Raises
    ------
    InvalidArgumentError
        If an argument can't be used, or a row; the message names the column and the row.
    SpaceMismatchError, FilterError, ClosedError
        As in `Collection.search`.
    KeyboardInterrupt
        On Ctrl-C; what is done is kept.

    Examples
    --------
    >>> knn_join("users.parquet", "posts.nf", "candidates.parquet", k=100)  # doctest: +SKIP
    """
    if not isinstance(collection, Collection):
        with _collection.open(collection) as opened:
            return knn_join(
                queries,
                opened,
                out,
                k,
                id=id,
                vector=vector,
                where=where,
                exclude_column=exclude_column,
                exclude_set=exclude_set,
                group=group,
                weight=weight,
                progress=progress,
                **options,
            )

    def named(value: str | None, argument: str) -> str | None:
        return None if value is None else _checks.text(value, argument)

    arguments = {
        "queries": _checks.path(queries, "queries"),
        "out": _checks.path(out, "out"),
        "id": _checks.text(id, "id"),
        "vector": _checks.text(vector, "vector"),
        "exclude_column": named(exclude_column, "exclude_column"),
        "exclude_set": named(exclude_set, "exclude_set"),
        "group": named(group, "group"),
        "weight": named(weight, "weight"),
        "search": search_arguments(k, None, where=where, **options),
    }
    with bar(progress, "join") as tick:
        return Report(collection._core.knn_join(arguments, tick))
