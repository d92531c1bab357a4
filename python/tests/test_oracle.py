"""Random requests that combine everything, against brute force in numpy, while points come and go.

``NEARFIELD_ORACLE=20`` runs twenty times as many; ``NEARFIELD_ORACLE_SEED`` chooses others.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

import nearfield as nf
from conftest import clustered

TIMES = int(os.environ.get("NEARFIELD_ORACLE", "1"))
SEED = int(os.environ.get("NEARFIELD_ORACLE_SEED", "0"))
ORIGIN = datetime(2013, 3, 1, tzinfo=UTC)
SCHEMA = {
    "group": "keyword",
    "number": "i64",
    "flag": "bool",
    "at": "timestamp",
    "weight": "f64",
}
CLAUSES = {
    "number >= 40": lambda p: p["number"] is not None and p["number"] >= 40,
    "NOT flag": lambda p: p["flag"] is False,
    "\"group\" IN ('g0', 'g3')": lambda p: p["group"] in ("g0", "g3"),
    "number IS NULL OR flag": lambda p: p["number"] is None or p["flag"] is True,
    "at < TIMESTAMP '2013-02-10 00:00:00'": lambda p: (
        p["at"] is not None and p["at"] < datetime(2013, 2, 10, tzinfo=UTC)
    ),
    "number = 7": lambda p: p["number"] == 7,
    "number BETWEEN 500 AND 600": lambda _: False,
}


@dataclass
class World:
    """What is in the collection, as a dict."""

    posts: nf.Collection
    metric: str
    strings: bool
    rng: np.random.Generator
    size: int = 1_300
    points: dict[int, dict[str, Any]] = field(default_factory=dict)
    sets: dict[str, set[int]] = field(default_factory=dict)

    def ids(self, numbers: Any) -> Any:
        numbers = [int(n) for n in numbers]
        return [f"t{n:05}" for n in numbers] if self.strings else numbers

    def number(self, value: Any) -> int:
        return int(value[1:]) if self.strings else int(value)

    def write(self, numbers: list[int], ttl: str | None = None) -> None:
        vectors = clustered(len(numbers), self.posts.dim, seed=int(self.rng.integers(1 << 30)))
        # Duplicates of vectors, groups with a heavy tail, nulls.
        copies = self.rng.random(len(numbers)) < 0.1
        vectors[copies] = vectors[0]
        columns: dict[str, list[Any]] = {name: [] for name in SCHEMA}
        for _ in numbers:
            null = self.rng.random(len(SCHEMA)) < 0.15
            day = timedelta(days=float(self.rng.integers(60)))
            values = (
                f"g{min(int(self.rng.pareto(0.8)), 40)}",
                int(self.rng.integers(100)),
                bool(self.rng.random() < 0.3),
                ORIGIN - day,
                float(self.rng.pareto(1.0)) - 0.3,
            )
            for name, value, gone in zip(SCHEMA, values, null, strict=True):
                columns[name].append(None if gone else value)
        self.posts.upsert(self.ids(numbers), vectors, columns, ttl=ttl)
        for row, number in enumerate(numbers):
            self.points.pop(number, None)
            if ttl is None:
                of = {name: column[row] for name, column in columns.items()}
                self.points[number] = {**of, "vector": vectors[row].astype(np.float64)}

    def change(self) -> None:
        some = [int(n) for n in self.rng.integers(0, self.size + 200, self.rng.integers(1, 60))]
        kind = self.rng.integers(8)
        if kind <= 1:
            self.write(sorted(set(some)))
        elif kind == 2:
            self.write(sorted(set(some))[:9], ttl="1us")
        elif kind == 3:
            self.posts.delete(self.ids(some))
            for number in some:
                self.points.pop(number, None)
        elif kind == 4:
            there = sorted(set(some) & self.points.keys())
            self.posts.update(self.ids(there), {"number": [5] * len(there)})
            for number in there:
                self.points[number]["number"] = 5
        elif kind == 5:
            name = f"set {self.rng.integers(3)}"
            self.posts.exclusions.add(name, self.ids(some), ttl="1h")
            self.sets.setdefault(name, set()).update(some)
        elif kind == 6 and self.rng.random() < 0.4:
            name = f"set {self.rng.integers(3)}"
            self.posts.exclusions.clear(name)
            self.sets.pop(name, None)
        elif self.rng.random() < 0.15:
            self.posts.optimize()

    def request(self) -> dict[str, Any]:
        rng = self.rng
        request: dict[str, Any] = {"k": int(rng.choice([1, 3, 10, 50, 300]))}
        if rng.random() < 0.6:
            request["where"] = str(rng.choice(list(CLAUSES)))
        if rng.random() < 0.4:
            request["exclude"] = self.ids(rng.integers(0, 2_000, rng.choice([0, 3, 700])))
        if rng.random() < 0.4:
            request["exclude_sets"] = [f"set {n}" for n in range(rng.integers(1, 4))]
        if rng.random() < 0.4:
            request["group_by"] = str(rng.choice(["group", "number", "flag"]))
            request["max_per_group"] = int(rng.choice([1, 2, 5]))
        if rng.random() < 0.3:
            weight = float(rng.choice([0.05, 0.5, 20.0]))
            request["decay"] = nf.Decay("at", half_life="5d", origin=ORIGIN, weight=weight)
        if rng.random() < 0.3:
            request["boosts"] = [self.boost() for _ in range(rng.integers(1, 3))]
        if rng.random() < 0.2:
            request["min_score"] = float(rng.choice([-60.0, 0.2, 0.7]))
        return request

    def boost(self) -> nf.Boost:
        scale: Any = self.rng.choice(["linear", "log1p"])
        weight = float(self.rng.choice([0.0, 0.1, 1.0, 30.0]))
        return nf.Boost(str(self.rng.choice(["number", "weight"])), weight, str(scale))  # type: ignore[arg-type]

    def interests(self) -> tuple[np.ndarray, dict[str, Any]]:
        """Return vectors of interests, and weights and quotas for some."""
        rng = self.rng
        vectors = clustered(
            int(rng.integers(1, 6)), self.posts.dim, seed=int(rng.integers(1 << 30))
        )
        request = self.request()
        if rng.random() < 0.6:
            request["weights"] = rng.uniform(0.2, 3.0, len(vectors)).tolist()
        if rng.random() < 0.6:
            most = request["k"] // len(vectors)
            request["quotas"] = rng.integers(0, most + 1, len(vectors)).tolist()
        return vectors, request

    def similarities(self, base: np.ndarray, query: np.ndarray) -> np.ndarray:
        of = query.astype(np.float64)
        if self.metric == "l2":
            similarity = -((base - of) ** 2).sum(axis=1)
        elif self.metric == "ip":
            similarity = base @ of
        else:
            similarity = base @ of / np.linalg.norm(base, axis=1) / np.linalg.norm(of)
        return np.asarray(similarity)

    def bonus(self, numbers: list[int], request: dict[str, Any]) -> np.ndarray:
        """Return what decay and boosts add to these points."""
        bonus = np.zeros(len(numbers))
        if "decay" in request:
            for row, number in enumerate(numbers):
                at = self.points[number]["at"]
                if at is not None:
                    age = (ORIGIN - at) / timedelta(days=5)
                    bonus[row] += request["decay"].weight * 2.0 ** -max(0.0, age)
        for boost in request.get("boosts", []):
            scale = float if boost.scale == "linear" else lambda x: np.log1p(max(x, 0.0))
            every = [p[boost.column] for p in self.points.values()]
            largest = scale(max((x for x in every if x is not None), default=0.0))
            for row, number in enumerate(numbers):
                value = self.points[number][boost.column]
                if value is not None and largest > 0:
                    bonus[row] += boost.weight * min(max(scale(value) / largest, 0.0), 1.0)
        return bonus

    def shape(self) -> tuple[Any, dict[str, Any]]:
        """Return what to ask next, and how."""
        kind = self.rng.random()
        if kind < 0.5:
            return one_query, self.request()
        if kind < 0.85:
            vectors, request = self.interests()
            return interests, {**request, "vectors": vectors}
        return batch, self.request()

    def eligible(self, request: dict[str, Any]) -> list[int]:
        """Return who can be a result, ascending."""
        excluded = {self.number(value) for value in request.get("exclude", [])}
        for name in request.get("exclude_sets", []):
            excluded |= self.sets.get(name, set())
        passes = CLAUSES.get(request.get("where", ""), lambda _: True)
        return [n for n, p in sorted(self.points.items()) if n not in excluded and passes(p)]

    def truth(self, queries: np.ndarray, request: dict[str, Any]) -> tuple[list[int], np.ndarray]:
        """Return ids and scores by brute force, best first: of one query, or of interests."""
        numbers = self.eligible(request)
        if not numbers:
            return [], np.empty(0)
        base = np.array([self.points[n]["vector"] for n in numbers])
        each = np.array([self.similarities(base, query) for query in np.atleast_2d(queries)])
        weights = np.array(request.get("weights", [1.0] * len(each)))
        weighted = each * (weights / weights.sum())[:, None]
        fits = weighted.argmax(axis=0)
        rows = np.arange(len(numbers))
        similarity = each[fits, rows]
        score = weighted[fits, rows] + self.bonus(numbers, request)
        # Sums in another order differ in the last bits: duplicates tie all the same.
        order = np.lexsort((np.arange(len(numbers)), -np.round(score, 9)))
        chosen: set[int] = set()
        groups: Counter[Any] = Counter()
        left = list(request.get("quotas", [0] * len(each)))
        for is_rest in (False, True):
            for row in map(int, order):
                group = self.points[numbers[row]].get(request.get("group_by", ""))
                is_full = group is not None and groups[group] >= request["max_per_group"]
                if row in chosen or is_full or len(chosen) == request["k"]:
                    continue
                if not is_rest and left[fits[row]] == 0:
                    continue
                left[fits[row]] -= 1
                groups[group] += 1
                chosen.add(row)
        taken = [int(row) for row in order if int(row) in chosen]
        if "min_score" in request:
            taken = [row for row in taken if similarity[row] >= request["min_score"]]
        return [numbers[row] for row in taken], score[taken]


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("strings", [False, True])
def test_requests_agree_with_brute_force(metric: str, strings: bool) -> None:
    rng = np.random.default_rng([SEED, len(metric), strings])
    kind = "str" if strings else "u64"
    posts = nf.create(dim=12, metric=metric, id_type=kind, schema=SCHEMA)  # type: ignore[arg-type]
    ask(World(posts, metric, strings, rng), 60 * TIMES)


@pytest.mark.parametrize("profile", ["balanced", "compact", "fast"])
def test_requests_of_many_points_agree_with_brute_force(profile: Any) -> None:
    """Enough points for walks, enough dimensions for codes of few bits."""
    rng = np.random.default_rng([SEED, len(profile)])
    posts = nf.create(dim=64, metric="cosine", schema=SCHEMA, profile=profile)
    ask(World(posts, "cosine", False, rng, size=4_000), 25 * TIMES)


def ask(world: World, rounds: int) -> None:
    """Change and ask in turn."""
    world.write(list(range(world.size)))
    world.posts.optimize()
    hits = found = 0
    for round_ in range(rounds):
        world.change()
        some, of = world.shape()
        more, total = some(world, of, f"round {round_}: {of}")
        found, hits = found + more, hits + total
    assert found >= 0.95 * hits, f"{found} of {hits}"
    assert len(world.posts) == len(world.points)


def one_query(world: World, request: dict[str, Any], at: str) -> tuple[int, int]:
    query = clustered(1, world.posts.dim, seed=int(world.rng.integers(1 << 30)))[0]
    exact = world.posts.search(query, exact=True, **request)
    fast = world.posts.search(query, explain=True, **request)
    told: Any = fast.explain
    eligible = told["points"] - told["skipped_by_filter"] - told["skipped_by_exclusion"]
    assert told["points"] == len(world.points), at
    assert told["cardinality"] == eligible == len(world.eligible(request)), at
    return compare(world, (exact, fast), world.truth(query, request), (request, at))


def interests(world: World, request: dict[str, Any], at: str) -> tuple[int, int]:
    vectors = request.pop("vectors")
    exact = world.posts.search_interests(vectors, exact=True, **request)
    fast = world.posts.search_interests(vectors, **request)
    return compare(world, (exact, fast), world.truth(vectors, request), (request, at))


def batch(world: World, request: dict[str, Any], at: str) -> tuple[int, int]:
    """Rows of a batch equal the same searches one by one, whoever is eligible for each."""
    rng, count = world.rng, 4
    queries = clustered(count, world.posts.dim, seed=int(rng.integers(1 << 30)))
    others = [world.request() for _ in range(count)]
    lists: dict[str, list[Any]] = {}
    for name in ("where", "exclude", "exclude_sets"):
        if rng.random() < 0.6:
            lists[name] = [other.get(name) for other in others]
            request.pop(name, None)
    together = world.posts.search(queries, **request, **lists)
    for row, query in enumerate(queries):
        of = {name: values[row] for name, values in lists.items() if values[row] is not None}
        alone = world.posts.search(query, **request, **of)
        assert together.counts[row] == alone.counts, f"{at}, row {row}"  # type: ignore[index]
        count = int(alone.counts)
        assert together.ids[row][:count].tolist() == alone.ids[:count].tolist(), f"{at}, row {row}"
        np.testing.assert_array_equal(together.scores[row][:count], alone.scores[:count])
    return 0, 0


def compare(
    world: World,
    results: tuple[nf.SearchResult, nf.SearchResult],
    truth: tuple[list[int], np.ndarray],
    of: tuple[dict[str, Any], str],
) -> tuple[int, int]:
    """Return how much of the truth the second result found; the first is to be exact."""
    (exact, fast), (wanted, scores), (request, at) = results, truth, of
    assert exact.counts == len(wanted), at
    np.testing.assert_allclose(exact.scores[: len(wanted)], scores, 2e-6, 2e-6, err_msg=at)
    ids = [world.number(value) for value in exact.ids[: len(wanted)]]
    # Places may be exchanged among scores that are the same to the last bits.
    for place, (mine, theirs) in enumerate(zip(ids, wanted, strict=True)):
        tied = np.abs(scores - scores[place]) < 1e-6 * max(1.0, abs(scores[place]))
        assert mine == theirs or tied.sum() > 1, at
    if "min_score" not in request:
        assert fast.counts == len(wanted), at
    few = [world.number(value) for value in fast.ids[: int(fast.counts)]]
    assert len(set(few)) == len(few), at
    eligible = set(world.eligible(request))
    assert eligible.issuperset(few), at
    order = fast.scores[: int(fast.counts)]
    assert (np.diff(order) <= 0).all(), at
    if "group_by" in request:
        groups = Counter(world.points[number][request["group_by"]] for number in few)
        groups.pop(None, None)
        assert max(groups.values(), default=0) <= request["max_per_group"], at
    if "quotas" in request:
        return len(set(few) & set(wanted)), len(wanted)
    # What scores as much as the last one wanted is as good.
    floor = scores.min() - 1e-5 if len(scores) else 0.0
    return min(int((order >= floor).sum()), len(wanted)), len(wanted)
