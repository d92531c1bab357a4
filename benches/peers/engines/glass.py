"""glass: HNSW or NSG over scalar codes."""
import numpy as np

from engines.base import Engine, K


class Glass(Engine):
    package = "glass"

    def load(self):
        import glass
        self.lib = glass

    def build(self, x):
        g, p = self.lib, self.params
        g.set_num_threads(self.threads)
        m = "IP" if self.ip else "L2"
        graph = g.Index(p["graph"], m, p["bq"], p["R"], p.get("L", 0)).build(x)
        self.i = g.Searcher(graph, x, m, p["sq"], p.get("refine", ""))
        self.i.set_ef(64)
        self.i.optimize(self.threads)

    def set(self, ef):
        self.i.set_ef(ef)

    def search1(self, q):
        return self.i.search(q, K)[0]

    def batch(self, q, _, t):
        return self.i.batch_search(q, K, t)[0].astype(np.int64)
