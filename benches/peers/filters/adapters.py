"""The engines: each builds, makes a filter ready before the clock runs, and searches one query with it.

An adapter has `build(world, threads, tmp)`, `ready(world, case, query)`, `search(ready, setting)` -> ids, and `families`: lists of
settings by rising effort, as an engine may have several ways to filter; the first of a family that reaches the recall counts.
"""
import os

import numpy as np

from filters.cases import K

EF = [10, 16, 24, 38, 60, 95, 150, 240, 380, 600, 950, 1500, 2400, 4800, 9600, 20000]


class Nearfield:
    package = "nearfield"
    families = [["recall 0.95"]]

    def build(self, world, threads, tmp):
        os.environ["NEARFIELD_THREADS"] = str(threads)
        import nearfield as nf
        schema = {"community": "keyword", "shuffled": "i64"}
        self.posts = nf.create(f"{tmp}/posts.nf", dim=world.base.shape[1], metric="cosine", schema=schema)
        ids = np.arange(len(world.base), dtype=np.uint64)
        columns = {"community": list(world.community), "shuffled": world.shuffled}
        self.posts.upsert(ids, np.asarray(world.base), columns)
        self.posts.optimize()

    def ready(self, _, case, query):
        return query, case.sql()

    def search(self, ready, _):
        query, sql = ready
        return self.posts.search(query, k=K, where=sql, threads=1).ids


class Faiss:
    """The selector's bitmap is made before the clock runs."""
    package = "faiss-cpu"

    def __init__(self, factory, families):
        self.factory, self.families = factory, families

    def build(self, world, threads, _):
        import faiss
        self.lib = faiss
        faiss.omp_set_num_threads(threads)
        self.index = faiss.index_factory(world.base.shape[1], self.factory, faiss.METRIC_INNER_PRODUCT)
        if hasattr(self.index, "hnsw"):
            self.index.hnsw.efConstruction = 200
        x = np.asarray(world.base, np.float32)
        self.index.train(x)
        self.index.add(x)
        faiss.omp_set_num_threads(1)

    def ready(self, world, case, query):
        if case.sql() is None:
            return query[None], None, None
        bits = np.packbits(world.passing(case), bitorder="little")
        return query[None], self.lib.IDSelectorBitmap(bits), bits

    def search(self, ready, effort):
        query, selector, _ = ready
        if self.factory.startswith("HNSW"):
            params = self.lib.SearchParametersHNSW(efSearch=effort, sel=selector)
        else:
            params = self.lib.SearchParametersIVF(nprobe=effort, sel=selector)
        return self.index.search(query, K, params=params)[1][0]


class QdrantEdge:
    package = "qdrant-edge-py"
    # As it plans itself, and with the two-hop walk that is to be asked for.
    families = [[(ef, False) for ef in EF[:14]], [(ef, True) for ef in EF[:14]]]

    def build(self, world, threads, tmp):
        import qdrant_edge as q
        self.lib = q
        dim = world.base.shape[1]
        quantized = q.ScalarQuantizationConfig(q.ScalarType.Int8, quantile=0.99, always_ram=True)
        config = q.EdgeConfig(
            vectors=q.EdgeVectorParams(dim, q.Distance.Dot, on_disk=False, quantization_config=quantized),
            hnsw_config=q.HnswIndexConfig(16, 200, 10, max_indexing_threads=threads, on_disk=False),
            optimizers=q.EdgeOptimizersConfig(default_segment_number=1, max_segment_size=100_000_000, indexing_threshold=1000),
            max_search_threads=1, wal_enabled=False)
        os.makedirs(f"{tmp}/qdrant")
        self.shard = q.EdgeShard.create(f"{tmp}/qdrant", config)
        update = q.UpdateOperation
        self.shard.update(update.create_field_index("community", q.PayloadSchemaType.Keyword))
        self.shard.update(update.create_field_index("shuffled", q.PayloadSchemaType.Integer))
        for at in range(0, len(world.base), 2000):
            rows = range(at, min(at + 2000, len(world.base)))
            payload = [dict(community=str(world.community[i]), shuffled=int(world.shuffled[i])) for i in rows]
            points = [q.Point(i, world.base[i].tolist(), p) for i, p in zip(rows, payload)]
            self.shard.update(update.upsert_points(points))
        self.shard.flush()
        self.shard.optimize()

    def ready(self, _, case, query):
        q = self.lib
        must = []
        if case.names is not None:
            must.append(q.FieldCondition("community", match=q.MatchAny(case.names)))
        if case.below is not None:
            must.append(q.FieldCondition("shuffled", range=q.RangeFloat(lt=float(case.below))))
        return query.tolist(), q.Filter(must=must) if must else None

    def search(self, ready, setting):
        q, (query, filtered), (ef, acorn) = self.lib, ready, setting
        params = q.SearchParams(hnsw_ef=ef, quantization=q.QuantizationSearchParams(rescore=True, oversampling=2.0),
                                acorn=q.AcornSearchParams(enable=True, max_selectivity=1.0) if acorn else None)
        request = q.QueryRequest(limit=K, query=q.Query.Nearest(query), filter=filtered, params=params,
                                 with_vector=False, with_payload=False)
        return [p.id for p in self.shard.query(request)]


