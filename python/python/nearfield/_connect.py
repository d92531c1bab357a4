"""The way to a server, without the packages that it takes until somebody goes it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Unpack, cast

if TYPE_CHECKING:
    from .client import Client, RemoteCollection
    from .client._client import Connection


def connect(
    target: str, collection: str | None = None, **options: Unpack[Connection]
) -> Client | RemoteCollection:
    """Connect to a server, or open one of its collections. Needs ``nearfield[client]``.

    ``nf.connect("host:50051/posts")`` is to a service what ``nf.open("posts.nf")`` is to a
    directory: what it returns is a `Collection`.

    Parameters
    ----------
    target : str
        ``HOST:PORT`` of a server, or ``HOST:PORT/COLLECTION``.
    collection : str, optional
        The name of a collection or an alias, if it isn't in `target`.
    **options
        Of :func:`nearfield.client.connect`: token, tls, ca, certificate, key, timeout, retry.

    Returns
    -------
    Client or Collection
        A client, which makes, lists and opens collections, without the name of one.

    Raises
    ------
    ImportError
        If grpcio isn't installed.
    """
    client: Any = import_module("nearfield.client")
    return cast("Client | RemoteCollection", client.connect(target, collection, **options))
