"""What callers pass, as messages; values are checked as the embedded collection checks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from .._checks import shown
from .._errors import DimensionMismatchError, InvalidArgumentError, InvalidTypeError
from .._inputs import NOT_A_TIME, _speaks_arrow
from . import _schema

IDS = _schema.message("Ids")
VECTORS = _schema.message("Vectors")
ATTRIBUTES = _schema.message("Attributes")

_ID_MAX = 2**64 - 2
_I64_MAX = 2**63 - 1
_TO_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}


def ids(value: Any, id_type: str, argument: str) -> Any:
    """Return ids, in a form of ``_inputs.ids``, as a message."""
    out = IDS()
    if id_type == "str":
        out.str.values.extend(_strings(_listed(value, argument), argument))
    else:
        out.u64.values.extend(_integers(value, argument))
    return out


def _listed(value: Any, argument: str) -> list[Any]:
    if isinstance(value, np.ndarray) and len(value):
        raise InvalidTypeError(
            f"{argument}: expected strings (the ids are strings), found {value.dtype}"
        )
    return list(_plain(value, argument))


def _strings(items: list[Any], argument: str) -> list[str]:
    for row, item in enumerate(items):
        if not isinstance(item, str):
            raise InvalidTypeError(
                f"{argument}, row {row}: expected a str (the ids are strings), found {shown(item)}"
            )
    return items


def _integers(value: Any, argument: str) -> list[int]:
    items = value.tolist() if isinstance(value, np.ndarray) else list(_plain(value, argument))
    for row, item in enumerate(items):
        if type(item) is not int:
            if isinstance(item, np.integer):
                items[row] = item = int(item)
            else:
                raise InvalidTypeError(
                    f"{argument}, row {row}: expected an integer (the ids are u64), "
                    f"found {shown(item)}"
                )
        if not 0 <= item <= _ID_MAX:
            raise InvalidArgumentError(
                f"{argument}, row {row}: expected an integer of 0 to {_ID_MAX}, found {shown(item)}"
            )
    return items


def matrix(rows: Any, dim: int, argument: str) -> np.ndarray[Any, Any]:
    """Return vectors, in a form of ``_inputs.matrix``, as an array of shape (n, dim)."""
    array = rows if isinstance(rows, np.ndarray) else _from_arrow_lists(rows, argument)
    if array.shape[1] != dim:
        raise DimensionMismatchError(
            f"{argument}: expected dimension {dim}, found {array.shape[1]}; embed with the model "
            "that the collection was built from"
        )
    return array


def vectors(array: np.ndarray[Any, Any]) -> Any:
    """Return a matrix as a message."""
    if array.dtype == np.float16:
        return VECTORS(f16_le=array.astype("<f2", copy=False).tobytes())
    if array.dtype == np.uint8:
        return VECTORS(u8=array.tobytes())
    if array.dtype == np.int8:
        return VECTORS(i8=array.tobytes())
    with np.errstate(over="ignore"):
        return VECTORS(f32_le=array.astype("<f4", copy=False).tobytes())


def attributes(columns: Any, rows: int, schema: Mapping[str, str]) -> Any:
    """Return columns, in a form of ``_inputs.attributes``, as a message."""
    if not isinstance(columns, list):
        columns = _from_arrow_table(columns)
    out = ATTRIBUTES()
    for name, values in columns:
        argument = f'column "{name}"'
        kind = "timestamp" if name == "expires_at" else schema.get(name)
        if kind is None:
            known = ", ".join(f'"{column}"' for column in schema)
            expected = f"one of {known}" if known else "no columns (the schema has none)"
            raise InvalidArgumentError(f"attributes: expected {expected}, found {argument}")
        column = out.columns.add(name=name)
        found = _fill(column, kind, values, argument)
        if found != rows:
            raise InvalidArgumentError(
                f"{argument}: expected {rows} rows, one an id, found {found}"
            )
    return out


def _fill(column: Any, kind: str, values: Any, argument: str) -> int:
    """Put values into a column; return how many rows they are."""
    if kind == "timestamp":
        ticks, unit = values if isinstance(values, tuple) else _arrow_ticks(values, argument)
        null = ticks == NOT_A_TIME
        column.nulls.extend(np.flatnonzero(null).tolist())
        scaled = ticks // 1_000 if unit == "ns" else ticks * _TO_MICROSECONDS[unit]
        column.timestamps.microseconds.extend(np.where(null, 0, scaled).tolist())
        return len(ticks)
    if isinstance(values, np.ndarray):
        return _fill_from_numpy(column, kind, values, argument)
    items = list(_plain(values, argument))
    column.nulls.extend(row for row, item in enumerate(items) if item is None)
    take = _TAKERS[kind]
    take(column, items, argument)
    return len(items)


def _fill_from_numpy(column: Any, kind: str, values: np.ndarray[Any, Any], argument: str) -> int:
    of = values.dtype.kind
    if kind == "f64" and of == "f":
        null = np.isnan(values)
        column.nulls.extend(np.flatnonzero(null).tolist())
        column.floats.values.extend(np.where(null, 0.0, values).tolist())
    elif kind == "i64" and of in "iu":
        if len(values) and int(values.max()) > _I64_MAX:
            raise InvalidArgumentError(
                f"{argument}, row {int(values.argmax())}: expected an i64, "
                f"found {int(values.max())}"
            )
        column.ints.values.extend(values.tolist())
    elif kind == "bool" and of == "b":
        column.bools.values.extend(values.tolist())
    else:
        raise InvalidTypeError(f"{argument}: expected {kind}, found {values.dtype}")
    return len(values)


def _wrong(argument: str, row: int, expected: str, item: Any) -> InvalidTypeError:
    return InvalidTypeError(f"{argument}, row {row}: expected {expected}, found {shown(item)}")


def _take_texts(column: Any, items: list[Any], argument: str) -> None:
    for row, item in enumerate(items):
        if not (item is None or isinstance(item, str)):
            raise _wrong(argument, row, "a str or None", item)
    column.strings.values.extend("" if item is None else item for item in items)


def _take_lists(column: Any, items: list[Any], argument: str) -> None:
    for row, item in enumerate(items):
        if item is None:
            column.string_lists.values.add()
            continue
        if not isinstance(item, list | tuple | np.ndarray):
            raise _wrong(argument, row, "keyword[]: a list of str, or None", item)
        for word in item:
            if not isinstance(word, str):
                raise _wrong(argument, row, "keyword[]: a list of str, or None", word)
        column.string_lists.values.add(values=[str(word) for word in item])


def _take_ints(column: Any, items: list[Any], argument: str) -> None:
    for row, item in enumerate(items):
        if isinstance(item, bool | np.bool_) or not (
            item is None or isinstance(item, int | np.integer)
        ):
            raise _wrong(argument, row, "i64: an int or None", item)
        if item is not None and not -_I64_MAX - 1 <= item <= _I64_MAX:
            raise InvalidArgumentError(
                f"{argument}, row {row}: expected i64: {-_I64_MAX - 1} to {_I64_MAX}, "
                f"found {shown(item)}"
            )
    column.ints.values.extend(0 if item is None else int(item) for item in items)


def _take_floats(column: Any, items: list[Any], argument: str) -> None:
    for row, item in enumerate(items):
        if isinstance(item, bool | np.bool_) or not (
            item is None or isinstance(item, int | float | np.integer | np.floating)
        ):
            raise _wrong(argument, row, "f64: a float, an int or None", item)
    column.floats.values.extend(0.0 if item is None else float(item) for item in items)


def _take_bools(column: Any, items: list[Any], argument: str) -> None:
    for row, item in enumerate(items):
        if not (item is None or isinstance(item, bool | np.bool_)):
            raise _wrong(argument, row, "bool: True, False or None", item)
    column.bools.values.extend(bool(item) for item in items)


_TAKERS = {
    "keyword": _take_texts,
    "text": _take_texts,
    "keyword[]": _take_lists,
    "i64": _take_ints,
    "f64": _take_floats,
    "bool": _take_bools,
}


def _pyarrow() -> Any:
    try:
        return import_module("pyarrow")
    except ImportError as error:
        raise ImportError(
            "Arrow data is sent to a service through pyarrow; run `pip install pyarrow`",
            name="pyarrow",
        ) from error


def _arrow_array(value: Any) -> Any:
    pa = _pyarrow()
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return value
    return pa.array(value) if hasattr(value, "__arrow_c_array__") else pa.chunked_array(value)


def _plain(value: Any, argument: str) -> Sequence[Any]:
    """Return values as a list."""
    if not _speaks_arrow(value):
        return value if isinstance(value, list) else list(value)
    array = _arrow_array(value)
    if argument in ("ids", "exclude") and array.null_count:
        raise InvalidArgumentError(f"{argument}: expected ids, found a null")
    listed: list[Any] = array.to_pylist()
    return listed


def _from_arrow_lists(value: Any, argument: str) -> np.ndarray[Any, Any]:
    pa = _pyarrow()
    array = _arrow_array(value)
    if array.null_count:
        raise InvalidArgumentError(f"{argument}: expected vectors, found a null")
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks)
    flat = array.flatten()
    if flat.null_count:
        raise InvalidArgumentError(f"{argument}: expected numbers, found a null")
    values = flat.to_numpy(zero_copy_only=False)
    rows = len(array)
    if rows and (len(values) % rows or len(set(map(len, array[:1000]))) > 1):
        raise InvalidArgumentError(f"{argument}: expected lists of one length")
    return np.ascontiguousarray(values.reshape(rows, -1 if rows else 0))


def _from_arrow_table(value: Any) -> list[tuple[str, Any]]:
    table = _pyarrow().table(value)
    return [(name, table.column(name)) for name in table.column_names]


def _arrow_ticks(value: Any, argument: str) -> tuple[np.ndarray[Any, Any], str]:
    if not _speaks_arrow(value):
        raise InvalidTypeError(f"{argument}: expected datetime objects, datetime64 or None")
    pa = _pyarrow()
    array = _arrow_array(value)
    if not pa.types.is_timestamp(array.type):
        raise InvalidTypeError(f"{argument}: expected timestamps, found {array.type}")
    ticks = array.cast(pa.int64()).fill_null(NOT_A_TIME)
    return ticks.to_numpy(), str(array.type.unit)
