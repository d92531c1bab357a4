"""One adapter an engine. An adapter knows how to build, search one query, search a batch, and what to sweep."""
import ctypes
import importlib.metadata
import json
import os
import subprocess
import time

import numpy as np

K = 10
EF = [10, 16, 24, 38, 60, 95, 150, 240, 380, 600, 950]
EF_FINE = [10, 12, 15, 19, 24, 30, 38, 48, 60, 76, 95, 120, 150, 190, 240, 300, 380, 480, 600, 950]


def dir_mb(path):
    if os.path.isfile(path):
        return os.path.getsize(path) / 1e6
    return sum(os.path.getsize(os.path.join(r, f)) for r, _, fs in os.walk(path) for f in fs) / 1e6


class Engine:
    package = None
    batch_api = True
    external = False
    monotone = True  # recall only rises along the sweep, so the sweep can stop early
    mt = "threads"  # how to use several threads when there is no batch call: threads or fork

    def __init__(self, params, **env):
        self.params = params
        self.__dict__.update(env)
        self.ip = self.metric == "ip"

    def version(self):
        return importlib.metadata.version(self.package) if self.package else ""

    def load(self):
        pass

    def prepare(self, q):
        return list(q)

    def disk_mb(self):
        return None

    def sweep(self):
        return self.params.get("sweep", EF)

    def save_to(self, save):
        p = os.path.join(self.tmp, "index")
        try:
            save(p)
            return dir_mb(p)
        except Exception as ex:  # noqa: BLE001
            print("  save failed:", ex)
            return None


class Nearfield(Engine):
    """This project, through its Python package, the way its documentation tells a user with unit vectors to."""
    package = "nearfield"

    def load(self):
        os.environ["NEARFIELD_THREADS"] = str(self.threads)  # sizes the pool; read when the package is first used
        import nearfield
        self.lib = nearfield

    def build(self, x):
        p = dict(self.params)
        self.path = os.path.join(self.tmp, "posts.nf") if p.pop("disk", True) else None
        self.i = self.lib.create(self.path, dim=self.dim, metric="cosine" if self.ip else "l2", **p)
        self.i.upsert(np.arange(len(x), dtype=np.uint64), x)
        self.i.optimize()
        self.find = self.i.search

    def sweep(self):
        return EF_FINE

    def set(self, ef):
        self.ef = ef

    def search1(self, q):
        return self.find(q, k=K, ef=self.ef, threads=1).ids

    def batch(self, q, _, t):
        return self.find(q, k=K, ef=self.ef, threads=t).ids.astype(np.int64)

    def disk_mb(self):
        return dir_mb(self.path) if self.path else None


class Hnswlib(Engine):
    package = "hnswlib"

    def load(self):
        import hnswlib
        self.lib = hnswlib

    def build(self, x):
        self.i = self.lib.Index("ip" if self.ip else "l2", self.dim)
        self.i.init_index(len(x), ef_construction=self.params["efc"], M=self.params["M"])
        self.i.add_items(x, num_threads=self.threads)

    def set(self, ef):
        self.i.set_ef(ef)

    def search1(self, q):
        return self.i.knn_query(q, K, num_threads=1)[0][0]

    def batch(self, q, _, t):
        return self.i.knn_query(q, K, num_threads=t)[0].astype(np.int64)

    def disk_mb(self):
        return self.save_to(self.i.save_index)


class Faiss(Engine):
    package = "faiss-cpu"

    def load(self):
        import faiss
        self.lib = faiss

    def build(self, x):
        f = self.lib
        f.omp_set_num_threads(self.threads)
        self.i = f.index_factory(self.dim, self.params["factory"], f.METRIC_INNER_PRODUCT if self.ip else f.METRIC_L2)
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


