"""Nonsense of every kind raises one of our errors, and nothing else."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import nearfield as nf
from conftest import COLUMNS, SCHEMA


class Hostile:
    """Fails at whatever is asked of it."""

    def __len__(self) -> int:
        raise RuntimeError("no length")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class BadArrow:
    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return "not a capsule"

    __arrow_c_array__ = __arrow_c_stream__


JUNK: dict[str, Any] = {
    "None": None,
    "object": object(),
    "hostile": Hostile(),
    "list of hostile": [Hostile()],
    "bad arrow": BadArrow(),
    "function": len,
    "float": 1.5,
    "nan": float("nan"),
    "huge": 10**400,
    "list of huge": [10**400],
    "too huge to print": 10**5000,
    "list of too huge": [10**5000, 1],
    "bytes": b"abc",
    "set": {1, 2},
    "dict": {"a": 1},
    "nested": [[[1.0]]],
    "cycle": [[]],
    "mixed": [1, "a", None, 2.5],
    "surrogate": ["\ud800"],
    "zero-d": np.array(1.0),
    "five-d": np.zeros((1, 1, 1, 1, 1)),
    "wide": np.zeros((2, 70_000), np.float32),
    "no columns": np.zeros((3, 0)),
    "structured": np.zeros(2, [("a", "f4"), ("b", "i4")]),
    "complex": np.zeros((2, 2), complex),
    "longdouble": np.zeros((2, 2), np.longdouble),
    "time": np.array(["2013", "NaT"], "datetime64[Y]"),
    "picoseconds": np.array([1, 2], "datetime64[ps]"),
    "timedelta": np.array([1, 2], "timedelta64[s]"),
    "bytes array": np.array([b"a", b"\xff"]),
    "void": np.zeros(2, "V3"),
    "object cells": np.array([object(), None], object),
    "broadcast": np.broadcast_to(np.float32(1), (2, 2)),
    "masked": np.ma.masked_array([[1.0, 2.0]], mask=[[True, False]]),
    "infinite": np.full((1, 2), np.inf),
    "frame": pd.DataFrame({"a": [1]}),
    "timestamps": pd.Series([pd.Timestamp("2013-01-01", tz="UTC"), pd.NaT]),
    "intervals": pd.Series(pd.interval_range(0, 2)),
    "polars frame": pl.DataFrame({"a": [1]}),
    "polars null": pl.Series([None, None]),
    "arrow null": pa.nulls(2),
    "arrow struct": pa.array([{"a": 1}]),
    "arrow binary": pa.array([b"a", b"\xff"]),
    "arrow decimal": pa.array([1, 2], pa.decimal128(5)),
    "arrow lists of null": pa.array([[None, None]]),
    "arrow lists of str": pa.array([["a", "b"]]),
    "arrow list view": pa.array([[1.0, 2.0]], pa.list_view(pa.float32())),
    "arrow fixed of 0": pa.array([[]], pa.list_(pa.float32(), 0)),
    "arrow null keys": pa.DictionaryArray.from_arrays(pa.array([None, 0]), pa.array(["a"])),
    "arrow null values": pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([None], "str")),
    "arrow map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "no chunks": pa.chunked_array([], pa.string()),
    "table": pa.table({"subreddit": [1]}),
    "same name twice": pa.table([[1], [2]], ["score", "score"]),
    "scalar": pa.scalar(1),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_junk_is_refused(typed: nf.Collection, junk: Any) -> None:
    points = nf.create(dim=2, metric="l2")
    refused = (nf.NearfieldError, TypeError)
    calls = [
        lambda: typed.upsert(junk, [[1.0, 2.0]], COLUMNS),
        lambda: points.upsert(junk, [[1.0, 2.0]]),
        lambda: points.upsert([1], junk),
        lambda: points.upsert([1, 2], junk),
        lambda: typed.upsert(["x"], [[1.0, 2.0]], junk),
        lambda: typed.search(junk),
        lambda: typed.search([1.0, 2.0], exclude=junk),
        lambda: points.search([1.0, 2.0], exclude=junk),
        lambda: typed.get(junk),
        lambda: points.get(junk),
        lambda: points.load(junk),
        lambda: nf.open(junk),
    ]
    one = {name: [None] for name in SCHEMA}
    two = {name: [None, None] for name in SCHEMA}
    calls += [lambda n=name: typed.upsert(["x"], [[1.0, 2.0]], {**one, n: junk}) for name in SCHEMA]
    calls += [
        lambda n=name: typed.upsert(["x", "y"], [[1.0, 2.0]] * 2, {**two, n: junk})
        for name in SCHEMA
    ]
    for call in calls:
        with contextlib.suppress(*refused):
            call()
    for name in ("k", "ef", "recall", "threads", "group_by", "space", "decay", "with_attributes"):
        with contextlib.suppress(*refused):
            typed.search([1.0, 2.0], **{name: junk})
    for name in ("dim", "metric", "schema", "dtype", "seed", "space"):
        with contextlib.suppress(*refused):
            nf.create(**{"dim": 2, name: junk})
    typed.verify()
    assert typed.search([0.0, 0.0], k=1, exact=True).counts == 1
