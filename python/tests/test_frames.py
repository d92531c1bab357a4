"""Results and tables for Arrow, pandas and polars."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import nearfield as nf
from conftest import COLUMNS, DAYS, SCHEMA

LONG = ["query", "rank", "id", "score", "distance"]
QUERIES = np.array([[0.0, 0.0], [5.0, 0.0]], np.float32)


@pytest.fixture
def result(typed: nf.Collection) -> nf.SearchResult:
    return typed.search(QUERIES, k=4, with_attributes=list(SCHEMA))


def test_arrow_holds_one_row_a_hit(result: nf.SearchResult) -> None:
    table = result.to_arrow()
    assert isinstance(table, pa.Table)
    renamed = ["attribute_score" if name == "score" else name for name in SCHEMA]
    assert table.column_names == LONG + renamed
    assert table["query"].to_pylist() == [0, 0, 0, 1, 1, 1]
    assert table["rank"].to_pylist() == [0, 1, 2, 0, 1, 2]
    assert table["id"].to_pylist() == ["a", "b", "c", "c", "b", "a"]
    assert table["distance"].to_pylist() == [0, 1, 25, 0, 16, 25]
    assert table["score"].to_pylist() == [0, -1, -25, 0, -16, -25]
    assert table["score"].type == pa.float32()
    assert table["subreddit"].to_pylist()[:3] == COLUMNS["subreddit"]
    assert table["flair"].to_pylist()[:3] == COLUMNS["flair"]
    assert table["created_utc"].to_pylist()[:3] == COLUMNS["created_utc"]
    assert pa.table(result).equals(table)


def test_pandas(result: nf.SearchResult) -> None:
    frame = result.to_pandas()
    assert list(frame.columns[:5]) == LONG
    assert frame["id"].tolist() == ["a", "b", "c", "c", "b", "a"]
    assert frame["score"].dtype == np.float32
    assert frame["attribute_score"].dtype == "Int64"
    assert frame["over_18"].dtype == "boolean"
    assert frame["created_utc"][0] == pd.Timestamp(DAYS[0])
    assert frame.isna().sum().to_dict()["created_utc"] == 2
    assert frame["flair"][0] == ["a", "b"]


def test_polars(result: nf.SearchResult) -> None:
    frame = result.to_polars()
    assert isinstance(frame, pl.DataFrame)
    assert frame.columns[:5] == LONG
    assert frame["id"].to_list() == ["a", "b", "c", "c", "b", "a"]
    assert frame["created_utc"].to_list()[:3] == COLUMNS["created_utc"]


def test_vectors_come_along(typed: nf.Collection) -> None:
    r = typed.search(QUERIES[1], k=2, with_vectors=True)
    assert r.to_arrow()["vector"].to_pylist() == [[5.0, 0.0], [1.0, 0.0]]
    assert [row.tolist() for row in r.to_pandas()["vector"]] == [[5.0, 0.0], [1.0, 0.0]]
    assert r.to_arrow()["query"].to_pylist() == [0, 0]


def test_no_hits(typed: nf.Collection) -> None:
    r = typed.search(np.empty((0, 2), np.float32), with_attributes=["title"])
    assert r.to_arrow().num_rows == 0
    assert r.to_pandas().shape == (0, 6)
    assert r.to_polars().shape == (0, 6)


def test_integer_ids_stay_unsigned() -> None:
    points = nf.create(dim=1, metric="l2")
    big = 2**64 - 2
    points.upsert(np.array([big], np.uint64), [[0.0]])
    r = points.search([0.0], k=1)
    assert r.ids.tolist() == [big]
    assert r.to_arrow()["id"].to_pylist() == [big]
    assert r.to_pandas()["id"].tolist() == [big]
    assert points.get([big]).to_polars()["id"].to_list() == [big]


def test_tables(typed: nf.Collection) -> None:
    table = typed.get(["b", "x", "a"])
    assert len(table) == 3
    assert list(table) == table.columns == ["id", *SCHEMA, "vector"]
    assert "score" in table
    assert "nonsense" not in table
    assert "3 rows" in repr(table)
    made = table.to_arrow()
    assert made["id"].to_pylist() == ["b", "x", "a"]
    assert made["vector"].to_pylist() == [[1.0, 0.0], None, [0.0, 0.0]]
    assert made.schema.field("created_utc").type == pa.timestamp("us", "UTC")
    assert pa.table(table).equals(made)
    assert table.to_polars()["score"].to_list() == [None, None, 1]
    frame = table.to_pandas()
    assert frame["score"].tolist()[2] == 1
    assert frame["vector"][1] is None
    assert frame["vector"][2].tolist() == [0.0, 0.0]
    with pytest.raises(nf.InvalidArgumentError, match='expected one of "id"'):
        _ = table["nonsense"]


def test_what_was_read_can_be_written(typed: nf.Collection) -> None:
    copy = nf.create(dim=2, metric="l2", id_type="str", schema=SCHEMA)
    table = typed.get(["a", "b", "c"]).to_arrow()
    copy.upsert(table["id"], table["vector"], table.drop_columns(["id", "vector"]))
    assert copy.get(["a", "b", "c"]).to_arrow().equals(table)


@pytest.mark.parametrize(
    ("package", "method"),
    [("pyarrow", "to_arrow"), ("pandas", "to_pandas"), ("polars", "to_polars")],
)
def test_a_missing_package_is_named(
    result: nf.SearchResult, package: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, package, missing)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        getattr(result, method)()
