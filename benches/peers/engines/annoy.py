"""annoy: random projection trees."""
from engines.base import Engine, K


class Annoy(Engine):
    package = "annoy"
    batch_api = False
    mt = "fork"

    def load(self):
        import annoy
        self.lib = annoy

    def build(self, x):
        self.i = self.lib.AnnoyIndex(self.dim, "angular" if self.ip else "euclidean")
        for j, v in enumerate(x):
            self.i.add_item(j, v)
        self.i.build(self.params["trees"], n_jobs=self.threads)

    def prepare(self, q):
        return [v.tolist() for v in q]

    def sweep(self):
        return [1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000]

    def set(self, sk):
        self.sk = sk

    def search1(self, q):
        return self.i.get_nns_by_vector(q, K, self.sk)

    def disk_mb(self):
        return self.save_to(self.i.save)
