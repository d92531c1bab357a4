"""Searches that begin with points, by a least similarity, in a time; aliases; spaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nearfield as nf
from conftest import clustered, similarities

ROWS, DIM = 3_000, 16
BASE = clustered(ROWS, DIM)


@pytest.fixture(params=["cosine", "ip", "l2"])
def posts(request: pytest.FixtureRequest) -> nf.Collection:
    posts = nf.create(dim=DIM, metric=request.param, schema={"group": "i64"}, space="test@1")
    posts.upsert(np.arange(ROWS), BASE, {"group": np.arange(ROWS) % 50})
    posts.optimize()
    return posts


def nearest(posts: nf.Collection, query: np.ndarray, k: int, but: list[int]) -> list[int]:
    scores = similarities(query[None], BASE, posts.metric)[0]
    scores[but] = -np.inf
    found: list[int] = np.argsort(-scores, kind="stable")[:k].tolist()
    return found


def test_more_like_these(posts: nf.Collection) -> None:
    ids = [5, 17, 2_999, 5]
    result = posts.search_ids(ids, k=8, exact=True)
    assert result.ids.shape == (4, 8)
    for row, of in enumerate(ids):
        assert result.ids[row].tolist() == nearest(posts, BASE[of], 8, [of])
    narrowed = posts.search_ids(ids, k=8, where='"group" < 10', exclude=[[1], [2], None, [3]])
    assert (narrowed.ids % 50 < 10).all()
    assert not (narrowed.ids == np.array(ids)[:, None]).any()
    assert posts.search_ids([], k=3).ids.shape == (0, 3)
    with pytest.raises(nf.NotFoundError, match="id 9999"):
        posts.search_ids([1, 9_999, 10_000])


def test_recommend(posts: nf.Collection) -> None:
    base = BASE.astype(np.float64)
    if posts.metric == "cosine":
        base = base / np.linalg.norm(base, axis=1, keepdims=True)
    liked, others = [1, 2, 3], [70, 80]
    query = (base[liked].mean(axis=0) - base[others].mean(axis=0)).astype(np.float32)
    by_id = posts.recommend(liked, others, k=12, exact=True)
    assert by_id.ids.tolist() == nearest(posts, query, 12, liked + others)
    by_vector = posts.recommend(BASE[liked], others, k=12, exact=True)
    assert by_vector.ids.tolist() == nearest(posts, query, 12, others)
    only = posts.recommend(positive=BASE[0], k=1)
    assert (only.counts, only.ids.shape) == (1, (1,))
    with pytest.raises(nf.NotFoundError, match="id 5000"):
        posts.recommend([1], [5_000])
    with pytest.raises(nf.InvalidArgumentError, match="positive"):
        posts.recommend([])
    with pytest.raises(nf.DimensionMismatchError, match="negative"):
        posts.recommend([1], [[1.0, 2.0]])
    if posts.metric == "cosine":
        with pytest.raises(nf.InvalidArgumentError, match="cancel out"):
            posts.recommend([1], [1])


def test_a_least_similarity(posts: nf.Collection) -> None:
    exact = np.sort(similarities(BASE[:2], BASE, posts.metric), axis=1)[:, ::-1]
    floor = float((exact[0, 39] + exact[0, 40]) / 2)
    some = posts.search(BASE[0], k=100, exact=True, min_score=floor)
    assert some.counts == 40
    assert (some.similarities[:40] >= floor).all()
    assert some.scores[40] == -np.inf
    every = posts.search(BASE[:2], min_score=floor, exact=True)
    assert every.counts[0] == every.counts[0]
    assert every.ids.shape == (2, max(every.counts))
    assert (every.counts == (exact >= floor).sum(axis=1)).all()
    with pytest.raises(nf.InvalidArgumentError, match="min_score"):
        posts.search(BASE[0], min_score=float("nan"))
    assert posts.search(BASE[0], min_score=1e30).ids.shape == (0,)


def test_a_search_that_takes_too_long(posts: nf.Collection) -> None:
    with pytest.raises(nf.DeadlineError, match="timeout"):
        posts.search(np.repeat(BASE, 20, axis=0), exact=True, timeout="1ms")
    with pytest.raises(nf.InvalidArgumentError, match="timeout"):
        posts.search(BASE[0], timeout=0)
    assert posts.search(BASE[0], timeout=60).counts == 10


def test_spaces(posts: nf.Collection) -> None:
    assert posts.search(BASE[0], space="test@1").counts == 10
    for call in (
        lambda: posts.search(BASE[0], space="test@2"),
        lambda: posts.search_ids([1], space="test@2"),
        lambda: posts.recommend([1], space="test@2"),
    ):
        with pytest.raises(nf.SpaceMismatchError, match="expected test@1, found test@2"):
            call()


def test_options_are_checked(posts: nf.Collection) -> None:
    with pytest.raises(TypeError, match="'colour'"):
        posts.search_ids([1], colour="red")  # type: ignore[call-arg]


def test_an_alias_moves_in_one_step(tmp_path: Path) -> None:
    for version in (7, 8):
        with nf.create(tmp_path / f"posts-v{version}.nf", dim=2, metric="l2") as posts:
            posts.upsert([version], [[0.0, 1.0]])
    live = tmp_path / "live.nf"
    nf.alias(live, tmp_path / "posts-v7.nf")
    before = nf.open(live)
    nf.alias(live, tmp_path / "posts-v8.nf")
    assert live.is_file()
    assert not live.is_symlink()
    with nf.open(live, "r+") as after:
        assert after.search([0.0, 1.0], k=1).ids.tolist() == [8]
    assert before.search([0.0, 1.0], k=1).ids.tolist() == [7]
    tmp_path.rename(tmp_path.with_name("moved"))
    assert len(nf.open(tmp_path.with_name("moved") / "live.nf")) == 1
    moved = tmp_path.with_name("moved")
    nf.alias(moved / "second.nf", moved / "live.nf")
    assert len(nf.open(moved / "second.nf")) == 1
    with pytest.raises(nf.CollectionNotFoundError):
        nf.alias(moved / "live.nf", moved / "nope")
    with pytest.raises(nf.AlreadyExistsError):
        nf.alias(moved / "posts-v7.nf", moved / "posts-v8.nf")
    with pytest.raises(nf.AlreadyExistsError):
        nf.create(moved / "live.nf", dim=2)
    assert len(nf.open(moved / "live.nf")) == 1
