"""One point of a sweep: recall, one query a call, batches on one and on all threads."""
import mmap
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from quiet import repeat
from score import K, matrix

FLOOR = 0.84  # points under this recall are not timed


def point(e, q, recall, threads, reps=3, budget=0.4, quick=False):
    """Measures the adapter `e` as it is set; `recall(ids, m)` scores the first m queries; `budget`: seconds of a repeat."""
    one = e.search1
    prepared = e.prepare(q)
    head = min(300, len(q))
    rough = recall(matrix([one(v) for v in prepared[:head]]), head)
    if rough < FLOOR and not quick:
        return dict(recall=rough, skipped=True)
    t = time.perf_counter()
    for v in prepared[100:200]:
        one(v)
    est = 100 / (time.perf_counter() - t)
    nq1 = int(min(len(q), max(200 if quick else 500, est * budget), 2000))
    # The pass on all threads also gives the ids that recall is taken on.
    nqm = int(min(len(q), max(4000 if est > 300 else 1000, est * threads * 0.8)))
    cpu, lats = [], []

    def single():
        lat = np.empty(nq1)
        res = []
        c, t = time.process_time(), time.perf_counter()
        for i in range(nq1):
            t1 = time.perf_counter_ns()
            res.append(one(prepared[i]))
            lat[i] = time.perf_counter_ns() - t1
        w = time.perf_counter() - t
        cpu.append((time.process_time() - c) / w)
        lats.append((w, lat))
        return nq1 / w, res

    def batch_of_one_thread():
        t = time.perf_counter()
        e.batch(q[:nq1], prepared[:nq1], 1)
        return nq1 / (time.perf_counter() - t), None

    def batch():
        t = time.perf_counter()
        if e.batch_api:
            ids = e.batch(q[:nqm], prepared[:nqm], threads)
        elif e.mt == "fork":
            ids, seconds = in_processes(one, prepared[:nqm], threads)
            return nqm / seconds, ids
        else:
            ids = in_threads(one, prepared[:nqm], threads)
        return nqm / (time.perf_counter() - t), ids

    r = dict(nq1=nq1, nqm=nqm, mt_how="batch" if e.batch_api else e.mt, st_batch=[])
    r["st"], f1, ids1 = repeat(reps, 1.0, single)
    lats.sort(key=lambda x: x[0])
    r["p50_us"], r["p99_us"] = (float(np.percentile(lats[0][1], p)) / 1e3 for p in (50, 99))
    # The timer alone interrupts one short query in a hundred: the best of three runs of each is the engine's own spread.
    calm = np.min([lat for _, lat in lats[:3]], axis=0)
    r["calm_us"] = [float(np.percentile(calm, p)) / 1e3 for p in (50, 99)]
    r["cpu"] = round(float(np.median(cpu)), 2)
    f2 = 0
    if e.batch_api:
        r["st_batch"], f2, _ = repeat(reps, 1.0, batch_of_one_thread)
    # A batch may be over in 20 ms, where a single late thread costs a third.
    r["mt"], f3, ids = repeat(3 * reps if e.batch_api else reps, 0.35, batch)
    r["foreign"] = [max(f1, f2), f3]
    r["recall_one"] = recall(matrix(ids1), nq1)
    r["recall"] = recall(ids if isinstance(ids, np.ndarray) else matrix(ids), nqm)
    return r


def in_threads(one, prepared, threads):
    """For an engine without a batch call: Python threads over single calls."""
    out = [None] * len(prepared)

    def go(part):
        for i in part:
            out[i] = one(prepared[i])
    with ThreadPoolExecutor(threads) as ex:
        list(ex.map(go, np.array_split(np.arange(len(prepared)), threads)))
    return out


def in_processes(one, prepared, threads):
    """The same where the binding holds the interpreter lock: forked workers, started together; the fork is not timed."""
    out = np.frombuffer(mmap.mmap(-1, len(prepared) * K * 8), np.int64).reshape(-1, K)
    go_r, go_w = os.pipe()
    done_r, done_w = os.pipe()
    pids = []
    for part in np.array_split(np.arange(len(prepared)), threads):
        pid = os.fork()
        if pid == 0:
            try:
                for i in part[:100]:
                    one(prepared[i])
                os.write(done_w, b"r")
                os.read(go_r, 1)
                for i in part:
                    r = np.asarray(one(prepared[i]))[:K]
                    out[i, :len(r)] = r
                    out[i, len(r):] = -1
                os.write(done_w, b"d")
            finally:
                os._exit(0)
        pids.append(pid)
    for _ in pids:
        os.read(done_r, 1)
    t = time.perf_counter()
    os.write(go_w, b"g" * len(pids))
    for _ in pids:
        os.read(done_r, 1)
    seconds = time.perf_counter() - t
    for p in pids:
        os.waitpid(p, 0)
    for fd in (go_r, go_w, done_r, done_w):
        os.close(fd)
    return out.copy(), seconds
