"""Exclusion sets, and conditions that differ from query to query."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nearfield as nf
from conftest import clustered

ROWS, DIM = 2_000, 8
BASE = clustered(ROWS, DIM)


@pytest.fixture
def posts(path: Path) -> nf.Collection:
    posts = nf.create(path, dim=DIM, metric="l2", schema={"score": "i64"})
    posts.upsert(np.arange(ROWS), BASE, {"score": np.arange(ROWS)})
    posts.optimize()
    return posts


def ids(posts: nf.Collection, *sets: str, k: int = ROWS) -> list[int]:
    result = posts.search(BASE[0], k=k, exact=True, exclude_sets=sets)
    found: list[int] = sorted(result.ids[: int(result.counts)].tolist())
    return found


def test_what_a_user_has_seen_is_left_out(posts: nf.Collection) -> None:
    posts.exclusions.add("user:42:seen", np.arange(100, 5_000), ttl="7d")
    posts.exclusions.add("user:42:seen", [3, 5])
    wanted = [n for n in range(100) if n not in (3, 5)]
    assert ids(posts, "user:42:seen") == wanted
    assert ids(posts, "nobody") == list(range(ROWS))
    both = posts.search(BASE[0], k=ROWS, exact=True, exclude=[0], exclude_sets=["user:42:seen"])
    assert both.counts == 97
    posts.close()
    with nf.open(posts.path, "r+") as again:
        assert ids(again, "user:42:seen") == wanted
        with nf.open(posts.path) as reader:
            again.exclusions.clear("user:42:seen")
            assert ids(again, "user:42:seen") == list(range(ROWS))
            assert ids(reader, "user:42:seen") == wanted
            reader.refresh()
            assert ids(reader, "user:42:seen") == list(range(ROWS))


def test_ids_leave_by_themselves() -> None:
    posts = nf.create(dim=DIM, metric="l2", id_type="str")
    posts.upsert(["a", "b", "c"], BASE[:3])
    posts.exclusions.add("seen", ["a", "b", "zzz"], ttl="200ms")
    posts.exclusions.add("seen", ["b"], ttl="1h")
    assert posts.search(BASE[0], exclude_sets=["seen"]).counts == 1
    time.sleep(0.25)
    assert posts.search(BASE[0], exclude_sets=["seen"]).counts == 2


@pytest.mark.parametrize(
    "each",
    [
        {"where": ["score < 900", None, "score >= 900", "score IN (1, 2, 3)"]},
        {"exclude": [[1, 2], None, np.arange(500), []]},
        {"exclude": np.arange(40).reshape(4, 10)},
        {"exclude_sets": [["a"], [], None, ["a", "b"]]},
        {"where": "score > 3", "exclude_sets": [["b"], ["b"], None, ["a"]]},
    ],
)
def test_a_row_of_a_batch_equals_the_same_search_alone(
    posts: nf.Collection, each: dict[str, Any]
) -> None:
    posts.exclusions.add("a", np.arange(0, ROWS, 2))
    posts.exclusions.add("b", np.arange(0, ROWS, 3))
    queries = clustered(4, DIM, seed=5)
    batch = posts.search(queries, k=20, **each)
    for row, query in enumerate(queries):
        of = {name: value if isinstance(value, str) else value[row] for name, value in each.items()}
        one = posts.search(query, k=20, **of)
        assert one.counts == batch.counts[row]
        np.testing.assert_array_equal(one.ids, batch.ids[row])
        np.testing.assert_array_equal(one.scores, batch.scores[row])


def test_bad_input(posts: nf.Collection) -> None:
    queries = clustered(3, DIM)
    with pytest.raises(
        nf.InvalidArgumentError, match=r"where: expected .* a list of 3.* list of 2"
    ):
        posts.search(queries, where=["score > 1", "score > 2"])
    with pytest.raises(nf.FilterError, match='query 1: unknown column "scor"'):
        posts.search(queries, where=["score > 1", "scor > 2", None])
    with pytest.raises(TypeError, match="use brackets"):
        posts.search(queries, exclude_sets="user:42:seen")
    with pytest.raises(nf.InvalidArgumentError, match="1 to 512 bytes"):
        posts.exclusions.add("", [1])
    with pytest.raises(nf.InvalidArgumentError, match="ttl"):
        posts.exclusions.add("a", [1], ttl="soon")
    with pytest.raises(TypeError, match="ids, row 0"):
        posts.exclusions.add("a", ["x"])
    with pytest.raises(TypeError, match=r"exclude\[1\], row 0"):
        posts.search(queries, exclude=[[1], ["x"], []])
    posts.close()
    with nf.open(posts.path) as reader, pytest.raises(nf.ReadOnlyError):
        reader.exclusions.add("a", [1])
