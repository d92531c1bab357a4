"""The names, the order and the defaults that users and other programs rely on."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import nearfield as nf

SEARCH = {
    "where": None, "recall": None, "ef": None, "exact": False, "exclude": None,
    "exclude_sets": None, "group_by": None, "max_per_group": None, "decay": None, "boosts": (),
    "min_score": None, "with_attributes": (), "with_vectors": False, "explain": False,
    "timeout": None, "threads": None, "space": None,
}  # fmt: skip
REQUIRED = inspect.Parameter.empty
# What may be given by position, then what must be named.
CALLS: dict[Any, tuple[dict[str, Any], dict[str, Any]]] = {
    nf.create: (
        {"path": None},
        {
            "dim": REQUIRED, "metric": "cosine", "id_type": "u64", "schema": None, "space": None,
            "dtype": "f32", "profile": "balanced", "index": "graph", "durability": "sync",
            "memory": "mapped", "seed": 0,
        },
    ),
    nf.open: ({"path": REQUIRED, "mode": "r"}, {"memory": None}),
    nf.restore: ({"snapshot": REQUIRED, "path": REQUIRED}, {}),
    nf.alias: ({"alias": REQUIRED, "path": REQUIRED}, {}),
    nf.recall: ({"result": REQUIRED, "truth": REQUIRED}, {}),
    nf.evaluate: (
        {"collection": REQUIRED, "queries": REQUIRED, "k": 10},
        {"recalls": (0.9, 0.95, 0.99)},
    ),
    nf.knn_join: (
        {"queries": REQUIRED, "collection": REQUIRED, "out": REQUIRED, "k": 100},
        {
            "id": "id", "vector": "embedding", "where": None, "exclude_column": None,
            "exclude_set": None, "group": None, "weight": None, "progress": True,
        },
    ),
    nf.Decay: (
        {"column": REQUIRED, "half_life": REQUIRED, "origin": None, "weight": 1.0},
        {},
    ),
    nf.Boost: ({"column": REQUIRED, "weight": 1.0, "scale": "linear"}, {}),
    nf.Collection.upsert: (
        {"ids": REQUIRED, "vectors": REQUIRED, "attributes": None, "ttl": None, "progress": False},
        {},
    ),
    nf.Collection.update: ({"ids": REQUIRED, "attributes": REQUIRED}, {}),
    nf.Collection.delete: ({"ids": None}, {"where": None}),
    nf.Collection.load: (
        {"path": REQUIRED},
        {"id": None, "vector": None, "ids": None, "progress": False},
    ),
    nf.Collection.add_column: ({"name": REQUIRED, "type": REQUIRED}, {}),
    nf.Collection.flush: ({}, {}),
    nf.Collection.optimize: ({}, {"progress": False}),
    nf.Collection.calibrate: ({"queries": REQUIRED}, {"progress": False}),
    nf.Collection.refresh: ({}, {}),
    nf.Collection.stats: ({}, {}),
    nf.Collection.verify: ({}, {"progress": False}),
    nf.Collection.snapshot: ({"path": REQUIRED}, {}),
    nf.Collection.close: ({}, {}),
    nf.Collection.search: ({"queries": REQUIRED, "k": None}, SEARCH),
    nf.Collection.search_ids: ({"ids": REQUIRED, "k": None}, {}),
    nf.Collection.recommend: ({"positive": REQUIRED, "negative": None, "k": None}, {}),
    nf.Collection.search_interests: (
        {"vectors": REQUIRED, "weights": None, "quotas": None, "k": 100},
        {},
    ),
    nf.Collection.get: ({"ids": REQUIRED}, {"with_vectors": True}),
    nf.Collection.scan: ({"after": None, "limit": 10_000}, {"with_vectors": True}),
    nf.Exclusions.add: ({"name": REQUIRED, "ids": REQUIRED, "ttl": None}, {}),
    nf.Exclusions.clear: ({"name": REQUIRED}, {}),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__qualname__)
def test_names_and_defaults(call: Any) -> None:
    by_position, by_name = CALLS[call]
    parameters = [p for p in inspect.signature(call).parameters.values() if p.name != "self"]
    found = {p.name: p.default for p in parameters if p.kind == p.POSITIONAL_OR_KEYWORD}
    assert list(found.items()) == list(by_position.items())
    named = {p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY}
    assert by_name.items() <= named.items()


@pytest.mark.parametrize("name", ["search_ids", "recommend", "search_interests"])
def test_the_options_of_search_are_taken_by_its_kin(name: str) -> None:
    posts = nf.create(dim=2, schema={"t": "timestamp", "n": "i64", "s": "keyword"}, space="m@1")
    posts.upsert([1, 2], [[1.0, 0.0], [0.0, 1.0]])
    given: Any = [[1.0, 0.0]] if name == "search_interests" else [1]
    values = {
        **SEARCH, "where": "n IS NULL", "recall": 0.9, "exclude": [7], "exclude_sets": ["x"],
        "group_by": "s", "max_per_group": 1, "decay": nf.Decay("t", "6h"),
        "boosts": [nf.Boost("n")], "min_score": -1.0, "with_attributes": ["n"],
        "with_vectors": True, "explain": True, "timeout": 5.0, "threads": 1, "space": "m@1",
    }  # fmt: skip
    assert set(values) == set(SEARCH)
    found = getattr(posts, name)(given, k=1, **values)
    assert found.explain is not None
    assert found.attributes["n"].tolist() in ([None], [[None]])


@pytest.mark.parametrize("cls", [nf.SearchResult, nf.Table])
def test_results_have_their_parts(cls: type) -> None:
    parts = {"to_arrow", "to_pandas", "to_polars", "__arrow_c_stream__", "_repr_html_"}
    if cls is nf.SearchResult:
        parts |= {"ids", "scores", "similarities", "distances", "counts", "attributes"}
        parts |= {"vectors", "explain"}
    assert parts <= set(dir(cls))


def test_a_collection_has_the_rest() -> None:
    posts = nf.create(dim=2)
    assert len(posts) == 0
    assert isinstance(posts.exclusions, nf.Exclusions)
    assert "<table>" in posts._repr_html_()
    with posts as entered:
        assert entered is posts
    assert posts.closed
    assert isinstance(nf.__version__, str)
