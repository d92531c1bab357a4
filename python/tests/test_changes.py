"""Points that are updated, deleted, listed, given more columns, copied and restored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nearfield as nf


@pytest.fixture
def posts(tmp_path: Path) -> nf.Collection:
    made = nf.create(
        tmp_path / "posts.nf", dim=4, metric="l2", schema={"score": "i64", "tag": "keyword"}
    )
    vectors = np.arange(80, dtype=np.float32).reshape(20, 4)
    made.upsert(range(20), vectors, {"score": list(range(20)), "tag": ["a"] * 20})
    return made


def test_update_changes_named_columns_only(posts: nf.Collection) -> None:
    posts.update([3, 4, 3], {"score": [30, 40, None]})
    table = posts.get([3, 4, 5]).to_pandas()
    assert table["score"].isna().tolist() == [True, False, False]
    assert table["score"][1:].tolist() == [40, 5]
    assert table["tag"].tolist() == ["a", "a", "a"]
    with pytest.raises(nf.NotFoundError, match="99"):
        posts.update([3, 99], {"score": [1, 1]})
    with pytest.raises(nf.InvalidArgumentError, match="scores"):
        posts.update([3], {"scores": [1]})
    with pytest.raises(TypeError):
        posts.update([3], None)
    assert posts.get([4]).to_pandas()["score"].tolist() == [40]


def test_delete_says_how_many_there_were(posts: nf.Collection) -> None:
    assert posts.delete([1, 2, 2, 1000]) == 2
    assert posts.delete([1]) == 0
    assert posts.delete([]) == 0
    assert len(posts) == 18
    assert 1 not in posts.search([4.0, 5.0, 6.0, 7.0], k=18, exact=True).ids
    with pytest.raises(nf.InvalidArgumentError):
        posts.delete(["one"])


def test_scan_goes_through_all_in_order(posts: nf.Collection) -> None:
    posts.delete([7])
    found: list[int] = []
    while True:
        part = posts.scan(found[-1] if found else None, limit=6)
        found += part["id"].tolist()
        if len(part) < 6:
            break
    assert found == [i for i in range(20) if i != 7]
    with pytest.raises(nf.InvalidArgumentError):
        posts.scan(limit=0)


def test_a_column_can_be_added(posts: nf.Collection) -> None:
    posts.add_column("note", "text")
    assert posts.schema == {"score": "i64", "tag": "keyword", "note": "text"}
    posts.update([5], {"note": ["hello"]})
    assert posts.get([5, 6]).to_arrow()["note"].to_pylist() == ["hello", None]
    with pytest.raises(nf.InvalidArgumentError):
        posts.add_column("note", "text")
    with pytest.raises(nf.InvalidArgumentError):
        posts.add_column("other", "string")


def test_readers_move_when_told(posts: nf.Collection) -> None:
    assert posts.path is not None
    reader = nf.open(posts.path)
    assert len(reader) == 20
    posts.upsert([100], [[0.0] * 4], {"score": [1], "tag": ["b"]})
    posts.add_column("note", "text")
    assert len(reader) == 20
    reader.refresh()
    assert len(reader) == 21
    assert "note" in reader.schema
    with pytest.raises(nf.ReadOnlyError):
        reader.delete([1])


def test_snapshots_and_restore(posts: nf.Collection, tmp_path: Path) -> None:
    posts.snapshot(tmp_path / "copy")
    with pytest.raises(nf.AlreadyExistsError):
        posts.snapshot(tmp_path / "copy")
    posts.delete(range(20))
    nf.restore(tmp_path / "copy", tmp_path / "again.nf")
    with nf.open(tmp_path / "again.nf", mode="r+") as again:
        assert len(again) == 20
        again.verify()
    with pytest.raises(nf.CollectionNotFoundError):
        nf.restore(tmp_path / "nothing", tmp_path / "else")
    with pytest.raises(nf.InvalidArgumentError):
        nf.create(dim=2).snapshot(tmp_path / "memory")


def test_what_was_written_is_there_after_reopening(posts: nf.Collection) -> None:
    posts.update([1], {"score": [11]})
    posts.delete([2])
    path = posts.path
    assert path is not None
    del posts
    with nf.open(path) as reader:
        assert len(reader) == 19
        assert reader.get([1]).to_pandas()["score"].tolist() == [11]


def test_points_expire(posts: nf.Collection) -> None:
    vectors = np.ones((2, 4), dtype=np.float32)
    values = {"score": [1, 2], "tag": ["x", "y"]}
    posts.upsert([1, 100], vectors, values, ttl="7d")
    times = posts.get([1, 2]).to_arrow()["expires_at"].to_pylist()
    assert times[0] is not None
    assert times[1] is None
    assert len(posts) == 21
    past = np.array(["1970-01-02", "NaT"], dtype="datetime64[us]")
    posts.update([1, 100], {"expires_at": past})
    assert len(posts) == 20
    assert 1 not in posts.search(vectors[0], k=50).ids.tolist()
    posts.upsert([1], vectors[:1], {"score": [1], "tag": ["x"], "expires_at": [None]})
    assert len(posts) == 21
    with pytest.raises(nf.InvalidArgumentError, match="ttl"):
        posts.upsert([1], vectors[:1], ttl="soon")
