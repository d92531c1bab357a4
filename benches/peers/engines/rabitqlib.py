"""rabitqlib: SymphonyQG, and RaBitQ codes in HNSW and inverted lists."""
import numpy as np

from engines.base import Engine, K


class SymphonyQg(Engine):
    package = "rabitqlib"

    def prepare(self, q):
        return [v[None] for v in q]

    def load(self):
        import rabitqlib
        self.lib = rabitqlib

    def build(self, x):
        p = self.params
        self.i = self.lib.SymqgIndex(self.dim, p["R"], metric="ip" if self.ip else "l2",
                                     quantization_bits=p.get("bits", 0))
        self.i.build(x, p["efc"], num_threads=self.threads, **({"init": p["init"]} if "init" in p else {}))

    def set(self, ef):
        self.ef = ef

    def search1(self, q):
        return self.i.search(q, K, self.ef, 1)[0][0]

    def batch(self, q, _, t):
        return np.asarray(self.i.search_batch(q, K, self.ef, t)[0], np.int64)

    def disk_mb(self):
        return self.save_to(self.i.save)


class RabitqHnsw(Engine):
    package = "rabitqlib"

    def prepare(self, q):
        return [v[None] for v in q]

    def load(self):
        import rabitqlib
        self.lib = rabitqlib

    def build(self, x):
        p, r = self.params, self.lib
        km = r.RaBitQKMeans(self.dim, 16, num_threads=self.threads, final_assignment=r.FinalAssignmentMode.Exact)
        km.train(x)
        self.i = r.HnswIndex(self.dim, len(x), M=p["M"], ef_construction=p["efc"], nbits=p["bits"],
                             metric="ip" if self.ip else "l2")
        self.i.build(x, km.centroids, km.assignments, num_threads=self.threads)

    def set(self, ef):
        self.ef = ef

    def search1(self, q):
        return self.i.search(q, K, self.ef, 1)[0][0]

    def batch(self, q, _, t):
        return np.asarray(self.i.search(q, K, self.ef, t)[0], np.int64)

    def disk_mb(self):
        return self.save_to(self.i.save)


class RabitqIvf(Engine):
    package = "rabitqlib"
    monotone = False

    def prepare(self, q):
        return [v[None] for v in q]

    def load(self):
        import rabitqlib
        self.lib = rabitqlib

    def build(self, x):
        p, r = self.params, self.lib
        k = p.get("clusters") or int(4 * len(x) ** 0.5)
        km = r.QGKMeans(self.dim, k, num_threads=self.threads)
        km.train(x)
        self.i = r.IvfIndex(self.dim, len(x), k, p["bits"], metric="ip" if self.ip else "l2")
        self.i.build(x, km.centroids, km.assignments, num_threads=self.threads)

    def sweep(self):
        return [4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384]

    def set(self, p):
        self.p = p

    def search1(self, q):
        return self.i.search(q, K, self.p, num_threads=1)[0][0]

    def batch(self, q, _, t):
        return np.asarray(self.i.search(q, K, self.p, num_threads=t)[0], np.int64)

    def disk_mb(self):
        return self.save_to(self.i.save)
