"""Files as batches for a stream."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from .. import _checks
from .._errors import InvalidArgumentError, MissingFileError
from .._progress import bar
from ._errors import NotServedError

_ROWS = 8192


class Files:
    """Files that are read part by part."""

    def __init__(
        self,
        path: Any,
        id: str | None,  # noqa: A002 - the name of a column
        vector: str | None,
        ids: Any,
        config: Mapping[str, Any],
    ) -> None:
        self._paths = _expand(path)
        self._id = "id" if id is None else _checks.text(id, "id")
        self._vector = "vector" if vector is None else _checks.text(vector, "vector")
        self._ids = np.load(ids) if isinstance(ids, str | os.PathLike) else ids
        self._dim = int(config["dim"])
        self._schema = config["schema"]
        self.skipped_columns: list[str] = []

    def batches(self, progress: bool) -> Iterator[tuple[Any, Any, Any]]:
        """Yield ids, vectors and attributes."""
        row = 0
        with bar(progress, "load") as tick:
            for at, path in enumerate(self._paths):
                for batch in self._read(path, row):
                    row += len(batch[1])
                    yield batch
                if tick is not None:
                    tick(at + 1, len(self._paths))

    def _read(self, path: str, row: int) -> Iterator[tuple[Any, Any, Any]]:
        if path.endswith(".npy"):
            yield from self._vectors(np.load(path, mmap_mode="r"), row)
        elif path.endswith(".parquet"):
            file = import_module("pyarrow.parquet").ParquetFile(path)
            yield from self._tables(path, file.schema_arrow.names, file.iter_batches(_ROWS))
        elif path.endswith(".arrow"):
            reader = import_module("pyarrow.ipc").open_file(path)
            parts = (reader.get_batch(at) for at in range(reader.num_record_batches))
            yield from self._tables(path, reader.schema.names, parts)
        else:
            raise NotServedError(
                f"{path}: expected .parquet, .arrow or .npy; send other files with ingest()"
            )

    def _vectors(self, array: Any, row: int) -> Iterator[tuple[Any, Any, Any]]:
        for start in range(0, len(array), _ROWS):
            part = np.ascontiguousarray(array[start : start + _ROWS])
            first = row + start
            if self._ids is None:
                ids: Any = np.arange(first, first + len(part), dtype=np.uint64)
            else:
                ids = self._ids[first : first + len(part)]
            yield ids, part, None

    def _tables(
        self, path: str, names: list[str], parts: Iterable[Any]
    ) -> Iterator[tuple[Any, Any, Any]]:
        wanted = [self._id, self._vector, *self._schema]
        for name in wanted:
            if name not in names:
                raise InvalidArgumentError(f'{path}: expected the column "{name}", found {names}')
        beside = [name for name in names if name not in wanted and name != "expires_at"]
        self.skipped_columns.extend(name for name in beside if name not in self.skipped_columns)
        columns = [*self._schema, *(["expires_at"] if "expires_at" in names else [])]
        for part in parts:
            attributes = {name: part.column(name) for name in columns} or None
            yield part.column(self._id), part.column(self._vector), attributes


def _expand(path: Any) -> list[str]:
    given = [path] if isinstance(path, str | bytes | os.PathLike) else list(path)
    out: list[str] = []
    for one in given:
        text = _checks.path(one, "path")
        found = sorted(glob.glob(text)) if isinstance(one, str) else [text]  # noqa: PTH207
        if not found or not all(map(os.path.exists, found)):
            raise MissingFileError(f"{text}: there is no such file")
        out.extend(found)
    return out
