"""Pickles, forks, threads, signals, and the same bytes from any number of threads."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

import nearfield as nf
from conftest import clustered

DIM = 32


@pytest.fixture
def posts(path: Path) -> nf.Collection:
    points = nf.create(path, dim=DIM, metric="l2")
    points.upsert(np.arange(2000), clustered(2000, DIM))
    points.optimize()
    return points


def test_what_was_written_is_read_by_others(path: Path, posts: nf.Collection) -> None:
    query = clustered(1, DIM, seed=1)
    here = posts.search(query, exact=True)
    for memory in ("mapped", "pinned", "heap"):
        with nf.open(path, memory=memory) as there:  # type: ignore[arg-type]
            assert (there.search(query, exact=True).ids == here.ids).all()
            assert there.stats().points == 2000
    posts.close()
    with nf.open(path, "r+") as again:
        assert again.mode == "r+"
        assert len(again) == 2000


def test_pickles_reopen_for_reading(posts: nf.Collection) -> None:
    query = clustered(1, DIM, seed=1)
    copy = pickle.loads(pickle.dumps(posts))
    assert copy.mode == "r"
    assert copy.path == posts.path
    assert (copy.search(query).ids == posts.search(query).ids).all()
    with pytest.raises(TypeError, match="in memory cannot be pickled"):
        pickle.dumps(nf.create(dim=3))


def nearest_in(posts: nf.Collection) -> list[int]:
    found: list[int] = posts.search(clustered(1, DIM, seed=1)[0]).ids.tolist()
    return found


def test_processes_search_the_same_collection(posts: nf.Collection) -> None:
    with get_context("spawn").Pool(2) as pool:
        found = pool.map(nearest_in, [posts] * 4)
    assert found == [nearest_in(posts)] * 4


def in_child(check: Callable[[], None]) -> None:
    """Run `check` in a forked child; fail if it raises or hangs."""
    with warnings.catch_warnings():
        # Python 3.12 and later warn that other threads are not copied: that is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(30)
            check()
            status = 0
        except BaseException as error:
            os.write(2, f"child: {error!r}\n".encode())
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_a_forked_child_only_reads(path: Path, posts: nf.Collection) -> None:
    queries = clustered(64, DIM, seed=1)
    here = posts.search(queries)

    def check() -> None:
        assert posts.mode == "r"
        assert (posts.search(queries).ids == here.ids).all()
        for write in (
            lambda: posts.upsert([1], queries[:1]),
            posts.optimize,
            lambda: posts.load("x.npy"),
        ):
            with pytest.raises(nf.ReadOnlyError):
                write()
        copy = pickle.loads(pickle.dumps(posts))
        assert len(copy) == 2000
        posts.close()
        with pytest.raises(nf.ClosedError):
            len(posts)

    in_child(check)
    with pytest.raises(nf.LockedError):
        nf.open(path, "r+")
    posts.upsert([1], queries[:1])
    assert len(posts) == 2000


def test_closing_releases_the_lock_while_a_child_lives(path: Path, posts: nf.Collection) -> None:
    done, wait = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(wait)
        os.read(done, 1)  # until the parent has closed its end
        os._exit(0)
    posts.close()
    nf.open(path, "r+").close()
    os.close(wait)
    os.close(done)
    assert os.waitpid(child, 0)[1] == 0


def test_a_dropped_handle_of_a_child_keeps_the_lock(path: Path) -> None:
    handles = [nf.create(path, dim=DIM, metric="l2")]
    handles[0].upsert([1], np.ones((1, DIM)))

    def check() -> None:
        handles.clear()

    in_child(check)
    with pytest.raises(nf.LockedError):
        nf.open(path, "r+")
    handles[0].upsert([2], np.ones((1, DIM)))


def test_threads_find_the_same(posts: nf.Collection) -> None:
    queries = clustered(200, DIM, seed=3)
    want = posts.search(queries, k=5).ids

    def ask(part: int) -> bool:
        rows = slice(part * 25, part * 25 + 25)
        alone = all((posts.search(queries[i], k=5).ids == want[i]).all() for i in range(200))
        return alone and bool((posts.search(queries[rows], k=5).ids == want[rows]).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))


def test_writes_and_searches_at_once(path: Path) -> None:
    points = nf.create(path, dim=DIM, metric="l2", durability="buffered")
    base = clustered(400, DIM)
    points.upsert([0], base[:1])
    done = threading.Event()

    def read() -> int:
        largest = 0
        while not done.is_set():
            r = points.search(base[0], k=1)
            assert r.ids.tolist() == [0]
            size = len(points)
            assert size >= largest, "what was acknowledged stays"
            largest = size
        return largest

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        for start in range(1, 400, 40):
            stop = min(start + 40, 400)
            points.upsert(np.arange(start, stop), base[start:stop])
            assert len(points) == stop
        done.set()
        assert all(reader.result() <= 400 for reader in readers)


def test_other_threads_run_while_core_works() -> None:
    points = nf.create(dim=64, metric="l2")
    points.upsert(np.arange(6000), clustered(6000, 64))
    turns = 0
    stop = threading.Event()

    def count() -> None:
        nonlocal turns
        while not stop.is_set():
            turns += 1
            time.sleep(0.001)

    counter = threading.Thread(target=count)
    counter.start()
    begun = time.perf_counter()
    points.optimize()
    seconds = time.perf_counter() - begun
    stop.set()
    counter.join()
    # With the GIL held there would be none; a busy machine takes some.
    assert turns > seconds * 20


@pytest.mark.usefixtures("ctrl_c_at_progress")
def test_ctrl_c_stops_a_long_call() -> None:
    points = nf.create(dim=128, metric="l2")
    points.upsert(np.arange(20_000), clustered(20_000, 128))
    before = points.stats()
    with pytest.raises(KeyboardInterrupt):
        points.optimize(progress=True)
    assert points.stats().segments == before.segments, "the old state stands"
    assert len(points) == 20_000
    with pytest.raises(KeyboardInterrupt):
        points.upsert([99_999], np.ones((1, 128)), progress=True)
    assert len(points) in (20_000, 20_001)


BUILD = """
import sys
import numpy as np
import nearfield as nf

