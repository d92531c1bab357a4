"""What callers pass, in the few forms that the Rust side takes.

Ids become a contiguous numpy array of uint64 or int64, a list, or stay Arrow; vectors become a
C-contiguous matrix or stay Arrow; attributes become a list of (name, column) pairs or stay Arrow.
Nothing is copied that is in the right form already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ._checks import shown
from ._errors import DimensionMismatchError, InvalidArgumentError, InvalidTypeError
from ._times import moment_us

NOT_A_TIME = np.iinfo(np.int64).min
_TIME_UNITS = ("s", "ms", "us", "ns")
_COARSE_TIME_UNITS = ("Y", "M", "W", "D", "h", "m")
_F32 = np.dtype(np.float32)


def ids(value: Any, argument: str) -> Any:
    """Return ids as a uint64 or int64 array, a list or Arrow."""
    if _is_pandas(value):
        value = value.to_numpy()
    if isinstance(value, np.ndarray):
        if value.ndim != 1:
            raise InvalidArgumentError(
                f"{argument}: expected a one-dimensional array, found shape {value.shape}"
            )
        if value.dtype.kind == "u":
            return np.require(value, np.uint64, ["C", "A"])
        if value.dtype.kind == "i":
            return np.require(value, np.int64, ["C", "A"])
        return value.tolist()
    if _speaks_arrow(value):
        return value
    return _list(value, argument, "ids")


def matrix(value: Any, dim: int, argument: str, *, one: bool = False) -> tuple[Any, bool]:
    """Return vectors as a C-contiguous matrix or Arrow, and whether it was a single vector.

    Parameters
    ----------
    value : array_like
        Vectors of shape (n, dim); of shape (dim,) too if `one`.
    dim : int
        The collection's dimension.
    argument : str
        The argument's name in errors.
    one : bool
        Whether a single vector is taken.
    """
    if type(value) is np.ndarray and value.dtype is _F32:
        # The usual case, without a look at what else it might be.
        flags = value.flags
        plain = flags.c_contiguous and flags.aligned
        if plain and value.ndim == 2:
            return value, False
        if plain and one and value.shape == (dim,):
            return value.reshape(1, dim), True
    if _is_pandas(value):
        value = value.to_numpy()
    if not isinstance(value, np.ndarray) and _speaks_arrow(value):
        return value, False
    array = _numeric(value, dim, argument)
    if array.shape == (0,):
        return np.empty((0, dim), np.float32), False
    if array.ndim == 1 and one:
        return array.reshape(1, -1), True
    if array.ndim != 2:
        wanted = f"(n, {dim}) or ({dim},)" if one else f"(n, {dim})"
        raise InvalidArgumentError(f"{argument}: expected shape {wanted}, found {array.shape}")
    return array, False


def attributes(value: Any, schema: Mapping[str, str]) -> Any:
    """Return attributes as None, a list of (name, column) pairs or Arrow."""
    if value is None:
        return None
    if isinstance(value, Mapping) or (_is_pandas(value) and hasattr(value, "columns")):
        pairs = []
        for name in value:
            if not isinstance(name, str):
                raise InvalidTypeError(
                    f"attributes: expected column names of type str, found {shown(name)}"
                )
            kind = "timestamp" if name == "expires_at" else schema.get(name)
            pairs.append((name, _column(value[name], name, kind)))
        return pairs
    if _speaks_arrow(value):
        return value
    raise InvalidTypeError(
        "attributes: expected a dict of columns, a DataFrame or an object with "
        f"__arrow_c_stream__, found {type(value).__name__}"
    )


def _column(value: Any, name: str, kind: str | None) -> Any:
    argument = f'column "{name}"'
    if _is_pandas(value):
        if not hasattr(value, "dtype"):
            raise InvalidTypeError(
                f"{argument}: expected one column, found {type(value).__name__} of several"
            )
        value = _from_pandas(value)
    if isinstance(value, np.ndarray):
        value = _from_numpy(value, argument, kind)
    elif _speaks_arrow(value):
        return value
    else:
        value = _list(value, argument, "values")
    if kind == "timestamp" and isinstance(value, list):
        return _times(value, argument), "us"
    return value


def _from_pandas(series: Any) -> Any:
    """Return a Series as a numpy array, or as a list with None for what is missing."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iufbM":
        return series.to_numpy()
    if getattr(series.dtype, "kind", "") == "M" and getattr(series.dtype, "tz", None) is not None:
        return series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    return series.astype(object).where(series.notna(), None).tolist()


