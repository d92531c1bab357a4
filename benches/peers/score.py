"""Recall@10 from the exact distances, the same for every engine."""
import numpy as np

K = 10


def recall(ids, base, query, gtd, metric):
    """Share of the 10 that are at least as near as the true 10th; a repeated or a missing id is a miss."""
    ids = np.asarray(ids, dtype=np.int64)[:, :K]
    hits = 0
    for s in range(0, len(ids), 1000):
        i = np.sort(ids[s:s + 1000], axis=1)
        bad = (i < 0) | (i >= len(base))
        bad[:, 1:] |= i[:, 1:] == i[:, :-1]
        b = base[np.where(bad, 0, i)].astype(np.float64)
        q = query[s:s + 1000].astype(np.float64)[:, None, :]
        d = -(b * q).sum(2) if metric == "ip" else ((b - q) ** 2).sum(2)
        lim = gtd[s:s + 1000, K - 1:K].astype(np.float64)
        eps = 1e-6 if metric == "ip" else np.abs(lim) * 1e-6 + 1e-9
        hits += int(((d <= lim + eps) & ~bad).sum())
    return hits / (len(ids) * K)


def matrix(rows, k=K):
    """Rows of any length as one matrix of ids, missing places -1."""
    out = np.full((len(rows), k), -1, np.int64)
    for i, r in enumerate(rows):
        r = np.asarray(r)[:k]
        out[i, :len(r)] = r
    return out
