"""Filters: what they find, and what a person reads who got one wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nearfield as nf
from conftest import COLUMNS, DAYS, SCHEMA


@pytest.fixture
def posts(tmp_path: Path) -> nf.Collection:
    made = nf.create(tmp_path / "posts.nf", dim=4, metric="l2", schema=SCHEMA)
    rows = 900
    columns = {name: (values * (rows // 3)) for name, values in COLUMNS.items()}
    columns["score"] = list(range(rows))
    made.upsert(range(rows), np.arange(rows * 4, dtype=np.float32).reshape(rows, 4), columns)
    return made


def ids(posts: nf.Collection, where: str, k: int = 900) -> list[int]:
    found = posts.search(np.zeros(4, np.float32), k=k, where=where)
    return found.ids[: found.counts].tolist()


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("subreddit = 'aww'", range(0, 900, 3)),
        ("NOT subreddit = 'aww'", range(2, 900, 3)),
        ("subreddit IS NULL", range(1, 900, 3)),
        ("flair HAS 'b' AND score < 10", [0, 3, 6, 9]),
        ("over_18 OR score BETWEEN 1 AND 2", [*range(3), *range(3, 900, 3)]),
        (f"created_utc > '{DAYS[1].isoformat()}' AND id IN (2, 3, 5)", [2, 5]),
        ("ratio >= 0.75 AND subreddit LIKE 'c_ts'", range(2, 900, 3)),
        ("score = 12345678901234567890", []),
        ("created_utc > now() - INTERVAL '7 days'", []),
    ],
)
def test_a_filter_finds_what_it_says(posts: nf.Collection, where: str, rows: list[int]) -> None:
    assert ids(posts, where) == list(rows)
    posts.optimize()
    assert ids(posts, where) == list(rows)


def test_a_batch_is_filtered_like_each_of_its_queries(posts: nf.Collection) -> None:
    queries = np.random.default_rng(0).random((7, 4), dtype=np.float32) * 3600
    where = "score >= 450 AND NOT over_18"
    batch = posts.search(queries, k=5, where=where, exclude=[452])
    assert (batch.counts == 5).all()
    assert (batch.ids >= 450).all()
    assert 452 not in batch.ids
    for row, query in enumerate(queries):
        single = posts.search(query, k=5, where=where, exclude=[452])
        assert single.ids.tolist() == batch.ids[row].tolist()


def test_changes_are_seen_at_once(posts: nf.Collection) -> None:
    assert ids(posts, "score > 897") == [898, 899]
    posts.update([5, 899], {"score": [10_000, None]})
    assert ids(posts, "score > 897") == [5, 898]
    posts.add_column("late", "keyword")
    assert ids(posts, "late = 'x'") == []
    assert len(ids(posts, "late IS NULL")) == 900
    posts.update([6], {"late": ["x"]})
    assert ids(posts, "late = 'x'") == [6]


def test_delete_where(posts: nf.Collection) -> None:
    assert posts.delete(where="over_18 AND score < 300") == 100
    assert posts.delete(where="over_18 AND score < 300") == 0
    assert len(posts) == 800
    posts.close()
    with nf.open(posts.path) as again:
        assert len(again) == 800
        assert ids(again, "over_18", k=1) == [300]
    with pytest.raises(nf.ReadOnlyError), nf.open(posts.path) as again:
        again.delete(where="over_18")


def test_delete_takes_ids_or_a_condition(posts: nf.Collection) -> None:
    for wrong in ({}, {"ids": [1], "where": "over_18"}):
        with pytest.raises(nf.InvalidArgumentError, match="ids or where"):
            posts.delete(**wrong)
    assert len(posts) == 900


def test_a_wrong_filter_is_shown(posts: nf.Collection) -> None:
    with pytest.raises(nf.FilterError) as raised:
        posts.search(np.zeros(4, np.float32), where="subreddit = 'aww' AND scor > 1")
    assert str(raised.value) == (
        'filter: unknown column "scor"; did you mean "score"?\n'
        "  subreddit = 'aww' AND scor > 1\n"
        "                        ^^^^"
    )
    for where in ("title = 'x'", "score = 'x'", "created_utc > 'soon'", "(" * 99, "", "score >"):
        with pytest.raises(nf.FilterError, match=r"\^"):
            posts.search(np.zeros(4, np.float32), where=where)
        with pytest.raises(nf.FilterError):
            posts.delete(where=where)
    with pytest.raises(TypeError, match="where"):
        posts.search(np.zeros(4, np.float32), where=7)
