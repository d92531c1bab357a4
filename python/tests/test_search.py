"""Search against the exact answer, and what each argument means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

import nearfield as nf
from conftest import DAYS, clustered, nearest, similarities

ROWS, DIM, K = 4000, 32, 10
METRICS = ["cosine", "ip", "l2"]


@pytest.fixture(
    scope="module", params=[(metric, index) for metric in METRICS for index in ("graph", "hnsw")]
)
def sealed(request: pytest.FixtureRequest) -> tuple[str, np.ndarray, nf.Collection]:
    base = clustered(ROWS, DIM)
    metric, index = request.param
    points = nf.create(dim=DIM, metric=metric, index=index)
    points.upsert(np.arange(ROWS), base)
    points.optimize()
    assert points.stats().index == index
    return metric, base, points


def test_exact_search_is_exact(sealed: tuple[str, np.ndarray, nf.Collection]) -> None:
    metric, base, points = sealed
    queries = clustered(50, DIM, seed=1)
    r = points.search(queries, k=K, exact=True)
    truth = nearest(queries, base, metric, K)
    assert (r.ids == truth).all()
    want = np.take_along_axis(similarities(queries, base, metric), truth, axis=1)
    np.testing.assert_allclose(r.similarities, want, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(r.scores, want, rtol=1e-5, atol=1e-5)
    distances = 1 - want if metric == "cosine" else -want
    np.testing.assert_allclose(r.distances, distances, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("effort", "least"), [({}, 0.9), ({"recall": 0.99}, 0.95), ({"ef": 400}, 0.97)]
)
def test_graph_search_reaches_its_recall(
    sealed: tuple[str, np.ndarray, nf.Collection], effort: dict[str, Any], least: float
) -> None:
    metric, base, points = sealed
    queries = clustered(200, DIM, seed=2)
    r = points.search(queries, k=K, **effort)
    assert nf.recall(r, nearest(queries, base, metric, K)) >= least
    assert (r.counts == K).all()


def test_shapes_and_dtypes(sealed: tuple[str, np.ndarray, nf.Collection]) -> None:
    _, base, points = sealed
    r = points.search(base[:3], k=5, with_vectors=True)
    assert r.ids.shape == r.scores.shape == r.similarities.shape == r.distances.shape == (3, 5)
    assert r.ids.dtype == np.uint64
    assert r.scores.dtype == r.similarities.dtype == r.distances.dtype == np.float32
    assert isinstance(r.counts, np.ndarray)
    assert r.counts.tolist() == [5, 5, 5]
    assert r.vectors is not None
    assert r.vectors.shape == (3, 5, DIM)
    np.testing.assert_array_equal(r.vectors, base[r.ids])
    assert len(r) == 3

    one = points.search(base[0], k=5, with_vectors=True)
    assert one.ids.shape == one.scores.shape == (5,)
    assert one.counts == 5
    assert isinstance(one.counts, int)
    assert one.vectors is not None
    assert one.vectors.shape == (5, DIM)
    assert one.attributes == {}
    assert points.search(base[0]).vectors is None

    none = points.search(np.empty((0, DIM), np.float32), k=5)
    assert none.ids.shape == (0, 5)
    assert len(none) == 0


def test_a_row_of_a_batch_is_the_single_search(
    sealed: tuple[str, np.ndarray, nf.Collection],
) -> None:
    _, _, points = sealed
    queries = clustered(20, DIM, seed=3)
    batch = points.search(queries, k=K, recall=0.9)
    for row, query in enumerate(queries):
        single = points.search(query, k=K, recall=0.9)
        assert (single.ids == batch.ids[row]).all()
        assert (single.scores == batch.scores[row]).all()
    two = points.search(queries, k=K, recall=0.9, threads=2)
    assert (two.ids == batch.ids).all()


def test_few_points_are_padded(numbered: Callable[..., nf.Collection]) -> None:
    r = numbered(np.eye(3, dtype=np.float32)).search(np.eye(3)[:2], k=5)
    assert r.ids.shape == (2, 5)
    assert np.asarray(r.counts).tolist() == [3, 3]
    assert (r.ids[:, 3:] == 2**64 - 1).all()
    assert (r.scores[:, 3:] == -np.inf).all()
    assert (r.similarities[:, 3:] == -np.inf).all()
    assert (r.distances[:, 3:] == np.inf).all()


def test_missing_string_ids_are_none(typed: nf.Collection) -> None:
    r = typed.search([0.0, 0.0], k=5)
    assert r.ids.tolist() == ["a", "b", "c", None, None]
    assert r.ids.dtype == object


def test_an_empty_collection_finds_nothing() -> None:
    r = nf.create(dim=3).search([1.0, 0.0, 0.0], k=2)
    assert r.counts == 0
    assert r.ids.tolist() == [2**64 - 1] * 2


def test_exclude(numbered: Callable[..., nf.Collection]) -> None:
    points = numbered(np.eye(4, dtype=np.float32))
    r = points.search(np.eye(4)[:1], k=3, exclude=[0, 77])
    assert 0 not in r.ids
    assert (r.counts == 3).all()
    r = points.search(np.eye(4)[:1], k=3, exclude=np.array([1, 2, 3]))
    assert r.ids.tolist() == [[0, 2**64 - 1, 2**64 - 1]]


def test_caps() -> None:
    base = np.arange(12, dtype=np.float32).reshape(12, 1)
    points = nf.create(dim=1, metric="l2", schema={"g": "keyword", "n": "i64"})
    groups = ["a", "a", "a", "b", "b", "b", "c", "c", "c", None, None, None]
    points.upsert(np.arange(12), base, {"g": groups, "n": [7] * 12})
    r = points.search([0.0], k=12, group_by="g", max_per_group=2, with_attributes=["g"])
    assert r.ids[: r.counts].tolist() == [0, 1, 3, 4, 6, 7, 9, 10, 11]
    assert r.attributes["g"][:3].tolist() == ["a", "a", "b"]
    assert points.search([0.0], k=12, group_by="n", max_per_group=1).counts == 1


@pytest.mark.parametrize(
    ("half_life", "origin"),
    [
        ("1d", DAYS[2]),
        (timedelta(days=1), np.datetime64("2013-01-03T12:00:00")),
        (np.timedelta64(24, "h"), "2013-01-03T12:00:00Z"),
        ("24h", "2013-01-03T14:00:00+02:00"),
        ("1440m", datetime(2013, 1, 3, 12)),  # without a zone it is UTC
    ],
)
def test_decay_adds_to_the_similarity(half_life: Any, origin: Any) -> None:
    points = nf.create(dim=1, metric="l2", schema={"t": "timestamp"})
    points.upsert([0, 1, 2, 3], np.zeros((4, 1)), {"t": [*DAYS, None]})
    decay = nf.Decay("t", half_life=half_life, origin=origin, weight=0.5)
    r = points.search([0.0], k=4, decay=decay)
    assert r.ids.tolist() == [2, 1, 0, 3]
    np.testing.assert_allclose(r.scores, [0.5, 0.25, 0.125, 0.0], atol=1e-6)
    np.testing.assert_array_equal(r.similarities, np.zeros(4))


def test_decay_counts_from_now() -> None:
    points = nf.create(dim=1, metric="l2", schema={"t": "timestamp"})
    now = datetime.now(UTC)
    points.upsert([0, 1], np.zeros((2, 1)), {"t": [now - timedelta(hours=6), now]})
    r = points.search([0.0], k=2, decay=nf.Decay("t", half_life="6h", weight=1.0))
    np.testing.assert_allclose(r.scores, [1.0, 0.5], atol=1e-2)


def test_space_is_checked() -> None:
    points = nf.create(dim=1, metric="l2", space="m@1")
    points.upsert([0], [[1.0]])
    assert points.search([1.0], space="m@1").counts == 1
    with pytest.raises(nf.SpaceMismatchError, match=r"m@1.*m@2"):
        points.search([1.0], space="m@2")


def test_upserts_replace_whole_points(numbered: Callable[..., nf.Collection]) -> None:
    points = numbered(np.eye(3, dtype=np.float32))
    points.upsert([0, 0], [[9.0, 9.0, 9.0], [5.0, 5.0, 5.0]])
    assert len(points) == 3
    table = points.get([0])
    assert table["vector"].tolist() == [[5.0, 5.0, 5.0]]
    assert points.search([5.0, 5.0, 5.0], k=1).ids.tolist() == [0]


@pytest.mark.parametrize("dtype", ["f32", "f16", "u8", "i8"])
def test_stored_types(dtype: str) -> None:
    rng = np.random.default_rng(5)
    base = rng.integers(1, 100, (1500, 16)).astype(np.float32)
    points = nf.create(dim=16, metric="l2", dtype=dtype)
    points.upsert(np.arange(1500), base)
    points.optimize()
    r = points.search(base[:50], k=10, recall=0.99)
    assert nf.recall(r, nearest(base[:50], base, "l2", 10)) >= 0.9
    assert (points.get([3])["vector"] == base[3]).all()
