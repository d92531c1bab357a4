"""Files of every format that `load` reads."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

import nearfield as nf

ROWS, DIM = 300, 4
BASE = np.random.default_rng(0).standard_normal((ROWS, DIM)).astype(np.float32)
IDS = [f"t3_{i}" for i in range(ROWS)]
SCHEMA = {"title": "text", "score": "i64"}


def table(rows: slice = slice(None)) -> pa.Table:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(BASE[rows].ravel()), DIM)
    scores = np.arange(ROWS)[rows]
    return pa.table(
        {
            "id": IDS[rows],
            "embedding": vectors,
            "score": scores,
            "title": [f"title {i}" for i in scores],
            "unused": scores,
        }
    )


def with_header(rows: np.ndarray) -> bytes:
    """Bytes of an fvecs file: the dimension before every row."""
    dims = np.full((len(rows), 1), rows.shape[1], "<i4")
    return np.hstack([dims, rows.view("<i4")]).tobytes()


def posts() -> nf.Collection:
    return nf.create(dim=DIM, metric="l2", id_type="str", schema=SCHEMA)


def check(collection: nf.Collection) -> None:
    assert len(collection) == ROWS
    r = collection.search(BASE[7], k=1, with_attributes=["title", "score"])
    assert r.ids.tolist() == ["t3_7"]
    assert r.attributes["title"].tolist() == ["title 7"]
    assert r.attributes["score"].tolist() == [7]


@pytest.mark.parametrize("as_path", [str, Path])
def test_parquet(tmp_path: Path, as_path: type) -> None:
    path = tmp_path / "posts.parquet"
    pyarrow.parquet.write_table(table(), path)
    collection = posts()
    report = collection.load(as_path(path), id="id", vector="embedding")
    assert report.points == ROWS
    assert report.skipped_columns == ["unused"]
    check(collection)
    assert collection.verify().points == ROWS


def test_arrow_files(tmp_path: Path) -> None:
    path = tmp_path / "posts.arrow"
    pyarrow.feather.write_feather(table(), path, compression="uncompressed")
    collection = posts()
    collection.load(path, vector="embedding")
    check(collection)


@pytest.mark.parametrize("many", ["glob", "list"])
def test_several_files(tmp_path: Path, many: str) -> None:
    for part in range(3):
        rows = slice(part * 100, part * 100 + 100)
        pyarrow.parquet.write_table(table(rows), tmp_path / f"part-{part}.parquet")
    paths: Any = sorted(tmp_path.glob("part-*.parquet"))
    collection = posts()
    collection.load(
        paths if many == "list" else f"{tmp_path}/part-*.parquet", id="id", vector="embedding"
    )
    check(collection)


def test_npy_numbers_its_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "base.npy", BASE.astype(np.float16))
    points = nf.create(dim=DIM, metric="l2")
    assert points.load(tmp_path / "base.npy").points == ROWS
    assert points.search(BASE[7], k=1).ids.tolist() == [7]


@pytest.mark.parametrize("form", ["array", "list", "file", "path"])
def test_npy_with_ids(tmp_path: Path, form: str) -> None:
    np.save(tmp_path / "base.npy", BASE)
    ids = np.arange(ROWS, dtype=np.int64) + 1000
    np.save(tmp_path / "ids.npy", ids)
    beside: Any = {
        "array": ids,
        "list": ids.tolist(),
        "file": str(tmp_path / "ids.npy"),
        "path": tmp_path / "ids.npy",
    }[form]
    points = nf.create(dim=DIM, metric="l2")
    points.load(tmp_path / "base.npy", ids=beside)
    assert points.search(BASE[7], k=1).ids.tolist() == [1007]


def test_npy_with_string_ids(tmp_path: Path) -> None:
    np.save(tmp_path / "base.npy", BASE)
    points = nf.create(dim=DIM, metric="l2", id_type="str")
    points.load(tmp_path / "base.npy", ids=IDS)
    assert points.search(BASE[7], k=1).ids.tolist() == ["t3_7"]


def test_fvecs_and_fbin(tmp_path: Path) -> None:
    (tmp_path / "base.fvecs").write_bytes(with_header(BASE))
    header = np.array([ROWS, DIM], "<u4").tobytes()
    (tmp_path / "base.fbin").write_bytes(header + BASE.tobytes())
    for name in ["base.fvecs", "base.fbin"]:
        points = nf.create(dim=DIM, metric="l2")
        points.load(tmp_path / name)
        assert points.search(BASE[7], k=1).ids.tolist() == [7]


def test_load_adds_to_what_is_there(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(table(), tmp_path / "posts.parquet")
    collection = posts()
    collection.upsert(["t3_7", "new"], [BASE[0], BASE[1]], {"title": ["old"] * 2, "score": [0, 0]})
    collection.load(tmp_path / "posts.parquet", vector="embedding")
    assert len(collection) == ROWS + 1
    assert collection.get(["t3_7"])["title"].tolist() == ["title 7"]


def test_errors_name_the_file_and_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "posts.parquet"
    pyarrow.parquet.write_table(table(), path)
    collection = posts()
    with pytest.raises(FileNotFoundError, match=r"nope\.parquet") as missing:
        collection.load(tmp_path / "nope.parquet")
    assert isinstance(missing.value, nf.NearfieldError)
    with pytest.raises(nf.InvalidArgumentError, match="vector"):
        collection.load(path)
    with pytest.raises(nf.InvalidArgumentError, match='"ident"'):
        collection.load(path, id="ident", vector="embedding")
    with pytest.raises(nf.InvalidArgumentError, match="matching"):
        collection.load(f"{tmp_path}/*.nothing")
    (tmp_path / "posts.csv").write_text("id,embedding\n")
    with pytest.raises(nf.InvalidArgumentError, match="extension"):
        collection.load(tmp_path / "posts.csv")
    (tmp_path / "truncated.parquet").write_bytes(path.read_bytes()[:-100])
    with pytest.raises(nf.InvalidArgumentError, match="truncated"):
        collection.load(tmp_path / "truncated.parquet", vector="embedding")
    with pytest.raises(nf.InvalidArgumentError, match="at least one"):
        collection.load([])
    with pytest.raises(TypeError, match="path"):
        collection.load(7)  # type: ignore[arg-type]
    np.save(tmp_path / "base.npy", BASE)
    points = nf.create(dim=DIM, metric="l2")
    with pytest.raises(nf.InvalidArgumentError, match="300"):
        points.load(tmp_path / "base.npy", ids=[1, 2])
    with pytest.raises(nf.InvalidArgumentError, match="ids"):
        nf.create(dim=DIM, id_type="str").load(tmp_path / "base.npy")
    with pytest.raises(nf.DimensionMismatchError, match="expected dimension 5, found 4"):
        nf.create(dim=5).load(tmp_path / "base.npy")
    bad = BASE.copy()
    bad[123, 1] = np.nan
    np.save(tmp_path / "bad.npy", bad)
    with pytest.raises(nf.InvalidArgumentError, match="row 123"):
        points.load(tmp_path / "bad.npy")
    assert len(collection) == len(points) == 0


def test_progress_moves_a_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int | None]] = []

    class Bar:
        total: int | None = None
        n = 0

        def __init__(self, **_: Any) -> None: ...
        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None: ...
        def refresh(self) -> None:
            seen.append((self.n, self.total))

    fake = ModuleType("tqdm.auto")
    fake.tqdm = Bar  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tqdm.auto", fake)
    np.save(tmp_path / "base.npy", BASE)
    points = nf.create(dim=DIM, metric="l2")
    points.load(tmp_path / "base.npy", progress=True)
    points.upsert([1], BASE[:1], progress=True)
    points.optimize(progress=True)
    assert len(seen) >= 3
    assert all(total is None or done <= total for done, total in seen)
    done, total = seen[-1]
    assert done == total

    monkeypatch.setitem(sys.modules, "tqdm.auto", None)  # type: ignore[arg-type]
    points.optimize(progress=True)


SAMPLE = Path(__file__).parents[2] / "datasets" / "reddit-mini" / "communities.parquet"


def test_the_bundled_communities(path: Path) -> None:
    with nf.create(path, dim=384, id_type="str", schema={"name": "keyword"}) as communities:
        report = communities.load(SAMPLE, vector="embedding")
        assert report.skipped_columns == ["posts", "total_score"]
        aww = pyarrow.parquet.read_table(SAMPLE, filters=[("name", "=", "aww")])
        r = communities.search(aww["embedding"], k=20, with_attributes=["name"])
        assert r.attributes["name"][0][0] == "aww"
        assert "cats" in r.attributes["name"][0].tolist()
        truth = communities.search(aww["embedding"], k=20, exact=True)
        assert nf.recall(r, truth) >= 0.8


def test_pandas_rows_can_be_loaded_by_hand() -> None:
    frame = pd.DataFrame({"id": IDS, "title": IDS, "score": range(ROWS)})
    collection = posts()
    collection.upsert(frame["id"], BASE, frame[["title", "score"]])
    assert collection.search(BASE[7], k=1).ids.tolist() == ["t3_7"]
