"""Qdrant edge: HNSW in an embedded shard."""
import os
import time

import numpy as np

from engines.base import dir_mb, Engine, K


class QdrantEdge(Engine):
    package = "qdrant-edge-py"

    def load(self):
        import qdrant_edge
        self.lib = qdrant_edge

    def build(self, x):
        q, p = self.lib, self.params
        kw = {}
        if p.get("int8"):
            kw["quantization_config"] = q.ScalarQuantizationConfig(q.ScalarType.Int8, quantile=0.99, always_ram=True)
        cfg = q.EdgeConfig(
            vectors=q.EdgeVectorParams(self.dim, q.Distance.Dot if self.ip else q.Distance.Euclid, on_disk=False, **kw),
            hnsw_config=q.HnswIndexConfig(p["M"], p["efc"], 10, max_indexing_threads=self.threads, on_disk=False),
            optimizers=q.EdgeOptimizersConfig(default_segment_number=1, max_segment_size=100_000_000,
                                              indexing_threshold=1000),
            max_search_threads=self.threads, wal_enabled=False)
        self.path = os.path.join(self.tmp, "qd")
        os.makedirs(self.path, exist_ok=True)
        self.i = q.EdgeShard.create(self.path, cfg)
        for s in range(0, len(x), 2000):
            pts = [q.Point(j, x[j].tolist()) for j in range(s, min(s + 2000, len(x)))]
            self.i.update(q.UpdateOperation.upsert_points(pts))
        self.i.flush()
        t = time.perf_counter()
        self.i.optimize()
        print("  optimize", time.perf_counter() - t, self.i.info())

    def prepare(self, q):
        return [v.tolist() for v in q]

    def set(self, ef):
        q = self.lib
        kw = {}
        if self.params.get("int8"):
            kw["quantization"] = q.QuantizationSearchParams(rescore=True, oversampling=2.0)
        self.sp = q.SearchParams(hnsw_ef=ef, **kw)

    def request(self, v):
        q = self.lib
        return q.QueryRequest(limit=K, query=q.Query.Nearest(v), params=self.sp, with_vector=False,
                              with_payload=False)

    def search1(self, v):
        return [p.id for p in self.i.query(self.request(v))]

    def batch(self, _, prepared, t):
        r = self.i.query_batch(self.lib.QueryBatchRequest([self.request(v) for v in prepared]))
        return np.array([([p.id for p in row] + [-1] * K)[:K] for row in r])

    def disk_mb(self):
        return dir_mb(self.path)
