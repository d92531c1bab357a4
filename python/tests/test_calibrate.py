"""`calibrate`: recall= learned from the caller's own queries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nearfield as nf
from conftest import clustered

DIM = 48
ROWS = 12_000


@pytest.fixture
def posts(path: Path) -> nf.Collection:
    """Points around a few centres, indexed."""
    points = nf.create(path, dim=DIM, metric="cosine")
    points.upsert(np.arange(ROWS), clustered(ROWS, DIM))
    points.optimize()
    return points


def anywhere(rows: int, seed: int) -> np.ndarray:
    """Queries that no centre is near to."""
    return np.random.default_rng(seed).uniform(-1, 1, (rows, DIM)).astype(np.float32)


def recall(posts: nf.Collection, queries: np.ndarray) -> float:
    return nf.recall(posts.search(queries, recall=0.95), posts.search(queries, exact=True))


def test_recall_is_met_on_other_queries_and_after_reopening(
    path: Path, posts: nf.Collection
) -> None:
    others = anywhere(500, seed=2)
    before = recall(posts, others)
    posts.calibrate(anywhere(500, seed=1))
    after = recall(posts, others)
    assert after >= max(0.94, before)
    posts.close()
    with nf.open(path) as reader:
        assert recall(reader, others) == after


def test_queries_that_cannot_be_used(posts: nf.Collection) -> None:
    version = posts.stats().version
    with pytest.raises(
        nf.InvalidArgumentError, match="queries: expected at least 10 rows, found 9"
    ):
        posts.calibrate(anywhere(9, seed=1))
    with pytest.raises(nf.DimensionMismatchError):
        posts.calibrate(np.ones((20, 3)))
    with pytest.raises(nf.InvalidArgumentError, match="queries"):
        posts.calibrate(np.ones(DIM))
    bad = anywhere(20, seed=1)
    bad[4, 1] = np.nan
    with pytest.raises(nf.InvalidArgumentError, match="row 4"):
        posts.calibrate(bad)
    assert posts.stats().version == version


@pytest.mark.usefixtures("ctrl_c_at_progress")
def test_ctrl_c_leaves_the_old_state(posts: nf.Collection) -> None:
    version = posts.stats().version
    with pytest.raises(KeyboardInterrupt):
        posts.calibrate(anywhere(1000, seed=1), progress=True)
    assert posts.stats().version == version
