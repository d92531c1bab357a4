"""The collection for asyncio: the methods of the other, to be awaited."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Any, Unpack, cast

import numpy as np

from .. import _checks, _inputs
from .._collection import Collection, _list
from .._errors import ClosedError, InvalidArgumentError
from .._report import Report
from .._request import SearchOptions, search_arguments
from .._result import SearchResult
from .._table import Table
from .._times import duration_us
from . import _calls, _ingest
from ._channel import AsyncChannel


class AsyncExclusions:
    """The exclusion sets of a collection; see :class:`nearfield.Exclusions`."""

    def __init__(self, collection: AsyncCollection) -> None:
        self._collection = collection

    async def add(
        self, name: str, ids: Any, ttl: str | timedelta | np.timedelta64 | None = None
    ) -> None:
        """Add ids to a set; see :meth:`nearfield.Exclusions.add`."""
        ttl_us = None if ttl is None else duration_us(ttl, "ttl")
        given = _inputs.ids(ids, "ids")
        calls = self._collection._calls
        await self._collection._run(calls.exclude(_checks.text(name, "name"), given, ttl_us))

    async def clear(self, name: str) -> None:
        """Empty a set; see :meth:`nearfield.Exclusions.clear`."""
        calls = self._collection._calls
        await self._collection._run(calls.clear_exclusions(_checks.text(name, "name")))


class AsyncCollection:
    """A collection of a server, for asyncio.

    Made by :meth:`AsyncClient.open`. Methods are those of :class:`nearfield.Collection`, to be
    awaited; ``await collection.count()`` is what ``len`` is there.
    """

    def __init__(self, channel: AsyncChannel, name: str, state: dict[str, Any]) -> None:
        self._channel = channel
        self._calls = _calls.Calls(name, state)
        self._closed = False

    async def _run(self, work: _calls.Work[Any]) -> Any:
        if self._closed:
            raise ClosedError("the collection is closed")
        return await self._channel.run(work)

    @property
    def name(self) -> str:
        """What the server calls it, or the alias by which it was opened."""
        return self._calls.name

    @property
    def target(self) -> str:
        """The address of the server and the name."""
        return f"{self._channel.target.address}/{self.name}"

    @property
    def mode(self) -> str:
        """``"r+"`` if the server may write, else ``"r"``."""
        return "r+" if self._calls.config["writable"] else "r"

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed or self._channel.closed

    @property
    def exclusions(self) -> AsyncExclusions:
        """Named sets of ids that searches leave out, each id for its time."""
        return AsyncExclusions(self)

    @property
    def dim(self) -> int:
        """Components of a vector."""
        return int(self._calls.config["dim"])

    @property
    def metric(self) -> str:
        """``"cosine"``, ``"ip"`` or ``"l2"``."""
        return str(self._calls.config["metric"])

    @property
    def id_type(self) -> str:
        """``"u64"`` or ``"str"``."""
        return str(self._calls.config["id_type"])

    @property
    def dtype(self) -> str:
        """How vectors are stored."""
        return str(self._calls.config["dtype"])

    @property
    def space(self) -> str | None:
        """The embedding space, ``name@version``, if stated."""
        space: str | None = self._calls.config["space"]
        return space

    @property
    def schema(self) -> dict[str, str]:
        """Names and types of the attribute columns."""
        return dict(self._calls.config["schema"])

    async def count(self) -> int:
        """Return the number of points alive."""
        return int((await self._run(_calls.look(self.name)))["points"])

    async def search(
        self, queries: Any, k: int | None = None, **options: Unpack[SearchOptions]
    ) -> SearchResult:
        """Find the nearest points to each query; see :meth:`nearfield.Collection.search`."""
        rows, one = _inputs.matrix(queries, self.dim, "queries", one=True)
        count = rows.shape[0] if isinstance(rows, np.ndarray) else None
        found = await self._run(self._calls.search(rows, search_arguments(k, count, **options)))
        return SearchResult(found, one=one, dim=self.dim)

    async def search_ids(
        self, ids: Any, k: int | None = None, **options: Unpack[SearchOptions]
    ) -> SearchResult:
        """Find more like these points; see :meth:`nearfield.Collection.search_ids`."""
        given = _inputs.ids(ids, "ids")
        count = len(given) if hasattr(given, "__len__") else None
        arguments = search_arguments(k, count, **options)
        found = await self._run(self._calls.search_ids(given, arguments))
        return SearchResult(found, one=False, dim=self.dim)

    async def recommend(
        self,
        positive: Any,
        negative: Any = None,
        k: int | None = None,
        **options: Unpack[SearchOptions],
    ) -> SearchResult:
        """Find what is like some points; see :meth:`nearfield.Collection.recommend`."""
        liked = self._examples(positive, "positive")
        others = None if negative is None else self._examples(negative, "negative")
        work = self._calls.recommend(liked, others, search_arguments(k, 1, **options))
        return SearchResult(await self._run(work), one=True, dim=self.dim)

    async def search_interests(
        self,
        vectors: Any,
        weights: Any = None,
        quotas: Any = None,
        k: int | None = 100,
        **options: Unpack[SearchOptions],
    ) -> SearchResult:
        """Find what fits one user; see :meth:`nearfield.Collection.search_interests`."""
        rows, _ = _inputs.matrix(vectors, self.dim, "vectors", one=True)
        given = [_checks.real(weight, "weights") for weight in _list(weights, "weights")]
        least = [_checks.count(quota, "quotas") for quota in _list(quotas, "quotas")]
        arguments = search_arguments(k, 1, **options)
        found = await self._run(self._calls.search_interests(rows, (given, least), arguments))
        return SearchResult(found, one=True, dim=self.dim)

    async def get(self, ids: Any, *, with_vectors: bool = True) -> Table:
        """Fetch points by id; see :meth:`nearfield.Collection.get`."""
        flag = _checks.flag(with_vectors, "with_vectors")
        table, found = await self._run(self._calls.get(_inputs.ids(ids, "ids"), flag))
        return Table(table, found)

    async def upsert(
        self,
        ids: Any,
        vectors: Any,
        attributes: Any = None,
        ttl: str | timedelta | np.timedelta64 | None = None,
    ) -> None:
        """Write whole points; see :meth:`nearfield.Collection.upsert`."""
        rows, _ = _inputs.matrix(vectors, self.dim, "vectors")
        columns = _inputs.attributes(attributes, self.schema)
        ttl_us = None if ttl is None else duration_us(ttl, "ttl")
        await self._run(self._calls.upsert(_inputs.ids(ids, "ids"), rows, (columns, ttl_us)))

    async def update(self, ids: Any, attributes: Any) -> None:
        """Replace attribute values; see :meth:`nearfield.Collection.update`."""
        columns = _inputs.attributes(attributes, self.schema)
        if columns is None:
            raise TypeError("attributes: expected the columns to change, found None")
        await self._run(self._calls.update(_inputs.ids(ids, "ids"), columns))

    async def delete(self, ids: Any = None, *, where: str | None = None) -> int:
        """Delete points; see :meth:`nearfield.Collection.delete`."""
        if (ids is None) == (where is None):
            found = "neither" if ids is None else "both"
            raise InvalidArgumentError(f"delete: expected ids or where, found {found}")
        if where is not None:
            return int(await self._run(self._calls.delete_where(_checks.text(where, "where"))))
        return int(await self._run(self._calls.delete(_inputs.ids(ids, "ids"))))

    async def ingest(
        self,
        batches: Iterable[_ingest.Batch] | AsyncIterable[_ingest.Batch],
        *,
        stream_id: str | None = None,
        mode: _ingest.Mode = "live",
    ) -> Report:
        """Load any number of points; see :meth:`RemoteCollection.ingest`."""
        work = _ingest.run_async(self._channel, self._calls, batches, stream_id, mode)
        return Report(await work)

    async def refresh(self) -> None:
        """Look again: columns may have been added, an alias may lead elsewhere."""
        self._calls.config = await self._run(_calls.look(self.name))

    async def optimize(self) -> None:
        """Merge the segments; see :meth:`nearfield.Collection.optimize`."""
        await self._run(self._calls.optimize())

    async def calibrate(self, queries: Any) -> None:
        """Learn from queries; see :meth:`nearfield.Collection.calibrate`."""
        rows, _ = _inputs.matrix(queries, self.dim, "queries")
        await self._run(self._calls.calibrate(rows))

    async def stats(self) -> Report:
        """Return the state; see :meth:`nearfield.Collection.stats`."""
        return Report(await self._run(self._calls.stats()))

    async def verify(self) -> Report:
        """Check every byte; see :meth:`nearfield.Collection.verify`."""
        return Report(await self._run(self._calls.verify()))

    async def snapshot(self, path: str) -> None:
        """Write a snapshot of this name in the server's directory of snapshots."""
        await self._run(self._calls.snapshot(_checks.text(path, "path")))

    async def close(self) -> None:
        """Let go of this handle; the connection is its client's."""
        self._closed = True

    async def __aenter__(self) -> AsyncCollection:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = ", closed" if self.closed else f": dim {self.dim}, {self.metric}"
        return f"<nearfield.client.AsyncCollection {self.target}{state}>"

    def _examples(self, value: Any, argument: str) -> tuple[bool, Any]:
        # Whether these are ids or vectors is decided in one place.
        return Collection._examples(cast(Any, self), value, argument)

    @property
    def _dim(self) -> int:
        return self.dim


__all__ = ["AsyncCollection", "AsyncExclusions"]
