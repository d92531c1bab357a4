"""voyager: hnswlib with smaller vectors."""
import numpy as np

from engines.base import Engine, K


class Voyager(Engine):
    package = "voyager"

    def load(self):
        import voyager
        self.lib = voyager

    def build(self, x):
        v, p = self.lib, self.params
        self.i = v.Index(v.Space.Cosine if self.ip else v.Space.Euclidean, num_dimensions=self.dim, M=p["M"],
                         ef_construction=p["efc"], max_elements=len(x),
                         storage_data_type=getattr(v.StorageDataType, p["dtype"]))
        self.i.add_items(x, num_threads=self.threads)

    def set(self, ef):
        self.ef = ef

    def search1(self, q):
        return self.i.query(q, K, num_threads=1, query_ef=self.ef)[0]

    def batch(self, q, _, t):
        return self.i.query(q, K, num_threads=t, query_ef=self.ef)[0].astype(np.int64)

    def disk_mb(self):
        return self.save_to(self.i.save)