rng = np.random.default_rng(7)
base = rng.standard_normal((3000, 24)).astype(np.float32)
with nf.create(sys.argv[1], dim=24, metric="cosine", id_type="str", seed=3,
               schema={"k": "keyword", "n": "i64"}) as points:
    ids = [f"t3_{i}" for i in range(3000)]
    points.upsert(ids, base, {"k": [f"c{i % 17}" for i in range(3000)], "n": np.arange(3000)})
    points.optimize()
"""


def test_the_same_bytes_from_any_number_of_threads(tmp_path: Path) -> None:
    sums = {}
    for threads in ("1", "2", "4"):
        root = tmp_path / threads
        subprocess.run(
            [sys.executable, "-c", BUILD, str(root)],
            check=True,
            env={**os.environ, "NEARFIELD_THREADS": threads},
        )
        segments = sorted((root / "segments").iterdir())
        assert len(segments) == 1
        sums[threads] = hashlib.sha256(segments[0].read_bytes()).hexdigest()
    assert len(set(sums.values())) == 1, sums


def test_verify_finds_a_flipped_byte(path: Path, posts: nf.Collection) -> None:
    (segment,) = posts.stats().segments
    posts.close()
    file = next(path.rglob(Path(segment["name"]).name))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(nf.CorruptionError, match=file.name), nf.open(path) as damaged:
        damaged.verify()


def test_joblib(posts: nf.Collection) -> None:
    joblib = pytest.importorskip("joblib")
    parallel = joblib.Parallel(n_jobs=2)
    found = parallel(joblib.delayed(nearest_in)(posts) for _ in range(3))
    assert found == [nearest_in(posts)] * 3


@pytest.mark.parametrize("way", ["search", "search_ids"])
def test_ctrl_c_stops_a_long_search(way: str, numbered: Callable[..., nf.Collection]) -> None:
    base = clustered(20_000, 64)
    points = numbered(base)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    given = base if way == "search" else np.arange(20_000)
    begun = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        getattr(points, way)(given, k=10, exact=True)
    # Whole it takes a quarter of a minute and more.
    assert time.perf_counter() - begun < 5
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert points.search(base[0], k=1).ids[0] == 0


@pytest.mark.usefixtures("ctrl_c_at_progress")
def test_ctrl_c_stops_verify(posts: nf.Collection) -> None:
    with pytest.raises(KeyboardInterrupt):
        posts.verify(progress=True)
    assert posts.verify().points == 2000
