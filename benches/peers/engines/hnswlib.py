"""hnswlib: HNSW over f32 vectors."""
import numpy as np

from engines.base import Engine, K


class Hnswlib(Engine):
    package = "hnswlib"

    def load(self):
        import hnswlib
        self.lib = hnswlib

    def build(self, x):
        self.i = self.lib.Index("ip" if self.ip else "l2", self.dim)
        self.i.init_index(len(x), ef_construction=self.params["efc"], M=self.params["M"])
        self.i.add_items(x, num_threads=self.threads)

    def set(self, ef):
        self.i.set_ef(ef)

    def search1(self, q):
        return self.i.knn_query(q, K, num_threads=1)[0][0]

    def batch(self, q, _, t):
        return self.i.knn_query(q, K, num_threads=t)[0].astype(np.int64)

    def disk_mb(self):
        return self.save_to(self.i.save_index)
