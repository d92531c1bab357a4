"""Exact neighbours, and the folder of a dataset: base.npy, query.npy (f32, C order), gt.npy, gtd.npy (top 100), meta.json."""
import json
import os
import shutil
import time

import numpy as np

K = 100
SLACK = 40  # candidates beyond K that are rescored, so that rounding of the f32 pass costs nothing
BLOCK = 200_000


def exact(base, query, metric):
    """Ids and distances of the top K of each query, ties by id: f32 matrix products first, the best rescored in f64."""
    ids = candidates(base, query, metric)
    out_i = np.empty((len(query), min(K, ids.shape[1])), np.int32)
    out_d = np.empty(out_i.shape, np.float32)
    for s in range(0, len(query), 200):
        i = np.sort(ids[s:s + 200], axis=1)
        b = base[i].astype(np.float64)
        q = query[s:s + 200].astype(np.float64)[:, None, :]
        d = -(b * q).sum(2) if metric == "ip" else ((b - q) ** 2).sum(2)
        o = np.argsort(d, axis=1, kind="stable")[:, :K]
        out_i[s:s + 200] = np.take_along_axis(i, o, 1)
        out_d[s:s + 200] = np.take_along_axis(d, o, 1)
    return out_i, out_d


def candidates(base, query, metric):
    """Ids of the K + SLACK nearest by f32 arithmetic, block by block."""
    import faiss
    flat = faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2
    # Distances do not change when the mean goes, but |x|^2 - 2xy + |y|^2 then loses fewer digits.
    mean = base.mean(axis=0, dtype=np.float64).astype(np.float32) if metric == "l2" else np.float32(0)
    query = query - mean
    best_d = best_i = None
    for s in range(0, len(base), BLOCK):
        block = base[s:s + BLOCK] - mean
        d, i = faiss.knn(query, block, min(K + SLACK, len(block)), metric=flat)
        i += s
        if best_d is not None:
            d, i = np.hstack([best_d, d]), np.hstack([best_i, i])
        o = np.argsort(-d if metric == "ip" else d, axis=1, kind="stable")[:, :K + SLACK]
        best_d, best_i = np.take_along_axis(d, o, 1), np.take_along_axis(i, o, 1)
    return best_i


def write(out, base, query, metric, recipe):
    """Makes the folder at once: it exists only when everything in it does."""
    part = out.rstrip("/") + ".part"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    base, query = np.ascontiguousarray(base, np.float32), np.ascontiguousarray(query, np.float32)
    np.save(f"{part}/base.npy", base)
    np.save(f"{part}/query.npy", query)
    t = time.time()
    gt, gtd = exact(base, query, metric)
    np.save(f"{part}/gt.npy", gt)
    np.save(f"{part}/gtd.npy", gtd)
    meta = dict(metric=metric, n=len(base), nq=len(query), dim=base.shape[1], gt_s=round(time.time() - t, 1), recipe=recipe)
    with open(f"{part}/meta.json", "w") as f:
        json.dump(meta, f)
    os.rename(part, out)
    print(out, meta)
