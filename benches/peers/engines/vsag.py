"""VSAG: HGraph over scalar or RaBitQ codes."""
import json

import numpy as np

from engines.base import Engine, K


class Vsag(Engine):
    package = "pyvsag"
    batch_api = False
    mt = "fork"

    def load(self):
        import pyvsag
        self.lib = pyvsag
        pyvsag.set_logger_off()

    def build(self, x):
        p = dict(self.params["index"], build_thread_count=self.threads)
        cfg = dict(dtype="float32", metric_type="ip" if self.ip else "l2", dim=self.dim, index_param=p)
        self.i = self.lib.Index("hgraph", json.dumps(cfg))
        self.i.build(x.reshape(-1), np.arange(len(x), dtype=np.int64), len(x), self.dim)

    def set(self, ef):
        self.sp = json.dumps({"hgraph": dict({"ef_search": ef}, **self.params.get("search", {}))})

    def search1(self, q):
        return self.i.knn_search(q, K, self.sp)[self.order]

    @property
    def order(self):
        # the wrapper has returned (ids, distances) and (distances, ids) in different releases
        if not hasattr(self, "_o"):
            r = self.i.knn_search(np.zeros(self.dim, np.float32) + 0.01, K, self.sp)
            self._o = 0 if np.asarray(r[0]).dtype.kind in "iu" else 1
        return self._o

    def disk_mb(self):
        return self.save_to(self.i.save)
