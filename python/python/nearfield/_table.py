"""Rows with named columns, for numpy, Arrow, pandas and polars."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _show

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from . import _core


class Table:
    """Rows with named columns.

    Any library that reads the Arrow C stream interface takes a table as it is, e.g.
    ``pyarrow.table(t)``, ``polars.DataFrame(t)`` or ``duckdb.from_arrow(t)``.

    ``table[name]`` is a column as a numpy array:

    ========================  =============================  ===============
    type                      numpy                          null
    ========================  =============================  ===============
    id (u64)                  uint64                         never
    id (str), keyword, text   object (str)                   None
    keyword[]                 object (list of str)           None
    i64                       int64; object if there are     None
                              nulls
    f64                       float64                        NaN
    bool                      bool; object if there are      None
                              nulls
    timestamp                 datetime64[us], UTC            NaT
    vector                    float32 of shape (n, dim)      a row of NaN
    ========================  =============================  ===============
    """

    def __init__(self, core: _core.Table, found: list[bool] | None = None) -> None:
        self._core = core
        self._found = found

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return [name for name, _ in self._core.columns()]

    @property
    def found(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether each row is a point, of shape (n,); false where an id was asked for in vain."""
        if self._found is None:
            return np.ones(len(self), np.bool_)
        return np.array(self._found, np.bool_)

    def __len__(self) -> int:
        return len(self._core)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        """Return the column of this name."""
        return self._core.column(name)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the rows as an Arrow C stream."""
        return self._core.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"<nearfield.Table {self._title()}>"

    def _repr_html_(self) -> str:
        shown = {name: list(self[name][: _show.ROWS]) for name in self.columns}
        return _show.html_rows(self._title(), shown, max(0, len(self) - _show.ROWS))

    def _title(self) -> str:
        return f"{len(self):,} rows: {', '.join(self.columns)}"

    def to_arrow(self) -> pa.Table:
        """Return a ``pyarrow.Table``.

        Raises
        ------
        ImportError
            If pyarrow isn't installed.
        """
        table: pa.Table = _needs("pyarrow").table(self)
        return table

    def to_polars(self) -> pl.DataFrame:
        """Return a ``polars.DataFrame``.

        Raises
        ------
        ImportError
            If polars isn't installed.
        """
        frame: pl.DataFrame = _needs("polars").DataFrame(self)
        return frame

    def to_pandas(self) -> pd.DataFrame:
        """Return a ``pandas.DataFrame``; timestamps in UTC, nulls as pandas' own.

        Raises
        ------
        ImportError
            If pandas isn't installed.
        """
        pandas = _needs("pandas")
        series = {
            name: _series(pandas, self[name], kind, self._found)
            for name, kind in self._core.columns()
        }
        frame: pd.DataFrame = pandas.DataFrame(series, columns=self.columns)
        return frame


def _series(pandas: Any, column: np.ndarray[Any, Any], kind: str, found: list[bool] | None) -> Any:
    if column.ndim == 2:
        rows = found or [True] * len(column)
        vectors = [row if there else None for row, there in zip(column, rows, strict=True)]
        return pandas.Series(vectors, dtype=object)
    if column.dtype.kind == "M":
        return pandas.Series(column).dt.tz_localize("UTC")
    if column.dtype.kind == "O" and kind in ("Int64", "Boolean"):
        return pandas.Series(column, dtype={"Int64": "Int64", "Boolean": "boolean"}[kind])
    return pandas.Series(column)


def _needs(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{package} is not installed; run `pip install {package}`", name=package
        ) from error
