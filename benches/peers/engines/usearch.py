"""usearch: HNSW over converted vectors."""
import numpy as np

from engines.base import Engine, K


class Usearch(Engine):
    package = "usearch"

    def load(self):
        import usearch.index
        self.lib = usearch.index

    def build(self, x):
        p = self.params
        self.i = self.lib.Index(ndim=self.dim, metric=p.get("metric", "ip") if self.ip else "l2sq", dtype=p["dtype"],
                                connectivity=p["M"], expansion_add=p["efc"])
        self.i.add(np.arange(len(x)), x, threads=self.threads)

    def set(self, ef):
        self.i.expansion_search = ef

    def search1(self, q):
        return self.i.search(q, K, threads=1).keys

    def batch(self, q, _, t):
        return self.i.search(q, K, threads=t).keys.astype(np.int64)

    def disk_mb(self):
        return self.save_to(self.i.save)
