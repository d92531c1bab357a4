"""Nonsense for every argument of every function: a documented error, and nothing half done."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nearfield as nf
from conftest import COLUMNS, SCHEMA
from test_junk import JUNK

MORE: dict[str, Any] = {
    "empty str": "",
    "nul": "a\0b",
    "lone surrogate": "\ud800",
    "long str": "x" * 100_000,
    "empty list": [],
    "list of None": [None],
    "negative": -1,
    "zero": 0,
    "2**63": 2**63,
    "2**64": 2**64,
    "bool": True,
    "infinity": float("inf"),
    "minus": -0.5,
    "empty array": np.empty(0),
    "0-d object": np.array(None, object),
    "rows of NaN": np.full((3, 2), np.nan, np.float32),
    "reversed": np.eye(4, 2, dtype=np.float32)[::-1],
    "fortran": np.asfortranarray(np.eye(3, 2, dtype=np.float32)),
    "too many rows": np.ones((999, 2), np.float32),
    "list of lists": [[1, 2], [3]],
    "list of str": ["a", "b", "c", "d"],
    "class": dict,
    "exception": ValueError("x"),
}
ALL = {**JUNK, **MORE}
QUERY = [[0.5, 0.5]]
REFUSED = (nf.NearfieldError, TypeError)
SEARCH = {
    "k": 2, "recall": 0.9, "ef": 10, "exact": True, "where": "score > 0", "exclude": ["a"],
    "exclude_sets": ["s"], "group_by": "subreddit", "max_per_group": 1,
    "decay": nf.Decay("created_utc", half_life="6h"), "boosts": [nf.Boost("score")],
    "min_score": -1.0, "with_attributes": ["title"], "with_vectors": True, "explain": True,
    "timeout": 1.0, "threads": 1, "space": "m@1",
}  # fmt: skip


def make() -> nf.Collection:
    posts = nf.create(dim=2, metric="l2", id_type="str", schema=SCHEMA, space="m@1")
    posts.upsert(["a", "b", "c"], [[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]], COLUMNS)
    return posts


# What to call, what it needs beside the argument that is tried, and what else it takes.
METHODS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "upsert": (
        {"ids": ["x"], "vectors": [[1.0, 2.0]], "attributes": {n: [None] for n in SCHEMA}},
        ["ttl", "progress"],
    ),
    "update": ({"ids": ["a"], "attributes": {"score": [7]}}, []),
    "delete": ({}, ["ids", "where"]),
    "add_column": ({"name": "new", "type": "i64"}, []),
    "load": ({"path": "posts.parquet"}, ["id", "vector", "ids", "progress"]),
    "optimize": ({}, ["progress"]),
    "estimate": ({}, ["points", "attribute_bytes"]),
    "calibrate": ({"queries": np.ones((10, 2), np.float32)}, ["progress"]),
    "search": ({"queries": QUERY}, list(SEARCH)),
    "search_ids": ({"ids": ["a"]}, list(SEARCH)),
    "recommend": ({"positive": ["a"]}, ["negative", *SEARCH]),
    "search_interests": ({"vectors": QUERY}, ["weights", "quotas", *SEARCH]),
    "get": ({"ids": ["a"]}, ["with_vectors"]),
    "scan": ({}, ["after", "limit", "with_vectors"]),
    "snapshot": ({}, ["path"]),
    "verify": ({}, ["progress"]),
}
FUNCTIONS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "create": (
        {"dim": 2},
        [
            "path", "metric", "id_type", "schema", "space", "dtype", "profile", "index",
            "durability", "memory", "seed",
        ],
    ),
    "open": ({"path": "posts.nf"}, ["mode", "memory"]),
    "restore": ({"snapshot": "posts.nf", "path": "restored.nf"}, []),
    "alias": ({"alias": "live.nf", "path": "posts.nf"}, []),
    "recall": ({"result": [[1, 2]], "truth": [[1, 2]]}, []),
    "import_hnsw_rs": (
        {"dump": "nothing"},
        ["path", "metric", "schema", "space", "profile", "durability", "memory", "seed",
         "progress"],
    ),
    "knn_join": (
        {"queries": "posts.parquet", "collection": "posts.nf", "out": "out.parquet"},
        ["k", "id", "vector", "where", "exclude_column", "exclude_set", "group", "weight",
         "recall", "ef", "exact", "exclude", "exclude_sets", "group_by", "max_per_group", "decay",
         "boosts", "min_score", "threads", "space", "progress"],
    ),
    "Decay": ({"column": "created_utc", "half_life": "6h"}, ["origin", "weight"]),
    "Boost": ({"column": "score"}, ["weight", "scale"]),
}  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Junk may be a path: let it be one in an empty folder."""
    monkeypatch.chdir(tmp_path)
    rows = {name: pa.array(values) for name, values in COLUMNS.items()}
    table = {"id": ["x", "y", "z"], "embedding": [[1.0, 2.0]] * 3, **rows}
    pq.write_table(pa.table(table), "posts.parquet")
    with nf.create("posts.nf", dim=2, metric="l2", id_type="str", schema=SCHEMA) as posts:
        posts.upsert(["a"], [[0.0, 0.0]])


