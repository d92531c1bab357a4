"""zvec: HNSW in a collection on disk."""
import os
import time

from engines.base import dir_mb, Engine, K


class Zvec(Engine):
    package = "zvec"
    batch_api = False

    def load(self):
        import zvec
        self.lib = zvec
        zvec.init(query_threads=self.threads, optimize_threads=self.threads, log_level=zvec.LogLevel.ERROR)

    def build(self, x):
        z, p = self.lib, self.params
        metric = z.MetricType.IP if self.ip else z.MetricType.L2
        if p.get("rabitq"):
            ip = z.HnswRabitqIndexParam(metric_type=metric, total_bits=p["rabitq"], m=p["M"], ef_construction=p["efc"])
        else:
            ip = z.HnswIndexParam(metric_type=metric, m=p["M"], ef_construction=p["efc"],
                                  quantize_type=getattr(z.QuantizeType, p.get("quant", "UNDEFINED")),
                                  use_contiguous_memory=True)
        schema = z.CollectionSchema("c", vectors=z.VectorSchema("v", z.DataType.VECTOR_FP32, self.dim, index_param=ip))
        self.path = os.path.join(self.tmp, "zvec")
        self.i = z.create_and_open(self.path, schema)
        for s in range(0, len(x), 1000):
            self.i.insert([z.Doc(id=str(j), vectors={"v": x[j]}) for j in range(s, min(s + 1000, len(x)))])
        t = time.perf_counter()
        self.i.optimize(z.OptimizeOption(concurrency=self.threads))
        print("  optimize", time.perf_counter() - t)

    def set(self, ef):
        z = self.lib
        ref = bool(self.params.get("refine"))
        q = z.HnswRabitqQueryParam if self.params.get("rabitq") else z.HnswQueryParam
        self.qp = q(ef=ef, is_using_refiner=ref)

    def search1(self, q):
        r = self.i.query(self.lib.Query("v", vector=q, param=self.qp), topk=K, output_fields=[])
        return [int(d.id) for d in r]

    def disk_mb(self):
        return dir_mb(self.path)
