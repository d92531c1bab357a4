"""What each operation sends, and what its answers mean.

Sending and waiting are others' matter, so that the blocking client and the one for asyncio do the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from .._eligible import Narrowed
from .._errors import InvalidArgumentError
from .._request import K_MAX
from . import _schema, _values
from ._results import RemoteResults, RemoteTable, points

T = TypeVar("T")

_SEARCH = _schema.method("SearchService", "Search")
_BATCH = _schema.method("SearchService", "SearchBatch")
_IDS = _schema.method("SearchService", "SearchIds")
_RECOMMEND = _schema.method("SearchService", "Recommend")
_INTERESTS = _schema.method("SearchService", "SearchInterests")
_UPSERT = _schema.method("PointService", "Upsert")
_UPDATE = _schema.method("PointService", "Update")
_DELETE = _schema.method("PointService", "Delete")
_GET = _schema.method("PointService", "Get")
_ADD = _schema.method("ExclusionService", "Add")
_CLEAR = _schema.method("ExclusionService", "Clear")
_STATS = _schema.method("AdminService", "Stats")
_OPTIMIZE = _schema.method("AdminService", "Optimize")
_CALIBRATE = _schema.method("AdminService", "Calibrate")
_VERIFY = _schema.method("AdminService", "Verify")
_COLLECTION = _schema.method("CollectionService", "Get")
_SNAPSHOT = _schema.method("CollectionService", "Snapshot")

_OPTIONS = _schema.message("SearchOptions")
_EXAMPLES = _schema.message("Examples")

# Of a request and of an answer; the server takes 4 MiB and gives 64 MiB unless told otherwise.
_REQUEST_BYTES = 2 << 20
_ANSWER_BYTES = 24 << 20
_HIT_BYTES = 64


class Work(NamedTuple, Generic[T]):
    """Requests to one method, and what becomes of the answers, in the order of the requests."""

    method: _schema.Method
    requests: Sequence[Any]
    finish: Callable[[list[Any]], T]
    # Whether making a call twice is as good as once.
    safe: bool
    # Seconds that all of it may take; None: as the client says.
    timeout: float | None = None
    # Whether it takes as long as it takes.
    patient: bool = False


def _nothing(_: list[Any]) -> None:
    return None


def _deleted(answers: list[Any]) -> int:
    return int(answers[0].deleted)


class Calls:
    """The operations of one collection."""

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        self.name = name
        self.config = config

    @property
    def _dim(self) -> int:
        return int(self.config["dim"])

    @property
    def _id_type(self) -> str:
        return str(self.config["id_type"])

    def _ids(self, value: Any, argument: str) -> Any:
        return _values.ids(value, self._id_type, argument)

    def upsert(self, ids: Any, rows: Any, values: tuple[Any, int | None]) -> Work[None]:
        """Write points."""
        columns, ttl_us = values
        request = _UPSERT.request(collection=self.name)
        request.rows.CopyFrom(self.rows(ids, rows, columns))
        if ttl_us is not None:
            _duration(request.ttl, ttl_us)
        return Work(_UPSERT, [request], _nothing, safe=False)

    def rows(self, ids: Any, rows: Any, columns: Any) -> Any:
        """Return points as a message."""
        out = _schema.message("Rows")()
        out.ids.CopyFrom(self._ids(ids, "ids"))
        array = _values.matrix(rows, self._dim, "vectors")
        count = len(out.ids.str.values) + len(out.ids.u64.values)
        if len(array) != count:
            raise InvalidArgumentError(f"vectors: expected {count} rows, found {len(array)}")
        out.vectors.CopyFrom(_values.vectors(array))
        if columns is not None:
            schema = self.config["schema"]
            out.attributes.CopyFrom(_values.attributes(columns, count, schema))
        return out

    def update(self, ids: Any, columns: Any) -> Work[None]:
        """Change attributes."""
        request = _UPDATE.request(collection=self.name)
        request.ids.CopyFrom(self._ids(ids, "ids"))
        count = len(request.ids.str.values) + len(request.ids.u64.values)
        given = _values.attributes(columns, count, self.config["schema"])
        request.attributes.CopyFrom(given)
        return Work(_UPDATE, [request], _nothing, safe=False)

    def delete(self, ids: Any) -> Work[int]:
        """Delete by id."""
        request = _DELETE.request(collection=self.name, ids=self._ids(ids, "ids"))
        return Work(_DELETE, [request], _deleted, safe=False)

    def delete_where(self, where: str) -> Work[int]:
        """Delete by a condition."""
        request = _DELETE.request(collection=self.name, where=where)
        return Work(_DELETE, [request], _deleted, safe=False)

    def exclude(self, name: str, ids: Any, ttl_us: int | None) -> Work[None]:
        """Add to an exclusion set."""
        request = _ADD.request(collection=self.name, set=name, ids=self._ids(ids, "ids"))
        if ttl_us is not None:
            _duration(request.ttl, ttl_us)
        return Work(_ADD, [request], _nothing, safe=False)

    def clear_exclusions(self, name: str) -> Work[None]:
        """Empty an exclusion set."""
        request = _CLEAR.request(collection=self.name, set=name)
        return Work(_CLEAR, [request], _nothing, safe=False)

    def search(self, queries: Any, arguments: tuple[Any, ...]) -> Work[RemoteResults]:
        """Search with vectors: one call, or as many as the size of messages asks for."""
        array = _values.matrix(queries, self._dim, "queries")
        asked = self._asked(arguments)
        if len(array) == 1 and asked.each is None:
            request = _SEARCH.request(collection=self.name, options=asked.options)
            packed = _values.vectors(array)
            which = packed.WhichOneof("data")
            setattr(request.vector, which, getattr(packed, which))
            return self._one(_SEARCH, request, asked)
        size = asked.rows_of(array.shape[1] * array.itemsize, self._dim)
        requests = []
        for start in range(0, max(len(array), 1), size):
            request = _BATCH.request(collection=self.name, options=asked.options)
            request.vectors.CopyFrom(_values.vectors(array[start : start + size]))
            self._add_each(request, asked, start, size)
            requests.append(request)
        return self._many(_BATCH, requests, asked)

    def search_ids(self, ids: Any, arguments: tuple[Any, ...]) -> Work[RemoteResults]:
        """Search with points."""
        asked = self._asked(arguments)
        given = self._ids(ids, "ids")
        values = given.str.values if self._id_type == "str" else given.u64.values
        size = asked.rows_of(512, self._dim)
        requests = []
        for start in range(0, max(len(values), 1), size):
            request = _IDS.request(collection=self.name, options=asked.options)
            part = request.ids.str if self._id_type == "str" else request.ids.u64
            part.values.extend(values[start : start + size])
            self._add_each(request, asked, start, size)
            requests.append(request)
        return self._many(_IDS, requests, asked)

    def recommend(
        self,
        positive: tuple[bool, Any],
        negative: tuple[bool, Any] | None,
        arguments: tuple[Any, ...],
    ) -> Work[RemoteResults]:
        """Search with what is liked."""
        asked = self._asked(arguments)
        request = _RECOMMEND.request(collection=self.name, options=asked.options)
        request.positive.CopyFrom(self._examples(positive, "positive"))
        if negative is not None:
            request.negative.CopyFrom(self._examples(negative, "negative"))
        return self._one(_RECOMMEND, request, asked)

    def search_interests(
        self, vectors: Any, interests: tuple[list[float], list[int]], arguments: tuple[Any, ...]
    ) -> Work[RemoteResults]:
        """Search with the interests of one user."""
        asked = self._asked(arguments)
        request = _INTERESTS.request(collection=self.name, options=asked.options)
        array = _values.matrix(vectors, self._dim, "vectors")
        request.vectors.CopyFrom(_values.vectors(array))
        weights, quotas = interests
        request.weights.extend(weights)
        request.quotas.extend(_u32(quota, "quotas") for quota in quotas)
        return self._one(_INTERESTS, request, asked)

    def get(self, ids: Any, with_vectors: bool) -> Work[tuple[RemoteTable, list[bool]]]:
        """Fetch points."""
        given = self._ids(ids, "ids")
        request = _GET.request(collection=self.name, ids=given, with_vectors=with_vectors)
        return Work(
            _GET,
            [request],
            lambda answers: points(answers[0], self._id_type, self._dim, with_vectors),
            safe=True,
        )

    def stats(self) -> Work[dict[str, Any]]:
        """Look at its state."""
        return Work(_STATS, [_STATS.request(collection=self.name)], _stats, safe=True)

    def verify(self) -> Work[dict[str, Any]]:
        """Check every byte."""

        def finish(answers: list[Any]) -> dict[str, Any]:
            names = ("files", "bytes", "blocks", "points")
            return {name: int(getattr(answers[0], name)) for name in names}

        request = _VERIFY.request(collection=self.name)
        return Work(_VERIFY, [request], finish, safe=True, patient=True)

    def optimize(self) -> Work[None]:
        """Merge the segments."""
        request = _OPTIMIZE.request(collection=self.name)
        return Work(_OPTIMIZE, [request], _nothing, safe=True, patient=True)

    def calibrate(self, queries: Any) -> Work[None]:
        """Learn from queries."""
        array = _values.matrix(queries, self._dim, "queries")
        request = _CALIBRATE.request(collection=self.name, queries=_values.vectors(array))
        return Work(_CALIBRATE, [request], _nothing, safe=True, patient=True)

    def snapshot(self, name: str) -> Work[None]:
        """Write a copy."""
        request = _SNAPSHOT.request(collection=self.name, snapshot=name)
        return Work(_SNAPSHOT, [request], _nothing, safe=False, patient=True)

    def look(self) -> Work[dict[str, Any]]:
        """Return what it is, as ``_core.Collection.config`` says it, with points and writable."""
        return look(self.name)

    def _asked(self, arguments: tuple[Any, ...]) -> _Asked:
        return _Asked(arguments, self)

    def _one(self, method: _schema.Method, request: Any, asked: _Asked) -> Work[RemoteResults]:
        def finish(answers: list[Any]) -> RemoteResults:
            hits = answers[0].hits
            part = (hits, [len(hits.scores)])
            return RemoteResults([part], asked.places([part]), self._id_type, self._dim)

        return Work(method, [request], finish, safe=True, timeout=asked.timeout)

    def _many(
        self, method: _schema.Method, requests: list[Any], asked: _Asked
    ) -> Work[RemoteResults]:
        def finish(answers: list[Any]) -> RemoteResults:
            parts = [(answer.hits, list(answer.counts)) for answer in answers]
            return RemoteResults(parts, asked.places(parts), self._id_type, self._dim)

        return Work(method, requests, finish, safe=True, timeout=asked.timeout)

    def _add_each(self, request: Any, asked: _Asked, start: int, size: int) -> None:
        for row, (where, exclude, sets) in enumerate((asked.each or ())[start : start + size]):
            one = request.per_query.add(exclude_sets=sets)
            if where is not None:
                one.where = where
            if exclude is not None:
                one.exclude.CopyFrom(self._ids(exclude, f"exclude[{start + row}]"))

    def _examples(self, given: tuple[bool, Any], argument: str) -> Any:
        are_ids, value = given
        if are_ids:
            return _EXAMPLES(ids=self._ids(value, argument))
        array = _values.matrix(value, self._dim, argument)
        return _EXAMPLES(vectors=_values.vectors(array))


class _Asked:
    """The options of a search as a message, from the tuple of ``_request.search_arguments``."""

    def __init__(self, arguments: tuple[Any, ...], calls: Calls) -> None:
        k, effort, narrow, each, group_by, cap, bonus, columns, vectors, limits, space, explain = (
            arguments
        )
        threads, floor, timeout_us = limits
        options = _OPTIONS(
            k=_u32(k, "k"),
            with_vectors=vectors,
            exclude_sets=narrow[2],
            min_score=floor,
            explain=explain,
        )
        self.k: int = k
        # A least score decides how many there are, unless so many are asked for.
        self.fits = floor is not None and k == K_MAX
        self.timeout = None if timeout_us is None else timeout_us / 1e6
        self.each: list[Narrowed] | None = each
        _effort(options, *effort)
        if narrow[0] is not None:
            options.where = narrow[0]
        if narrow[1] is not None:
            options.exclude.CopyFrom(calls._ids(narrow[1], "exclude"))
        if group_by is not None:
            options.group_by = group_by
        if cap is not None:
            options.max_per_group = _u32(cap, "max_per_group")
        decay, boosts = bonus
        if decay is not None:
            column, half_life_us, origin_us, weight = decay
            options.decay.column, options.decay.weight = column, weight
            _duration(options.decay.half_life, half_life_us)
            if origin_us is not None:
                _duration(options.decay.origin, origin_us)
        for column, weight, scale in boosts:
            code = _schema.number("Scale", scale, "boosts scale")
            options.boosts.add(column=column, weight=weight, scale=code)
        if columns:
            options.with_attributes.paths.extend(columns)
        if timeout_us is not None:
            _duration(options.timeout, timeout_us)
        if threads is not None:
            options.threads = _u32(threads, "threads")
        if space is not None:
            options.space = space
        self.options = options
        self._with_vectors = vectors

    def places(self, parts: Sequence[tuple[Any, Sequence[int]]]) -> int:
        """Return places a query."""
        if not self.fits:
            return self.k
        return max((count for _, counts in parts for count in counts), default=0)

    def rows_of(self, bytes_each: int, dim: int) -> int:
        """Return how many queries fit in one call."""
        hit = _HIT_BYTES + (4 * dim if self._with_vectors else 0)
        answer = _ANSWER_BYTES // max(1, self.k * hit)
        return max(1, min(_REQUEST_BYTES // max(1, bytes_each), answer))


def _effort(options: Any, recall: float | None, ef: int | None, exact: bool) -> None:
    given = {"recall": recall is not None, "ef": ef is not None, "exact": exact}
    names = [name for name, there in given.items() if there]
    if len(names) > 1:
        raise InvalidArgumentError(
            f"effort: expected one of recall, ef and exact, found {' and '.join(names)}; "
            "leave all but one out"
        )
    if recall is not None:
        options.recall = recall
    if ef is not None:
        options.ef = _u32(ef, "ef")
    if exact:
        options.exact = True


def _u32(value: int, argument: str) -> int:
    if value > 2**32 - 1:
        raise InvalidArgumentError(f"{argument}: expected less than 2**32, found {value}")
    return value


def _duration(message: Any, microseconds: int) -> None:
    seconds, rest = divmod(microseconds, 1_000_000)
    message.seconds, message.nanos = seconds, rest * 1000


def look(name: str) -> Work[dict[str, Any]]:
    """Return what a collection is."""
    request = _COLLECTION.request(collection=name)
    return Work(_COLLECTION, [request], lambda answers: described(answers[0].collection), safe=True)


def described(collection: Any) -> dict[str, Any]:
    """Return what a message says of a collection."""
    return {
        **config(collection.config),
        "name": collection.name,
        "points": int(collection.points),
        "writable": bool(collection.writable),
        "aliases": list(collection.aliases),
    }


def config(message: Any) -> dict[str, Any]:
    """Return a configuration in the words of `create`."""
    return {
        "dim": int(message.dim),
        "metric": _schema.word("Metric", message.metric),
        "id_type": _schema.word("IdType", message.id_type),
        "dtype": _schema.word("Dtype", message.dtype),
        "profile": _schema.word("Profile", message.profile),
        "index": _schema.word("Index", message.index),
        "durability": _schema.word("Durability", message.durability),
        "space": message.space if message.HasField("space") else None,
        "schema": {c.name: _schema.word("AttributeType", c.type) for c in message.schema},
    }


def _stats(answers: list[Any]) -> dict[str, Any]:
    answer = answers[0]
    what = config(answer.config)
    del what["durability"]
    segment = ("name", "rows", "dead", "indexed", "bytes")
    return {
        "points": int(answer.points),
        **what,
        "version": int(answer.version),
        "segments": [{name: getattr(of, name) for name in segment} for of in answer.segments],
        **{
            name: int(getattr(answer, name))
            for name in (
                "bytes_disk",
                "bytes_hot",
                "bytes_warm",
                "bytes_cold",
                "bytes_resident",
            )
        },
        "problems": [],
    }