class Zvec:
    package = "zvec"
    families = [EF[:10]]  # its own limit is 2,048

    def build(self, world, threads, tmp):
        import zvec as z
        self.lib = z
        z.init(query_threads=1, optimize_threads=threads, log_level=z.LogLevel.ERROR)
        index = z.HnswIndexParam(metric_type=z.MetricType.IP, m=32, ef_construction=200, use_contiguous_memory=True)
        inverted = z.InvertIndexParam(enable_range_optimization=True)
        fields = [z.FieldSchema("community", z.DataType.STRING, index_param=inverted),
                  z.FieldSchema("shuffled", z.DataType.INT64, index_param=inverted)]
        vectors = z.VectorSchema("v", z.DataType.VECTOR_FP32, world.base.shape[1], index_param=index)
        self.posts = z.create_and_open(f"{tmp}/zvec", z.CollectionSchema("posts", fields=fields, vectors=vectors))
        for at in range(0, len(world.base), 1000):
            rows = range(at, min(at + 1000, len(world.base)))
            self.posts.insert([z.Doc(id=str(i), vectors={"v": world.base[i]}, fields={
                "community": str(world.community[i]), "shuffled": int(world.shuffled[i])}) for i in rows])
        self.posts.optimize(z.OptimizeOption(concurrency=threads))

    def ready(self, _, case, query):
        return query, case.sql()

    def search(self, ready, ef):
        query, sql = ready
        asked = self.lib.Query("v", vector=query, param=self.lib.HnswQueryParam(ef=ef))
        return [int(d.id) for d in self.posts.query(asked, topk=K, filter=sql, output_fields=[])]


class Lance:
    package = "lancedb"
    families = [[(n, r) for n in (10, 20, 40, 80, 160, 320) for r in (3, 10)]]

    def build(self, world, threads, tmp):
        os.environ["LANCE_CPU_THREADS"] = str(threads)
        import lancedb
        import pyarrow as pa
        base = np.asarray(world.base, np.float32)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(base.reshape(-1)), base.shape[1])
        table = pa.table({"id": np.arange(len(base)), "vector": vectors, "community": list(world.community),
                          "shuffled": world.shuffled})
        self.posts = lancedb.connect(f"{tmp}/lance").create_table("t", table)
        self.posts.create_index(metric="dot", index_type="IVF_PQ", num_sub_vectors=base.shape[1] // 4)
        self.posts.create_scalar_index("community", index_type="BITMAP")
        self.posts.create_scalar_index("shuffled", index_type="BTREE")

    def ready(self, _, case, query):
        return query, case.sql()

    def search(self, ready, setting):
        (query, sql), (probes, refine) = ready, setting
        search = self.posts.search(query).select(["id"]).limit(K).nprobes(probes).refine_factor(refine)
        if sql is not None:
            search = search.where(sql, prefilter=True)
        return search.to_arrow()["id"].to_numpy()


ENGINES = {
    "nearfield": Nearfield,
    "qdrant-edge": QdrantEdge,
    "zvec": Zvec,
    "lancedb": Lance,
    "faiss-hnsw": lambda: Faiss("HNSW32,Flat", [EF]),
    "faiss-ivf": lambda: Faiss("IVF1024,Flat", [[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]]),
}
