"""faiss: HNSW, and inverted lists with fast-scan codes."""
from engines.base import Engine, K


class Faiss(Engine):
    package = "faiss-cpu"

    def load(self):
        import faiss
        self.lib = faiss

    def build(self, x):
        f = self.lib
        f.omp_set_num_threads(self.threads)
        factory = self.params["factory"].format(half=self.dim // 2)
        self.i = f.index_factory(self.dim, factory, f.METRIC_INNER_PRODUCT if self.ip else f.METRIC_L2)
        inner = self.base()
        if hasattr(inner, "hnsw"):
            inner.hnsw.efConstruction = self.params.get("efc", 200)
        self.i.train(x)
        self.i.add(x)

    def base(self):
        i = self.lib.downcast_index(self.i)
        return self.lib.downcast_index(i.base_index) if hasattr(i, "base_index") else i

    @property
    def monotone(self):
        return self.params.get("kind") != "ivf"

    def sweep(self):
        if self.params.get("kind") == "ivf":
            return [(p, k) for p in (8, 16, 32, 64, 128, 256) for k in self.params["kf"]]
        return super().sweep()

    def set(self, p):
        f = self.lib
        f.omp_set_num_threads(1)
        if self.params.get("kind") == "ivf":
            self.p = p
            f.extract_index_ivf(self.base()).nprobe = p[0]
            if hasattr(self.i, "k_factor"):
                self.i.k_factor = p[1]
        else:
            self.base().hnsw.efSearch = p
            if hasattr(self.i, "k_factor"):
                self.i.k_factor = self.params.get("kf", 2)

    def search1(self, q):
        return self.i.search(q[None], K)[1][0]

    def batch(self, q, _, t):
        self.lib.omp_set_num_threads(t)
        r = self.i.search(q, K)[1]
        self.lib.omp_set_num_threads(1)
        return r

    def disk_mb(self):
        return self.save_to(lambda p: self.lib.write_index(self.i, p))
