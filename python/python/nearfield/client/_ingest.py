"""Bulk loads: batches over one stream, taken up again where they broke off."""

from __future__ import annotations

import asyncio
import queue
import time
from collections import deque
from collections.abc import AsyncIterable, Iterable, Iterator
from typing import Any, Literal, TypeAlias, TypeVar
from uuid import uuid4

import grpc

from .. import _core, _inputs
from .._errors import InvalidArgumentError
from . import _schema
from ._calls import Calls
from ._channel import AsyncChannel, Channel
from ._errors import translate
from ._retry import Attempts

INGEST = _schema.method("PointService", "Ingest")
_BATCH = _schema.message("IngestBatch")
_COMMIT = _schema.message("IngestCommit")
_ROWS = _schema.message("Rows")

Mode: TypeAlias = Literal["live", "pending"]
# Ids, vectors, attributes or None.
Batch: TypeAlias = tuple[Any, Any] | tuple[Any, Any, Any]
T = TypeVar("T")

# The server takes 32 MiB unless told otherwise.
_BATCH_BYTES = 2 << 20
# Batches that may be on the way: more keep neither side busier.
_ON_THE_WAY = 64


class Stream:
    """Where a stream stands, whoever sends and waits."""

    def __init__(self, calls: Calls, stream_id: str | None, mode: Mode) -> None:
        if mode not in ("live", "pending"):
            raise InvalidArgumentError(f'mode: expected "live" or "pending", found {mode!r}')
        self._calls = calls
        self._stream_id = uuid4().hex if stream_id is None else stream_id
        self._mode = _schema.number("IngestMode", mode, "mode")
        self._numbered = 0
        self._offset = 0
        self._credit = 0
        # Encoded and not acknowledged, in order: number and message.
        self._waiting: deque[tuple[int, Any]] = deque()
        # Of those, they are on the way already.
        self._sent = 0
        self.next_sequence = 0
        self.committed = False
        self.skipped = 0

    def open(self) -> Any:
        """Return the first message."""
        request = INGEST.request()
        request.open.collection = self._calls.name
        request.open.stream_id = self._stream_id
        request.open.mode = self._mode
        self._sent = 0
        return request

    def take(self, answer: Any) -> None:
        """Take what the server says."""
        which = answer.WhichOneof("message")
        if which == "opened":
            self.next_sequence = answer.opened.next_sequence
            self._credit = answer.opened.credit_bytes
            self.committed = answer.opened.committed
        elif which == "ack":
            self.next_sequence = max(self.next_sequence, answer.ack.sequence + 1)
            self._credit += answer.ack.credit_bytes
        elif which == "committed":
            self.committed = True
        while self._waiting and self._waiting[0][0] < self.next_sequence:
            self._waiting.popleft()
            self._sent = max(0, self._sent - 1)

    def batches(self, batch: Batch) -> Iterator[Any]:
        """Cut a batch into messages of a size that the server takes; the same each time."""
        ids, vectors = batch[0], batch[1]
        attributes = batch[2] if len(batch) == 3 else None
        dim, schema = int(self._calls.config["dim"]), self._calls.config["schema"]
        rows, _ = _inputs.matrix(vectors, dim, "vectors")
        columns = _inputs.attributes(attributes, schema)
        whole = self._calls.rows(_inputs.ids(ids, "ids"), rows, columns)
        for part in _parts(whole):
            message = _BATCH(sequence=self._numbered, offset=self._offset)
            message.rows = part.SerializeToString()
            message.crc32c = _core.crc32c(message.rows)
            self._offset += _length(part.ids)
            self._numbered += 1
            if message.sequence < self.next_sequence:
                self.skipped += 1
                continue
            yield message

    def hold(self, message: Any) -> None:
        """Keep a message until it is acknowledged."""
        self._waiting.append((message.sequence, message))

    def may_send(self) -> Any:
        """Return the next message that there is credit for; None: wait for an answer."""
        if self._sent >= len(self._waiting) or self._sent >= _ON_THE_WAY:
            return None
        message = self._waiting[self._sent][1]
        size = len(message.rows)
        if size > self._credit and self._sent > 0:
            return None
        self._credit -= size
        self._sent += 1
        return INGEST.request(batch=message)

    @property
    def is_full(self) -> bool:
        """Whether answers are to be waited for before more is encoded."""
        return len(self._waiting) >= _ON_THE_WAY or self._sent < len(self._waiting)

    @property
    def has_waiting(self) -> bool:
        """Whether something is not acknowledged."""
        return bool(self._waiting)

    def commit(self) -> Any:
        """Return the last message."""
        return INGEST.request(commit=_COMMIT(offset=self._offset))

    def report(self) -> dict[str, Any]:
        """Return what was done."""
        return {"points": self._offset, "skipped_batches": self.skipped}


def _length(ids: Any) -> int:
    return len(ids.str.values) + len(ids.u64.values)


