"""The client of a server: the same class, over a connection, against the real program."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import pickle
import signal
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nearfield as nf
from conftest import COLUMNS, SCHEMA, clustered
from test_cli import binary

pytest.importorskip("grpc")

from nearfield import client as nfc

VECTORS = [[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]]


class Server:
    """The program, serving a directory."""

    def __init__(self, data: Path, *arguments: str, address: str = "127.0.0.1:0") -> None:
        command = [binary(), "serve", "--json", "--data", str(data), "--rescan", "100ms"]
        self.process = subprocess.Popen(
            [*command, "--addr", address, "--metrics-addr", "off", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address: str = json.loads(self.process.stdout.readline())["addr"]

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        status = self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


def kept_address() -> str:
    """Return an address below those that the system gives to connections.

    A client that tries one of theirs while nobody listens may come to be connected with itself.
    """
    for port in range(20_000 + os.getpid() % 8000, 32_000):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return f"127.0.0.1:{port}"
    raise AssertionError("no port is free")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    yield running
    if running.process.poll() is None:
        running.end()


@pytest.fixture
def client(server: Server) -> Iterator[nfc.Client]:
    with nfc.Client(server.address) as connected:
        yield connected


@pytest.fixture
def posts(client: nfc.Client) -> nfc.RemoteCollection:
    made = client.create("posts", dim=2, metric="l2", id_type="str", schema=SCHEMA)
    made.upsert(["a", "b", "c"], VECTORS, COLUMNS)
    return made


def same(left: np.ndarray, right: np.ndarray) -> None:
    assert left.dtype == right.dtype, (left.dtype, right.dtype)
    if left.dtype.kind == "f":
        np.testing.assert_allclose(left, right, rtol=1e-6)
    else:
        assert repr(left.tolist()) == repr(right.tolist())


def test_a_notebook_becomes_a_service_by_one_line(
    server: Server, posts: nfc.RemoteCollection, typed: nf.Collection
) -> None:
    with nf.connect(f"{server.address}/posts") as remote:
        assert isinstance(remote, nf.Collection)
        for options in (
            {"k": 3},
            {"k": 5, "with_attributes": list(SCHEMA), "with_vectors": True},
            {"k": 2, "where": "score > 0 OR over_18 IS NULL"},
            {"k": 3, "exclude": ["b"], "exact": True},
            {"k": 3, "group_by": "subreddit", "max_per_group": 1},
            {"k": 3, "decay": nf.Decay("created_utc", "1d", "2013-01-03T12:00:00Z", weight=9.0)},
            {"k": 3, "boosts": [nf.Boost("score", weight=5.0, scale="log1p")]},
            {"min_score": -2.0},
        ):
            for queries in ([0.1, 0.0], [[0.1, 0.0], [4.0, 0.0]]):
                ours, theirs = remote.search(queries, **options), typed.search(queries, **options)
                assert repr(ours) == repr(theirs)
                for name in ("ids", "scores", "similarities", "distances"):
                    same(getattr(ours, name), getattr(theirs, name))
                assert ours.attributes.keys() == theirs.attributes.keys()
                for name, column in ours.attributes.items():
                    same(column, theirs.attributes[name])
                assert (ours.vectors is None) == (theirs.vectors is None)
                if ours.vectors is not None:
                    same(ours.vectors, theirs.vectors)
                assert ours.to_arrow().equals(theirs.to_arrow())
                assert ours.to_pandas().equals(theirs.to_pandas())
        posts.close()
        with pytest.raises(nf.ClosedError):
            posts.search([0.0, 0.0])
    with pytest.raises(nf.ClosedError):
        remote.search([0.0, 0.0])


def test_points_come_and_go(posts: nfc.RemoteCollection, typed: nf.Collection) -> None:
    assert len(posts) == 3
    for with_vectors in (True, False):
        ours = posts.get(["c", "x", "a"], with_vectors=with_vectors)
        theirs = typed.get(["c", "x", "a"], with_vectors=with_vectors)
        assert ours.columns == theirs.columns
        for name in ours:
            same(ours[name], theirs[name])
        assert ours.found.tolist() == [True, False, True]
        assert ours.to_arrow().equals(theirs.to_arrow())
        assert ours.to_pandas().equals(theirs.to_pandas())
    posts.update(["a"], {"score": [7], "subreddit": [None]})
    assert posts.get(["a"])["score"].tolist() == [7]
    assert posts.delete(["a", "nobody"]) == 1
    assert posts.delete(where="score < 0") == 1
    assert len(posts) == 1
    with pytest.raises(nf.InvalidArgumentError, match="ids or where"):
        posts.delete()


def test_other_searches(posts: nfc.RemoteCollection, typed: nf.Collection) -> None:
    for ours, theirs in (
        (posts.search_ids(["a", "c"], k=2), typed.search_ids(["a", "c"], k=2)),
        (posts.recommend(["a"], ["c"], k=2), typed.recommend(["a"], ["c"], k=2)),
        (posts.recommend([[0.5, 0.0]], k=2), typed.recommend([[0.5, 0.0]], k=2)),
        (
            posts.search_interests(VECTORS[:2], [1.0, 2.0], [1, 1], k=3),
            typed.search_interests(VECTORS[:2], [1.0, 2.0], [1, 1], k=3),
        ),
    ):
        same(ours.ids, theirs.ids)
        same(ours.scores, theirs.scores)
    posts.exclusions.add("seen", ["a"], ttl="1h")
    assert posts.search([0.0, 0.0], k=3, exclude_sets=["seen"]).ids.tolist() == ["b", "c", None]
    posts.exclusions.clear("seen")
    assert posts.search([0.0, 0.0], k=1, exclude_sets=["seen"]).ids.tolist() == ["a"]
    each = posts.search(VECTORS[:2], k=1, where=["id = 'c'", None], exclude=[None, ["b"]])
    assert each.ids.tolist() == [["c"], ["a"]]


def test_large_batches_are_cut_and_joined(client: nfc.Client) -> None:
    base = clustered(3000, 16)
    points = client.create("points", dim=16, metric="cosine", schema={"n": "i64"})
    points.upsert(np.arange(3000), base, {"n": np.arange(3000)})
    queries = np.tile(base[:500], (100, 1))
    found = points.search(queries, k=2, exact=True, with_attributes=["n"])
    assert found.ids.shape == (50_000, 2)
    assert (found.ids[:, 0].reshape(100, 500) == np.arange(500)).all()
    assert (found.attributes["n"] == found.ids).all()
    assert points.search(queries[:0], k=2).ids.shape == (0, 2)


@pytest.mark.parametrize("form", ["numpy", "arrow", "pandas", "polars"])
def test_inputs_of_every_form(posts: nfc.RemoteCollection, form: str) -> None:
    times = np.array(["2013-01-01T12:00", "NaT", "2013-01-03T12:00"], "datetime64[ms]")
    columns: dict[str, Any] = {**COLUMNS, "created_utc": times}
    columns["ratio"] = np.array([0.5, np.nan, 1.0])
    given: Any = columns
    vectors: Any = np.array(VECTORS, np.float16)
    ids: Any = ["d", "e", "f"]
    if form == "pandas":
        import pandas as pd

        given = pd.DataFrame({**columns, "score": pd.Series(COLUMNS["score"], dtype="Int64")})
        ids = pd.Series(ids)
    elif form == "polars":
        import polars as pl

        given = pl.DataFrame({name: pl.Series(name, list(of)) for name, of in COLUMNS.items()})
    elif form == "arrow":
        import pyarrow as pa

        given = pa.table(COLUMNS)
        ids = pa.array(ids)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.float32(VECTORS).reshape(-1)), 2)
    posts.upsert(ids, vectors, given)
    ours, before = posts.get(["d", "e", "f"]), posts.get(["a", "b", "c"])
    for name in SCHEMA:
        same(ours[name], before[name])
    same(ours["vector"], before["vector"])


def test_errors_are_those_of_the_package(posts: nfc.RemoteCollection, client: nfc.Client) -> None:
    for kind, words, call in [
        (nf.DimensionMismatchError, "expected dimension 2", lambda: posts.search([[1.0] * 4] * 3)),
        (nf.DimensionMismatchError, "dimension 2", lambda: posts.search([1.0, 2.0, 3.0])),
        (nf.FilterError, "unknown column", lambda: posts.search([0.0, 0.0], where="scor = 1")),
        (nf.SpaceMismatchError, "space", lambda: posts.search([0.0, 0.0], space="x@1")),
        (nf.InvalidArgumentError, "recall and ef", lambda: posts.search([0, 0], recall=0.9, ef=9)),
        (nf.InvalidArgumentError, "k", lambda: posts.search([0.0, 0.0], k=0)),
        (nf.InvalidArgumentError, "row 1", lambda: posts.upsert(["x", 1], VECTORS[:2])),
        (nf.InvalidArgumentError, "score", lambda: posts.update(["a"], {"score": ["x"]})),
        (nf.InvalidArgumentError, "colour", lambda: posts.update(["a"], {"colour": [1]})),
        (nf.InvalidArgumentError, "row 0", lambda: posts.upsert(["x"], [[np.nan, 1.0]])),
        (nf.NotFoundError, "nobody", lambda: posts.search_ids(["nobody"])),
        (nf.NotFoundError, "nobody", lambda: posts.update(["nobody"], {"score": [1]})),
        (nf.DeadlineError, "time", lambda: posts.search([0.0, 0.0], timeout="1us")),
        (nf.CollectionNotFoundError, "nothing", lambda: client.open("nothing")),
        (nf.AlreadyExistsError, "posts", lambda: client.create("posts", dim=2)),
        (nf.InvalidArgumentError, "metric", lambda: client.create("x", dim=2, metric="far")),
        (nfc.NotServedError, "scan", lambda: posts.scan()),
    ]:
        with pytest.raises(kind, match=words) as caught:
            call()
        assert isinstance(caught.value, nf.NearfieldError)
    with pytest.raises(TypeError, match="options of search"):
        posts.search_ids(["a"], colour="red")  # type: ignore[call-arg]
    assert len(posts) == 3


def test_a_search_says_the_same_of_itself(
    posts: nfc.RemoteCollection, typed: nf.Collection
) -> None:
    def told(of: nf.Collection, **options: Any) -> Any:
        told = of.search(VECTORS[:2], explain=True, **options).explain
        for way in [*told, *(segment for query in told for segment in query["segments"])]:
            assert way.pop("microseconds")["total"] >= 0
        return told

    boosts = [nf.Boost("score", weight=5.0)]
    for options in ({"k": 2}, {"where": "score > 0", "exclude": ["a"]}, {"boosts": boosts}):
        assert told(posts, **options) == told(typed, **options)
    assert posts.search(VECTORS[0], where="score > 0").explain is None


def test_servers_keep_collections(client: nfc.Client, posts: nfc.RemoteCollection) -> None:
    other = client.create("other", dim=3, dtype="i8", space="m@1", seed=7)
    assert (other.dim, other.metric, other.dtype, other.space) == (3, "cosine", "i8", "m@1")
    assert [report.name for report in client.list()] == ["other", "posts"]
    client.alias("live", "posts")
    live = client.open("live")
    assert live.schema == posts.schema == SCHEMA
    client.alias("live", "other")
    live.refresh()
    assert live.dim == 3
    posts.snapshot("monday")
    again = client.restore("monday", "again")
    assert again.search([0.0, 0.0], k=1).ids.tolist() == ["a"]
    client.drop("live")
    client.drop("other")
    assert [report.name for report in client.list()] == ["again", "posts"]
    posts.optimize()
    assert posts.stats().points == posts.verify().points == 3
    posts.flush()
    assert "dim 2, l2" in repr(posts)
    assert "<table>" in posts._repr_html_()
    copy = pickle.loads(pickle.dumps(posts))
    assert copy.search([0.0, 0.0], k=1).ids.tolist() == ["a"]
    copy.close()


def batches(count: int, each: int = 500) -> Iterator[tuple[Any, Any, Any]]:
    for batch in range(count):
        ids = np.arange(batch * each, (batch + 1) * each)
        yield ids, clustered(each, 8, seed=batch), {"n": ids}


def test_ingest_loads_any_number(client: nfc.Client) -> None:
    points = client.create("points", dim=8, schema={"n": "i64"})
    report = points.ingest(batches(10), stream_id="monday")
    assert (report.points, report.skipped_batches) == (5000, 0)
    assert len(points) == 5000
    assert points.ingest(batches(10), stream_id="monday").skipped_batches == 10
    rebuilt = points.ingest(batches(2), mode="pending")
    assert rebuilt.points == len(points) == 1000
    large = np.ones((300_000, 8), np.float32)
    assert points.ingest([(np.arange(300_000), large)]).points == 300_000
    with pytest.raises(nf.InvalidArgumentError, match="row 6"):
        points.ingest([(np.arange(9), np.eye(9, 8, 2))])
    with pytest.raises(nf.InvalidArgumentError, match="mode"):
        points.ingest([], mode="soon")  # type: ignore[arg-type]


def test_files_are_sent(client: nfc.Client, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    base = clustered(2000, 8)
    np.save(tmp_path / "base.npy", base)
    points = client.create("points", dim=8)
    assert points.load(tmp_path / "base.npy").points == 2000
    lists = pa.FixedSizeListArray.from_arrays(pa.array(base.reshape(-1)), 8)
    table = pa.table({"id": range(2000), "vector": lists, "n": range(2000), "other": range(2000)})
    pq.write_table(table, tmp_path / "base.parquet")
    typed = client.create("typed", dim=8, schema={"n": "i64"})
    report = typed.load(str(tmp_path / "*.parquet"))
    assert report.points == len(typed) == 2000
    assert report.skipped_columns == ["other"]
    assert typed.search(base[7], k=1, with_attributes=["n"]).attributes["n"].tolist() == [7]
    with pytest.raises(FileNotFoundError):
        typed.load("nowhere.npy")


def test_a_load_goes_on_after_a_kill(tmp_path: Path) -> None:
    address = kept_address()
    first = Server(tmp_path, address=address)
    retry = nfc.Retry(attempts=60, first=0.05, longest=0.5)
    with nfc.Client(address, retry=retry) as client:
        points = client.create("points", dim=8, schema={"n": "i64"})
        second: list[Server] = []

        def fed() -> Iterator[tuple[Any, Any, Any]]:
            for at, batch in enumerate(batches(40)):
                if at == 20:
                    first.end(signal.SIGKILL)
                    second.append(Server(tmp_path, address=address))
                yield batch

        report = points.ingest(fed(), stream_id="load")
        assert report.points == 20_000
        assert len(points) == 20_000
        assert points.get(np.arange(20_000), with_vectors=False).found.all()
    assert second[0].end() == 0


def test_reads_go_on_over_a_restart(tmp_path: Path) -> None:
    with nf.create(tmp_path / "points.nf", dim=8) as made:
        made.upsert(np.arange(500), clustered(500, 8))
    address = kept_address()
    running = [Server(tmp_path, address=address)]
    failures: list[BaseException] = []
    answered, stop = [0], threading.Event()
    retry = nfc.Retry(attempts=100, first=0.02, longest=0.2)

    def ask() -> None:
        try:
            with nf.connect(f"{address}/points", retry=retry) as points:
                while not stop.is_set():
                    assert points.search(np.ones(8), k=3).counts == 3
                    answered[0] += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = answered[0]
        while answered[0] < before + 20 and not failures:
            stop.wait(0.01)
        assert running[-1].end() == 0
        running.append(Server(tmp_path, address=address))
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    running[-1].end()


def test_writes_are_not_repeated_where_nobody_knows() -> None:
    import grpc

    from nearfield.client._retry import Attempts

    class Failure:
        def __init__(self, code: Any) -> None:
            self._code = code

        def code(self) -> Any:
            return self._code

        def trailing_metadata(self) -> list[tuple[str, Any]]:
            return []

    gone = Failure(grpc.StatusCode.UNAVAILABLE)
    bad = Failure(grpc.StatusCode.INVALID_ARGUMENT)
    assert Attempts(nfc.Retry(), safe=True, timeout=None).again_after(gone) is not None
    assert Attempts(nfc.Retry(), safe=False, timeout=None).again_after(gone) is None
    assert Attempts(nfc.Retry(), safe=True, timeout=None).again_after(bad) is None
    assert Attempts(nfc.Retry(attempts=1), safe=True, timeout=None).again_after(gone) is None
    assert Attempts(nfc.Retry(first=5, longest=5), True, timeout=0.1).again_after(gone) is None
    with pytest.raises(nf.InvalidArgumentError):
        nfc.Retry(attempts=0)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(nfc.UnavailableError) as caught:
        nf.connect("127.0.0.1:1/posts", retry=nfc.Retry(attempts=2, first=0.0))
    assert isinstance(caught.value, ConnectionError)
    with pytest.raises(nf.InvalidArgumentError, match="HOST:PORT"):
        nf.connect("nowhere")
    with pytest.raises(nf.InvalidArgumentError, match="TLS"):
        nf.connect("example.com:50051", token="secret")
    with pytest.raises(TypeError, match="colour"):
        nf.connect("localhost:1", colour="red")  # type: ignore[call-arg]


def test_tokens(tmp_path: Path) -> None:
    token = "0123456789abcdef0123456789abcdef"
    asked = subprocess.run(
        [binary(), "config", "hash"], input=token, capture_output=True, text=True
    )
    (tmp_path / "tokens").write_text(f"reader {asked.stdout.strip()} read\n")
    with nf.create(tmp_path / "points.nf", dim=2) as made:
        made.upsert([1], [[1.0, 0.0]])
    server = Server(tmp_path, "--tokens", str(tmp_path / "tokens"))
    try:
        with pytest.raises(nfc.AuthError, match="authorization"):
            nf.connect(f"{server.address}/points")
        with nf.connect(f"{server.address}/points", token=token) as points:
            assert points.search([1.0, 0.0], k=1).ids.tolist() == [1]
            assert token not in repr(points._core.channel.target)
            with pytest.raises(nfc.AuthError, match="write"):
                points.upsert([2], [[1.0, 0.0]])
    finally:
        server.end()


def test_asyncio_is_the_same(server: Server, typed: nf.Collection) -> None:
    async def asked() -> None:
        async with nfc.AsyncClient(server.address) as client:
            posts = await client.create("posts", dim=2, metric="l2", id_type="str", schema=SCHEMA)
            await posts.upsert(["a", "b", "c"], VECTORS, COLUMNS)
            assert await posts.count() == 3
            many = [
                posts.search([float(x), 0.0], k=2, with_attributes=["score"]) for x in range(50)
            ]
            for x, found in enumerate(await asyncio.gather(*many)):
                theirs = typed.search([float(x), 0.0], k=2, with_attributes=["score"])
                same(found.ids, theirs.ids)
                same(found.attributes["score"], theirs.attributes["score"])
            same((await posts.search_ids(["a"], k=2)).ids, typed.search_ids(["a"], k=2).ids)
            same((await posts.recommend(["a"], k=2)).ids, typed.recommend(["a"], k=2).ids)
            interests = await posts.search_interests(VECTORS[:2], k=3)
            same(interests.ids, typed.search_interests(VECTORS[:2], k=3).ids)
            same((await posts.get(["a", "x"]))["score"], typed.get(["a", "x"])["score"])
            await posts.exclusions.add("seen", ["a"])
            found = await posts.search([0.0, 0.0], k=1, exclude_sets=["seen"])
            assert found.ids.tolist() == ["b"]
            await posts.exclusions.clear("seen")
            await posts.update(["a"], {"score": [7]})
            assert await posts.delete(where="score = 7") == 1
            with pytest.raises(nf.FilterError):
                await posts.search([0.0, 0.0], where="nonsense")
            with pytest.raises(nf.DeadlineError):
                await posts.search([0.0, 0.0], timeout="1us")
            await posts.optimize()
            assert (await posts.stats()).points == (await posts.verify()).points == 2
            await posts.snapshot("monday")
            await client.restore("monday", "again")
            await client.alias("live", "again")
            assert [of.name for of in await client.list()] == ["again", "posts"]
            await client.drop("live")
            points = await client.create("points", dim=8, schema={"n": "i64"})

            async def fed() -> AsyncIterator[Any]:
                for batch in batches(4):
                    yield batch

            assert (await points.ingest(fed(), stream_id="x")).points == 2000
            assert (await points.ingest(batches(4), stream_id="x")).skipped_batches == 4
            assert (await points.ingest(batches(1), mode="pending")).points == 500
            assert await points.count() == 500
            with pytest.raises(nf.InvalidArgumentError, match="row 6"):
                await points.ingest([(np.arange(9), np.eye(9, 8, 2))])
            await posts.close()
            with pytest.raises(nf.ClosedError):
                await posts.count()

    asyncio.run(asked())


def test_a_cancelled_search_of_asyncio_leaves_the_rest(server: Server) -> None:
    async def asked() -> None:
        async with nfc.AsyncClient(server.address) as client:
            points = await client.create("points", dim=8)
            await points.upsert(np.arange(1000), clustered(1000, 8))
            tasks = [asyncio.ensure_future(points.search(np.ones(8), k=5)) for _ in range(20)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(found.counts == 5 for found in done[1::2])

    asyncio.run(asked())


OWN = {"count", "ingest", "name", "target"}
EMBEDDED_ONLY = {"add_column", "estimate", "flush", "load", "path", "scan"}


def test_the_classes_have_the_same_methods_and_arguments() -> None:
    def public(of: type) -> set[str]:
        return {name for name in dir(of) if not name.startswith("_")}

    assert public(nf.Collection) - public(nfc.RemoteCollection) == set()
    assert public(nfc.RemoteCollection) - public(nf.Collection) == {"ingest", "name", "target"}
    assert public(nf.Collection) - public(nfc.AsyncCollection) == EMBEDDED_ONLY
    assert public(nfc.AsyncCollection) - public(nf.Collection) == OWN
    assert public(nfc.AsyncClient) == public(nfc.Client)
    for name in public(nfc.AsyncCollection) & public(nf.Collection):
        ours, theirs = getattr(nfc.AsyncCollection, name), getattr(nf.Collection, name)
        if not inspect.isfunction(theirs) or name == "search":
            continue
        wanted = [p for p in inspect.signature(theirs).parameters if p != "progress"]
        assert list(inspect.signature(ours).parameters) == wanted, name
    for of in (nfc.Client, nfc.AsyncClient, nfc.AsyncCollection, nfc.RemoteCollection):
        for name in public(of):
            assert inspect.getdoc(getattr(of, name)), name
