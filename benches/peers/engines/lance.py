"""LanceDB: IVF with HNSW or PQ on disk."""
import os

import numpy as np

from engines.base import dir_mb, Engine, K


class Lance(Engine):
    package = "lancedb"
    batch_api = False
    monotone = False

    def load(self):
        import lancedb
        import pyarrow
        self.lib, self.pa = lancedb, pyarrow

    def build(self, x):
        pa, p = self.pa, self.params
        self.path = os.path.join(self.tmp, "lance")
        vec = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), self.dim)
        tab = pa.table({"id": pa.array(np.arange(len(x))), "vector": vec})
        self.db = self.lib.connect(self.path)
        self.i = self.db.create_table("t", tab)
        self.i.create_index(metric="dot" if self.ip else "l2", index_type=p["type"], **p.get("args", {}))

    def sweep(self):
        return self.params["sweep"]

    def set(self, p):
        self.p = p

    def search1(self, q):
        s = self.i.search(q).select(["id"]).limit(K)
        for k, v in self.p.items():
            s = getattr(s, k)(v)
        return s.to_arrow()["id"].to_numpy()

    def disk_mb(self):
        return dir_mb(self.path)
