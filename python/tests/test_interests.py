"""Boosts, several interests, and what a search says of itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nearfield as nf
from conftest import clustered, similarities

ROWS, DIM = 3_000, 16
BASE = clustered(ROWS, DIM)
SCORE = np.arange(ROWS) % 100


@pytest.fixture(scope="module")
def posts() -> nf.Collection:
    posts = nf.create(dim=DIM, metric="cosine", schema={"score": "i64", "title": "text"})
    posts.upsert(
        np.arange(ROWS), BASE, {"score": SCORE, "title": [f"post {i}" for i in range(ROWS)]}
    )
    posts.optimize()
    return posts


@pytest.mark.parametrize("scale", ["linear", "log1p"])
def test_boosts_add_what_they_say(posts: nf.Collection, scale: Any) -> None:
    query = BASE[7]
    scaled = SCORE / 99 if scale == "linear" else np.log1p(SCORE) / np.log1p(99)
    scores = similarities(query[None], BASE, "cosine")[0] + 0.2 * scaled
    boost = nf.Boost("score", weight=0.2, scale=scale)
    for options in ({"exact": True}, {"recall": 0.99}):
        found = posts.search(query, k=10, boosts=[boost], **options)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.scores, np.sort(scores)[::-1][:10], rtol=1e-5)
        np.testing.assert_allclose(
            found.similarities, similarities(query[None], BASE, "cosine")[0][found.ids], rtol=1e-5
        )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: nf.Boost("score", weight=-1), "boost weight: expected a number of at least 0"),
        (lambda: nf.Boost("score", scale="cube"), 'boost scale: expected "linear" or "log1p"'),  # type: ignore[arg-type]
    ],
)
def test_boosts_are_checked_when_they_are_made(make: Any, said: str) -> None:
    with pytest.raises(nf.InvalidArgumentError, match=said):
        make()


def test_boosts_take_numbers(posts: nf.Collection) -> None:
    with pytest.raises(nf.InvalidArgumentError, match='an i64 or f64 column, found "title"'):
        posts.search(BASE[0], boosts=[nf.Boost("title")])
    with pytest.raises(TypeError, match="use brackets"):
        posts.search(BASE[0], boosts=nf.Boost("score"))  # type: ignore[arg-type]


def test_interests_make_one_list(posts: nf.Collection) -> None:
    vectors, weights = BASE[[3, 44, 500]], [1.0, 2.0, 1.0]
    each = similarities(vectors, BASE, "cosine") * np.array(weights)[:, None] / 4
    scores = each.max(axis=0)
    found = posts.search_interests(vectors, weights, k=50, exact=True)
    assert found.ids.shape == (50,)
    assert found.ids.tolist() == np.argsort(-scores, kind="stable")[:50].tolist()
    np.testing.assert_allclose(found.scores, scores[found.ids], rtol=1e-5)
    quota = posts.search_interests(vectors, weights, [10, 0, 20], k=50, exact=True)
    fits = each.argmax(axis=0)[quota.ids]
    assert (fits == 0).sum() >= 10
    assert (fits == 2).sum() >= 20
    assert len(set(quota.ids.tolist())) == quota.counts == 50
    one = posts.search_interests(vectors, k=9, where=["score < 3"], exclude=[[3, 44]])
    assert (SCORE[one.ids] < 3).all()
    assert not {3, 44} & set(one.ids.tolist())
    numpy = posts.search_interests(vectors, np.array(weights), np.array([10, 0, 20]), k=50)
    assert numpy.counts == 50
    assert posts.search_interests(vectors[0]).counts == 100


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"weights": [1.0, 0.0]}, "weights: expected numbers above 0, found 0"),
        ({"weights": [1.0, -2.0]}, "weights: expected numbers above 0, found -2"),
        ({"weights": [1.0, float("nan")]}, "weights: expected numbers above 0, found NaN"),
        ({"weights": [1.0]}, "weights: expected 2, one an interest, found 1"),
        ({"quotas": [1, 2, 3]}, "quotas: expected 2, one an interest, found 3"),
        ({"quotas": [6, 5], "k": 10}, "quotas: expected at most k = 10 together, found 11"),
        ({"ef": 10, "recall": 0.9}, "effort: expected one of recall, ef and exact"),
    ],
)
def test_interests_that_cannot_be(
    posts: nf.Collection, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(nf.InvalidArgumentError, match=said):
        posts.search_interests(BASE[:2], **arguments)


def test_there_are_interests_but_not_too_many(posts: nf.Collection) -> None:
    for vectors in (BASE[:0], BASE[:65]):
        with pytest.raises(nf.InvalidArgumentError, match="vectors: expected 1 to 64 interests"):
            posts.search_interests(vectors)


def test_a_search_explains_itself(posts: nf.Collection) -> None:
    assert posts.search(BASE[0]).explain is None
    told: Any = posts.search(BASE[0], k=5, explain=True).explain
    assert told["plan"] == "graph"
    assert told["why"] == "every point is eligible"
    assert told["fallback"] is None
    assert told["points"] == told["cardinality"] == ROWS
    assert told["selectivity"] == 1.0
    assert 0 < told["hops"] <= told["codes_scored"] < ROWS
    assert 5 <= told["rows_rescored"] <= told["rows_refined"]
    assert set(told["microseconds"]) >= {"prepare", "search", "refine", "rescore", "total"}
    assert [of["plan"] for of in told["segments"]] == ["graph"]
    where = ["score < 2", None, "score < 0"]
    each: Any = posts.search(BASE[:3], where=where, exclude=[5], explain=True).explain
    assert [of["plan"] for of in each] == ["codes", "graph", "nothing"]
    assert [of["skipped_by_filter"] for of in each] == [ROWS - 60, 0, ROWS]
    assert [of["skipped_by_exclusion"] for of in each] == [0, 1, 0]
    assert posts.search(BASE[:0], explain=True).explain == []
    one: Any = posts.search_interests(BASE[:2], explain=True).explain
    assert {of["interest"] for of in one["segments"]} == {0, 1}
