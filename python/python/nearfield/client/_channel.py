"""The connection: how calls are sent, once and again, by a thread that waits or by asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import grpc.aio

from .. import _core
from .._errors import ClosedError, InvalidArgumentError
from ._calls import Work
from ._errors import translate
from ._retry import Attempts, Retry
from ._schema import Method

T = TypeVar("T")

# A search may wait so much longer for its answer than the server may work on it.
_ON_THE_WAY = 1.0


@dataclass(frozen=True)
class Target:
    """Where a server is and how to speak to it: all that it takes to connect again."""

    address: str
    token: str | None = field(default=None, repr=False)
    tls: bool = False
    ca: bytes | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    timeout: float | None = 30.0
    retry: Retry = field(default_factory=Retry)

    def __post_init__(self) -> None:
        """Check what would send a secret in the clear."""
        secure = self.tls or self.ca is not None or self.certificate is not None
        if (self.certificate is None) != (self.key is None):
            raise InvalidArgumentError("certificate and key go together")
        host = self.address.rsplit(":", 1)[0].strip("[]")
        local = host in ("localhost", "::1") or host.startswith("127.")
        if self.token is not None and not secure and not local:
            raise InvalidArgumentError(
                f"token: expected TLS for {self.address}, or everybody on the way reads the token; "
                "give tls=True or ca="
            )

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.tls or self.ca is not None or self.certificate is not None

    def credentials(self) -> Any:
        """Return what TLS takes."""
        return grpc.ssl_channel_credentials(self.ca, self.key, self.certificate)

    def metadata(self) -> list[tuple[str, str]]:
        """Return the headers of every call."""
        return [] if self.token is None else [("authorization", f"Bearer {self.token}")]


def _options() -> list[tuple[str, Any]]:
    return [
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.primary_user_agent", f"nearfield/{_core.__version__}"),
        # A server that was restarted is found again soon.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
        ("grpc.keepalive_time_ms", 30_000),
        # Repeating is decided in _retry.
        ("grpc.enable_retries", 0),
    ]


def _serialize(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _first_timeout(work: Work[T], target: Target) -> float | None:
    if work.timeout is not None:
        return work.timeout + _ON_THE_WAY
    return None if work.patient else target.timeout


class Channel:
    """A connection of a thread that waits. Many threads may use it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._methods: dict[str, Callable[..., Any]] = {}
        options = _options()
        if target.secure:
            self._channel = grpc.secure_channel(target.address, target.credentials(), options)
        else:
            self._channel = grpc.insecure_channel(target.address, options)
        self.closed = False

    def run(self, work: Work[T]) -> T:
        """Do work, and wait."""
        attempts = Attempts(self.target.retry, work.safe, _first_timeout(work, self.target))
        answers = [self._call(work.method, request, attempts) for request in work.requests]
        return work.finish(answers)

    def _call(self, method: Method, request: Any, attempts: Attempts) -> Any:
        while True:
            call = self._method(method)
            try:
                return call(request, timeout=attempts.time_left(), metadata=self.target.metadata())
            except grpc.RpcError as error:
                wait = attempts.again_after(error)
                if wait is None:
                    raise translate(error) from None
            time.sleep(wait)

    def _method(self, method: Method) -> Callable[..., Any]:
        if self.closed:
            raise ClosedError("the connection is closed; connect again")
        found = self._methods.get(method.path)
        if found is None:
            found = self._channel.unary_unary(
                method.path,
                request_serializer=_serialize,
                response_deserializer=method.response.FromString,
            )
            self._methods[method.path] = found
        return found

    def stream(self, method: Method, requests: Any) -> Any:
        """Begin a stream of both directions."""
        if self.closed:
            raise ClosedError("the connection is closed; connect again")
        call = self._channel.stream_stream(
            method.path,
            request_serializer=_serialize,
            response_deserializer=method.response.FromString,
        )
        return call(requests, metadata=self.target.metadata())

    def close(self) -> None:
        """Let go of the connection."""
        self.closed = True
        self._channel.close()


class AsyncChannel:
    """A connection of asyncio, for one event loop."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._methods: dict[str, Callable[..., Any]] = {}
        options = _options()
        if target.secure:
            self._channel = grpc.aio.secure_channel(target.address, target.credentials(), options)
        else:
            self._channel = grpc.aio.insecure_channel(target.address, options)
        self.closed = False

    async def run(self, work: Work[T]) -> T:
        """Do work."""
        attempts = Attempts(self.target.retry, work.safe, _first_timeout(work, self.target))
        answers = [await self._call(work.method, request, attempts) for request in work.requests]
        return work.finish(answers)

    async def _call(self, method: Method, request: Any, attempts: Attempts) -> Any:
        while True:
            call = self._method(method)
            try:
                return await call(
                    request, timeout=attempts.time_left(), metadata=self.target.metadata()
                )
            except grpc.RpcError as error:
                wait = attempts.again_after(error)
                if wait is None:
                    raise translate(error) from None
            await asyncio.sleep(wait)

    def _method(self, method: Method) -> Callable[..., Any]:
        if self.closed:
            raise ClosedError("the connection is closed; connect again")
        found = self._methods.get(method.path)
        if found is None:
            found = self._channel.unary_unary(
                method.path,
                request_serializer=_serialize,
                response_deserializer=method.response.FromString,
            )
            self._methods[method.path] = found
        return found

    def stream(self, method: Method) -> Any:
        """Begin a stream of both directions."""
        if self.closed:
            raise ClosedError("the connection is closed; connect again")
        call = self._channel.stream_stream(
            method.path,
            request_serializer=_serialize,
            response_deserializer=method.response.FromString,
        )
        return call(metadata=self.target.metadata())

    async def close(self) -> None:
        """Let go of the connection."""
        self.closed = True
        await self._channel.close()


def target(address: str, options: Mapping[str, Any]) -> Target:
    """Return a target of an address and the options of `connect`."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit()):
        raise InvalidArgumentError(
            f"address: expected HOST:PORT, for example localhost:50051, found {address!r}"
        )
    return Target(address, **options)
