"""nearfield in ann-benchmarks: a collection on disk, its index pinned in memory, one query a call on one thread."""
import os
import shutil
import tempfile

import nearfield
import numpy as np

from ..base.module import BaseANN

METRICS = {"angular": "cosine", "euclidean": "l2"}


class Nearfield(BaseANN):
    """`method_param`: arguments of `nearfield.create`, such as the profile."""

    def __init__(self, metric, method_param):
        if metric not in METRICS:
            raise NotImplementedError(f"nearfield has no metric {metric!r}; it has {', '.join(METRICS)}")
        self.metric = METRICS[metric]
        self.method_param = method_param
        self.ef = None
        self.folder = None

    def fit(self, X):
        self.folder = tempfile.mkdtemp(prefix="nearfield-")
        X = np.ascontiguousarray(X, dtype=np.float32)
        self.collection = nearfield.create(os.path.join(self.folder, "base.nf"), dim=X.shape[1], metric=self.metric,
                                           memory="pinned", **self.method_param)
        self.collection.upsert(np.arange(len(X), dtype=np.uint64), X)
        self.collection.optimize()

    def set_query_arguments(self, ef):
        self.ef = ef

    def query(self, v, n):
        return self.collection.search(v, k=n, ef=self.ef, threads=1).ids

    def batch_query(self, X, n):
        self.found = self.collection.search(X, k=n, ef=self.ef)  # on all threads

    def get_batch_results(self):
        return self.found.ids

    def done(self):
        if self.folder is not None:
            self.collection.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def __str__(self):
        return f"nearfield ({self.method_param}, ef: {self.ef})"