def _parts(rows: Any) -> Iterator[Any]:
    """Cut rows into parts of a few megabytes."""
    many = _length(rows.ids)
    size = rows.ByteSize()
    each = max(1, min(many, int(many * _BATCH_BYTES / max(size, 1))))
    if each >= many:
        if many:
            yield rows
        return
    which = rows.vectors.WhichOneof("data")
    packed = getattr(rows.vectors, which)
    width = len(packed) // many
    kind = rows.ids.WhichOneof("kind")
    given = getattr(rows.ids, kind).values
    for start in range(0, many, each):
        end = min(start + each, many)
        part = _ROWS()
        getattr(part.ids, kind).values.extend(given[start:end])
        setattr(part.vectors, which, packed[start * width : end * width])
        for column in rows.attributes.columns:
            out = part.attributes.columns.add(name=column.name)
            out.nulls.extend(null - start for null in column.nulls if start <= null < end)
            of = column.WhichOneof("values")
            if of == "timestamps":
                out.timestamps.microseconds.extend(column.timestamps.microseconds[start:end])
            elif of is not None:
                getattr(out, of).values.extend(getattr(column, of).values[start:end])
        if rows.HasField("attributes") and not rows.attributes.columns:
            part.attributes.SetInParent()
        yield part


class _Broken(Exception):
    """The stream ended, and may be opened again."""

    def __init__(self, error: grpc.RpcError) -> None:
        super().__init__(str(error))
        self.error = error


_AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.RESOURCE_EXHAUSTED)


def _may_go_on(error: Any) -> bool:
    return error.code() in _AGAIN


class _Answers:
    """The blocking side of one attempt."""

    def __init__(self, channel: Channel, stream: Stream) -> None:
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stream = stream
        self._answers = channel.stream(INGEST, iter(self._outgoing.get, None))
        self.send(stream.open())
        self.take()

    def send(self, message: Any) -> None:
        self._outgoing.put(message)

    def take(self) -> None:
        try:
            self._stream.take(next(self._answers))
        except StopIteration:
            raise InvalidArgumentError("the server ended the stream without a word") from None
        except grpc.RpcError as error:
            self.close()
            raise _Broken(error) from None

    def push(self) -> None:
        while (message := self._stream.may_send()) is not None:
            self.send(message)

    def close(self) -> None:
        self._outgoing.put(None)
        self._answers.cancel()


def run(
    channel: Channel, calls: Calls, batches: Iterable[Batch], stream_id: str | None, mode: Mode
) -> dict[str, Any]:
    """Load batches, and wait until they are durable and visible."""
    stream = Stream(calls, stream_id, mode)
    source = _encoded(stream, batches)
    attempts = Attempts(channel.target.retry, safe=True, timeout=None)
    ended = False
    while True:
        answers: _Answers | None = None
        before = stream.next_sequence
        try:
            answers = _Answers(channel, stream)
            while not ended:
                answers.push()
                if stream.is_full:
                    answers.take()
                    continue
                message = next(source, None)
                if message is None:
                    ended = True
                else:
                    stream.hold(message)
            while stream.has_waiting:
                answers.push()
                answers.take()
            if not stream.committed:
                answers.send(stream.commit())
                while not stream.committed:
                    answers.take()
            return stream.report()
        except _Broken as broken:
            if stream.next_sequence > before:
                attempts = Attempts(channel.target.retry, safe=True, timeout=None)
            wait = attempts.again_after(broken.error) if _may_go_on(broken.error) else None
            if wait is None:
                raise translate(broken.error) from None
        finally:
            if answers is not None:
                answers.close()
        time.sleep(wait)


def _encoded(stream: Stream, batches: Iterable[Batch]) -> Iterator[Any]:
    for batch in batches:
        yield from stream.batches(batch)


async def run_async(
    channel: AsyncChannel,
    calls: Calls,
    batches: Iterable[Batch] | AsyncIterable[Batch],
    stream_id: str | None,
    mode: Mode,
) -> dict[str, Any]:
    """Load batches; returns once they are durable and visible."""
    stream = Stream(calls, stream_id, mode)
    source = _encoded_async(stream, batches)
    attempts = Attempts(channel.target.retry, safe=True, timeout=None)
    ended = False
    while True:
        call: Any = None
        before = stream.next_sequence
        try:
            call = channel.stream(INGEST)
            await call.write(stream.open())
            await _take(call, stream)
            while not ended:
                await _push(call, stream)
                if stream.is_full:
                    await _take(call, stream)
                    continue
                message = await anext(source, None)
                if message is None:
                    ended = True
                else:
                    stream.hold(message)
            while stream.has_waiting:
                await _push(call, stream)
                await _take(call, stream)
            if not stream.committed:
                await call.write(stream.commit())
                while not stream.committed:
                    await _take(call, stream)
            return stream.report()
        except (grpc.RpcError, asyncio.InvalidStateError) as failure:
            error = failure if isinstance(failure, grpc.RpcError) else await _why(call)
            if stream.next_sequence > before:
                attempts = Attempts(channel.target.retry, safe=True, timeout=None)
            wait = attempts.again_after(error) if _may_go_on(error) else None
            if wait is None:
                raise translate(error) from None
        finally:
            if call is not None:
                call.cancel()
        await asyncio.sleep(wait)


async def _take(call: Any, stream: Stream) -> None:
    answer = await call.read()
    if answer is grpc.aio.EOF:
        raise await _why(call)
    stream.take(answer)


async def _push(call: Any, stream: Stream) -> None:
    while (message := stream.may_send()) is not None:
        await call.write(message)


async def _why(call: Any) -> grpc.RpcError:
    """Return what a stream that has ended came to."""
    code, details = await call.code(), await call.details()
    initial, trailing = await call.initial_metadata(), await call.trailing_metadata()
    return grpc.aio.AioRpcError(code, initial, trailing, details=details)


async def _encoded_async(stream: Stream, batches: Any) -> Any:
    if hasattr(batches, "__aiter__"):
        async for batch in batches:
            for message in stream.batches(batch):
                yield message
        return
    for batch in batches:
        for message in stream.batches(batch):
            yield message
