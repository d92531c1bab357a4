"""Servers: their collections, made, named, listed and opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from .. import _checks
from .._collection import AttributeType
from .._report import Report
from . import _calls, _schema
from ._aio import AsyncCollection
from ._channel import AsyncChannel, Channel, Target, target
from ._collection import RemoteCollection, RemoteCore
from ._retry import Retry

T = TypeVar("T")

_CREATE = _schema.method("CollectionService", "Create")
_LIST = _schema.method("CollectionService", "List")
_DROP = _schema.method("CollectionService", "Drop")
_ALIAS = _schema.method("CollectionService", "SetAlias")
_RESTORE = _schema.method("CollectionService", "Restore")
_SCHEMA_COLUMN = _schema.message("SchemaColumn")


class Connection(TypedDict, total=False):
    """The options of `connect`."""

    token: str | None
    tls: bool
    ca: str | Path | bytes | None
    certificate: str | Path | bytes | None
    key: str | Path | bytes | None
    timeout: float | None
    retry: Retry


class Configuration(TypedDict, total=False):
    """What a new collection is, as :func:`nearfield.create` takes it."""

    dim: int
    metric: Literal["cosine", "ip", "l2"]
    id_type: Literal["u64", "str"]
    schema: Mapping[str, AttributeType] | None
    space: str | None
    dtype: Literal["f32", "f16", "u8", "i8"]
    profile: Literal["fast", "balanced", "compact"]
    index: Literal["graph", "hnsw"]
    durability: Literal["sync", "buffered"]
    memory: Literal["mapped", "pinned", "heap"]
    seed: int


_ENUMS = {
    "metric": "Metric",
    "id_type": "IdType",
    "dtype": "Dtype",
    "profile": "Profile",
    "index": "Index",
    "durability": "Durability",
    "memory": "Memory",
}


def _target(address: str, options: Connection) -> Target:
    given: dict[str, Any] = dict(options)
    unknown = given.keys() - Connection.__annotations__.keys()
    if unknown:
        raise TypeError(f"connect: expected its options, found {sorted(unknown)[0]!r}")
    for name in ("ca", "certificate", "key"):
        value = given.get(name)
        if value is not None and not isinstance(value, bytes):
            given[name] = Path(value).read_bytes()
    if given.get("timeout") is not None:
        given["timeout"] = _checks.real(given["timeout"], "timeout")
    return target(_checks.text(address, "address"), given)


def _create(name: str, given: Configuration) -> _calls.Work[None]:
    request = _CREATE.request(collection=_checks.text(name, "name"))
    config = request.config
    known = Configuration.__annotations__.keys()
    if not given.keys() <= known or "dim" not in given:
        unknown = sorted(given.keys() - known)
        found = repr(unknown[0]) if unknown else "no dim"
        raise TypeError(f"create: expected the arguments of nearfield.create, found {found}")
    config.dim = _calls._u32(_checks.count(given["dim"], "dim"), "dim")
    words: Mapping[str, Any] = given
    for argument, enum in _ENUMS.items():
        if argument in words:
            word = _checks.text(words[argument], argument)
            setattr(config, argument, _schema.number(enum, word, argument))
    space = given.get("space")
    if space is not None:
        config.space = _checks.text(space, "space")
    config.seed = _checks.count(given.get("seed", 0), "seed", 2**64 - 1)
    for column, kind in _checks.schema(given.get("schema")):
        code = _schema.number("AttributeType", kind, f'schema column "{column}"')
        config.schema.append(_SCHEMA_COLUMN(name=column, type=code))
    return _calls.Work(_CREATE, [request], lambda _: None, safe=False)


def _drop(name: str) -> _calls.Work[None]:
    request = _DROP.request(collection=_checks.text(name, "name"))
    return _calls.Work(_DROP, [request], lambda _: None, safe=False)


def _alias(alias: str, name: str) -> _calls.Work[None]:
    given = _checks.text(alias, "alias"), _checks.text(name, "name")
    request = _ALIAS.request(alias=given[0], collection=given[1])
    return _calls.Work(_ALIAS, [request], lambda _: None, safe=False)


def _restore(snapshot: str, name: str) -> _calls.Work[None]:
    given = _checks.text(snapshot, "snapshot"), _checks.text(name, "name")
    request = _RESTORE.request(snapshot=given[0], collection=given[1])
    return _calls.Work(_RESTORE, [request], lambda _: None, safe=False, patient=True)


def _page(token: str) -> _calls.Work[tuple[list[Report], str]]:
    def finish(answers: list[Any]) -> tuple[list[Report], str]:
        found = [Report(_calls.described(each)) for each in answers[0].collections]
        return found, answers[0].next_page_token

    return _calls.Work(_LIST, [_LIST.request(page_token=token)], finish, safe=True)


class Client:
    """A connection to a server. Many threads may use it; closes at the end of a ``with`` block."""

    def __init__(self, address: str, **options: Unpack[Connection]) -> None:
        """Take an address, HOST:PORT, and the options of :func:`connect`."""
        self._channel = Channel(_target(address, options))

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._channel.target.address

    def open(self, name: str) -> RemoteCollection:
        """Open a collection, or what an alias leads to now and later.

        Raises
        ------
        CollectionNotFoundError
            If there is none of this name.
        """
        return RemoteCollection(RemoteCore(self._channel, _checks.text(name, "name")))

    def create(self, name: str, **config: Unpack[Configuration]) -> RemoteCollection:
        """Create an empty collection; arguments as those of :func:`nearfield.create`."""
        self._channel.run(_create(name, config))
        return self.open(name)

    def list(self) -> list[Report]:
        """Return what the server has and this client may read, in the order of the names."""
        return [*self._all()]

    def _all(self) -> Iterator[Report]:
        token = ""
        while True:
            found, token = self._channel.run(_page(token))
            yield from found
            if not token:
                return

    def drop(self, name: str) -> None:
        """Remove a collection with all its files, or an alias."""
        self._channel.run(_drop(name))

    def alias(self, alias: str, name: str) -> None:
        """Make a name lead to a collection, in one step whatever it led to before."""
        self._channel.run(_alias(alias, name))

    def restore(self, snapshot: str, name: str) -> RemoteCollection:
        """Make a collection of a snapshot; the snapshot stays."""
        self._channel.run(_restore(snapshot, name))
        return self.open(name)

    def close(self) -> None:
        """Let go of the connection."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<nearfield.client.Client {self.address}>"


