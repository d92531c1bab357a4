"""Vector similarity search for candidate retrieval, embedded in the process.

>>> import nearfield as nf
>>> posts = nf.create(dim=2, metric="cosine", schema={"title": "text"})
>>> posts.upsert([1, 2], [[1.0, 0.0], [0.0, 1.0]], {"title": ["east", "north"]})
>>> hits = posts.search([0.9, 0.1], k=1, with_attributes=["title"])
>>> hits.ids.tolist(), hits.attributes["title"].tolist()
([1], ['east'])
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from ._boost import Boost
from ._collection import (
    Collection,
    alias,
    create,
    open,  # noqa: A004 - nearfield.open is the name
    restore,
)
from ._connect import connect
from ._core import __version__
from ._decay import Decay
from ._errors import (
    AlreadyExistsError,
    ClosedError,
    CollectionNotFoundError,
    CorruptionError,
    DeadlineError,
    DimensionMismatchError,
    FilterError,
    InvalidArgumentError,
    InvalidTypeError,
    LockedError,
    MissingFileError,
    NearfieldError,
    NotFoundError,
    PoisonedError,
    ReadOnlyError,
    ResourceLimitError,
    SpaceMismatchError,
    StorageError,
    UnsupportedVersionError,
)
from ._evaluate import Evaluation, evaluate
from ._exclusions import Exclusions
from ._import import import_hnsw_rs
from ._join import knn_join
from ._recall import recall
from ._report import Report
from ._result import SearchResult
from ._table import Table

if _TYPE_CHECKING:
    from . import client, sklearn, viz

__all__ = [
    "AlreadyExistsError",
    "Boost",
    "ClosedError",
    "Collection",
    "CollectionNotFoundError",
    "CorruptionError",
    "DeadlineError",
    "Decay",
    "DimensionMismatchError",
    "Evaluation",
    "Exclusions",
    "FilterError",
    "InvalidArgumentError",
    "InvalidTypeError",
    "LockedError",
    "MissingFileError",
    "NearfieldError",
    "NotFoundError",
    "PoisonedError",
    "ReadOnlyError",
    "Report",
    "ResourceLimitError",
    "SearchResult",
    "SpaceMismatchError",
    "StorageError",
    "Table",
    "UnsupportedVersionError",
    "__version__",
    "alias",
    "client",
    "connect",
    "create",
    "evaluate",
    "import_hnsw_rs",
    "knn_join",
    "open",
    "recall",
    "restore",
    "sklearn",
    "viz",
]


def __getattr__(name: str) -> _Any:
    # Read when first used: they need packages that many do without.
    if name in ("client", "sklearn", "viz"):
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


for _name in __all__:
    # Errors and reprs read "nearfield.LockedError", wherever the class is written.
    if isinstance(globals().get(_name), type):
        globals()[_name].__module__ = "nearfield"
del _name
