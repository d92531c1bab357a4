"""This project, through its Python package, the way its documentation tells a user with unit vectors to."""
import os

import numpy as np

from engines.base import EF_FINE, Engine, K, dir_mb

EDGES = 32 * 4  # bytes a node


class Nearfield(Engine):
    package = "nearfield"
    stop = 0.999

    def load(self):
        os.environ["NEARFIELD_THREADS"] = str(self.threads)  # sizes the pool; read when the package is first used
        import nearfield
        self.lib = nearfield

    def build(self, x):
        """From an array in memory to one sealed, synced, searchable segment; with `reuse`, opens the one built before."""
        p = dict(self.params)
        disk = p.pop("disk", True)
        if disk and self.reuse:
            name = f"{os.path.basename(self.dataset.rstrip('/'))}-{self.n}-{self.config}.nf"
            self.path = os.path.join(self.reuse, name)
            if os.path.exists(self.path):
                self.i = self.lib.open(self.path, memory=p.get("memory"))
                self.secs = None
                return
            os.makedirs(self.reuse, exist_ok=True)
        else:
            self.path = os.path.join(self.tmp, "base.nf") if disk else None
        self.i = self.lib.create(self.path, dim=self.dim, metric="cosine" if self.ip else "l2", **p)
        self.i.upsert(np.arange(len(x), dtype=np.uint64), x)
        self.i.optimize()

    def own_mb(self):
        s = self.i.stats()
        return dict(hot=s["bytes_hot"] / 1e6, warm=s["bytes_warm"] / 1e6, originals=s["bytes_cold"] / 1e6)

    def work(self, queries):
        told = self.i.search(queries, k=K, ef=self.ef, threads=1, explain=True).explain
        s = self.i.stats()
        points = s["points"]
        sizes = dict(hops=EDGES, codes_scored=s["bytes_hot"] / points - EDGES, rows_refined=s["bytes_warm"] / points - 8,
                     rows_rescored=self.dim * (2 if s["dtype"] == "f16" else 1 if "8" in s["dtype"] else 4))
        return [[what, float(np.mean([t[what] for t in told])), size] for what, size in sizes.items()]

    def sweep(self):
        return EF_FINE

    def set(self, ef):
        self.ef = ef

    def search1(self, q):
        return self.i.search(q, k=K, ef=self.ef, threads=1).ids

    def batch(self, q, _, t):
        return self.i.search(q, k=K, ef=self.ef, threads=t).ids.astype(np.int64)

    def disk_mb(self):
        return dir_mb(self.path) if self.path else None
