"""NGT: its graphs, and QG."""
import os
import subprocess

from engines.base import dir_mb, Engine, K


class Ngt(Engine):
    package = "ngt"
    monotone = False
    batch_api = False
    mt = "fork"

    def load(self):
        import ngtpy
        self.lib = ngtpy

    def build(self, x):
        p = self.params
        path = os.path.join(self.tmp, "anng")
        self.lib.create(path, self.dim, edge_size_for_creation=p["ec"], edge_size_for_search=p.get("es", 40),
                        distance_type="Normalized Cosine" if self.ip else "L2", object_type=p.get("ot", "Float"))
        i = self.lib.Index(path, log_disabled=True)
        i.batch_insert(x, num_threads=self.threads)
        i.save()
        i.close()
        if p.get("onng"):
            out = os.path.join(self.tmp, "onng")
            o = self.lib.Optimizer(num_of_outgoings=p["onng"][0], num_of_incomings=p["onng"][1], log_disabled=True)
            o.set_processing_modes(shortcut_reduction=True, search_parameter_optimization=False,
                                   prefetch_parameter_optimization=True, accuracy_table_generation=False)
            o.execute(path, out)
            path = out
        self.path = path
        self.i = self.lib.Index(path, read_only=True, log_disabled=True)

    def sweep(self):
        return [0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3]

    def set(self, eps):
        self.eps = eps
        self.i.set(epsilon=eps, edge_size=self.params.get("search_edges", 0))

    def search1(self, q):
        return self.i.search(q, K, with_distance=False)

    def disk_mb(self):
        return dir_mb(self.path)


class NgtQg(Engine):
    """NGT's QG: built with the qbg command of an NGT source build (env NGT_QBG), searched through ngtpy."""
    package = "ngt"
    monotone = False
    batch_api = False
    mt = "fork"

    def load(self):
        import ngtpy
        self.lib = ngtpy

    def build(self, x):
        p = self.params
        path = os.path.join(self.tmp, "anng")
        self.lib.create(path, self.dim, edge_size_for_creation=p["ec"], edge_size_for_search=40,
                        distance_type="L2", object_type="Float")
        i = self.lib.Index(path, log_disabled=True)
        i.batch_insert(x, num_threads=self.threads)
        i.save()
        i.close()
        out = os.path.join(self.tmp, "onng")
        o = self.lib.Optimizer(num_of_outgoings=p["onng"][0], num_of_incomings=p["onng"][1], log_disabled=True)
        o.set_processing_modes(shortcut_reduction=True, search_parameter_optimization=False,
                               prefetch_parameter_optimization=True, accuracy_table_generation=False)
        o.execute(path, out)
        qbg = os.environ["NGT_QBG"]
        subprocess.run([qbg, "create-qg", out], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([qbg, "build-qg", out], check=True, stdout=subprocess.DEVNULL)
        self.path = out
        self.i = self.lib.QuantizedIndex(out, p.get("edges", 128), log_disabled=True)
        self.i.set_with_distance(False)

    def sweep(self):
        return [(e, r) for r in (2, 3, 5, 10) for e in (0.0, 0.02, 0.04, 0.06, 0.1, 0.15)]

    def set(self, p):
        self.i.set(epsilon=p[0], result_expansion=p[1])

    def search1(self, q):
        return self.i.search(q, K)

    def disk_mb(self):
        return dir_mb(self.path)
