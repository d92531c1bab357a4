"""A collection of a server, as the class that notebooks know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from .. import _checks
from .._collection import AttributeType, Collection, PathLike
from .._progress import Tick
from .._report import Report, html_table
from .._table import Table
from . import _calls, _files, _ingest
from ._channel import Channel, Target
from ._errors import NotServedError
from ._results import RemoteResults, RemoteTable


def _not_served(what: str, instead: str = "the embedded collection does") -> NoReturn:
    raise NotServedError(f"{what}: the service does not offer it; {instead}")


class RemoteCore:
    """What ``_core.Collection`` is to the embedded collection, over a connection."""

    def __init__(self, channel: Channel, name: str) -> None:
        self.channel = channel
        self._state = channel.run(_calls.look(name))
        self.calls = _calls.Calls(name, self._state)
        self._closed = False

    @property
    def writable(self) -> bool:
        """Whether the server may write."""
        return bool(self._state["writable"])

    @property
    def closed(self) -> bool:
        """Whether this handle or its connection was closed."""
        return self._closed or self.channel.closed

    def __len__(self) -> int:
        return int(self.run(_calls.look(self.calls.name))["points"])

    def run(self, work: _calls.Work[Any]) -> Any:
        """Do work."""
        if self._closed:
            from .._errors import ClosedError

            raise ClosedError("the collection is closed")
        return self.channel.run(work)

    def config(self) -> dict[str, Any]:
        """Return what it was when it was looked at last."""
        return dict(self._state)

    def refresh(self) -> None:
        """Look again: columns may have been added, an alias may lead elsewhere."""
        self._state = self.run(_calls.look(self.calls.name))
        self.calls.config = self._state

    def upsert(
        self, ids: Any, vectors: Any, values: tuple[Any, int | None], tick: Tick | None
    ) -> None:
        """Write points."""
        self.run(self.calls.upsert(ids, vectors, values))
        if tick is not None:
            tick(1, 1)

    def update(self, ids: Any, attributes: Any) -> None:
        """Change attributes."""
        self.run(self.calls.update(ids, attributes))

    def delete(self, ids: Any) -> int:
        """Delete by id."""
        return int(self.run(self.calls.delete(ids)))

    def delete_where(self, where: str) -> int:
        """Delete by a condition."""
        return int(self.run(self.calls.delete_where(where)))

    def exclude(self, name: str, ids: Any, ttl_us: int | None) -> None:
        """Add to an exclusion set."""
        self.run(self.calls.exclude(name, ids, ttl_us))

    def clear_exclusions(self, name: str) -> None:
        """Empty an exclusion set."""
        self.run(self.calls.clear_exclusions(name))

    def search(self, queries: Any, arguments: tuple[Any, ...]) -> RemoteResults:
        """Search with vectors."""
        found: RemoteResults = self.run(self.calls.search(queries, arguments))
        return found

    def search_one(self, query: Any, arguments: tuple[Any, Any, Any, Any]) -> None:
        """Return None: the general way is as fast, beside the network."""
        del query, arguments

    def search_ids(self, ids: Any, arguments: tuple[Any, ...]) -> RemoteResults:
        """Search with points."""
        found: RemoteResults = self.run(self.calls.search_ids(ids, arguments))
        return found

    def recommend(
        self,
        positive: tuple[bool, Any],
        negative: tuple[bool, Any] | None,
        arguments: tuple[Any, ...],
    ) -> RemoteResults:
        """Search with what is liked."""
        work = self.calls.recommend(positive, negative, arguments)
        found: RemoteResults = self.run(work)
        return found

    def search_interests(
        self, vectors: Any, interests: tuple[list[float], list[int]], arguments: tuple[Any, ...]
    ) -> RemoteResults:
        """Search with the interests of one user."""
        work = self.calls.search_interests(vectors, interests, arguments)
        found: RemoteResults = self.run(work)
        return found

    def get(self, ids: Any, with_vectors: bool) -> tuple[RemoteTable, list[bool]]:
        """Fetch points."""
        got: tuple[RemoteTable, list[bool]] = self.run(self.calls.get(ids, with_vectors))
        return got

    def optimize(self, tick: Tick | None) -> None:
        """Merge the segments."""
        self.run(self.calls.optimize())
        if tick is not None:
            tick(1, 1)

    def calibrate(self, queries: Any, tick: Tick | None) -> None:
        """Learn from queries."""
        self.run(self.calls.calibrate(queries))
        if tick is not None:
            tick(1, 1)

    def stats(self) -> dict[str, Any]:
        """Return its state."""
        state: dict[str, Any] = self.run(self.calls.stats())
        return state

    def verify(self, tick: Tick | None) -> dict[str, Any]:
        """Check every byte."""
        report: dict[str, Any] = self.run(self.calls.verify())
        if tick is not None:
            tick(1, 1)
        return report

    def snapshot(self, target: str) -> None:
        """Write a copy on the server."""
        self.run(self.calls.snapshot(target))

    def knn_join(self, arguments: Any, tick: Tick | None) -> NoReturn:
        """Refuse: files are joined where they are."""
        del arguments, tick
        _not_served("knn_join")

    def close(self) -> None:
        """Let go of this handle; the connection is its client's."""
        self._closed = True