class Usearch(Engine):
    package = "usearch"

    def load(self):
        import usearch.index
        self.lib = usearch.index

    def build(self, x):
        p = self.params
        self.i = self.lib.Index(ndim=self.dim, metric=p.get("metric", "ip") if self.ip else "l2sq", dtype=p["dtype"],
                                connectivity=p["M"], expansion_add=p["efc"])
        self.i.add(np.arange(len(x)), x, threads=self.threads)

    def set(self, ef):
        self.i.expansion_search = ef

    def search1(self, q):
        return self.i.search(q, K, threads=1).keys

    def batch(self, q, _, t):
        return self.i.search(q, K, threads=t).keys.astype(np.int64)

    def disk_mb(self):
        return self.save_to(self.i.save)


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
                ld = s.LeanVecLoader(ld, p["d"], primary_kind=kinds[p["b"][0]], secondary_kind=kinds[p["b"][1]],
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


class Scann(Engine):
    package = "scann"
    monotone = False

    def load(self):
        import scann
        self.lib = scann

    def build(self, x):
        p = self.params
        leaves = p.get("leaves") or int(len(x) ** 0.5 * 2)
        kw = dict(soar_lambda=1.5, overretrieve_factor=2.0) if p.get("soar") else {}
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


class Voyager(Engine):
    package = "voyager"

    def load(self):
        import voyager
        self.lib = voyager

    def build(self, x):
        v, p = self.lib, self.params
        self.i = v.Index(v.Space.Cosine if self.ip else v.Space.Euclidean, num_dimensions=self.dim, M=p["M"],
                         ef_construction=p["efc"], max_elements=len(x),
                         storage_data_type=getattr(v.StorageDataType, p["dtype"]))
        self.i.add_items(x, num_threads=self.threads)

    def set(self, ef):
        self.ef = ef

    def search1(self, q):
        return self.i.query(q, K, num_threads=1, query_ef=self.ef)[0]

    def batch(self, q, _, t):
        return self.i.query(q, K, num_threads=t, query_ef=self.ef)[0].astype(np.int64)

    def disk_mb(self):
        return self.save_to(self.i.save)


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


class HnswRs(Engine):
    """Runs the sibling Rust program (env HNSW_RS_BENCH: its binary)."""
    external = True

    def version(self):
        return "0.3.5"

    def run_external(self, query, recall):
        p = self.params
        pre = os.path.join(self.tmp, "r")
        binary = os.environ["HNSW_RS_BENCH"] + p.get("suffix", "")
        cmd = [binary, f"{self.dataset}/base.npy", f"{self.dataset}/query.npy", self.metric, str(p["M"]),
               str(p["efc"]), str(self.threads), "1000", "4000", str(self.reps), pre, *map(str, EF)]
        res = dict(points=[])
        die_with_parent = lambda: ctypes.CDLL(None).prctl(1, 9)  # noqa: E731  PR_SET_PDEATHSIG, SIGKILL
        with subprocess.Popen(cmd, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent) as proc:
            for line in proc.stdout:
                r = json.loads(line)
                if "build_s" in r:
                    res.update(r)
                    continue
                ids = np.fromfile(f"{pre}.{r['ef']}.i32", np.int32).reshape(-1, K)
                pt = dict(p=r["ef"], st=r["st_qps"], mt=r["mt_qps"], st_batch=[], p50_us=r["p50_us"],
                          p99_us=r["p99_us"], recall=recall(ids, len(ids)), cpu=1.0)
                res["points"].append(pt)
                print(f"  hnsw_rs ef {r['ef']} recall {pt['recall']} st {np.median(pt['st']):.0f}"
                      f" mt {np.median(pt['mt']):.0f}", flush=True)
                if pt["recall"] > 0.9955:
                    proc.terminate()
                    break
        return res


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


class QdrantEdge(Engine):
    package = "qdrant-edge-py"

    def load(self):
        import qdrant_edge
        self.lib = qdrant_edge

    def build(self, x):
        q, p = self.lib, self.params
        kw = {}
        if p.get("int8"):
            kw["quantization_config"] = q.ScalarQuantizationConfig(q.ScalarType.Int8, quantile=0.99, always_ram=True)
        cfg = q.EdgeConfig(
            vectors=q.EdgeVectorParams(self.dim, q.Distance.Dot if self.ip else q.Distance.Euclid, on_disk=False, **kw),
            hnsw_config=q.HnswIndexConfig(p["M"], p["efc"], 10, max_indexing_threads=self.threads, on_disk=False),
            optimizers=q.EdgeOptimizersConfig(default_segment_number=1, max_segment_size=100_000_000,
                                              indexing_threshold=1000),
            max_search_threads=self.threads, wal_enabled=False)
        self.path = os.path.join(self.tmp, "qd")
        os.makedirs(self.path, exist_ok=True)
        self.i = q.EdgeShard.create(self.path, cfg)
        for s in range(0, len(x), 2000):
            pts = [q.Point(j, x[j].tolist()) for j in range(s, min(s + 2000, len(x)))]
            self.i.update(q.UpdateOperation.upsert_points(pts))
        self.i.flush()
        t = time.perf_counter()
        self.i.optimize()
        print("  optimize", time.perf_counter() - t, self.i.info())

    def prepare(self, q):
        return [v.tolist() for v in q]

    def set(self, ef):
        q = self.lib
        kw = {}
        if self.params.get("int8"):
            kw["quantization"] = q.QuantizationSearchParams(rescore=True, oversampling=2.0)
        self.sp = q.SearchParams(hnsw_ef=ef, **kw)

    def request(self, v):
        q = self.lib
        return q.QueryRequest(limit=K, query=q.Query.Nearest(v), params=self.sp, with_vector=False,
                              with_payload=False)

    def search1(self, v):
        return [p.id for p in self.i.query(self.request(v))]

    def batch(self, _, prepared, t):
        r = self.i.query_batch(self.lib.QueryBatchRequest([self.request(v) for v in prepared]))
        return np.array([([p.id for p in row] + [-1] * K)[:K] for row in r])

    def disk_mb(self):
        return dir_mb(self.path)


class MilvusLite(Engine):
    package = "milvus-lite"
    batch_api = True

    def load(self):
        import milvus_lite
        self.lib = milvus_lite
        import faiss
        self.faiss = faiss

    def build(self, x):
        m, p = self.lib, self.params
        self.path = os.path.join(self.tmp, "mv")
        self.db = m.MilvusLite(self.path)
        schema = m.CollectionSchema(fields=[
            m.FieldSchema(name="id", dtype=m.DataType.INT64, is_primary=True),
            m.FieldSchema(name="v", dtype=m.DataType.FLOAT_VECTOR, dim=self.dim)])
        self.i = self.db.create_collection("c", schema)
        for s in range(0, len(x), 5000):
            self.i.insert([{"id": j, "v": x[j].tolist()} for j in range(s, min(s + 5000, len(x)))])
        self.i.flush()
        self.faiss.omp_set_num_threads(self.threads)
        self.i.create_index("v", {"index_type": "HNSW", "metric_type": "IP" if self.ip else "L2",
                                  "params": {"M": p["M"], "efConstruction": p["efc"]}})
        self.i.load()

    def prepare(self, q):
        return [v.tolist() for v in q]

    def set(self, ef):
        self.sp = {"ef": ef, "params": {"ef": ef}}
        self.faiss.omp_set_num_threads(1)

    def search1(self, q):
        return [r["id"] for r in self.i.search([q], top_k=K, anns_field="v", search_params=self.sp)[0]]

    def batch(self, _, prepared, t):
        self.faiss.omp_set_num_threads(t)
        r = self.i.search(prepared, top_k=K, anns_field="v", search_params=self.sp)
        self.faiss.omp_set_num_threads(1)
        return np.array([([h["id"] for h in row] + [-1] * K)[:K] for row in r])

    def disk_mb(self):
        return dir_mb(self.path)


class Lance(Engine):
    package = "lancedb"
    batch_api = False
    monotone = False

    def load(self):
        import lancedb
        import pyarrow
        self.lib, self.pa = lancedb, pyarrow

    def build(self, x):
        pa, p = self.pa, self.params
        self.path = os.path.join(self.tmp, "lance")
        vec = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), self.dim)
        tab = pa.table({"id": pa.array(np.arange(len(x))), "vector": vec})
        self.db = self.lib.connect(self.path)
        self.i = self.db.create_table("t", tab)
        self.i.create_index(metric="dot" if self.ip else "l2", index_type=p["type"], **p.get("args", {}))

    def sweep(self):
        return self.params["sweep"]

    def set(self, p):
        self.p = p

    def search1(self, q):
        s = self.i.search(q).select(["id"]).limit(K)
        for k, v in self.p.items():
            s = getattr(s, k)(v)
        return s.to_arrow()["id"].to_numpy()

    def disk_mb(self):
        return dir_mb(self.path)


