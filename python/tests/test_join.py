"""Files of queries, answered into Parquet files."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nearfield as nf
from conftest import clustered

ROWS, DIM, QUERIES = 4_000, 16, 600
BASE = clustered(ROWS, DIM)
RNG = np.random.default_rng(3)
VECTORS = clustered(QUERIES, DIM, seed=5)
USERS = RNG.integers(0, 150, QUERIES)
WEIGHTS = RNG.uniform(0.5, 2.0, QUERIES)
SEEN = [[f"p{i}" for i in RNG.integers(0, ROWS, 30)] if row % 3 else None for row in range(QUERIES)]


@pytest.fixture
def posts(path: Path) -> nf.Collection:
    posts = nf.create(path, dim=DIM, id_type="str", schema={"group": "keyword"}, space="test@1")
    ids = [f"p{i}" for i in range(ROWS)]
    posts.upsert(ids, BASE, {"group": [f"g{i % 40}" for i in range(ROWS)]})
    posts.optimize()
    return posts


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    table = pa.table(
        {
            "id": pa.array(np.arange(QUERIES) * 3, pa.int32()),
            "embedding": pa.FixedSizeListArray.from_arrays(VECTORS.ravel(), DIM),
            "user": [f"u{user}" for user in USERS],
            "weight": WEIGHTS,
            "seen": SEEN,
        }
    )
    where = tmp_path / "queries.parquet"
    pq.write_table(table, where, row_group_size=170)
    return where


def lists(out: Path) -> dict[Any, list[tuple[Any, float]]]:
    found: dict[Any, list[tuple[Any, float]]] = {}
    for row in pq.read_table(out).to_pylist():
        assert list(row) == ["query_id", "rank", "id", "score"]
        assert row["rank"] == len(found.setdefault(row["query_id"], []))
        found[row["query_id"]].append((row["id"], row["score"]))
    return found


def hits(result: nf.SearchResult) -> list[tuple[Any, float]]:
    count = int(result.counts)
    return list(zip(result.ids[:count].tolist(), result.scores[:count].tolist(), strict=True))


def test_every_query_is_a_search(posts: nf.Collection, queries: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    posts.exclusions.add("user:6:seen", [f"p{i}" for i in range(2_000)])
    options: Any = {"where": "\"group\" > 'g2'", "recall": 0.9, "group_by": "group"}
    options |= {"max_per_group": 1, "space": "test@1"}
    report = nf.knn_join(
        queries,
        posts,
        out,
        k=9,
        exclude_column="seen",
        exclude_set="user:{id}:seen",
        progress=False,
        **options,
    )
    assert report.lists == QUERIES
    assert report.hits == 9 * QUERIES
    found = lists(out)
    assert list(found) == [3 * row for row in range(QUERIES)]
    for row in [2, *range(0, QUERIES, 37)]:
        sets = [f"user:{3 * row}:seen"]
        of: Any = {"exclude": SEEN[row] or [], "exclude_sets": sets, **options}
        alone = posts.search(VECTORS[row], k=9, **of)
        assert found[3 * row] == hits(alone)
    assert all(int(point[1:]) >= 2_000 for point, _ in found[6])
    assert pq.read_schema(out).names == ["query_id", "rank", "id", "score"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "out.parquet",
        "posts.nf",
        "queries.parquet",
    ]


def test_users_have_lists_of_all_their_interests(
    posts: nf.Collection, queries: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    nf.knn_join(queries, posts.path, out, k=20, group="user", weight="weight", progress=False)
    found = lists(out)
    assert set(found) == {f"u{user}" for user in USERS}
    for user in range(0, 150, 11):
        rows = np.flatnonzero(user == USERS)
        if len(rows):
            alone = posts.search_interests(VECTORS[rows], WEIGHTS[rows], k=20)
            assert found[f"u{user}"] == hits(alone)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"id": "name"}, nf.InvalidArgumentError, 'a column "name"'),
        ({"vector": "weight"}, nf.InvalidArgumentError, "lists of f16, f32 or f64"),
        ({"where": "colour = 1"}, nf.FilterError, "unknown column"),
        ({"weight": "weight"}, nf.InvalidArgumentError, "a group as well"),
        ({"exclude_column": "user"}, nf.InvalidArgumentError, "lists of ids"),
        ({"exclude_set": "user:{name}"}, nf.InvalidArgumentError, "user:{id}:seen"),
        ({"space": "test@2"}, nf.SpaceMismatchError, "expected test@1"),
        ({"explain": True}, nf.InvalidArgumentError, "explain: expected none in a join"),
        ({"ef": 10, "recall": 0.9}, nf.InvalidArgumentError, "one of recall, ef and exact"),
        ({"queries": "absent.parquet"}, nf.MissingFileError, "absent.parquet"),
    ],
)
def test_what_cannot_be_joined(
    posts: nf.Collection,
    queries: Path,
    tmp_path: Path,
    arguments: dict[str, Any],
    error: type[Exception],
    said: str,
) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(error, match=said):
        nf.knn_join(**{"queries": queries, "collection": posts, "out": out, **arguments})
    assert not out.exists()
    with pytest.raises(TypeError, match="'colour'"):
        nf.knn_join(queries, posts, out, colour="red")  # type: ignore[call-arg]


def test_a_killed_join_goes_on(posts: nf.Collection, queries: Path, tmp_path: Path) -> None:
    posts.close()
    many = pa.concat_tables([pq.read_table(queries)] * 12)
    many = many.set_column(0, "id", pa.array(np.arange(len(many))))
    pq.write_table(many, queries)
    out, whole = tmp_path / "out.parquet", tmp_path / "whole.parquet"
    code = (
        "import sys, nearfield as nf\n"
        "nf.knn_join(sys.argv[1], sys.argv[2], sys.argv[3], k=50, exact=True, threads=1)\n"
    )
    arguments = [sys.executable, "-c", code, str(queries), str(posts.path)]
    child = subprocess.Popen([*arguments, str(out)], stderr=subprocess.DEVNULL)
    part = tmp_path / "out.parquet.parts" / "000001.parquet"
    end = time.monotonic() + 60
    while not part.exists() and child.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    path = str(posts.path)
    report = nf.knn_join(str(queries), path, out, k=50, exact=True, threads=1, progress=False)
    assert report.resumed + report.lists == len(many)
    nf.knn_join(queries, path, whole, k=50, exact=True, progress=False)
    assert pq.read_table(out).equals(pq.read_table(whole))


@pytest.mark.usefixtures("ctrl_c_at_progress")
def test_ctrl_c_keeps_what_is_done(posts: nf.Collection, queries: Path, tmp_path: Path) -> None:
    many = pa.concat_tables([pq.read_table(queries)] * 40)
    pq.write_table(many, queries)
    out = tmp_path / "out.parquet"
    with pytest.raises(KeyboardInterrupt):
        nf.knn_join(queries, posts, out, k=50, exact=True, threads=1, progress=True)
    assert not out.exists()
    report = nf.knn_join(queries, posts, out, k=50, exact=True, progress=False)
    assert report.lists == len(many)
