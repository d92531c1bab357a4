"""Names, errors and what a person sees."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import nearfield as nf
from nearfield import _collection, _decay, _recall

PARENTS = {
    "InvalidArgumentError": ValueError,
    "DimensionMismatchError": nf.InvalidArgumentError,
    "FilterError": nf.InvalidArgumentError,
    "SpaceMismatchError": nf.InvalidArgumentError,
    "NotFoundError": KeyError,
    "CollectionNotFoundError": FileNotFoundError,
    "AlreadyExistsError": FileExistsError,
    "ReadOnlyError": PermissionError,
    "LockedError": OSError,
    "CorruptionError": OSError,
    "UnsupportedVersionError": OSError,
    "PoisonedError": OSError,
    "ClosedError": RuntimeError,
    "DeadlineError": TimeoutError,
    "ResourceLimitError": MemoryError,
}


@pytest.mark.parametrize("name", PARENTS)
def test_every_error_has_its_parents(name: str) -> None:
    error = getattr(nf, name)
    assert issubclass(error, nf.NearfieldError)
    assert issubclass(error, PARENTS[name])
    assert str(error("said once")) == "said once"
    assert error.__module__ == "nearfield"


def test_all_public_names_exist_and_are_documented() -> None:
    for name in nf.__all__:
        assert getattr(nf, name) is not None
        if name != "__version__":
            assert inspect.getdoc(getattr(nf, name))
    for name, method in inspect.getmembers(nf.Collection, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.getdoc(method), name


def test_version_is_that_of_the_package() -> None:
    assert nf.__version__ == version("nearfield")


@pytest.mark.parametrize("module", [nf, _collection, _decay, _recall])
def test_examples_run(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_tuning_arguments_are_keyword_only() -> None:
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    for method, names in {
        nf.create: ["path"],
        nf.open: ["path", "mode"],
        nf.Collection.search: ["self", "queries", "k"],
        nf.Collection.load: ["self", "path"],
    }.items():
        parameters = inspect.signature(method).parameters.values()
        assert [p.name for p in parameters if p.kind == positional] == names


def test_properties(path: Path) -> None:
    config = {"metric": "ip", "id_type": "str", "dtype": "f16", "space": "m@1"}
    with nf.create(path, dim=5, schema={"a": "i64"}, **config) as posts:
        assert posts.dim == 5
        assert posts.path == path
        assert posts.schema == {"a": "i64"}
        assert posts.mode == "r+"
        for name, value in config.items():
            assert getattr(posts, name) == value
    assert posts.closed
    assert posts.dim == 5


def test_repr_says_what_and_where(path: Path, numbered: Callable[..., nf.Collection]) -> None:
    posts = nf.create(path, dim=3)
    assert str(path) in repr(posts)
    assert "0 points, dim 3, cosine, mode 'r+'" in repr(posts)
    assert "<table>" in posts._repr_html_()
    posts.close()
    assert repr(posts).endswith("closed>")
    assert "closed" in posts._repr_html_()
    assert "in memory" in repr(nf.create(dim=3))
    points = numbered(np.eye(3, dtype=np.float32))
    assert "2 queries, k=2, 4 hits" in repr(points.search(np.eye(3)[:2], k=2))
    assert "one query, k=2, 2 hits" in repr(points.search(np.eye(3)[0], k=2))


def test_results_show_their_rows() -> None:
    schema = {"title": "text", "score": "i64", "at": "timestamp", "tags": "keyword[]"}
    posts = nf.create(dim=2, schema=schema)
    columns = {
        "title": ["<b>east</b>", "north\n" * 40, None],
        "score": [1, None, 3],
        "at": np.array(["2013-01-01T10:00", "NaT", "2014-01-01"], "M8[us]"),
        "tags": [["a", "b"], [], None],
    }
    posts.upsert([1, 2, 3], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], columns)
    r = posts.search([0.9, 0.1], k=3, with_attributes=list(schema))
    lines = repr(r).splitlines()
    assert lines[0] == "<nearfield.SearchResult of one query, k=3, 3 hits>"
    assert lines[1].split() == ["rank", "id", "score", "title", "attribute_score", "at", "tags"]
    assert lines[2].split()[:4] == ["0", "1", "0.993884", "<b>east</b>"]
    assert "2013-01-01 10:00:00" in lines[2]
    assert len(lines) == 5
    page = r._repr_html_()
    assert "&lt;b&gt;east" in page
    assert page.count("<tr>") == 4
    many = posts.search(np.eye(2)[[0] * 9], k=2)
    assert repr(many).endswith("... 8 more")
    assert "8 more" in many._repr_html_()
    assert "\n" not in repr(posts.search([1.0, 0.0], where="score = 99"))
    table = posts.get([1, 9])
    assert "[1, 0]" in table._repr_html_()
    assert repr(table) == "<nearfield.Table 2 rows: id, title, score, at, tags, vector>"


def test_len_and_truth(numbered: Callable[..., nf.Collection]) -> None:
    points = numbered(np.eye(3, dtype=np.float32))
    assert len(points) == 3
    points.upsert([2, 9], np.eye(3)[:2])
    assert len(points) == 4
    assert nf.create(dim=3), "an empty collection is still one"


def test_stats_and_verify_are_reports(path: Path) -> None:
    with nf.create(path, dim=2, schema={"a": "keyword"}, space="m@1") as posts:
        posts.upsert([1, 2], np.eye(2), {"a": ["x", None]})
        posts.optimize()
        stats = posts.stats()
        assert stats.points == stats["points"] == 2
        assert stats.schema == {"a": "keyword"}
        assert stats.metric == "cosine"
        assert stats.space == "m@1"
        assert sum(segment["rows"] for segment in stats.segments) == 2
        assert stats.bytes_disk > 0
        assert "points" in stats
        with pytest.raises(AttributeError, match="read-only"):
            stats.points = 3
        with pytest.raises(AttributeError, match="no 'dots'"):
            _ = stats.dots
        report = posts.verify()
        assert report.points == 2
        assert report.files > 0
        assert report.bytes > 0


def test_recall_counts_misses_and_repeats() -> None:
    assert nf.recall([[1, 2, 3]], [[3, 2, 1]]) == 1.0
    assert nf.recall([[1, 1, 1]], [[1, 2, 3]]) == pytest.approx(1 / 3)
    missing = np.array([[1, 2**64 - 1, 2**64 - 1]], np.uint64)
    assert nf.recall(missing, [[1, 2, 3]]) == pytest.approx(1 / 3)
    assert nf.recall(missing, missing) == 1.0, "an empty place of the truth is nothing to find"
    assert nf.recall([1, 2], [1, 9]) == 0.5
    assert nf.recall([[1, 2]], [[2, 1, 7]]) == 1.0, "the first k of a longer truth count"
    assert nf.recall(np.array([["a", None]], object), np.array([["a", "b"]], object)) == 0.5
    with pytest.raises(nf.InvalidArgumentError, match="expected 2 rows"):
        nf.recall([[1], [2]], [[1]])


def test_recall_takes_results(numbered: Callable[..., nf.Collection]) -> None:
    points = numbered(np.eye(3, dtype=np.float32))
    r = points.search(np.eye(3), k=2, exact=True)
    assert nf.recall(r, r) == 1.0
    assert nf.recall(r, r.ids) == 1.0
