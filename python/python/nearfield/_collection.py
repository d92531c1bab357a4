"""Collections: the class that users hold, and how to get one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias, Unpack

import numpy as np

from . import _checks, _core, _inputs
from ._boost import Boost
from ._decay import Decay
from ._eligible import ExcludeSets, Where
from ._errors import InvalidArgumentError
from ._exclusions import Exclusions
from ._progress import bar
from ._report import Report, html_table
from ._request import SearchOptions, search_arguments
from ._result import SearchResult
from ._table import Table
from ._times import duration_us

PathLike: TypeAlias = str | os.PathLike[str]
Metric: TypeAlias = Literal["cosine", "ip", "l2"]
Memory: TypeAlias = Literal["mapped", "pinned", "heap"]
AttributeType: TypeAlias = Literal[
    "keyword", "keyword[]", "i64", "f64", "bool", "timestamp", "text"
]


def create(
    path: PathLike | None = None,
    *,
    dim: int,
    metric: Metric = "cosine",
    id_type: Literal["u64", "str"] = "u64",
    schema: Mapping[str, AttributeType] | None = None,
    space: str | None = None,
    dtype: Literal["f32", "f16", "u8", "i8"] = "f32",
    profile: Literal["fast", "balanced", "compact"] = "balanced",
    index: Literal["graph", "hnsw"] = "graph",
    durability: Literal["sync", "buffered"] = "sync",
    memory: Memory = "mapped",
    seed: int = 0,
) -> Collection:
    """Create an empty collection, open for writing.

    Parameters
    ----------
    path : str or Path, optional
        A directory that doesn't exist yet. Without one, the collection lives in memory.
    dim : int
        Components of a vector, 1 to 16,384.
    metric : {"cosine", "ip", "l2"}
        What near means. Under cosine, zero vectors are refused.
    id_type : {"u64", "str"}
        Ids are integers of 0 to 2**64 - 2, or strings of 1 to 512 bytes of UTF-8.
    schema : dict of str to str, optional
        Attribute columns and their types: keyword, keyword[], i64, f64, bool, timestamp (UTC,
        microseconds) or text (stored and returned only). Any value may be null.
    space : str, optional
        The embedding space, ``name@version``. A search that states another one is refused.
    dtype : {"f32", "f16", "u8", "i8"}
        How the original vectors are stored.
    profile : {"balanced", "fast", "compact"}
        Memory against speed.
    index : {"graph", "hnsw"}
        Who builds the graph: nearfield, or the crate hnsw_rs, whose graph takes many times as
        long to build, on one thread. Both are searched by the same code.
    durability : {"sync", "buffered"}
        Whether a write that returned survives a power cut, or only the end of the process.
    memory : {"mapped", "pinned", "heap"}
        Where segments live while open.
    seed : int
        Of everything random in a build: the same seed and data make the same bytes.

    Returns
    -------
    Collection

    Raises
    ------
    AlreadyExistsError
        If the path is taken.
    InvalidArgumentError
        If a value can't be used.

    Examples
    --------
    >>> posts = create(dim=3, metric="l2", schema={"title": "text"})
    >>> posts.upsert([7], [[1.0, 2.0, 3.0]], {"title": ["seven"]})
    >>> posts.search([1.0, 2.0, 3.0], k=1).ids.tolist()
    [7]
    """
    where = None if path is None else _checks.path(path, "path")
    arguments = {
        "dim": _checks.count(dim, "dim"),
        "metric": _checks.text(metric, "metric"),
        "id_type": _checks.text(id_type, "id_type"),
        "schema": _checks.schema(schema),
        "space": None if space is None else _checks.text(space, "space"),
        "dtype": _checks.text(dtype, "dtype"),
        "profile": _checks.text(profile, "profile"),
        "index": _checks.text(index, "index"),
        "durability": _checks.text(durability, "durability"),
        "memory": _checks.text(memory, "memory"),
        "seed": _checks.count(seed, "seed", 2**64 - 1),
    }
    return Collection(_core.Collection.create(where, arguments), where)


def open(  # noqa: A001 - nearfield.open is the name
    path: PathLike,
    mode: Literal["r", "r+"] = "r",
    *,
    memory: Memory | None = None,
) -> Collection:
    """Open a collection.

    Parameters
    ----------
    path : str or Path
        Where the collection is.
    mode : {"r", "r+"}
        Any number of processes may read ("r"); one at a time may write ("r+").
    memory : {"mapped", "pinned", "heap"}, optional
        Where segments live while open; by default as the collection was created.

    Returns
    -------
    Collection

    Raises
    ------
    CollectionNotFoundError
        If there is no collection at the path.
    LockedError
        If another writer holds the collection.
    CorruptionError, UnsupportedVersionError
        If a file can't be used.
    """
    where = _checks.path(path, "path")
    wanted = None if memory is None else _checks.text(memory, "memory")
    core = _core.Collection.open(where, _checks.text(mode, "mode"), wanted)
    return Collection(core, where, memory)


def restore(snapshot: PathLike, path: PathLike) -> None:
    """Make a collection of a snapshot; the snapshot stays as it is.

    Parameters
    ----------
    snapshot : str or Path
        What `Collection.snapshot` wrote.
    path : str or Path
        A directory that doesn't exist yet.

    Raises
    ------
    CollectionNotFoundError, CorruptionError, UnsupportedVersionError
        If the snapshot can't be used.
    AlreadyExistsError
        If the path is taken.
    """
    _core.Collection.restore(_checks.path(snapshot, "snapshot"), _checks.path(path, "path"))


def alias(alias: PathLike, path: PathLike) -> None:
    """Make a path an alias of a collection, in one step whatever it led to before.

    Opening the alias opens the collection. Who has the one open that it led to keeps it.

    Parameters
    ----------
    alias : str or Path
        A path that is free, or an alias already.
    path : str or Path
        Where the collection is.

    Raises
    ------
    CollectionNotFoundError
        If there is no collection at the path.
    AlreadyExistsError
        If something else than an alias is at `alias`.
    """
    _core.Collection.set_alias(_checks.path(alias, "alias"), _checks.path(path, "path"))


class Collection:
    """An open collection of points: ids, vectors and attributes.

    Made by :func:`create` and :func:`open`. Methods may be called from many threads at once and
    let go of the GIL while they work. ``len(collection)`` is the number of points alive. A handle
    closes itself at the end of a ``with`` block, pickles as its path, and reopens with mode "r".
    After a fork the child's handle is read-only.
    """

    def __init__(
        self, core: _core.Collection, path: str | None, memory: Memory | None = None
    ) -> None:
        self._core = core
        self._path = None if path is None else Path(path).absolute()
        self._memory = memory
        self._config = Report(core.config())
        self._dim = int(self._config.dim)

    @property
    def path(self) -> Path | None:
        """Where the collection is; None in memory."""
        return self._path

    @property
    def mode(self) -> str:
        """``"r+"`` if this handle may write, else ``"r"``."""
        return "r+" if self._core.writable else "r"

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._core.closed

    @property
    def exclusions(self) -> Exclusions:
        """Named sets of ids that searches leave out, each id for its time."""
        return Exclusions(self._core)

    @property
    def dim(self) -> int:
        """Components of a vector."""
        return self._dim

    @property
    def metric(self) -> str:
        """``"cosine"``, ``"ip"`` or ``"l2"``."""
        return str(self._config.metric)

    @property
    def id_type(self) -> str:
        """``"u64"`` or ``"str"``."""
        return str(self._config.id_type)

    @property
    def dtype(self) -> str:
        """How vectors are stored: ``"f32"``, ``"f16"``, ``"u8"`` or ``"i8"``."""
        return str(self._config.dtype)

    @property
    def space(self) -> str | None:
        """The embedding space, ``name@version``, if stated."""
        space: str | None = self._config.space
        return space

    @property
    def schema(self) -> dict[str, str]:
        """Names and types of the attribute columns."""
        return dict(self._config.schema)

    def upsert(
        self,
        ids: Any,
        vectors: Any,
        attributes: Any = None,
        ttl: str | timedelta | np.timedelta64 | None = None,
        progress: bool = False,
    ) -> None:
        """Write whole points; those whose id is there already are replaced.

        One atomic unit: validated whole before anything is written. An id given twice: the last
        wins.

        Parameters
        ----------
        ids : list of int or str, numpy array, Arrow array or Series, of length n
            Ids of the collection's type; integers of at least 0.
        vectors : array_like of shape (n, dim)
            float32 (read in place when C-contiguous), float16, float64, or uint8 and int8 for
            collections of those; Arrow lists of such; or lists of numbers. Finite. An array that
            is read in place must not be changed by other threads before the call returns.
        attributes : dict, DataFrame or object with ``__arrow_c_stream__``, optional
            Every column of the schema, n rows each. None: all null. Columns are lists, numpy
            arrays (NaN and NaT mean null), Series or Arrow arrays. A column ``expires_at`` of
            times is always allowed: a point is gone from its time on, null means never.
        ttl : str, datetime.timedelta or numpy.timedelta64, optional
            Fills ``expires_at``: the points are gone after so long, for example "7d". Upserting
            a point again sets its time anew.
        progress : bool
            Whether to show a tqdm bar.

        Raises
        ------
        InvalidArgumentError
            If anything of it can't be used; the message names row and column.
        ReadOnlyError, ClosedError
            If the handle can't write.
        KeyboardInterrupt
            On Ctrl-C; the call is then wholly in or out.
        """
        rows, _ = _inputs.matrix(vectors, self.dim, "vectors")
        columns = _inputs.attributes(attributes, self._config.schema)
        with bar(progress, "upsert") as tick:
            ttl_us = None if ttl is None else duration_us(ttl, "ttl")
            self._core.upsert(_inputs.ids(ids, "ids"), rows, (columns, ttl_us), tick)
        self._config = Report(self._core.config())

    def update(self, ids: Any, attributes: Any) -> None:
        """Replace attribute values of points; vectors and other columns stay.

        One atomic unit. The last of an id given twice wins.

        Parameters
        ----------
        ids : array_like of ids, of length n
            As in `upsert`.
        attributes : dict, DataFrame or object with ``__arrow_c_stream__``
            The columns to change, n rows each; None sets null. Types as in `upsert`.

        Raises
        ------
        NotFoundError
            If an id names no point; nothing is changed then.
        InvalidArgumentError
            If anything of it can't be used; the message names row and column.
        ReadOnlyError, ClosedError
            If the handle can't write.
        """
        columns = _inputs.attributes(attributes, self._config.schema)
        if columns is None:
            raise TypeError("attributes: expected the columns to change, found None")
        self._core.update(_inputs.ids(ids, "ids"), columns)
        self._config = Report(self._core.config())

    def delete(self, ids: Any = None, *, where: str | None = None) -> int:
        """Delete points, by id or by a condition. One atomic unit.

        Parameters
        ----------
        ids : array_like of ids, optional
            As in `upsert`; unknown ones are ignored.
        where : str, optional
            Instead of ids: a SQL condition, as in `search`. All points for which it is true go.

        Returns
        -------
        int
            How many points there were.

        Raises
        ------
        InvalidArgumentError
            If an id is of the wrong type, or not one of `ids` and `where` is given.
        FilterError
            If `where` can't be understood.
        ReadOnlyError, ClosedError
            If the handle can't write.
        """
        if (ids is None) == (where is None):
            found = "neither" if ids is None else "both"
            raise InvalidArgumentError(f"delete: expected ids or where, found {found}")
        if where is not None:
            return self._core.delete_where(_checks.text(where, "where"))
        return self._core.delete(_inputs.ids(ids, "ids"))

    def add_column(self, name: str, type: AttributeType) -> None:  # noqa: A002 - as in a schema
        """Add an attribute column; points that are there have null in it.

        Parameters
        ----------
        name : str
            A name that the schema doesn't have.
        type : str
            As in `create`.

        Raises
        ------
        InvalidArgumentError
            If the name is taken or the type unknown.
        ReadOnlyError, ClosedError
            If the handle can't write.
        """
        self._core.add_column(_checks.text(name, "name"), _checks.text(type, "type"))
        self._config = Report(self._core.config())

    def load(
        self,
        path: PathLike | Iterable[PathLike],
        *,
        id: str | None = None,  # noqa: A002 - the name of a column
        vector: str | None = None,
        ids: Any = None,
        progress: bool = False,
    ) -> Report:
        """Load files, then seal and index what they hold.

        Parameters
        ----------
        path : str, Path or list of these
            ``.parquet``, ``.arrow``, ``.npy``, ``.fvecs``, ``.bvecs``, ``.fbin``, ``.u8bin`` or
            ``.i8bin`` files; a str may be a glob.
        id : str, optional
            Column of the ids; by default ``"id"``. Rows of plain vector files are numbered from
            0 if no `ids` are given.
        vector : str, optional
            Column of the vectors; by default ``"vector"``.
        ids : array_like or path, optional
            Ids of the rows of plain vector files: values, or a ``.npy`` file of them.
        progress : bool
            Whether to show a tqdm bar.

        Returns
        -------
        Report
            ``points`` loaded, and ``skipped_columns``: columns of the files that the schema does
            not name.

        Raises
        ------
        InvalidArgumentError
            If a file or a row can't be used; the message names the place.
        StorageError
            If the system refuses to read; a missing file is a FileNotFoundError too.
        ReadOnlyError, ClosedError
            If the handle can't write.
        """
        if isinstance(path, str | bytes | os.PathLike) or not isinstance(path, Iterable):
            paths = [_checks.path(path, "path")]
        else:
            paths = [_checks.path(one, "path") for one in path]
        if isinstance(ids, str | os.PathLike):
            beside: Any = os.fsdecode(ids)
        else:
            beside = None if ids is None else _inputs.ids(ids, "ids")
        arguments = {
            "paths": paths,
            "id": None if id is None else _checks.text(id, "id"),
            "vector": None if vector is None else _checks.text(vector, "vector"),
            "ids": beside,
        }
        with bar(progress, "load") as tick:
            return Report(self._core.load(arguments, tick))

    def optimize(self, *, progress: bool = False) -> None:
        """Seal what is growing and merge the segments; returns when it is done.

        Parameters
        ----------
        progress : bool
            Whether to show a tqdm bar.

        Raises
        ------
        ReadOnlyError, ClosedError
            If the handle can't write.
        KeyboardInterrupt
            On Ctrl-C; the old state then stands.
        """
        with bar(progress, "optimize") as tick:
            self._core.optimize(tick)

    def estimate(self, points: int | None = None, *, attribute_bytes: int = 0) -> Report:
        """Tell how much memory a build takes, before it starts.

        `load` and `optimize` refuse what clearly doesn't fit with ResourceLimitError.

        Parameters
        ----------
        points : int, optional
            How many points are to be loaded; without it, what `optimize` takes.
        attribute_bytes : int
            Bytes of the attributes of all points to be loaded.

        Returns
        -------
        Report
            needed (bytes at the peak, an upper bound) and available (bytes that the machine and
            the control group have left, at most ``NEARFIELD_MEMORY_LIMIT``; None if unknown).

        Examples
        --------
        >>> create(dim=384).estimate(1_000_000).needed > 2 * 2**30
        True
        """
        count = None if points is None else _checks.count(points, "points")
        needed, available = self._core.estimate(
            count, _checks.count(attribute_bytes, "attribute_bytes")
        )
        return Report({"needed": needed, "available": available})

    def calibrate(self, queries: Any, *, progress: bool = False) -> None:
        """Learn from your own queries how much effort a recall takes.

        An indexed segment measures recall against effort when it is built, with queries like its
        points. Queries of another kind (users, texts, other models) may need more effort: learn
        from some of them, and ``recall=`` holds for the others. Kept with the collection, until
        `optimize` or a merge rebuilds the segment: calibrate again then. Without an index
        there is nothing to learn: every search is exact.

        Parameters
        ----------
        queries : array_like of shape (n, dim)
            Types as in `upsert`. At least 10; of more than 1,000, a random 1,000 are used. The
            fewer they are, the more effort a recall takes for certain: give a few hundred.
        progress : bool
            Whether to show a tqdm bar.

        Raises
        ------
        InvalidArgumentError
            If a query can't be used, or there are too few.
        ReadOnlyError, ClosedError
            If the handle can't write.
        KeyboardInterrupt
            On Ctrl-C; the old state then stands.
        """
        rows, _ = _inputs.matrix(queries, self.dim, "queries")
        with bar(progress, "calibrate") as tick:
            self._core.calibrate(rows, tick)

    def search(
        self,
        queries: Any,
        k: int | None = None,
        *,
        recall: float | None = None,
        ef: int | None = None,
        exact: bool = False,
        where: Where = None,
        exclude: Any = None,
        exclude_sets: ExcludeSets = None,
        group_by: str | None = None,
        max_per_group: int | None = None,
        decay: Decay | None = None,
        boosts: Sequence[Boost] = (),
        min_score: float | None = None,
        with_attributes: Sequence[str] = (),
        with_vectors: bool = False,
        explain: bool = False,
        timeout: str | float | timedelta | np.timedelta64 | None = None,
        threads: int | None = None,
        space: str | None = None,
    ) -> SearchResult:
        """Find the nearest points to each query.

        Parameters
        ----------
        queries : array_like of shape (n, dim) or (dim,)
            Types as in `upsert`. Results of one vector of shape (dim,) are one-dimensional.
        k : int, default 10
            Results a query, 1 to 10,000; fewer if fewer points are eligible. With `min_score`, not
            given means all that are similar enough, at most 10,000.
        recall : float, optional
            Expected recall, above 0 and below 1; 0.95 if neither this, `ef` nor `exact` is given.
        ef : int, optional
            Size of the search beam: more is slower and finds more. At least k is used.
        exact : bool
            Whether to compare every eligible point.
        where : str or list of n str, optional
            A SQL condition on the attributes and the id, as in ``"subreddit IN ('aww', 'cats') AND
            score > 100"``: only points for which it is true are found. See ``docs/filters.md``.
            This, `exclude` and `exclude_sets` take one value for all queries or a list of n.
        exclude : array_like of ids, or list of n of them, optional
            Ids to leave out; unknown ones are ignored.
        exclude_sets : list of str, or list of n of them, optional
            Names of exclusion sets whose ids to leave out; see `exclusions`.
        group_by : str, optional
            A ``keyword``, ``i64``, ``bool`` or ``timestamp`` column to cap results by.
        max_per_group : int, optional
            Most results with one value of `group_by`; null values are not capped.
        decay : Decay, optional
            Prefers fresh points.
        boosts : list of Boost
            Each prefers large values of an attribute.
        min_score : float, optional
            Hits with a smaller similarity are dropped from the list.
        with_attributes : list of str
            Columns to return.
        with_vectors : bool
            Whether to return the vectors.
        explain : bool
            Whether to say how each query was answered, in `SearchResult.explain`.
        timeout : float, str, datetime.timedelta or numpy.timedelta64, optional
            Seconds, or a time as in ``"50ms"``: a search that takes longer is given up.
        threads : int, optional
            Most threads for a batch; by default all of the pool (``NEARFIELD_THREADS``).
        space : str, optional
            The space that the queries come from; checked against the collection's.

        Returns
        -------
        SearchResult

        Raises
        ------
        DimensionMismatchError, SpaceMismatchError
            If the queries come from another model.
        FilterError
            If `where` can't be understood, or compares what can't be compared; carets show where.
        InvalidArgumentError
            If an argument can't be used.
        DeadlineError
            If the search took longer than `timeout`.
        ClosedError
            If the handle was closed.
        """
        # The usual search first: what is below takes as long as a tenth of one.
        if (
            where is None
            and exclude is None
            and exclude_sets is None
            and group_by is None
            and max_per_group is None
            and decay is None
            and min_score is None
            and timeout is None
            and space is None
            and type(boosts) is tuple
            and not boosts
            and type(with_attributes) is tuple
            and not with_attributes
            and exact is False
            and with_vectors is False
            and explain is False
        ):
            hits = self._core.search_one(queries, (k, recall, ef, threads))
            if hits is not None:
                return SearchResult(hits, one=True, dim=self._dim)
        rows, one = _inputs.matrix(queries, self._dim, "queries", one=True)
        count = rows.shape[0] if isinstance(rows, np.ndarray) else None
        options: SearchOptions = {
            "recall": recall,
            "ef": ef,
            "exact": exact,
            "where": where,
            "exclude": exclude,
            "exclude_sets": exclude_sets,
            "group_by": group_by,
            "max_per_group": max_per_group,
            "decay": decay,
            "boosts": boosts,
            "min_score": min_score,
            "with_attributes": with_attributes,
            "with_vectors": with_vectors,
            "timeout": timeout,
            "threads": threads,
            "space": space,
            "explain": explain,
        }
        found = self._core.search(rows, search_arguments(k, count, **options))
        return SearchResult(found, one=one, dim=self._dim)

    def search_ids(
        self, ids: Any, k: int | None = None, **options: Unpack[SearchOptions]
    ) -> SearchResult:
        """Find more like these points: one row an id. Each leaves itself out.

        Parameters
        ----------
        ids : array_like of n ids
            As in `upsert`.
        k, **options
            As in `search`.

        Returns
        -------
        SearchResult

        Raises
        ------
        NotFoundError
            If an id names no point; the message names the first.
        InvalidArgumentError, FilterError, DeadlineError, ClosedError
            As in `search`.
        """
        given = _inputs.ids(ids, "ids")
        count = len(given) if hasattr(given, "__len__") else None
        found = self._core.search_ids(given, search_arguments(k, count, **options))
        return SearchResult(found, one=False, dim=self._dim)

    def recommend(
        self,
        positive: Any,
        negative: Any = None,
        k: int | None = None,
        **options: Unpack[SearchOptions],
    ) -> SearchResult:
        """Find what is like some points and unlike others.

        The query is the mean of `positive` minus the mean of `negative`; under cosine, of unit
        vectors. Points that are given by id are left out.

        Parameters
        ----------
        positive, negative : array_like of ids, or array_like of shape (n, dim)
            Ids of points, or vectors.
        k, **options
            As in `search`.

        Returns
        -------
        SearchResult
            One row.

        Raises
        ------
        NotFoundError
            If an id names no point; the message names the first.
        InvalidArgumentError
            If `positive` is empty or both cancel out under cosine; else as in `search`.
        """
        liked = self._examples(positive, "positive")
        others = None if negative is None else self._examples(negative, "negative")
        found = self._core.recommend(liked, others, search_arguments(k, 1, **options))
        return SearchResult(found, one=True, dim=self._dim)

    def search_interests(
        self,
        vectors: Any,
        weights: Any = None,
        quotas: Any = None,
        k: int | None = 100,
        **options: Unpack[SearchOptions],
    ) -> SearchResult:
        """Find what fits any of the interests of one user: one list without duplicates.

        The similarity of a point to each interest counts times the interest's weight; the largest
        product, plus what decay and boosts add, is the score.

        Parameters
        ----------
        vectors : array_like of shape (m, dim)
            1 to 64 interests. Types as in `upsert`.
        weights : list of m float, optional
            Above 0; only their ratios count. Equal by default.
        quotas : list of m int, optional
            Least numbers of results an interest, of at most k together. A point counts once, for
            the interest that it fits best. Places that an interest can't fill go to the best of
            the rest.
        k : int, default 100
            Results, 1 to 10,000.
        **options
            As in `search`; caps and exclusions hold for the whole list.

        Returns
        -------
        SearchResult
            One row. Similarities and distances are those to the interest that a point fits best.

        Raises
        ------
        InvalidArgumentError
            If a weight is not above 0, quotas are more than k together, or there is not one of
            either an interest; else as in `search`.
        """
        rows, _ = _inputs.matrix(vectors, self._dim, "vectors", one=True)
        given = [_checks.real(weight, "weights") for weight in _list(weights, "weights")]
        least = [_checks.count(quota, "quotas") for quota in _list(quotas, "quotas")]
        arguments = search_arguments(k, 1, **options)
        found = self._core.search_interests(rows, (given, least), arguments)
        return SearchResult(found, one=True, dim=self._dim)

    def _examples(self, value: Any, argument: str) -> tuple[bool, Any]:
        """Return whether these are ids, and they in a form for Rust."""
        if isinstance(value, np.ndarray):
            are_ids = value.ndim == 1 and value.dtype.kind in "iuOUT"
        elif isinstance(value, list | tuple):
            are_ids = all(isinstance(of, str | int | np.integer) for of in value)
        else:
            are_ids = True
        if are_ids:
            return True, _inputs.ids(value, argument)
        rows, _ = _inputs.matrix(value, self._dim, argument, one=True)
        return False, rows

    def get(self, ids: Any, *, with_vectors: bool = True) -> Table:
        """Fetch points by id.

        Parameters
        ----------
        ids : array_like of ids
            As in `upsert`.
        with_vectors : bool
            Whether to return the vectors.

        Returns
        -------
        Table
            Columns ``id``, the attributes and ``vector``; one row an id, in the order asked. A
            missing id has nulls; `Table.found` tells which.

        Raises
        ------
        InvalidArgumentError
            If an id is of the wrong type.
        ClosedError
            If the handle was closed.
        """
        core, found = self._core.get(
            _inputs.ids(ids, "ids"), _checks.flag(with_vectors, "with_vectors")
        )
        return Table(core, found)

    def scan(self, after: Any = None, limit: int = 10_000, *, with_vectors: bool = True) -> Table:
        """List points in the order of their ids.

        Parameters
        ----------
        after : int or str, optional
            Begin above this id, the last one of the part before; by default with the first point.
        limit : int
            Most points to return, at least 1. Fewer are the end.
        with_vectors : bool
            Whether to return the vectors.

        Returns
        -------
        Table
            As `get` returns it.

        Raises
        ------
        InvalidArgumentError
            If an argument can't be used.
        ClosedError
            If the handle was closed.
        """
        core, found = self._core.scan(
            None if after is None else _inputs.ids([after], "after"),
            _checks.count(limit, "limit"),
            _checks.flag(with_vectors, "with_vectors"),
        )
        return Table(core, found)

    def refresh(self) -> None:
        """Move a reader's view to the newest state; a writer sees its own writes anyway."""
        self._core.refresh()
        self._config = Report(self._core.config())

    def snapshot(self, path: PathLike) -> None:
        """Write the state as a collection of its own.

        Parameters
        ----------
        path : str or Path
            A directory that doesn't exist yet. Files are shared with this collection where the
            file system has hard links.

        Raises
        ------
        AlreadyExistsError
            If the path is taken.
        ClosedError
            If the handle was closed.
        """
        self._core.snapshot(_checks.path(path, "path"))

    def flush(self) -> None:
        """Put every write that returned on disk."""
        self._core.flush()

    def stats(self) -> Report:
        """Return the state of the collection.

        Returns
        -------
        Report
            points, dim, metric, id_type, dtype, profile, index, space, schema, version, segments
            (a list of dicts: name, rows, dead, indexed, bytes), and bytes: disk, hot (read by
            every search), warm (read by refinement), cold (read by results only), resident.
            problems: a list of texts, empty when all is well: damaged segments, what failed in the
            background and is tried again, why the writer stopped.
        """
        return Report(self._core.stats())

    def verify(self, *, progress: bool = False) -> Report:
        """Read every byte of every file against its checksum.

        Parameters
        ----------
        progress : bool
            Whether to show a tqdm bar.

        Returns
        -------
        Report
            files, bytes, blocks and points read.

        Raises
        ------
        CorruptionError
            If a byte isn't what was written; the message names the file and the place.
        """
        with bar(progress, "verify") as tick:
            return Report(self._core.verify(tick))

    def close(self) -> None:
        """Let go of files and locks; may be called twice. Later calls raise ClosedError."""
        self._core.close()

    def __enter__(self) -> Collection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._core)

    def __bool__(self) -> bool:
        """Return True: an empty collection is still one."""
        return True

    def __reduce__(self) -> tuple[Any, ...]:
        if self._path is None:
            raise TypeError(
                "a collection in memory cannot be pickled; create it with a path to share it"
            )
        return (_reopen, (str(self._path), self._memory))

    def __repr__(self) -> str:
        where = "in memory" if self._path is None else repr(str(self._path))
        if self.closed:
            return f"<nearfield.Collection {where}, closed>"
        what = f"{len(self):,} points, dim {self.dim}, {self.metric}, mode {self.mode!r}"
        return f"<nearfield.Collection {where}: {what}>"

    def _repr_html_(self) -> str:
        if self.closed:
            return html_table({"path": self._path or "in memory", "state": "closed"})
        state = dict(self.stats())
        state["segments"] = len(state["segments"])
        return html_table({"path": self._path or "in memory", "mode": self.mode, **state})


def _list(value: Any, argument: str) -> list[Any]:
    """Return the items, none for None; numbers of numpy as Python's."""
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{argument}: expected a list of numbers, found {_checks.shown(value)}")
    items = value.tolist() if isinstance(value, np.ndarray) else list(value)
    return items if isinstance(items, list) else [items]


def _reopen(path: str, memory: Memory | None) -> Collection:
    return open(path, "r", memory=memory)
