"""ScaNN: inverted lists and anisotropic codes."""
import os

import numpy as np

from engines.base import dir_mb, Engine, K


class Scann(Engine):
    package = "scann"
    monotone = False

    def load(self):
        import scann
        self.lib = scann

    def build(self, x):
        p = self.params
        leaves = p.get("leaves") or int(len(x) ** 0.5 * 2)
        # SOAR is for inner products only; on squared L2 the same configuration does without.
        kw = dict(soar_lambda=1.5, overretrieve_factor=2.0) if p.get("soar") and self.ip else {}
        b = self.lib.scann_ops_pybind.builder(x, K, "dot_product" if self.ip else "squared_l2")
        b = b.set_n_training_threads(self.threads)
        b = b.tree(leaves, max(1, leaves // 20), training_sample_size=min(len(x), 250_000), spherical=self.ip,
                   quantize_centroids=True, **kw)
        b = b.score_ah(p.get("block", 2), anisotropic_quantization_threshold=0.2 if self.ip else float("nan"))
        self.i = b.reorder(100).build()

    def sweep(self):
        return [(v, r) for v in (8, 16, 24, 36, 54, 80, 120, 180) for r in (40, 100)]

    def set(self, p):
        self.v, self.r = p
        self.i.set_num_threads(self.threads)

    def search1(self, q):
        return self.i.search(q, K, self.r, self.v)[0]

    def batch(self, q, _, t):
        f = self.i.search_batched if t == 1 else self.i.search_batched_parallel
        return np.asarray(f(q, K, self.r, self.v)[0], np.int64)

    def disk_mb(self):
        p = os.path.join(self.tmp, "scann")
        os.mkdir(p)
        self.i.serialize(p)
        return dir_mb(p)