class AsyncClient:
    """A connection of asyncio, for one event loop; closes at the end of an ``async with`` block."""

    def __init__(self, address: str, **options: Unpack[Connection]) -> None:
        """Take an address, HOST:PORT, and the options of :func:`connect`."""
        self._channel = AsyncChannel(_target(address, options))

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._channel.target.address

    async def open(self, name: str) -> AsyncCollection:
        """Open a collection; see :meth:`Client.open`."""
        state = await self._channel.run(_calls.look(_checks.text(name, "name")))
        return AsyncCollection(self._channel, name, state)

    async def create(self, name: str, **config: Unpack[Configuration]) -> AsyncCollection:
        """Create an empty collection; arguments as those of :func:`nearfield.create`."""
        await self._channel.run(_create(name, config))
        return await self.open(name)

    async def list(self) -> list[Report]:
        """Return what the server has; see :meth:`Client.list`."""
        out: list[Report] = []
        token = ""
        while True:
            found, token = await self._channel.run(_page(token))
            out.extend(found)
            if not token:
                return out

    async def drop(self, name: str) -> None:
        """Remove a collection, or an alias; see :meth:`Client.drop`."""
        await self._channel.run(_drop(name))

    async def alias(self, alias: str, name: str) -> None:
        """Make a name lead to a collection; see :meth:`Client.alias`."""
        await self._channel.run(_alias(alias, name))

    async def restore(self, snapshot: str, name: str) -> AsyncCollection:
        """Make a collection of a snapshot; see :meth:`Client.restore`."""
        await self._channel.run(_restore(snapshot, name))
        return await self.open(name)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<nearfield.client.AsyncClient {self.address}>"


def connect(
    target: str, collection: str | None = None, **options: Unpack[Connection]
) -> Client | RemoteCollection:
    """Connect to a server, or open one of its collections.

    Code moves from a notebook to a service by one line: ``nf.open("posts.nf")`` becomes
    ``nf.connect("host:50051/posts")``, and what it returns is a :class:`nearfield.Collection`.

    Parameters
    ----------
    target : str
        ``HOST:PORT`` of a server, or ``HOST:PORT/COLLECTION``.
    collection : str, optional
        The name of a collection or an alias, if it isn't in `target`.
    token : str, optional
        Sent with every call; only over TLS, or to this machine.
    tls : bool
        Whether to encrypt, trusting the authorities that gRPC trusts.
    ca : path or bytes, optional
        Certificates in PEM of the authorities to trust instead.
    certificate, key : path or bytes, optional
        Of this client in PEM, where the server asks for one.
    timeout : float, default 30
        Seconds that a call may take, repetitions included; None: as long as it takes. A search
        that has its own ``timeout=`` is held to that. `optimize`, `verify`, `calibrate`,
        `snapshot` and `ingest` take as long as they take.
    retry : Retry
        How often a call is made again.

    Returns
    -------
    Client or Collection
        A client without the name of a collection, else the collection.

    Raises
    ------
    CollectionNotFoundError
        If there is no such collection.
    UnavailableError
        If the server can't be reached.
    """
    address, _, name = _checks.text(target, "target").partition("/")
    name = name if collection is None else _checks.text(collection, "collection")
    client = Client(address, **options)
    if not name:
        return client
    try:
        return RemoteCollection(RemoteCore(client._channel, name), owned=True)
    except BaseException:
        client.close()
        raise
