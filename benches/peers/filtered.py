"""Filtered search at every selectivity, each engine in its own process, one after another; then the table.

  filtered.py DATASET_DIR ATTRIBUTES.parquet OUT_DIR [ENGINE...] [--again] [--queries 30]

ATTRIBUTES has a column `subreddit`, row for row with the base. A filter holds a share of the rows: the communities nearest to the
query (correlated), the farthest (anti-correlated), or rows by a hash of their number (uncorrelated). Each engine is asked with
rising effort until it reaches recall@10 of 0.95 against exact truth at that point; what counts is the median over the queries of each
one's best of three, one thread, one query a call. nearfield is asked once, at its default dial. Making a filter object or a faiss bitmap
is not on the clock; what a text costs an engine is, from the second time on.
"""
import argparse
import importlib.metadata
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

import machine
import quiet
from filters.adapters import ENGINES
from filters.cases import K, KINDS, SHARES, World

REACH = 0.95
ROUNDS = 3
SLOW = 0.3  # seconds a query: more effort is not tried
THREADS = int(os.environ.get("BENCH_THREADS") or len(os.sched_getaffinity(0)))


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("dataset", "attributes", "out"):
        ap.add_argument(name)
    ap.add_argument("engines", nargs="*")
    ap.add_argument("--queries", type=int, default=30)
    ap.add_argument("--again", action="store_true", help="measure what has a result already")
    ap.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return ap.parse_args()


def score(ids, world, query, truth):
    """Hits, and whether the list has as many as there are, none twice."""
    count, last = truth
    ids = np.asarray(ids, np.int64)
    ids = ids[ids >= 0]
    similar = world.base[np.unique(ids)] @ query if len(ids) else np.zeros(0)
    return int((similar >= last - 1e-6).sum()), len(ids) == len(np.unique(ids)) == count


def ask(engine, world, ready, truths, setting):
    """Recall at a setting, lists that are not full, and the mean seconds of a query."""
    hits, short, start = 0, 0, time.perf_counter()
    found = [engine.search(r, setting) for r in ready]
    seconds = (time.perf_counter() - start) / len(ready)
    for ids, query, truth in zip(found, world.query, truths):
        of_query, full = score(ids, world, query, truth)
        hits, short = hits + of_query, short + (not full)
    wanted = sum(count for count, _ in truths)
    return hits / wanted if wanted else 1.0, short, seconds


def p50(engine, ready, setting):
    best = np.full(len(ready), np.inf)
    for _ in range(ROUNDS):
        for i, r in enumerate(ready):
            start = time.perf_counter_ns()
            engine.search(r, setting)
            best[i] = min(best[i], time.perf_counter_ns() - start)
    return float(np.median(best)) / 1e3


def point(engine, world, cases, truths):
    """The cheapest setting that reaches the recall; else the best recall there was."""
    ready = [engine.ready(world, case, query) for case, query in zip(cases, world.query)]
    found = []
    for family in engine.families:
        for setting in family:
            recall, short, seconds = ask(engine, world, ready, truths, setting)
            found.append(dict(setting=setting, recall=round(recall, 4), short=short, p50_us=seconds * 1e6))
            if recall >= REACH:
                found[-1]["p50_us"] = p50(engine, ready, setting)
            if recall >= REACH or seconds > SLOW:
                break
    reached = [f for f in found if f["recall"] >= REACH]
    return min(reached, key=lambda f: f["p50_us"]) if reached else max(found, key=lambda f: f["recall"])


def measure(a, name):
    """One engine, in this process."""
    os.environ["OMP_NUM_THREADS"] = str(THREADS)
    with open(f"{a.out}/cases.pickle", "rb") as f:
        queries, cases, truths = pickle.load(f)
    world = World(a.dataset, a.attributes, queries)
    engine = ENGINES[name]()
    tmp = tempfile.mkdtemp(prefix="filtered-", dir=os.environ.get("BENCH_TMP"))
    try:
        start = time.perf_counter()
        engine.build(world, THREADS, tmp)
        result = dict(engine=name, version=importlib.metadata.version(engine.package), points=[],
                      build_s=round(time.perf_counter() - start, 1))
        for (kind, share), of_point in cases.items():
            before = quiet.now()
            found = point(engine, world, of_point, truths[kind, share])
            result["points"].append(dict(found, kind=kind, share=share, foreign=quiet.cores_busy_since(before, quiet.now())))
            print(name, result["points"][-1], flush=True)
            with open(f"{a.out}/{name}.json", "w") as f:
                json.dump(result, f, indent=1)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    os._exit(0)  # some engines hang at the interpreter's exit


def cell(p):
    """Microseconds; in brackets the recall where it stayed short."""
    if p is None:
        return "-"
    text = f"{p['p50_us']:,.0f}"
    if p["recall"] < REACH:
        text = f"({p['recall']:.3f} at {text})"
    return text + (f", {p['short']} short" if p["short"] else "")


def table(out, names):
    results = {}
    for name in names:
        if os.path.exists(f"{out}/{name}.json"):
            with open(f"{out}/{name}.json") as f:
                results[name] = json.load(f)
    lines = [machine.line(machine.describe(THREADS)), "",
             f"p50 in microseconds at recall@{K} of {REACH}; in brackets what did not reach it at any effort, or within {SLOW} s a query; "
             "\"short\": queries with fewer results than there are", "",
             "| filter | share | " + " | ".join(f"{n} {r['version']}" for n, r in results.items()) + " |",
             "| --- " * (2 + len(results)) + "|"]
    points = {n: {(p["kind"], p["share"]): p for p in r["points"]} for n, r in results.items()}
    for kind in KINDS:
        for share in [1.0] if kind == "none" else SHARES:
            cells = [cell(points[n].get((kind, share))) for n in results]
            lines.append(f"| {kind} | {share * 100:g} % | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    a = arguments()
    os.makedirs(a.out, exist_ok=True)
    names = a.engines or list(ENGINES)
    if a.child:
        measure(a, names[0])
    known = f"{a.out}/cases.pickle"
    if a.again or not os.path.exists(known):
        world = World(a.dataset, a.attributes, a.queries)
        cases = world.cases()
        with open(known, "wb") as f:
            pickle.dump((a.queries, cases, world.truths(cases)), f)
    failed = []
    for name in names:
        if os.path.exists(f"{a.out}/{name}.json") and not a.again:
            continue
        print(f"== {time.strftime('%T')} {name} (busy cores before: {quiet.wait(10):.2f})", flush=True)
        command = [sys.executable, __file__, a.dataset, a.attributes, a.out, name, "--child"]
        with open(f"{a.out}/{name}.log", "w") as log:
            if subprocess.run(command, stdout=log, stderr=log).returncode != 0:
                failed.append(name)
    text = table(a.out, list(ENGINES))
    with open(f"{a.out}/filtered.md", "w") as f:
        f.write(text)
    print(text)
    if failed:
        raise SystemExit(f"failed, see the log of each in {a.out}: {' '.join(failed)}")


if __name__ == "__main__":
    main()
