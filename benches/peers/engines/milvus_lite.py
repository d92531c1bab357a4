"""Milvus lite: HNSW in an embedded database."""
import os

import numpy as np

from engines.base import dir_mb, Engine, K


class MilvusLite(Engine):
    package = "milvus-lite"
    batch_api = True

    def load(self):
        import milvus_lite
        self.lib = milvus_lite
        import faiss
        self.faiss = faiss

    def build(self, x):
        m, p = self.lib, self.params
        self.path = os.path.join(self.tmp, "mv")
        self.db = m.MilvusLite(self.path)
        schema = m.CollectionSchema(fields=[
            m.FieldSchema(name="id", dtype=m.DataType.INT64, is_primary=True),
            m.FieldSchema(name="v", dtype=m.DataType.FLOAT_VECTOR, dim=self.dim)])
        self.i = self.db.create_collection("c", schema)
        for s in range(0, len(x), 5000):
            self.i.insert([{"id": j, "v": x[j].tolist()} for j in range(s, min(s + 5000, len(x)))])
        self.i.flush()
        self.faiss.omp_set_num_threads(self.threads)
        self.i.create_index("v", {"index_type": "HNSW", "metric_type": "IP" if self.ip else "L2",
                                  "params": {"M": p["M"], "efConstruction": p["efc"]}})
        self.i.load()

    def prepare(self, q):
        return [v.tolist() for v in q]

    def set(self, ef):
        self.sp = {"ef": ef, "params": {"ef": ef}}
        self.faiss.omp_set_num_threads(1)

    def search1(self, q):
        return [r["id"] for r in self.i.search([q], top_k=K, anns_field="v", search_params=self.sp)[0]]

    def batch(self, _, prepared, t):
        self.faiss.omp_set_num_threads(t)
        r = self.i.search(prepared, top_k=K, anns_field="v", search_params=self.sp)
        self.faiss.omp_set_num_threads(1)
        return np.array([([h["id"] for h in row] + [-1] * K)[:K] for row in r])

    def disk_mb(self):
        return dir_mb(self.path)
