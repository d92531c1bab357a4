"""One adapter an engine, one line a configuration."""
import importlib

CONFIGS = {}
# What a run without names measures: the best setting of each engine that we know. Glass only where its module is installed.
STANDARD = ["nearfield", "nearfield-fast", "nearfield-compact", "nearfield-pinned", "hnswlib-M16", "faiss-hnsw32-flat",
            "usearch-f16-M16", "svs-lvq4x8", "symqg-R32-b0", "vsag-sq8u", "scann-ah-soar", "hnsw_rs-M16-efc200"]
OPTIONAL = {"glass-hnsw-sq8-sq4-fp16": "glass"}


def add(name, adapter, **params):
    CONFIGS[name] = (adapter, params)


def make(config, **env):
    """The adapter of a configuration; `Engine` says what `env` holds."""
    if config not in CONFIGS:
        raise SystemExit(f"unknown configuration {config!r}; there are: {' '.join(CONFIGS)}")
    adapter, params = CONFIGS[config]
    module, cls = adapter.split(".")
    e = getattr(importlib.import_module(f"engines.{module}"), cls)(params, config=config, **env)
    e.engine = cls
    return e


add("nearfield", "nearfield.Nearfield")
add("nearfield-pinned", "nearfield.Nearfield", memory="pinned")
add("nearfield-memory", "nearfield.Nearfield", disk=False)  # nothing on disk: as the other libraries build
for p in ("fast", "compact"):
    add(f"nearfield-{p}", "nearfield.Nearfield", profile=p)
    add(f"nearfield-{p}-pinned", "nearfield.Nearfield", profile=p, memory="pinned")

for m in (16, 32):
    add(f"hnswlib-M{m}", "hnswlib.Hnswlib", M=m, efc=200)
for d in ("f32", "f16", "bf16", "i8"):
    for m in (16, 32):
        add(f"usearch-{d}-M{m}", "usearch.Usearch", dtype=d, M=m, efc=200)  # metric "ip": less work than "cos" on unit vectors
        add(f"usearch-{d}-cos-M{m}", "usearch.Usearch", dtype=d, M=m, efc=200, metric="cos")
add("faiss-hnsw32-flat", "faiss.Faiss", factory="HNSW32,Flat", efc=200)
add("faiss-hnsw32-sq8", "faiss.Faiss", factory="HNSW32_SQ8", efc=200)
add("faiss-hnsw32-sqfp16", "faiss.Faiss", factory="HNSW32_SQfp16", efc=200)
add("faiss-hnsw32-sq8-rflat", "faiss.Faiss", factory="HNSW32_SQ8,RFlat", efc=200, kf=2)
for n in (1024, 4096):
    add(f"faiss-ivf{n}-pq4fs-rflat", "faiss.Faiss", factory=f"IVF{n},PQ{{half}}x4fs,RFlat", kind="ivf", kf=[4, 10])
    add(f"faiss-ivf{n}-rabitqfs-rflat", "faiss.Faiss", factory=f"IVF{n},RaBitQfs,RFlat", kind="ivf", kf=[10, 20])

add("svs-f32", "svs.Svs", kind="f32", R=64, L=200)
add("svs-f16", "svs.Svs", kind="f16", R=64, L=200)
add("svs-f16-l2", "svs.Svs", kind="f16", R=64, L=200, metric="l2")
add("svs-lvq8", "svs.Svs", kind="lvq", b=[8, 0], R=64, L=200, caps=[1])
add("svs-lvq4x8", "svs.Svs", kind="lvq", b=[4, 8], R=64, L=200, caps=[1, 1.5])
add("svs-lvq4x4", "svs.Svs", kind="lvq", b=[4, 4], R=64, L=200, caps=[1, 1.5])
add("svs-leanvec4x8", "svs.Svs", kind="leanvec", b=[4, 8], R=64, L=200, caps=[1, 2])
add("svs-leanvec8x8", "svs.Svs", kind="leanvec", b=[8, 8], R=64, L=200, caps=[1, 2])

for r in (32, 64):
    for b in (0, 4, 8):
        add(f"symqg-R{r}-b{b}", "rabitqlib.SymphonyQg", R=r, efc=200, bits=b)
for b in (4, 7, 9):
    add(f"rabitq-hnsw-M16-b{b}", "rabitqlib.RabitqHnsw", M=16, efc=200, bits=b)
add("rabitq-hnsw-M32-b7", "rabitqlib.RabitqHnsw", M=32, efc=200, bits=7)
for b in (4, 7, 32):
    add(f"rabitq-ivf-b{b}", "rabitqlib.RabitqIvf", bits=b)

