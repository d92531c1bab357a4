"""Collections of a server, as the class that notebooks know; blocking, and for asyncio.

Needs ``pip install nearfield[client]``.

>>> import nearfield as nf
>>> posts = nf.connect("localhost:50051/posts")              # doctest: +SKIP
>>> posts.search(query, k=10, where="NOT over_18").ids       # doctest: +SKIP

>>> async with nf.client.AsyncClient("localhost:50051") as client:  # doctest: +SKIP
...     posts = await client.open("posts")
...     found = await posts.search(query, k=10)
"""

try:
    import google.protobuf  # noqa: F401 - said here what is missing
    import grpc  # noqa: F401 - as above
except ImportError as error:
    raise ImportError(
        f"{error.name} is not installed; run `pip install nearfield[client]`", name=error.name
    ) from error

from ._aio import AsyncCollection, AsyncExclusions
from ._client import AsyncClient, Client, connect
from ._collection import RemoteCollection
from ._errors import AuthError, NotServedError, ServiceError, UnavailableError
from ._retry import Retry

__all__ = [
    "AsyncClient",
    "AsyncCollection",
    "AsyncExclusions",
    "AuthError",
    "Client",
    "NotServedError",
    "RemoteCollection",
    "Retry",
    "ServiceError",
    "UnavailableError",
    "connect",
]

for _name in __all__:
    # Errors and reprs read "nearfield.client.UnavailableError", wherever the class is written.
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = "nearfield.client"
del _name
