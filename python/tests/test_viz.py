"""The pictures: what each function returns, and that it draws that."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nearfield as nf
from conftest import clustered

matplotlib = pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")
matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

DIM = 16
ROWS = 2000


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def posts() -> nf.Collection:
    schema = {"group": "keyword", "score": "i64", "ratio": "f64", "at": "timestamp", "t": "text"}
    made = nf.create(dim=DIM, schema=schema)
    begin = datetime(2013, 1, 1, tzinfo=UTC)
    columns = {
        "group": [None if row % 9 == 0 else f"g{row % 9}" for row in range(ROWS)],
        "score": [None if row % 10 == 0 else row for row in range(ROWS)],
        "ratio": np.linspace(-1, 1, ROWS),
        "at": [begin + timedelta(hours=row) for row in range(ROWS)],
        "t": ["x"] * ROWS,
    }
    made.upsert(np.arange(ROWS), clustered(ROWS, DIM), columns)
    made.optimize()
    return made


QUERIES = clustered(10, DIM, seed=1)


def test_recall_curve(posts: nf.Collection) -> None:
    found = nf.evaluate(posts, QUERIES, recalls=[0.8, 0.99])
    frame = found.plot()
    assert frame["setting"].tolist() == ["recall=0.8", "recall=0.99"]
    axes = plt.gcf().axes[0]
    assert sorted(axes.lines[0].get_ydata()) == sorted(frame["qps"])
    assert axes.get_yscale() == "log"
    other = pd.DataFrame({"recall": [0.7, 0.999], "qps": [10, 5]})
    _, given = plt.subplots()
    both = nf.viz.recall_curve({"ours": found, "theirs": other}, ax=given)
    assert both["name"].tolist() == ["ours", "ours", "theirs", "theirs"]
    assert [text.get_text() for text in given.get_legend().texts] == ["ours", "theirs"]


@pytest.mark.parametrize("column", ["score", "ratio", "at"])
def test_filter_curve(posts: nf.Collection, column: str) -> None:
    frame = nf.viz.filter_curve(posts, QUERIES, by=column, shares=[0.5, 0.05])
    assert frame["share"].tolist() == pytest.approx([0.5, 0.05], abs=0.002)
    assert (frame["recall"] > 0.9).all()
    assert (frame["p50_us"] <= frame["p99_us"]).all()
    assert set(frame["plan"]) <= {"graph", "filtered_graph", "codes", "exact"}
    assert plt.gcf().axes[0].lines[0].get_ydata().tolist() == frame["p50_us"].tolist()


def test_filter_curve_of_conditions(posts: nf.Collection) -> None:
    wheres = ["score < 100", "score < 0", "\"group\" = 'g1'"]
    frame = nf.viz.filter_curve(posts, QUERIES, filters=wheres)
    assert frame["where"].tolist() == [wheres[2], wheres[0], wheres[1]]
    assert frame["share"].tolist() == pytest.approx([0.1115, 0.045, 0], abs=0.001)


def test_map_of_groups(posts: nf.Collection) -> None:
    frame = nf.viz.community_map(posts, group_by="group", projection="pca", clusters=3)
    assert frame["label"].tolist() == [f"g{n}" for n in range(1, 9)]
    assert frame["size"].sum() == ROWS - len(range(0, ROWS, 9))
    assert frame["cluster"].nunique() == 3
    texts = {text.get_text() for text in plt.gcf().axes[0].texts}
    assert "g1" in texts
    assert texts <= set(frame["label"])


def test_map_of_points(posts: nf.Collection) -> None:
    frame = nf.viz.community_map(posts, size="score", limit=60, labels=2, clusters=None)
    assert len(frame) == 60
    assert frame["label"].tolist() == list(range(60))
    assert np.isfinite(frame[["x", "y"]].to_numpy()).all()
    texts = [text.get_text() for text in plt.gcf().axes[0].texts]
    assert len(texts) == 2
    assert texts[0] == "59", "the largest first"


def test_map_by_an_estimator_of_ones_own(posts: nf.Collection) -> None:
    class First:
        def __init__(self, columns: int) -> None:
            self.columns = columns

        def fit_transform(self, vectors: Any) -> Any:
            return vectors[:, : self.columns]

    frame = nf.viz.community_map(posts, projection=First(2), limit=5, clusters=2)
    unit = clustered(ROWS, DIM)[:5]
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    assert np.allclose(frame[["x", "y"]], unit[:, :2])
    with pytest.raises(nf.InvalidArgumentError, match="of fit_transform, found "):
        nf.viz.community_map(posts, projection=First(3), limit=5)


def test_segments_and_memory(posts: nf.Collection) -> None:
    frame = nf.viz.segments(posts)
    assert frame["rows"].sum() == frame["alive"].sum() == ROWS
    assert frame["indexed"].all()
    bars = plt.gcf().axes[0].patches
    assert sum(bar.get_width() for bar in bars) == ROWS
    parts = nf.viz.memory(posts)
    assert parts["part"].tolist() == ["hot", "warm", "cold", "resident", "disk"]
    assert parts["bytes"][0] == posts.stats().bytes_hot > 0
    empty = nf.create(dim=3)
    assert len(nf.viz.segments(empty)) == 0
    assert nf.viz.memory(empty)["bytes_a_point"].notna().all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda p: nf.viz.filter_curve(p, QUERIES), "filters or by, found neither"),
        (lambda p: nf.viz.filter_curve(p, QUERIES, by="at", filters=["x"]), "found both"),
        (lambda p: nf.viz.filter_curve(p, QUERIES, by="t"), "by: expected a column of type"),
        (lambda p: nf.viz.filter_curve(p, QUERIES, by="x"), "no such column"),
        (lambda p: nf.viz.filter_curve(p, QUERIES, by="at", shares=[2]), "shares: expected above"),
        (lambda p: nf.viz.filter_curve(p, QUERIES, filters=["x ="]), "filter: "),
        (lambda p: nf.viz.filter_curve(p, QUERIES, filters=[]), "filters: expected at least"),
        (lambda p: nf.viz.filter_curve(p, QUERIES[:, :3], by="at"), "expected dimension 16"),
        (lambda p: nf.viz.filter_curve(p, QUERIES[:0], by="at"), "queries: expected at least"),
        (lambda p: nf.viz.community_map(p, group_by="x"), 'expected one of "id"'),
        (lambda p: nf.viz.community_map(p, projection="x"), "projection: expected"),
        (lambda p: nf.viz.community_map(p, limit=2), "expected at least 3 dots, found 2"),
        (lambda _: nf.viz.recall_curve({}), "expected at least one"),
        (lambda _: nf.viz.recall_curve(pd.DataFrame({"x": [1]})), "no column 'recall'"),
    ],
)
def test_what_cannot_be_drawn(posts: nf.Collection, call: Any, said: str) -> None:
    with pytest.raises(nf.InvalidArgumentError, match=said):
        call(posts)


@pytest.mark.parametrize("package", ["matplotlib", "pandas"])
def test_a_missing_package_is_named(
    posts: nf.Collection, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, package, missing)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        nf.viz.segments(posts)