def vsag_sq(efc=400, deg=64):
    return dict(base_quantization_type="sq8_uniform", max_degree=deg, ef_construction=efc,
                precise_quantization_type="fp32", use_reorder=True)


C = {}


def add(name, cls, **params):
    C[name] = (cls, params)


add("nearfield", Nearfield)
add("nearfield-pinned", Nearfield, memory="pinned")
add("nearfield-memory", Nearfield, disk=False)  # nothing on disk: as the other libraries build
for profile in ("fast", "compact"):
    add(f"nearfield-{profile}", Nearfield, profile=profile)
for m in (16, 32):
    add(f"hnswlib-M{m}", Hnswlib, M=m, efc=200)
for d in ("f32", "f16", "bf16", "i8"):
    for m in (16, 32):
        add(f"usearch-{d}-M{m}", Usearch, dtype=d, M=m, efc=200)  # metric "ip": less work than "cos" on unit vectors
        add(f"usearch-{d}-cos-M{m}", Usearch, dtype=d, M=m, efc=200, metric="cos")
add("faiss-hnsw32-flat", Faiss, factory="HNSW32,Flat", efc=200)
add("faiss-hnsw32-sq8", Faiss, factory="HNSW32_SQ8", efc=200)
add("faiss-hnsw32-sqfp16", Faiss, factory="HNSW32_SQfp16", efc=200)
add("faiss-hnsw32-sq8-rflat", Faiss, factory="HNSW32_SQ8,RFlat", efc=200, kf=2)
for n in (1024, 4096):
    add(f"faiss-ivf{n}-pq4fs-rflat", Faiss, factory=f"IVF{n},PQ192x4fs,RFlat", kind="ivf", kf=[4, 10])
    add(f"faiss-ivf{n}-rabitqfs-rflat", Faiss, factory=f"IVF{n},RaBitQfs,RFlat", kind="ivf", kf=[10, 20])
