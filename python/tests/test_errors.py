"""What is refused, and what the message says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import nearfield as nf
from conftest import COLUMNS, SCHEMA

Make = Callable[..., nf.Collection]
EYE = np.eye(3, dtype=np.float32)


@pytest.fixture
def points(numbered: Make) -> nf.Collection:
    return numbered(EYE)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"dim": 0}, "dim: expected 1 to 16384, found 0"),
        ({"dim": 99_999}, "dim: expected 1 to 16384, found 99999"),
        ({"dim": -1}, "dim: expected"),
        ({"metric": "euclid"}, 'metric: expected.*"euclid"'),
        ({"id_type": "uuid"}, 'id_type: expected one of "u64", "str", found "uuid"'),
        ({"dtype": "bf16"}, 'dtype: expected.*"bf16"'),
        ({"profile": "x"}, 'profile: expected.*"x"'),
        ({"index": "x"}, 'index: expected.*"x"'),
        ({"durability": "x"}, 'durability: expected.*"x"'),
        ({"memory": "x"}, 'memory: expected.*"x"'),
        ({"space": "minilm"}, "space: expected name@version"),
        ({"schema": {"a": "int"}}, 'schema column "a": expected one of.*"i64".*found "int"'),
        ({"schema": {"id": "i64"}}, 'schema column "id"'),
        ({"schema": {"": "i64"}}, "1 to 128 bytes"),
        ({"seed": -1}, "seed: expected 0 to"),
    ],
)
def test_create(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(nf.InvalidArgumentError, match=said):
        nf.create(**{"dim": 3, **arguments})


@pytest.mark.parametrize(
    "arguments",
    [{"dim": "3"}, {"dim": 3.0}, {"dim": True}, {"metric": 1}, {"schema": ["a"]}, {"path": 7}],
)
def test_create_of_wrong_types(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="expected"):
        nf.create(**{"dim": 3, **arguments})


def test_paths(path: Path, tmp_path: Path) -> None:
    with pytest.raises(nf.CollectionNotFoundError, match=str(path)):
        nf.open(path)
    nf.create(path, dim=3).close()
    with pytest.raises(nf.AlreadyExistsError, match="already exists"):
        nf.create(path, dim=3)
    with pytest.raises(nf.CollectionNotFoundError, match="not a nearfield collection"):
        nf.open(tmp_path)
    with pytest.raises(nf.InvalidArgumentError, match='mode: expected "r" or "r\\+", found "w"'):
        nf.open(path, "w")  # type: ignore[arg-type]


def test_one_writer(path: Path) -> None:
    with nf.create(path, dim=3) as posts:
        posts.upsert([1], [EYE[0]])
        with pytest.raises(nf.LockedError, match="locked by another writer"):
            nf.open(path, "r+")
        with nf.open(path) as reader:
            assert len(reader) == 1
    nf.open(path, "r+").close()


@pytest.mark.parametrize(
    "write",
    [
        lambda posts: posts.upsert([1], [EYE[0]]),
        lambda posts: posts.load("x.npy"),
        lambda posts: posts.optimize(),
        lambda posts: posts.calibrate(EYE),
    ],
)
def test_readers_do_not_write(path: Path, write: Callable[[nf.Collection], None]) -> None:
    np.save(path.parent / "x.npy", EYE)
    nf.create(path, dim=3).close()
    with nf.open(path) as posts:
        assert posts.mode == "r"
        with pytest.raises(nf.ReadOnlyError, match='mode "r\\+"'):
            write(posts)


@pytest.mark.parametrize(
    "call",
    [
        len,
        lambda posts: posts.upsert([1], [EYE[0]]),
        lambda posts: posts.search(EYE),
        lambda posts: posts.get([1]),
        lambda posts: posts.stats(),
        lambda posts: posts.verify(),
        lambda posts: posts.optimize(),
        lambda posts: posts.calibrate(EYE),
        lambda posts: posts.flush(),
        lambda posts: posts.load("x.npy"),
    ],
)
def test_closed_handles_say_so(path: Path, call: Callable[[nf.Collection], Any]) -> None:
    posts = nf.create(path, dim=3)
    posts.close()
    posts.close()
    with pytest.raises(nf.ClosedError, match="the collection is closed"):
        call(posts)


def bad(row: int, value: float) -> np.ndarray:
    vectors = EYE.copy()
    vectors[row, 1] = value
    return vectors


@pytest.mark.parametrize(
    ("ids", "vectors", "error", "said"),
    [
        ([1, 2], EYE, nf.InvalidArgumentError, "expected.*found"),
        ([1, -2, 3], EYE, nf.InvalidArgumentError, "ids, row 1: expected an integer.*found int -2"),
        (np.array([1, 2, -3]), EYE, nf.InvalidArgumentError, "ids, row 2.*-3"),
        (pa.array([1, -1, 2]), EYE, nf.InvalidArgumentError, "ids, row 1.*-1"),
        ([1, 2, 2**64], EYE, nf.InvalidArgumentError, f"ids, row 2.*{2**64}"),
        ([1, 2, 2**64 - 1], EYE, nf.InvalidArgumentError, "row 2"),
        ([1, "b", 3], EYE, TypeError, "ids, row 1: expected an integer.*found str 'b'"),
        ([1, "b", 3], EYE, nf.InvalidArgumentError, "ids, row 1"),
        (["a", "b", "c"], EYE, nf.InvalidArgumentError, "ids, row 0"),
        ([1, 2.0, 3], EYE, TypeError, "ids, row 1: expected an integer.*found float 2.0"),
        ([1, True, 3], EYE, TypeError, "ids, row 1.*bool"),
        ([1, None, 3], EYE, TypeError, "ids, row 1.*found None"),
        (np.array([1.0, 2.0, 3.0]), EYE, TypeError, "ids, row 0.*float"),
        (pa.array(["a", "b", "c"]), EYE, nf.InvalidArgumentError, "ids: expected.*u64.*Utf8"),
        (pa.array([1, None, 3]), EYE, nf.InvalidArgumentError, "ids, row 1: expected an id.*null"),
        (np.eye(3), EYE, nf.InvalidArgumentError, "ids: expected a one-dimensional"),
        ("abc", EYE, TypeError, "ids: expected a list of ids, found str 'abc'.*brackets"),
        (7, EYE, TypeError, "ids: expected a list of ids, found int 7"),
        ([1, 2, 3], EYE[:, :2], nf.DimensionMismatchError, "expected dimension 3, found 2"),
        ([1, 2, 3], EYE[0], nf.InvalidArgumentError, r"expected shape \(n, 3\), found \(3,\)"),
        ([1, 2, 3], bad(2, np.nan), nf.InvalidArgumentError, "row 2"),
        ([1, 2, 3], bad(1, np.inf), nf.InvalidArgumentError, "row 1"),
        ([1, 2, 3], np.full((3, 3), 1e300), nf.InvalidArgumentError, "row 0"),
        ([1, 2, 3], EYE.astype(np.int64), TypeError, "expected float32.*found int64.*astype"),
        ([1, 2, 3], EYE.astype(complex), TypeError, "complex128"),
        ([1, 2, 3], "abc", TypeError, "vectors: expected vectors, found str"),
        ([1, 2, 3], [[1, 2, 3], [1, 2], [1, 2, 3]], nf.DimensionMismatchError, "row 1.*found 2"),
        ([1, 2, 3], [[1, 2, 3], "ab", [1, 2, 3]], nf.InvalidArgumentError, "vectors"),
        ([1, 2, 3], [[1, 2, 3], None, [1, 2, 3]], TypeError, "row 1.*None"),
        ([1, 2], pa.array([[1.0, 2.0, 3.0], None]), nf.InvalidArgumentError, "row 1.*null"),
        ([1], pa.array([[1.0, None, 3.0]]), nf.InvalidArgumentError, "row 0.*null"),
        ([1], pa.array([[1.0, 2.0]]), nf.DimensionMismatchError, "row 0.*found 2"),
        ([1], pa.array([[1, 2, 3]]), nf.InvalidArgumentError, "found Int64"),
        ([1], pa.array([1.0]), nf.InvalidArgumentError, "expected an Arrow array of lists"),
    ],
)
def test_upsert_names_the_row(
    points: nf.Collection, ids: Any, vectors: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as raised:
        points.upsert(ids, vectors)
    assert isinstance(raised.value, nf.NearfieldError)
    assert len(str(raised.value).splitlines()) == 1
    assert len(points) == 3
    np.testing.assert_array_equal(points.get([0, 1, 2])["vector"], EYE)


def test_string_ids_have_limits() -> None:
    posts = nf.create(dim=3, id_type="str")
    for ids, said in [([""], "row 0"), (["x" * 513], "row 0"), (["\ud800"], "valid Unicode")]:
        with pytest.raises(nf.InvalidArgumentError, match=said):
            posts.upsert(ids, EYE[:1])
    with pytest.raises(TypeError, match="ids, row 0: expected a str"):
        posts.upsert([1], EYE[:1])
    with pytest.raises(nf.InvalidArgumentError, match="strings"):
        posts.upsert(np.array([1]), EYE[:1])
    posts.upsert(["é" * 256], EYE[:1])


def test_zero_vectors_under_cosine() -> None:
    points = nf.create(dim=3, metric="cosine")
    with pytest.raises(nf.InvalidArgumentError, match="row 1"):
        points.upsert([0, 1], [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    points.upsert([0], EYE[:1])
    with pytest.raises(nf.InvalidArgumentError, match="row 0"):
        points.search(np.zeros((1, 3)))


def changed(**columns: Any) -> dict[str, Any]:
    return {**COLUMNS, **columns}


@pytest.mark.parametrize(
    ("attributes", "error", "said"),
    [
        ({k: v for k, v in COLUMNS.items() if k != "title"}, nf.InvalidArgumentError, "title"),
        (changed(extra=[1, 2, 3]), nf.InvalidArgumentError, 'found column "extra"'),
        (changed(score=[1, 2]), nf.InvalidArgumentError, 'column "score": expected 3 rows.*2'),
        (changed(score=[1, "x", 3]), TypeError, "column \"score\", row 1: expected i64.*str 'x'"),
        (changed(score=[1, 2.5, 3]), TypeError, 'column "score", row 1.*float'),
        (changed(score=[1, True, 3]), TypeError, 'column "score", row 1.*bool'),
        (changed(score=[1, 2**63, 3]), nf.InvalidArgumentError, 'column "score", row 1.*i64'),
        (changed(score=np.array([1, 2, 3.5])), nf.InvalidArgumentError, 'column "score"'),
        (
            changed(score=np.array([1, 2**63, 3], np.uint64)),
            nf.InvalidArgumentError,
            'column "score", row 1',
        ),
        (changed(score=np.eye(3)), nf.InvalidArgumentError, "one-dimensional"),
        (changed(ratio=[0.5, "x", 1]), TypeError, 'column "ratio", row 1: expected f64'),
        (changed(ratio=[0.5, np.nan, 1]), nf.InvalidArgumentError, 'column "ratio", row 1'),
        (changed(over_18=[True, 1, None]), TypeError, 'column "over_18", row 1: expected bool'),
        (changed(title=["a", 7, None]), TypeError, 'column "title", row 1: expected text'),
        (changed(title=["a", "\ud800", None]), nf.InvalidArgumentError, "valid Unicode"),
        (changed(title="abc"), TypeError, 'column "title": expected a list of values'),
        (changed(flair=["a", ["b"], None]), TypeError, 'column "flair", row 0.*list of str'),
        (changed(flair=[["a", 1], [], None]), TypeError, 'column "flair", row 0'),
        (changed(flair=[["a", None], [], None]), TypeError, 'column "flair", row 0'),
        (
            changed(created_utc=[1, 2, 3]),
            TypeError,
            'column "created_utc", row 0: expected a datetime.*found int',
        ),
        (changed(created_utc=["2013", None, None]), TypeError, "fromisoformat"),
        (changed(created_utc=pa.array([1, 2, 3])), nf.InvalidArgumentError, "timestamp"),
        (changed(title=pa.array([1, 2, 3])), nf.InvalidArgumentError, "string"),
        ({1: [1, 2, 3]}, TypeError, "column names of type str"),
        ([1, 2, 3], TypeError, "attributes: expected a dict of columns"),
        (pa.table({"x": [1, 2, 3]}), nf.InvalidArgumentError, "subreddit|x"),
        (pa.array([1, 2, 3]), nf.InvalidArgumentError, "attributes"),
    ],
)
def test_attributes_name_the_column(
    typed: nf.Collection, attributes: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as raised:
        typed.upsert(["x", "y", "z"], np.ones((3, 2)), attributes)
    assert isinstance(raised.value, nf.NearfieldError)
    assert len(typed) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"k": 0}, "k: expected 1 to 10000, found 0"),
        ({"k": 10_001}, "k: expected 1 to 10000"),
        ({"k": -1}, "k: expected"),
        ({"recall": 1.0}, "recall: expected a number above 0 and below 1"),
        ({"recall": float("nan")}, "recall: expected"),
        ({"ef": 0}, "ef: expected"),
        ({"recall": 0.9, "ef": 10}, "one of recall, ef and exact, found recall and ef"),
        ({"exact": True, "ef": 10}, "found ef and exact"),
        ({"group_by": "subreddit"}, "max_per_group as well"),
        ({"max_per_group": 2}, "group_by as well"),
        ({"group_by": "subreddit", "max_per_group": 0}, "max_per_group: expected at least 1"),
        ({"group_by": "nope", "max_per_group": 1}, 'group_by: expected a column .*found "nope"$'),
        ({"group_by": "subredit", "max_per_group": 1}, 'did you mean "subreddit"'),
        ({"group_by": "ratio", "max_per_group": 1}, 'found "ratio", an f64 column'),
        ({"group_by": "flair", "max_per_group": 1}, r'found "flair", a keyword\[\] column'),
        ({"with_attributes": ["titel"]}, 'with_attributes: .*found "titel"; did you mean "title"'),
        ({"decay": nf.Decay("score", half_life="1h")}, 'found "score", an i64 column'),
        ({"decay": nf.Decay("created", half_life="1h")}, 'decay column: .*found "created"'),
        ({"boosts": [nf.Boost("scores")]}, 'boost column: .*did you mean "score"'),
        ({"boosts": [nf.Boost("title")]}, 'an i64 or f64 column, found "title", a text column'),
        (
            {"ef": 10, "recall": 0.9, "exact": True},
            "found recall and ef and exact; leave all but one",
        ),
        ({"threads": 0}, "threads: expected at least 1"),
        ({"space": "x"}, "space: expected name@version"),
        ({"exclude": [1]}, "exclude, row 0"),
        ({"exclude": [1.5]}, "exclude, row 0"),
        ({"exclude": [None, 5]}, "exclude: expected one value for all queries or a list of 1"),
    ],
)
def test_search_arguments(typed: nf.Collection, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(nf.InvalidArgumentError, match=said):
        typed.search([0.0, 1.0], **arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"k": "3"},
        {"k": 2.0},
        {"recall": "high"},
        {"ef": 1.5},
        {"exact": "yes"},
        {"with_attributes": "title"},
        {"with_attributes": [1]},
        {"decay": ("created_utc", "1h")},
        {"exclude": "a"},
        {"group_by": 1, "max_per_group": 1},
        {"where": 7},
    ],
)
def test_search_of_wrong_types(typed: nf.Collection, arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        typed.search([0.0, 1.0], **arguments)


@pytest.mark.parametrize(
    ("queries", "error", "said"),
    [
        ([1.0, 2.0, 3.0], nf.DimensionMismatchError, "queries: expected dimension 2, found 3"),
        (np.zeros((2, 2, 2)), nf.InvalidArgumentError, r"\(n, 2\) or \(2,\)"),
        (7.0, nf.InvalidArgumentError, "expected shape"),
        ([[1.0, np.nan]], nf.InvalidArgumentError, "row 0"),
        (None, TypeError, "queries"),
        ("ab", TypeError, "queries"),
    ],
)
def test_queries(typed: nf.Collection, queries: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        typed.search(queries)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"half_life": "6 parsecs"}, nf.InvalidArgumentError),
        ({"half_life": ""}, nf.InvalidArgumentError),
        ({"half_life": "0s"}, nf.InvalidArgumentError),
        ({"half_life": "-1h"}, nf.InvalidArgumentError),
        ({"half_life": "9" * 400 + "d"}, nf.InvalidArgumentError),
        ({"half_life": np.timedelta64("NaT")}, nf.InvalidArgumentError),
        ({"half_life": 3600}, TypeError),
        ({"half_life": "1h", "origin": "yesterday"}, nf.InvalidArgumentError),
        ({"half_life": "1h", "origin": np.datetime64("NaT")}, nf.InvalidArgumentError),
        ({"half_life": "1h", "origin": 0}, TypeError),
        ({"half_life": "1h", "weight": "big"}, TypeError),
        ({"half_life": "1h", "weight": -1}, nf.InvalidArgumentError),
        ({"half_life": "1h", "weight": float("inf")}, nf.InvalidArgumentError),
    ],
)
def test_decay_is_checked_when_it_is_made(
    arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match="decay"):
        nf.Decay("created_utc", **arguments)


def test_schemas_are_named_in_errors(typed: nf.Collection) -> None:
    assert set(typed.schema) == set(SCHEMA)
    with pytest.raises(nf.InvalidArgumentError, match=", ".join(f'"{n}"' for n in SCHEMA)):
        typed.upsert(["x"], [[0.0, 0.0]], {"nope": [1]})
