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

DIM = 12
TIMES = int(os.environ.get("NEARFIELD_ORACLE", "1"))
SEED = int(os.environ.get("NEARFIELD_ORACLE_SEED", "0"))
ORIGIN = datetime(2013, 3, 1, tzinfo=UTC)
SCHEMA = {"group": "keyword", "number": "i64", "flag": "bool", "at": "timestamp"}
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
    points: dict[int, dict[str, Any]] = field(default_factory=dict)
    sets: dict[str, set[int]] = field(default_factory=dict)

    def ids(self, numbers: Any) -> Any:
        numbers = [int(n) for n in numbers]
        return [f"t{n:05}" for n in numbers] if self.strings else numbers

    def number(self, value: Any) -> int:
        return int(value[1:]) if self.strings else int(value)

    def write(self, numbers: list[int], ttl: str | None = None) -> None:
        vectors = clustered(len(numbers), DIM, seed=int(self.rng.integers(1 << 30)))
        # Duplicates of vectors, groups with a heavy tail, nulls.
        copies = self.rng.random(len(numbers)) < 0.1
        vectors[copies] = vectors[0]
        columns: dict[str, list[Any]] = {name: [] for name in SCHEMA}
        for _ in numbers:
            null = self.rng.random(4) < 0.15
            day = timedelta(days=float(self.rng.integers(60)))
            values = (
                f"g{min(int(self.rng.pareto(0.8)), 40)}",
                int(self.rng.integers(100)),
                bool(self.rng.random() < 0.3),
                ORIGIN - day,
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
        some = [int(n) for n in self.rng.integers(0, 1_500, self.rng.integers(1, 60))]
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
        if rng.random() < 0.2:
            request["min_score"] = float(rng.choice([-60.0, 0.2, 0.7]))
        return request

    def truth(self, query: np.ndarray, request: dict[str, Any]) -> tuple[list[int], np.ndarray]:
        """Return ids and scores by brute force, best first."""
        excluded = {self.number(value) for value in request.get("exclude", [])}
        for name in request.get("exclude_sets", []):
            excluded |= self.sets.get(name, set())
        passes = CLAUSES.get(request.get("where", ""), lambda _: True)
        numbers = [n for n, p in sorted(self.points.items()) if n not in excluded and passes(p)]
        if not numbers:
            return [], np.empty(0)
        base = np.array([self.points[n]["vector"] for n in numbers])
        of = query.astype(np.float64)
        if self.metric == "l2":
            similarity = -((base - of) ** 2).sum(axis=1)
        elif self.metric == "ip":
            similarity = base @ of
        else:
            similarity = base @ of / np.linalg.norm(base, axis=1) / np.linalg.norm(of)
        score = similarity.copy()
        if "decay" in request:
            for row, number in enumerate(numbers):
                at = self.points[number]["at"]
                if at is not None:
                    age = (ORIGIN - at) / timedelta(days=5)
                    score[row] += request["decay"].weight * 2.0 ** -max(0.0, age)
        # Sums in another order differ in the last bits: duplicates tie all the same.
        order = np.lexsort((np.arange(len(numbers)), -np.round(score, 9)))
        taken: list[int] = []
        groups: Counter[Any] = Counter()
        for row in order:
            group = self.points[numbers[row]].get(request.get("group_by", ""))
            if group is not None and groups[group] >= request["max_per_group"]:
                continue
            groups[group] += 1
            taken.append(int(row))
            if len(taken) == request["k"]:
                break
        if "min_score" in request:
            taken = [row for row in taken if similarity[row] >= request["min_score"]]
        return [numbers[row] for row in taken], score[taken]


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("strings", [False, True])
def test_requests_agree_with_brute_force(metric: str, strings: bool) -> None:
    rng = np.random.default_rng([SEED, len(metric), strings])
    kind = "str" if strings else "u64"
    posts = nf.create(dim=DIM, metric=metric, id_type=kind, schema=SCHEMA)  # type: ignore[arg-type]
    world = World(posts, metric, strings, rng)
    world.write(list(range(1_300)))
    posts.optimize()
    hits = found = 0
    for round_ in range(60 * TIMES):
        world.change()
        query = clustered(1, DIM, seed=int(rng.integers(1 << 30)))[0]
        request = world.request()
        wanted, scores = world.truth(query, request)
        at = f"round {round_}: {request}"
        exact = posts.search(query, exact=True, **request)
        assert exact.counts == len(wanted), at
        np.testing.assert_allclose(exact.scores[: len(wanted)], scores, 2e-6, 2e-6, err_msg=at)
        ids = [world.number(value) for value in exact.ids[: len(wanted)]]
        # Places may be exchanged among scores that are the same to the last bits.
        for place, (mine, theirs) in enumerate(zip(ids, wanted, strict=True)):
            tied = np.abs(scores - scores[place]) < 1e-6
            assert mine == theirs or tied.sum() > 1, at
        fast = posts.search(query, **request)
        if "min_score" not in request:
            assert fast.counts == len(wanted), at
        few = [world.number(value) for value in fast.ids[: int(fast.counts)]]
        assert len(set(few)) == len(few), at
        order = fast.scores[: int(fast.counts)]
        assert (np.diff(order) <= 0).all(), at
        # What scores as much as the last one wanted is as good.
        floor = scores.min() - 1e-5 if len(scores) else 0.0
        found += min(int((order >= floor).sum()), len(wanted))
        hits += len(wanted)
    assert found >= 0.95 * hits, f"{found} of {hits}"
    assert len(posts) == len(world.points)
