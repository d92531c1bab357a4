"""What the tests share: seeded data, a collection with every type, and the exact answer."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import nearfield as nf

# Threads of OpenMP (scikit-learn) that wait busily take the processors of others.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

SCHEMA = {
    "subreddit": "keyword",
    "flair": "keyword[]",
    "score": "i64",
    "ratio": "f64",
    "over_18": "bool",
    "created_utc": "timestamp",
    "title": "text",
}
DAYS = [datetime(2013, 1, day, 12, tzinfo=UTC) for day in (1, 2, 3)]
COLUMNS: dict[str, list[Any]] = {
    "subreddit": ["aww", None, "cats"],
    "flair": [["a", "b"], [], None],
    "score": [1, None, -3],
    "ratio": [0.5, None, 1.0],
    "over_18": [True, None, False],
    "created_utc": [DAYS[0], None, DAYS[2]],
    "title": ["Größe", None, ""],
}


def clustered(rows: int, dim: int, seed: int = 0, centres: int = 20) -> np.ndarray:
    """Points around a few centres, float32; the centres are the same for every seed."""
    middle = np.random.default_rng(99).standard_normal((centres, dim)) * 2
    rng = np.random.default_rng(seed)
    near = middle[rng.integers(0, centres, rows)] + rng.standard_normal((rows, dim))
    return near.astype(np.float32)


def similarities(queries: np.ndarray, base: np.ndarray, metric: str) -> np.ndarray:
    """Return the exact similarities, float64 of shape (queries, base)."""
    q, b = queries.astype(np.float64), base.astype(np.float64)
    if metric == "l2":
        return -((q[:, None, :] - b[None, :, :]) ** 2).sum(axis=2)
    if metric == "cosine":
        q = q / np.linalg.norm(q, axis=1, keepdims=True)
        b = b / np.linalg.norm(b, axis=1, keepdims=True)
    return q @ b.T


def nearest(queries: np.ndarray, base: np.ndarray, metric: str, k: int) -> np.ndarray:
    """Return the rows of the k most similar, ties by the smaller row."""
    exact = similarities(queries, base, metric)
    return np.argsort(-exact, axis=1, kind="stable")[:, :k]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "posts.nf"


@pytest.fixture
def typed() -> nf.Collection:
    """Three points with string ids and a column of every type, in memory."""
    posts = nf.create(dim=2, metric="l2", id_type="str", schema=SCHEMA)
    posts.upsert(["a", "b", "c"], [[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]], COLUMNS)
    return posts


@pytest.fixture
def numbered() -> Callable[..., nf.Collection]:
    """Make a collection of points 0 to n - 1 without attributes, in memory."""

    def make(base: np.ndarray, metric: str = "l2", **config: Any) -> nf.Collection:
        points = nf.create(dim=base.shape[1], metric=metric, **config)
        points.upsert(np.arange(len(base), dtype=np.uint64), base)
        return points

    return make


@pytest.fixture
def ctrl_c_at_progress(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Presses Ctrl-C whenever a progress bar is drawn."""

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
    # Python's own handler: a shell starts background jobs with Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
