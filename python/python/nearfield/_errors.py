"""The exceptions of the package.

Everything that the package raises on purpose is a :class:`NearfieldError`, but for ``TypeError``
where an argument is of a wrong Python type and ``KeyboardInterrupt`` where a call is interrupted.
"""

from __future__ import annotations

import errno


class NearfieldError(Exception):
    """Parent of every error of this package."""


class InvalidArgumentError(NearfieldError, ValueError):
    """An argument can't be used; nothing of the call was applied."""


class DimensionMismatchError(InvalidArgumentError):
    """A vector is of another length than the collection's dimension."""


class FilterError(InvalidArgumentError):
    """A filter can't be parsed, or compares what can't be compared."""


class SpaceMismatchError(InvalidArgumentError):
    """A query states another embedding space than the collection's."""


class InvalidTypeError(InvalidArgumentError, TypeError):
    """A value inside an argument is of a wrong type: an id, an attribute, a vector."""


class NotFoundError(NearfieldError, KeyError):
    """An id names no point."""

    def __str__(self) -> str:
        """Return the message as it is; ``KeyError`` would quote it."""
        return Exception.__str__(self)


class CollectionNotFoundError(NearfieldError, FileNotFoundError):
    """There is no collection at the path."""


class AlreadyExistsError(NearfieldError, FileExistsError):
    """The path is taken."""


class ReadOnlyError(NearfieldError, PermissionError):
    """A write through a handle that only reads."""


class LockedError(NearfieldError, OSError):
    """Another writer holds the collection."""


class CorruptionError(NearfieldError, OSError):
    """Bytes on disk aren't what was written."""


class UnsupportedVersionError(NearfieldError, OSError):
    """A file was written by a newer version of nearfield."""


class PoisonedError(NearfieldError, OSError):
    """An earlier write failed; the handle can only read."""


class ClosedError(NearfieldError, RuntimeError):
    """The handle was closed."""


class DeadlineError(NearfieldError, TimeoutError):
    """The time allowed ran out."""


class ResourceLimitError(NearfieldError, MemoryError):
    """More was asked for than a documented limit, or than the machine, allows."""


class StorageError(NearfieldError, OSError):
    """The operating system refused to read or write; ``errno`` says why, where it is known."""


class MissingFileError(StorageError, FileNotFoundError):
    """A file to load isn't there."""


def storage_error(message: str, code: int | None) -> StorageError:
    """Make the error of a refused read or write.

    Parameters
    ----------
    message : str
        The whole message.
    code : int or None
        The system's error number.
    """
    error = MissingFileError(message) if code == errno.ENOENT else StorageError(message)
    # Set afterwards: given to the constructor, it would change the text.
    error.errno = code
    return error
