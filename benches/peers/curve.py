"""Results of a folder, and QPS at equal recall.

QPS at a recall is interpolated on the upper envelope (best QPS at that recall or better), linearly in log QPS over
log(1 - recall).
"""
import glob
import json
import math
import os

import numpy as np


def load(folder):
    """Name of the configuration -> its result, with the machine's probe taken before it."""
    out = {}
    for f in sorted(glob.glob(f"{folder}/*.json")):
        with open(f) as text:
            r = json.load(text)
        if "config" not in r:
            continue
        r["probe"] = {}
        if os.path.exists(f[:-5] + ".probe"):
            with open(f[:-5] + ".probe") as text:
                r["probe"] = json.loads(text.read() or "{}")
        out[r["config"]] = r
    return out


def points(r, key):
    """(recall, median QPS) of each measured point, by recall."""
    return sorted((p["recall"], float(np.median(p[key]))) for p in r["points"] if p.get(key) and not p.get("skipped"))


def frontier(pts):
    """The points that no other beats in both, recall rising and QPS falling."""
    front, best = [], 0
    for rec, q in sorted(pts, key=lambda x: (-x[0], -x[1])):
        if q > best:
            best = q
            front.append((rec, q))
    return front[::-1]


class AtLeast(float):
    """The first point measured lies above the recall asked: the engine is at least so fast there."""


def at(pts, target):
    """QPS at a recall; None where the sweep does not reach it."""
    front = frontier(pts)
    if not front or front[-1][0] < target:
        return None
    if front[0][0] >= target:
        return AtLeast(front[0][1]) if front[0][0] > target else front[0][1]
    for (r0, q0), (r1, q1) in zip(front, front[1:]):
        if r0 <= target <= r1:
            x0, x1, x = (math.log(max(1 - v, 1e-6)) for v in (r0, r1, target))
            f = (x - x0) / (x1 - x0) if x1 != x0 else 0
            return math.exp(math.log(q0) + f * (math.log(q1) - math.log(q0)))


def latency(r, target):
    """p50 and p99 in microseconds of the first point that reaches the recall, then those of each query's best run; or None."""
    reached = [p for p in r["points"] if not p.get("skipped") and p["recall"] >= target]
    first = min(reached, key=lambda p: p["recall"], default=None)
    return first and (first["p50_us"], first["p99_us"], *first.get("calm_us", (None, None)))