def _from_numpy(array: np.ndarray[Any, Any], argument: str, wanted: str | None) -> Any:
    """Return an array as int64, uint64, float64, bool, (ticks, unit) or a list."""
    kind = array.dtype.kind
    if wanted == "f64" and kind in "iu" and array.dtype.itemsize <= 4:
        kind = "f"
    if kind in "iufbM" and array.ndim != 1:
        raise InvalidArgumentError(
            f"{argument}: expected a one-dimensional array, found shape {array.shape}"
        )
    if kind == "M":
        return _ticks(array, argument)
    if kind == "f" and array.dtype.itemsize <= 8:
        return np.require(array, np.float64, ["C", "A"])
    plain = {"i": np.int64, "u": np.uint64, "b": np.bool_}.get(kind)
    return array.tolist() if plain is None else np.require(array, plain, ["C", "A"])


def _ticks(array: np.ndarray[Any, Any], argument: str) -> tuple[np.ndarray[Any, Any], str]:
    unit, step = np.datetime_data(array.dtype)
    if unit == "generic":
        unit, array = "us", array.astype("datetime64[us]")
    elif unit in _COARSE_TIME_UNITS or (step != 1 and unit in _TIME_UNITS):
        unit = "s" if unit in _COARSE_TIME_UNITS else unit
        array = array.astype(f"datetime64[{unit}]")
    elif unit not in _TIME_UNITS:
        raise InvalidTypeError(
            f"{argument}: expected datetime64 of s, ms, us or ns, found {array.dtype}; "
            'use .astype("datetime64[us]")'
        )
    native = np.require(array, f"datetime64[{unit}]", ["C", "A"])
    return native.view(np.int64), unit


def _times(values: list[Any], argument: str) -> np.ndarray[Any, Any]:
    """Return moments as microseconds; None and "not a time" as the smallest int64."""
    ticks = np.empty(len(values), np.int64)
    for row, value in enumerate(values):
        if value is None or value != value:
            ticks[row] = NOT_A_TIME
        elif isinstance(value, str):
            raise InvalidTypeError(
                f"{argument}, row {row}: expected a datetime, numpy datetime64 or None, "
                f"found str {value!r}; use datetime.fromisoformat"
            )
        else:
            ticks[row] = moment_us(value, f"{argument}, row {row}")
    return ticks


def _numeric(value: Any, dim: int, argument: str) -> np.ndarray[Any, Any]:
    """Return an array of f32, f16, f64, u8 or i8 in C order; numbers in lists become floats."""
    given = isinstance(value, np.ndarray)
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        given, value = False, value.tolist()
    if isinstance(value, str | bytes | Mapping):
        raise InvalidTypeError(f"{argument}: expected vectors, found {type(value).__name__}")
    if not given and not hasattr(value, "__array__"):
        value = list(value) if isinstance(value, Iterable) else value
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        raise _ragged(value, dim, argument) from None
    if not given and array.dtype.kind in "iu" and array.dtype.itemsize > 1:
        array = array.astype(np.float32)
    if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
        wanted = np.dtype(f"f{array.dtype.itemsize}")
    elif array.dtype.kind in "iu" and array.dtype.itemsize == 1:
        wanted = array.dtype
    else:
        raise InvalidTypeError(
            f"{argument}: expected float32, float16, float64, uint8 or int8, "
            f"found {array.dtype}; use .astype(numpy.float32)"
        )
    return np.require(array, wanted, ["C", "A"])


def _ragged(value: Any, dim: int, argument: str) -> Exception:
    """Find the row that keeps lists from being a matrix."""
    if isinstance(value, list):
        for row, vector in enumerate(value):
            found = len(vector) if hasattr(vector, "__len__") else None
            if found is None:
                return InvalidTypeError(
                    f"{argument}, row {row}: expected a vector of {dim} numbers, "
                    f"found {shown(vector)}"
                )
            if found != dim:
                return DimensionMismatchError(
                    f"{argument}, row {row}: expected dimension {dim}, found {found}; embed with "
                    "the model that the collection was built from"
                )
    return InvalidTypeError(
        f"{argument}: expected vectors of {dim} numbers, found {type(value).__name__}"
    )


def _list(value: Any, argument: str, what: str) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidTypeError(
            f"{argument}: expected a list of {what}, found {shown(value)}; "
            "put a single one in brackets"
        )
    return list(value)


def _speaks_arrow(value: Any) -> bool:
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")


def _is_pandas(value: Any) -> bool:
    return type(value).__module__.split(".", 1)[0] == "pandas" and hasattr(value, "to_numpy")