add("svs-f32", Svs, kind="f32", R=64, L=200)
add("svs-f16", Svs, kind="f16", R=64, L=200)
add("svs-f16-l2", Svs, kind="f16", R=64, L=200, metric="l2")
add("svs-lvq8", Svs, kind="lvq", b=[8, 0], R=64, L=200, caps=[1])
add("svs-lvq4x8", Svs, kind="lvq", b=[4, 8], R=64, L=200, caps=[1, 1.5])
add("svs-lvq4x4", Svs, kind="lvq", b=[4, 4], R=64, L=200, caps=[1, 1.5])
add("svs-leanvec4x8-192", Svs, kind="leanvec", b=[4, 8], d=192, R=64, L=200, caps=[1, 2])
add("svs-leanvec8x8-192", Svs, kind="leanvec", b=[8, 8], d=192, R=64, L=200, caps=[1, 2])
add("scann-ah-soar", Scann, soar=True)
add("scann-ah", Scann)
add("ngt-anng", Ngt, ec=10)
add("ngt-onng", Ngt, ec=100, onng=[10, 120])
add("ngt-qg", NgtQg, ec=100, onng=[64, 120])
for d in ("Float32", "E4M3", "Float8"):
    add(f"voyager-{d}-M16", Voyager, M=16, efc=200, dtype=d)
