"""`calibrate`: recall= learned from the caller's own queries."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

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


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Python's own handler of Ctrl-C: a shell starts background jobs with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_leaves_the_old_state(posts: nf.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bar:
        total, n = None, 0

        def __init__(self, **_: Any) -> None: ...
        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None: ...
        def refresh(self) -> None:
            signal.raise_signal(signal.SIGINT)

    fake = ModuleType("tqdm.auto")
    fake.tqdm = Bar  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tqdm.auto", fake)
    version = posts.stats().version
    with pytest.raises(KeyboardInterrupt):
        posts.calibrate(anywhere(1000, seed=1), progress=True)
    assert posts.stats().version == version