class RemoteCollection(Collection):
    """A collection of a server.

    Made by :func:`nearfield.connect`. It is a :class:`nearfield.Collection`: what that says of a
    method holds here. A call is one request, so `upsert` takes as much as the server takes in one
    message; `load` and `ingest` take any amount. A batch of queries is cut into as many requests as
    it needs.
    """

    _core: RemoteCore  # type: ignore[assignment]

    def __init__(self, core: RemoteCore, owned: bool = False) -> None:
        super().__init__(core, None)  # type: ignore[arg-type]
        self._owned = owned

    @property
    def name(self) -> str:
        """What the server calls it, or the alias by which it was opened."""
        return self._core.calls.name

    @property
    def target(self) -> str:
        """The address of the server and the name."""
        return f"{self._core.channel.target.address}/{self.name}"

    def ingest(
        self,
        batches: Iterable[_ingest.Batch],
        *,
        stream_id: str | None = None,
        mode: _ingest.Mode = "live",
    ) -> Report:
        """Load any number of points over one stream.

        A connection that breaks off is taken up again where it was. So is a load of a process that
        ended, by another one that gives the same `stream_id` and the same batches.

        Parameters
        ----------
        batches : iterable of (ids, vectors) or (ids, vectors, attributes)
            As `upsert` takes them.
        stream_id : str, optional
            What this load is called, to take it up again: 1 to 128 of ``A-Z a-z 0-9 . _ -``. A name
            of its own by default.
        mode : {"live", "pending"}
            Whether searches see each batch once it is durable, or nothing until the end, when the
            points take the place of all that the collection holds.

        Returns
        -------
        Report
            points, and skipped_batches: those that were there already.

        Raises
        ------
        InvalidArgumentError
            If a batch can't be used; those before it are loaded (live) or wait (pending).
        UnavailableError
            If the server can't be reached any more.
        """
        core = self._core
        return Report(_ingest.run(core.channel, core.calls, batches, stream_id, mode))

    def load(
        self,
        path: PathLike | Iterable[PathLike],
        *,
        id: str | None = None,  # noqa: A002 - the name of a column
        vector: str | None = None,
        ids: Any = None,
        progress: bool = False,
        stream_id: str | None = None,
        mode: _ingest.Mode = "live",
    ) -> Report:
        """Send files: ``.parquet``, ``.arrow`` and ``.npy``, through `ingest`.

        Parameters
        ----------
        path, id, vector, ids, progress
            As the embedded collection takes them.
        stream_id, mode
            As in `ingest`.

        Returns
        -------
        Report
            points, skipped_batches, and skipped_columns: columns that the schema does not name.
        """
        source = _files.Files(path, id, vector, ids, self._config)
        report = self.ingest(source.batches(progress), stream_id=stream_id, mode=mode)
        return Report({**report, "skipped_columns": source.skipped_columns})

    def add_column(self, name: str, type: AttributeType) -> None:  # noqa: A002
        """Refuse: the service does not offer it."""
        del name, type
        _not_served("add_column")

    def scan(self, after: Any = None, limit: int = 10_000, *, with_vectors: bool = True) -> Table:
        """Refuse: the service does not offer it."""
        del after, limit, with_vectors
        _not_served("scan")

    def estimate(self, points: int | None = None, *, attribute_bytes: int = 0) -> Report:
        """Refuse: the service does not offer it."""
        del points, attribute_bytes
        _not_served("estimate")

    def flush(self) -> None:
        """Do nothing where the collection is durable at once; else refuse."""
        if self._config.durability != "sync":
            _not_served("flush", "load with ingest, which waits until it is on disk")

    def refresh(self) -> None:
        """Look again: columns may have been added, an alias may lead elsewhere."""
        super().refresh()
        self._dim = int(self._config.dim)

    def snapshot(self, path: PathLike) -> None:
        """Write the state as a snapshot of this name, in the server's directory of snapshots."""
        self._core.snapshot(_checks.path(path, "path"))

    def close(self) -> None:
        """Let go of the handle, and of the connection if it was made with it."""
        self._core.close()
        if self._owned:
            self._core.channel.close()

    def __enter__(self) -> RemoteCollection:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (_again, (self._core.channel.target, self.name))

    def __repr__(self) -> str:
        if self.closed:
            return f"<nearfield.Collection {self.target}, closed>"
        return f"<nearfield.Collection {self.target}: dim {self.dim}, {self.metric}>"

    def _repr_html_(self) -> str:
        if self.closed:
            return html_table({"target": self.target, "state": "closed"})
        state = dict(self.stats())
        state["segments"] = len(state["segments"])
        return html_table({"target": self.target, "mode": self.mode, **state})


def _again(target: Target, name: str) -> RemoteCollection:
    return RemoteCollection(RemoteCore(Channel(target), name), owned=True)


__all__ = ["RemoteCollection", "RemoteCore"]
