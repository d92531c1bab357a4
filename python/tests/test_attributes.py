"""Attribute columns: every form goes in, every type comes back, in `get` and in results."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import nearfield as nf
from conftest import COLUMNS, DAYS, SCHEMA

NAIVE = [day.replace(tzinfo=None) for day in DAYS]
MICROS = [int(day.timestamp()) * 1_000_000 for day in DAYS]
LISTS = pa.list_(pa.string())


def arrow(**changed: Any) -> pa.Table:
    types = {
        "subreddit": pa.string(),
        "flair": LISTS,
        "score": pa.int64(),
        "ratio": pa.float64(),
        "over_18": pa.bool_(),
        "created_utc": pa.timestamp("us", "UTC"),
        "title": pa.string(),
    }
    types.update(changed)
    return pa.table({name: pa.array(COLUMNS[name], kind) for name, kind in types.items()})


def pandas_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "subreddit": pd.Series(COLUMNS["subreddit"], dtype="category"),
            "flair": pd.Series(COLUMNS["flair"], dtype=object),
            "score": pd.Series(COLUMNS["score"], dtype="Int64"),
            "ratio": pd.Series([0.5, np.nan, 1.0]),
            "over_18": pd.Series(COLUMNS["over_18"], dtype="boolean"),
            "created_utc": pd.Series(COLUMNS["created_utc"]),
            "title": pd.Series(COLUMNS["title"], dtype="string"),
        }
    )


FORMS: dict[str, Any] = {
    "lists": COLUMNS,
    "tuples": {name: tuple(values) for name, values in COLUMNS.items()},
    "other order": dict(reversed(COLUMNS.items())),
    "numpy": {
        "subreddit": np.array(COLUMNS["subreddit"], object),
        "flair": np.array([["a", "b"], [], None], object),
        "score": np.array(COLUMNS["score"], object),
        "ratio": np.array([0.5, np.nan, 1.0]),
        "over_18": np.array(COLUMNS["over_18"], object),
        "created_utc": np.array([NAIVE[0], "NaT", NAIVE[2]], "datetime64[ms]"),
        "title": np.array(COLUMNS["title"], object),
    },
    "pandas": pandas_frame(),
    "pandas, other index": pandas_frame().set_index(pd.Index([9, 8, 7])),
    "polars": pl.DataFrame(COLUMNS, schema_overrides={"flair": pl.List(pl.String)}),
    "polars series": dict(
        pl.DataFrame(COLUMNS, schema_overrides={"flair": pl.List(pl.String)}).to_dict()
    ),
    "arrow": arrow(),
    "arrow batch": arrow().to_batches()[0],
    "arrow reader": arrow().to_reader(max_chunksize=1),
    "arrow columns": {name: arrow()[name] for name in COLUMNS},
    "arrow, narrow": arrow(
        subreddit=pa.dictionary(pa.int8(), pa.string()),
        flair=pa.large_list(pa.large_string()),
        score=pa.int8(),
        ratio=pa.float32(),
        created_utc=pa.timestamp("s"),
        title=pa.large_string(),
    ),
}


def check(columns: Any) -> None:
    """Compare columns of numpy arrays with what was written."""
    assert columns["subreddit"].tolist() == COLUMNS["subreddit"]
    assert columns["flair"].tolist() == COLUMNS["flair"]
    assert columns["score"].tolist() == COLUMNS["score"]
    assert columns["ratio"].dtype == np.float64
    np.testing.assert_array_equal(columns["ratio"], [0.5, np.nan, 1.0])
    assert columns["over_18"].tolist() == COLUMNS["over_18"]
    assert columns["created_utc"].dtype == np.dtype("datetime64[us]")
    assert columns["created_utc"][[0, 2]].astype(np.int64).tolist() == [MICROS[0], MICROS[2]]
    assert np.isnat(columns["created_utc"][1])
    assert columns["title"].tolist() == COLUMNS["title"]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("seal", [False, True])
def test_every_form_comes_back(form: Any, seal: bool) -> None:
    posts = nf.create(dim=1, metric="l2", id_type="str", schema=SCHEMA)
    if hasattr(form, "read_next_batch"):
        form = arrow().to_reader(max_chunksize=1)
    posts.upsert(["a", "b", "c"], [[0.0], [1.0], [2.0]], form)
    if seal:
        posts.optimize()
    table = posts.get(["a", "b", "c"])
    assert table.columns == ["id", *SCHEMA, "vector"]
    check(table)
    check(posts.search([0.0], k=3, with_attributes=list(SCHEMA)).attributes)
    batch = posts.search([[0.0], [0.0]], k=3, with_attributes=list(SCHEMA)).attributes
    for row in range(2):
        check({name: column[row] for name, column in batch.items()})


def test_without_nulls_numbers_keep_their_type() -> None:
    points = nf.create(dim=1, metric="l2", schema={"n": "i64", "b": "bool"})
    points.upsert([1, 2], [[0.0], [1.0]], {"n": [3, 4], "b": np.array([True, False])})
    r = points.search([0.0], k=2, with_attributes=["n", "b"])
    assert r.attributes["n"].dtype == np.int64
    assert r.attributes["b"].dtype == np.bool_
    padded = points.search([0.0], k=3, with_attributes=["n"])
    assert padded.attributes["n"].tolist() == [3, 4, None]


def test_none_is_all_null() -> None:
    posts = nf.create(dim=1, metric="l2", schema=SCHEMA)
    posts.upsert([1], [[0.0]])
    table = posts.get([1])
    assert table["subreddit"].tolist() == [None]
    assert np.isnan(table["ratio"][0])
    assert table["score"].tolist() == [None]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, np.int8(2), None], "i64"),
        (np.array([1, 2, 3], np.uint8), "i64"),
        (np.array([1, 2, 3], np.uint64), "i64"),
        (np.array([1, 2, 3], np.int32), "f64"),
        ([1, 2.5, None], "f64"),
        (np.array([1.5, 2.5, np.nan], np.float32), "f64"),
        (np.array([1.5, 2.5, np.nan], np.float16), "f64"),
        ([np.True_, False, None], "bool"),
        (np.array(["x", "y", "z"]), "keyword"),
        ([("x", "y"), ["z"], np.array(["w"])], "keyword[]"),
        (NAIVE, "timestamp"),
        ([pd.Timestamp(DAYS[0]), pd.NaT, np.datetime64("2013-01-01")], "timestamp"),
        ([day.astimezone(timezone(timedelta(hours=-8))) for day in DAYS], "timestamp"),
        (np.array(["2013-01-01"] * 3, "datetime64[D]"), "timestamp"),
        (np.array(["2013-01-01"] * 3, "datetime64[ns]"), "timestamp"),
        (pd.Series(NAIVE), "timestamp"),
        (pd.Series([1, 2, 3]), "i64"),
    ],
)
def test_columns_that_widen(values: Any, kind: str) -> None:
    points = nf.create(dim=1, metric="l2", schema={"x": kind})
    points.upsert([0, 1, 2], np.zeros((3, 1)), {"x": values})
    stored = points.get([0, 1, 2])["x"]
    if kind == "timestamp":
        assert stored[0] in (np.datetime64("2013-01-01"), np.datetime64(NAIVE[0]))
    elif kind != "keyword[]":
        want = [None if value is None or value != value else value for value in values]
        got = [None if value != value else value for value in stored.tolist()]
        assert got == want
    else:
        assert stored.tolist() == [["x", "y"], ["z"], ["w"]]


def test_microseconds_and_old_times_are_kept() -> None:
    moment = datetime(1890, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    points = nf.create(dim=1, metric="l2", schema={"x": "timestamp"})
    points.upsert([0], [[0.0]], {"x": [moment]})
    assert points.get([0])["x"][0] == np.datetime64(moment.replace(tzinfo=None))


def test_missing_ids_have_nulls(typed: nf.Collection) -> None:
    table = typed.get(["c", "nobody", "a"])
    assert table["id"].tolist() == ["c", "nobody", "a"]
    assert table.found.tolist() == [True, False, True]
    assert table["subreddit"].tolist() == ["cats", None, "aww"]
    assert np.isnan(table["vector"][1]).all()
    assert table["vector"][[0, 2]].tolist() == [[5.0, 0.0], [0.0, 0.0]]
    assert "vector" not in typed.get(["a"], with_vectors=False)
