"""What a call came to that failed, as the exceptions of the package."""

from __future__ import annotations

from typing import Any

import grpc

from .. import _errors
from .._errors import NearfieldError
from . import _schema


class ServiceError(NearfieldError):
    """The service failed, in a way that has no class of its own."""


class UnavailableError(ServiceError, ConnectionError):
    """The server isn't there, is full or stops; later, or another one, may answer."""


class AuthError(ServiceError, PermissionError):
    """There was no token, or not one for this."""


class NotServedError(NearfieldError, NotImplementedError):
    """The service does not offer this; the embedded collection does."""


# By the reason of the ErrorInfo.
_REASONS: dict[str, type[NearfieldError]] = {
    "INVALID_ARGUMENT": _errors.InvalidArgumentError,
    "MALFORMED": _errors.InvalidArgumentError,
    "DIMENSION_MISMATCH": _errors.DimensionMismatchError,
    "FILTER": _errors.FilterError,
    "SPACE_MISMATCH": _errors.SpaceMismatchError,
    "NOT_FOUND": _errors.NotFoundError,
    "COLLECTION_NOT_FOUND": _errors.CollectionNotFoundError,
    "SNAPSHOT_NOT_FOUND": _errors.CollectionNotFoundError,
    "ALREADY_EXISTS": _errors.AlreadyExistsError,
    "READ_ONLY": _errors.ReadOnlyError,
    "NO_DATA_DIRECTORY": _errors.ReadOnlyError,
    "UNSUPPORTED_VERSION": _errors.UnsupportedVersionError,
    "POISONED": _errors.PoisonedError,
    "LOCKED": _errors.LockedError,
    "CORRUPTION": _errors.CorruptionError,
    "DEADLINE": _errors.DeadlineError,
    "RESOURCE_LIMIT": _errors.ResourceLimitError,
    "TOO_LARGE": _errors.ResourceLimitError,
    "ANSWER_TOO_LARGE": _errors.ResourceLimitError,
    "DISK": _errors.StorageError,
    "DISK_FULL": _errors.StorageError,
    "FULL": UnavailableError,
}

_CODES: dict[Any, type[NearfieldError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: _errors.InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: _errors.NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: _errors.AlreadyExistsError,
    grpc.StatusCode.DEADLINE_EXCEEDED: _errors.DeadlineError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: _errors.ResourceLimitError,
    grpc.StatusCode.DATA_LOSS: _errors.CorruptionError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.UNAUTHENTICATED: AuthError,
    grpc.StatusCode.PERMISSION_DENIED: AuthError,
}

_STATUS = _schema.message("Status", "google.rpc")
_INFO = _schema.message("ErrorInfo", "google.rpc")


def reason(error: Any) -> str:
    """Return the word that the server says to machines; empty where it was not the server."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            try:
                details = _STATUS.FromString(value).details
                for detail in details:
                    if detail.type_url.endswith("/google.rpc.ErrorInfo"):
                        info = _INFO.FromString(detail.value)
                        return str(info.reason) if info.domain == "nearfield" else ""
            except Exception:  # Whatever a proxy put there: it says nothing to us.
                return ""
    return ""


def pause(error: Any) -> float | None:
    """Return the seconds after which the server asks to try again."""
    for key, value in error.trailing_metadata() or ():
        if key == "retry-after-ms":
            try:
                return int(value) / 1000
            except ValueError:
                return None
    return None


def translate(error: Any) -> NearfieldError:
    """Return the exception of the package for one of grpc."""
    code, why = error.code(), reason(error)
    kind = _REASONS.get(why) or _CODES.get(code, ServiceError)
    text = error.details() or "the call failed"
    if not issubclass(kind, ServiceError):
        return kind(text)
    return kind(f"{code.name.lower().replace('_', ' ')}: {text}")