SQ8 = dict(base_quantization_type="sq8_uniform", max_degree=64, ef_construction=400, precise_quantization_type="fp32",
           use_reorder=True)
add("vsag-sq8u", "vsag.Vsag", index=SQ8)
add("vsag-sq8u-d32", "vsag.Vsag", index=dict(SQ8, max_degree=32))
add("vsag-sq4u", "vsag.Vsag", index=dict(SQ8, base_quantization_type="sq4_uniform"))
add("vsag-rabitq", "vsag.Vsag", index=dict(SQ8, base_quantization_type="rabitq", rabitq_use_fht=True))
add("vsag-rabitq-split", "vsag.Vsag", index=dict(
    base_quantization_type="rabitq", precise_quantization_type="rabitq", use_reorder=True,
    rabitq_bits_per_dim_query=32, rabitq_bits_per_dim_base=3, rabitq_bits_per_dim_precise=5, rabitq_error_rate=1.9,
    max_degree=64, ef_construction=400), search=dict(rabitq_one_bit_search=True))
add("vsag-fp16", "vsag.Vsag", index=dict(base_quantization_type="fp16", max_degree=64, ef_construction=400))

add("scann-ah-soar", "scann.Scann", soar=True)
add("scann-ah", "scann.Scann")

for m, e in ((16, 200), (24, 400), (32, 200)):
    add(f"hnsw_rs-M{m}-efc{e}", "hnsw_rs.HnswRs", M=m, efc=e)
add("hnsw_rs-M16-efc200-nosimd", "hnsw_rs.HnswRs", M=16, efc=200, suffix="_nosimd")

add("glass-hnsw-sq8-sq4-fp16", "glass.Glass", graph="HNSW", bq="SQ8U", R=32, L=200, sq="SQ4U", refine="FP16")
add("glass-hnsw48-sq8-sq4-fp16", "glass.Glass", graph="HNSW", bq="SQ8U", R=48, L=200, sq="SQ4U", refine="FP16")
add("glass-hnsw-sq8-sq8-fp16", "glass.Glass", graph="HNSW", bq="SQ8U", R=32, L=200, sq="SQ8U", refine="FP16")
add("glass-hnsw48-sq8-sq8-fp16", "glass.Glass", graph="HNSW", bq="SQ8U", R=48, L=200, sq="SQ8U", refine="FP16")
add("glass-hnsw-fp16", "glass.Glass", graph="HNSW", bq="FP16", R=32, L=200, sq="FP16")
add("glass-nsg-sq8-fp16", "glass.Glass", graph="NSG", bq="SQ8U", R=48, L=200, sq="SQ8U", refine="FP16")

# Those below are in requirements-others.txt.
add("ngt-anng", "ngt.Ngt", ec=10)
add("ngt-onng", "ngt.Ngt", ec=100, onng=[10, 120])
add("ngt-qg", "ngt.NgtQg", ec=100, onng=[64, 120])
for d in ("Float32", "E4M3", "Float8"):
    add(f"voyager-{d}-M16", "voyager.Voyager", M=16, efc=200, dtype=d)
add("voyager-Float32-M32", "voyager.Voyager", M=32, efc=200, dtype="Float32")
add("annoy-100", "annoy.Annoy", trees=100)
add("zvec-hnsw", "zvec.Zvec", M=32, efc=200)
add("zvec-hnsw-int8", "zvec.Zvec", M=32, efc=200, quant="INT8", refine=True)
add("zvec-hnsw-rabitq7", "zvec.Zvec", M=32, efc=200, rabitq=7, refine=True)
add("qdrant-edge-f32", "qdrant_edge.QdrantEdge", M=16, efc=200)
add("qdrant-edge-int8", "qdrant_edge.QdrantEdge", M=16, efc=200, int8=True)
add("milvus-lite-hnsw", "milvus_lite.MilvusLite", M=16, efc=200)
add("lancedb-ivf-hnsw-sq", "lance.Lance", type="IVF_HNSW_SQ", args=dict(num_partitions=1, m=20, ef_construction=300), sweep=[
    dict(nprobes=1, ef=e, refine_factor=r) for e, r in ((20, 1), (40, 1), (80, 1), (80, 3), (160, 3), (320, 3))])
add("lancedb-ivf-pq", "lance.Lance", type="IVF_PQ", args=dict(num_sub_vectors=96), sweep=[
    dict(nprobes=n, refine_factor=r) for n in (10, 20, 40, 80) for r in (3, 10)])
