"""`import_hnsw_rs`: dumps of the Rust crate become collections."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

import nearfield as nf
from conftest import nearest

DIM = 8
ROWS = 1500
IDS = np.arange(ROWS, dtype=np.uint64) * 7 + 3


def normal(rows: int, dim: int = DIM, seed: int = 0) -> np.ndarray:
    """Points without clusters, so that edges to the nearest lead everywhere."""
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


def write_dump(name: Path, base: np.ndarray, distance: str, element: str = "f32") -> None:
    """Write what `Hnsw::file_dump` writes for an index whose edges lead to the 16 nearest.

    Of many points, to the 16 that follow: to be read, not to be searched.
    """
    rows = np.arange(len(base))
    near = (rows[:, None] + np.arange(1, 17)) % len(base)
    if len(base) <= ROWS:
        norms = (base.astype(np.float64) ** 2).sum(axis=1)
        near = np.argsort(norms - 2 * (base @ base.T), axis=1)[:, 1:17]
    ids = rows.astype(np.uint64) * 7 + 3
    graph = [struct.pack("<IBBdBQQQ", 0x2A6779, 1, 16, 1.0, 16, 200, len(base), base.shape[1])]
    for text in (f"anndists::dist::distances::{distance}", element):
        graph.append(struct.pack("<Q", len(text)) + text.encode())
    graph.append(struct.pack("<BIQ", 1, 0xA676F, len(base)))
    data = [struct.pack("<IQ", 0xA67F0000, base.shape[1])]
    for row, vector in enumerate(base):
        graph.append(struct.pack("<IQBiQ", 0xA678F, ids[row], 0, row, len(near[row])))
        graph += [struct.pack("<QBif", ids[other], 0, other, 0.0) for other in near[row]]
        graph.append(bytes(15 * 8))
        data.append(struct.pack("<IQQ", 0xA67F0000, ids[row], vector.nbytes) + vector.tobytes())
    graph.append(struct.pack("<QBi", ids[0], 0, 0))
    name.with_name(name.name + ".hnsw.graph").write_bytes(b"".join(graph))
    name.with_name(name.name + ".hnsw.data").write_bytes(b"".join(data))


@pytest.fixture(scope="module")
def base() -> np.ndarray:
    return normal(ROWS)


@pytest.fixture
def dump(tmp_path: Path, base: np.ndarray) -> Path:
    write_dump(tmp_path / "dump", base, "DistL2")
    return tmp_path / "dump"


def test_ids_vectors_and_neighbours_are_the_dumps(dump: Path, path: Path, base: np.ndarray) -> None:
    queries = normal(50, seed=5)
    with nf.import_hnsw_rs(dump, path, space="m@1", progress=True) as points:
        assert (len(points), points.dim, points.metric, points.mode) == (ROWS, DIM, "l2", "r+")
        assert points.stats().segments[0]["indexed"]
        assert np.array_equal(
            np.stack(points.get(IDS[:5], with_vectors=True).to_pandas()["vector"]), base[:5]
        )
        truth = IDS[nearest(queries, base, "l2", 10)]
        assert nf.recall(points.search(queries, ef=100), truth) >= 0.95
    with nf.open(path) as points:
        assert points.space == "m@1"
        assert nf.recall(points.search(queries, recall=0.95), truth) >= 0.93


def test_in_memory_with_a_schema(dump: Path) -> None:
    points = nf.import_hnsw_rs(f"{dump}.hnsw.graph", schema={"title": "text"}, metric="cosine")
    assert points.path is None
    assert (points.metric, points.schema) == ("cosine", {"title": "text"})


def test_what_cannot_be_imported(tmp_path: Path, path: Path, base: np.ndarray) -> None:
    with pytest.raises(nf.InvalidArgumentError, match="both files"):
        nf.import_hnsw_rs(tmp_path / "none", path)
    write_dump(tmp_path / "dump", base[:20], "DistHamming")
    with pytest.raises(nf.InvalidArgumentError, match="expected DistCosine, DistDot or DistL2"):
        nf.import_hnsw_rs(tmp_path / "dump", path)
    write_dump(tmp_path / "dump", base[:20].astype(np.float64), "DistL2", "f64")
    with pytest.raises(nf.InvalidArgumentError, match="found f64"):
        nf.import_hnsw_rs(tmp_path / "dump", path)
    write_dump(tmp_path / "dump", base[:20], "DistL2")
    file = tmp_path / "dump.hnsw.graph"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(nf.InvalidArgumentError, match=r"dump\.hnsw\.graph, byte \d+"):
        nf.import_hnsw_rs(tmp_path / "dump", path)
    assert not path.exists()
    path.mkdir()
    with pytest.raises(nf.AlreadyExistsError):
        nf.import_hnsw_rs(tmp_path / "dump", path)
    with pytest.raises(TypeError, match="dump: expected a str or Path"):
        nf.import_hnsw_rs(3)  # type: ignore[arg-type]


@pytest.mark.usefixtures("ctrl_c_at_progress")
def test_ctrl_c_leaves_nothing(tmp_path: Path, path: Path) -> None:
    # Enough work for the bar to be drawn before the end.
    write_dump(tmp_path / "dump", normal(20_000, 256), "DistL2")
    with pytest.raises(KeyboardInterrupt):
        nf.import_hnsw_rs(tmp_path / "dump", path, progress=True)
    assert not path.exists()
