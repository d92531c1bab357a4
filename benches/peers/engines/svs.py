"""Intel SVS: Vamana over LVQ or LeanVec codes."""
import os
import time

import numpy as np

from engines.base import dir_mb, Engine, K


class Svs(Engine):
    package = "scalable-vs"
    monotone = False

    def load(self):
        import svs
        self.lib = svs

    def build(self, x):
        s, p = self.lib, self.params
        metric = p.get("metric") or ("mip" if self.ip else "l2")
        alpha = 0.95 if metric == "mip" else 1.2
        bp = s.VamanaBuildParameters(alpha=alpha, graph_max_degree=p["R"], window_size=p["L"])
        dist = s.DistanceType.MIP if metric == "mip" else s.DistanceType.L2
        kind = p["kind"]
        if kind == "f32":
            t = time.perf_counter()
            self.i = s.Vamana.build(bp, x, dist, num_threads=self.threads)
        elif kind == "f16":
            t = time.perf_counter()
            self.i = s.Vamana.build(bp, x.astype(np.float16), dist, num_threads=self.threads)
        else:
            path = os.path.join(self.tmp, "data.fvecs")
            s.write_vecs(x, path)
            t = time.perf_counter()  # writing the input file SVS wants is not the build
            ld = s.VectorDataLoader(path, s.DataType.float32, dims=self.dim)
            if kind == "lvq":
                ld = s.LVQLoader(ld, primary=p["b"][0], residual=p["b"][1], padding=32)
            else:
                kinds = {4: s.LeanVecKind.lvq4, 8: s.LeanVecKind.lvq8}
                ld = s.LeanVecLoader(ld, self.dim // 2, primary_kind=kinds[p["b"][0]], secondary_kind=kinds[p["b"][1]],
                                     alignment=32)
            self.i = s.Vamana.build(bp, ld, dist, num_threads=self.threads)
        sec = time.perf_counter() - t
        print("  svs backend:", self.i.experimental_backend_string)
        self.secs = sec

    def sweep(self):
        caps = self.params.get("caps", [1])
        w = [10, 15, 22, 33, 50, 75, 110, 160, 240, 360]
        return [(i, int(round(i * c))) for i in w for c in caps]

    def set(self, p):
        s = self.lib
        sp = self.i.search_parameters
        sp.buffer_config = s.SearchBufferConfig(p[0], p[1])
        self.i.search_parameters = sp
        self.i.num_threads = 1
        self.t = 1

    def search1(self, q):
        return self.i.search(q, K)[0][0]

    def batch(self, q, _, t):
        self.i.num_threads = t
        r = self.i.search(q, K)[0].astype(np.int64)
        if t != 1:
            self.i.num_threads = 1
        return r

    def disk_mb(self):
        a = os.path.join(self.tmp, "s")
        try:
            self.i.save(a + "1", a + "2", a + "3")
            return sum(dir_mb(a + c) for c in "123")
        except Exception as ex:  # noqa: BLE001
            print("  save failed", ex)
