"""What `nf.evaluate` measures, and what it refuses."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import nearfield as nf
from conftest import clustered

DIM = 16


@pytest.fixture
def points(numbered: Callable[..., nf.Collection]) -> nf.Collection:
    made = numbered(clustered(3000, DIM))
    made.optimize()
    return made


def test_it_measures_every_setting(points: nf.Collection) -> None:
    queries = clustered(40, DIM, seed=1)
    found = nf.evaluate(points, queries, recalls=[0.8, 0.99], efs=[300])
    assert [row["setting"] for row in found] == ["recall=0.8", "recall=0.99", "ef=300"]
    truth = points.search(queries, exact=True)
    for row, dial in zip(found, ({"recall": 0.8}, {"recall": 0.99}, {"ef": 300}), strict=True):
        assert row["recall"] == nf.recall(points.search(queries, **dial), truth)
        assert row["qps"] > 0
        assert row["batch_qps"] > 0
        assert 0 < row["p50_us"] <= row["p99_us"]
        # Single calls: their rate and their median are of the same searches.
        assert row["qps"] < 2e6 / row["p50_us"]
    assert found[2]["recall"] >= found[0]["recall"]
    assert found.k == 10
    assert found.queries == 40


def test_queries_of_every_kind_and_a_truth_of_ones_own(points: nf.Collection) -> None:
    queries = clustered(5, DIM, seed=1)
    truth = points.search(queries, 3, exact=True).ids
    for given in (queries, queries.tolist(), queries.astype(float), pa.array(queries.tolist())):
        found = nf.evaluate(points, given, 3, recalls=[0.9], truth=truth)
        assert found[0]["recall"] > 0.5
    one = nf.evaluate(points, queries[0], recalls=[0.9])
    assert one.queries == 1


def test_options_hold_for_truth_and_searches(points: nf.Collection) -> None:
    queries = clustered(20, DIM, seed=1)
    found = nf.evaluate(points, queries, recalls=[0.9], exclude=np.arange(1500))
    assert found[0]["recall"] > 0.85, "the truth leaves them out too"


def test_it_is_shown(points: nf.Collection) -> None:
    found = nf.evaluate(points, clustered(5, DIM, seed=1), recalls=[0.9])
    assert "5 queries, k=10" in repr(found)
    assert "recall=0.9" in repr(found)
    assert "<table>" in found._repr_html_()
    assert list(found.to_pandas().columns) == list(found.columns)
    assert len(found.to_pandas()) == len(found) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"recalls": []}, nf.InvalidArgumentError, "recalls: expected at least one value"),
        ({"recalls": [1.0]}, nf.InvalidArgumentError, "recalls: expected above 0 and below 1"),
        ({"recalls": [float("nan")]}, nf.InvalidArgumentError, "above 0 and below 1"),
        ({"recalls": 0.9}, TypeError, "recalls: expected a list"),
        ({"recalls": ["high"]}, TypeError, "recalls: expected a number"),
        ({"efs": [-1]}, nf.InvalidArgumentError, "efs: expected"),
        ({"efs": [1.5]}, TypeError, "efs: expected an int"),
        ({"k": 0}, nf.InvalidArgumentError, "k: expected 1"),
        ({"k": 10**6}, nf.InvalidArgumentError, "k: expected"),
        ({"k": "3"}, TypeError, "k: expected an int"),
        ({"exact": True}, nf.InvalidArgumentError, "exact: expected no such option"),
        ({"ef": 3}, nf.InvalidArgumentError, "ef: expected no such option"),
        ({"wher": "x"}, TypeError, "wher"),
        ({"where": "x = 1"}, nf.FilterError, "unknown column"),
        ({"progress": 1}, TypeError, "progress: expected a bool"),
        ({"truth": [[1, 2]]}, nf.InvalidArgumentError, "expected 5 rows"),
        ({"queries": np.empty((0, DIM))}, nf.InvalidArgumentError, "queries: expected at least"),
        ({"queries": np.zeros((2, 3))}, nf.DimensionMismatchError, "expected dimension 16"),
        ({"queries": "x"}, nf.InvalidTypeError, "queries"),
        ({"collection": 7}, TypeError, "collection: expected a nearfield.Collection"),
    ],
)
def test_it_refuses(
    points: nf.Collection, arguments: dict[str, Any], error: type[Exception], said: str
) -> None:
    call = {"collection": points, "queries": clustered(5, DIM, seed=1), **arguments}
    with pytest.raises(error, match=said):
        nf.evaluate(**call)


def test_a_closed_collection_is_refused(points: nf.Collection) -> None:
    points.close()
    with pytest.raises(nf.ClosedError):
        nf.evaluate(points, np.zeros((1, DIM)))


@pytest.mark.skipif(importlib.util.find_spec("tqdm") is None, reason="tqdm draws the bar")
def test_progress(points: nf.Collection, capfd: pytest.CaptureFixture[str]) -> None:
    nf.evaluate(points, clustered(5, DIM, seed=1), recalls=[0.9], progress=True)
    assert "evaluate: 100%" in capfd.readouterr().err