add("voyager-Float32-M32", Voyager, M=32, efc=200, dtype="Float32")
add("annoy-100", Annoy, trees=100)
add("vsag-sq8u", Vsag, index=vsag_sq())
add("vsag-sq8u-d32", Vsag, index=vsag_sq(deg=32))
add("vsag-sq4u", Vsag, index=dict(vsag_sq(), base_quantization_type="sq4_uniform"))
add("vsag-rabitq", Vsag, index=dict(vsag_sq(), base_quantization_type="rabitq", rabitq_use_fht=True))
add("vsag-rabitq-split", Vsag, index=dict(
    base_quantization_type="rabitq", precise_quantization_type="rabitq", use_reorder=True,
    rabitq_bits_per_dim_query=32, rabitq_bits_per_dim_base=3, rabitq_bits_per_dim_precise=5, rabitq_error_rate=1.9,
    max_degree=64, ef_construction=400), search=dict(rabitq_one_bit_search=True))
add("vsag-fp16", Vsag, index=dict(base_quantization_type="fp16", max_degree=64, ef_construction=400))
for r in (32, 64):
    for b in (0, 4, 8):
        add(f"symqg-R{r}-b{b}", SymphonyQg, R=r, efc=200, bits=b)
for b in (4, 7, 9):
    add(f"rabitq-hnsw-M16-b{b}", RabitqHnsw, M=16, efc=200, bits=b)
add("rabitq-hnsw-M32-b7", RabitqHnsw, M=32, efc=200, bits=7)
for b in (4, 7, 32):
    add(f"rabitq-ivf-b{b}", RabitqIvf, bits=b)
add("glass-hnsw-sq8-sq4-fp16", Glass, graph="HNSW", bq="SQ8U", R=32, L=200, sq="SQ4U", refine="FP16")
add("glass-hnsw48-sq8-sq4-fp16", Glass, graph="HNSW", bq="SQ8U", R=48, L=200, sq="SQ4U", refine="FP16")
add("glass-hnsw-sq8-sq8-fp16", Glass, graph="HNSW", bq="SQ8U", R=32, L=200, sq="SQ8U", refine="FP16")
add("glass-hnsw48-sq8-sq8-fp16", Glass, graph="HNSW", bq="SQ8U", R=48, L=200, sq="SQ8U", refine="FP16")
add("glass-hnsw-fp16", Glass, graph="HNSW", bq="FP16", R=32, L=200, sq="FP16")
add("glass-nsg-sq8-fp16", Glass, graph="NSG", bq="SQ8U", R=48, L=200, sq="SQ8U", refine="FP16")
for m, e in ((16, 200), (24, 400), (32, 200)):
    add(f"hnsw_rs-M{m}-efc{e}", HnswRs, M=m, efc=e)
add("hnsw_rs-M16-efc200-nosimd", HnswRs, M=16, efc=200, suffix="_nosimd")
add("zvec-hnsw", Zvec, M=32, efc=200)
add("zvec-hnsw-int8", Zvec, M=32, efc=200, quant="INT8", refine=True)
add("zvec-hnsw-rabitq7", Zvec, M=32, efc=200, rabitq=7, refine=True)
add("qdrant-edge-f32", QdrantEdge, M=16, efc=200)
add("qdrant-edge-int8", QdrantEdge, M=16, efc=200, int8=True)
add("milvus-lite-hnsw", MilvusLite, M=16, efc=200)
add("lancedb-ivf-hnsw-sq", Lance, type="IVF_HNSW_SQ", args=dict(num_partitions=1, m=20, ef_construction=300), sweep=[
    dict(nprobes=1, ef=e, refine_factor=r) for e, r in ((20, 1), (40, 1), (80, 1), (80, 3), (160, 3), (320, 3))])
add("lancedb-ivf-pq", Lance, type="IVF_PQ", args=dict(num_sub_vectors=96), sweep=[
    dict(nprobes=n, refine_factor=r) for n in (10, 20, 40, 80) for r in (3, 10)])


def make(config, **env):
    cls, params = C[config]
    e = cls(params, **env)
    e.engine = cls.__name__
    return e