def refusal(call: Callable[..., Any], **arguments: Any) -> Exception | None:
    """Make a call; return how it was refused, if it was. Anything else that it raises is a bug."""
    try:
        call(**arguments)
    except REFUSED as error:
        return error
    return None


def says_enough(error: Exception) -> bool:
    return "expected" in str(error) or len(str(error)) > 20


def calls(
    known: dict[str, tuple[dict[str, Any], list[str]]],
) -> list[tuple[str, str]]:
    return [(name, one) for name, (needed, more) in known.items() for one in [*needed, *more]]


def test_the_lists_are_whole() -> None:
    def taken(function: Callable[..., Any]) -> set[str]:
        parameters = inspect.signature(function).parameters.values()
        kept = {p.name for p in parameters if p.kind != p.VAR_KEYWORD} - {"self"}
        return kept | (set(SEARCH) if len(kept) < len(parameters) - 1 else set())

    methods = dict(inspect.getmembers(nf.Collection, inspect.isfunction))
    tried = {name: {*needed, *more} for name, (needed, more) in METHODS.items()}
    for name, method in methods.items():
        if name.startswith("_") or name in ("close", "flush", "refresh", "stats"):
            continue
        assert taken(method) <= tried.get(name, set()), name
    functions = {name: {*needed, *more} for name, (needed, more) in FUNCTIONS.items()}
    for name in ("create", "open", "restore", "alias", "recall", "import_hnsw_rs", "knn_join"):
        assert (
            inspect.signature(getattr(nf, name)).parameters.keys() - {"options"} <= functions[name]
        )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("method", "argument"), calls(METHODS))
def test_methods(method: str, argument: str) -> None:
    posts = make()
    whole = posts.scan().to_arrow()
    for name, junk in ALL.items():
        arguments = {**METHODS[method][0], argument: junk}
        error = refusal(getattr(posts, method), **arguments)
        if error is not None:
            assert says_enough(error), name
            assert posts.scan().to_arrow().equals(whole), f"{name}: half done"
        elif method in ("upsert", "update", "delete", "add_column", "load"):
            posts = make()
    assert posts.verify().points == 3


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("function", "argument"), calls(FUNCTIONS))
def test_functions(function: str, argument: str) -> None:
    for name, junk in ALL.items():
        error = refusal(getattr(nf, function), **{**FUNCTIONS[function][0], argument: junk})
        assert error is None or says_enough(error), name
    if argument != "alias":
        with nf.open("posts.nf") as posts:
            assert posts.verify().points == 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["add", "clear"])
def test_exclusions(method: str) -> None:
    posts = make()
    arguments = {"add": {"name": "s", "ids": ["a"], "ttl": "1d"}, "clear": {"name": "s"}}[method]
    for argument in arguments:
        for junk in ALL.values():
            error = refusal(getattr(posts.exclusions, method), **{**arguments, argument: junk})
            assert error is None or says_enough(error)
    assert posts.search([0.0, 0.0], k=3).counts == 3


def test_closed_handles_say_so() -> None:
    posts = nf.create("closed.nf", dim=2, metric="l2", id_type="str", schema=SCHEMA)
    posts.close()
    for method, (needed, _) in METHODS.items():
        arguments = {"path": "copy"} if method == "snapshot" else needed
        arguments = {"ids": ["a"]} if method == "delete" else arguments
        with pytest.raises(nf.ClosedError, match="closed"):
            getattr(posts, method)(**arguments)
    for call in (
        posts.flush,
        posts.refresh,
        posts.stats,
        posts.__len__,
        lambda: posts.exclusions.add("s", ["a"]),
        lambda: posts.exclusions.clear("s"),
        lambda: nf.knn_join("posts.parquet", posts, "out.parquet", progress=False),
    ):
        with pytest.raises(nf.ClosedError, match="closed"):
            call()


@pytest.mark.filterwarnings("ignore")
def test_from_several_threads() -> None:
    posts = make()

    def one(place: int) -> int:
        refused = 0
        for number, junk in enumerate(ALL.values()):
            method, argument = [("search", "queries"), ("upsert", "vectors"), ("get", "ids")][
                (place + number) % 3
            ]
            arguments = {**METHODS[method][0], argument: junk}
            if method == "upsert":
                arguments["ids"] = [f"t{place}"]
            refused += refusal(getattr(posts, method), **arguments) is not None
        return refused

    with ThreadPoolExecutor(8) as pool:
        assert min(pool.map(one, range(8))) > 0
    assert posts.verify().points == len(posts)
    assert posts.get(["a", "b", "c"]).found.all()


def test_a_handle_closed_in_the_middle() -> None:
    """Searches in other threads end with their results or with ClosedError."""
    for _ in range(20):
        posts = make()

        def search(posts: nf.Collection = posts) -> str:
            try:
                while True:
                    assert posts.search(QUERY, k=3, exact=True).counts.tolist() == [3]
            except nf.ClosedError:
                return "closed"

        with ThreadPoolExecutor(4) as pool:
            ends = [pool.submit(search) for _ in range(4)]
            posts.close()
            assert {end.result(30) for end in ends} == {"closed"}
