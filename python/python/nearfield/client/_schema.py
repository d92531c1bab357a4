"""The messages of ``nearfield.v1``, made at import from the descriptors that ship with the package.

No generated code: it would be tied to one version of protobuf. ``nearfield_v1.binpb`` is written by
``NEARFIELD_BLESS=1 cargo test -p nearfield-server api``, and a test compares it with the server's.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, NamedTuple

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "nearfield.v1"
_FIELD = descriptor_pb2.FieldDescriptorProto


def _pool() -> Any:
    """Return a pool of our own, so that other users of protobuf don't see it."""
    pool = descriptor_pool.DescriptorPool()
    ours = files(__package__).joinpath("nearfield_v1.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(ours).file:
        pool.Add(file)
    pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(_rpc())
    return pool


def _rpc() -> Any:
    """Describe what details of errors look like: the parts of google.rpc that are read here."""
    file = descriptor_pb2.FileDescriptorProto(
        name="google/rpc/nearfield_subset.proto",
        package="google.rpc",
        syntax="proto3",
        dependency=["google/protobuf/any.proto"],
    )
    status = file.message_type.add(name="Status")
    status.field.add(name="code", number=1, type=_FIELD.TYPE_INT32, label=_FIELD.LABEL_OPTIONAL)
    status.field.add(name="message", number=2, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    status.field.add(
        name="details",
        number=3,
        type=_FIELD.TYPE_MESSAGE,
        type_name=".google.protobuf.Any",
        label=_FIELD.LABEL_REPEATED,
    )
    info = file.message_type.add(name="ErrorInfo")
    info.field.add(name="reason", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    info.field.add(name="domain", number=2, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    return file


_POOL = _pool()


def message(name: str, package: str = _PACKAGE) -> Any:
    """Return the class of a message."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{package}.{name}"))


class Method(NamedTuple):
    """A method of the service."""

    path: str
    request: Any
    response: Any


def method(service: str, name: str) -> Method:
    """Return a method of a service of the package."""
    found = _POOL.FindServiceByName(f"{_PACKAGE}.{service}").FindMethodByName(name)
    return Method(
        f"/{_PACKAGE}.{service}/{name}",
        message_factory.GetMessageClass(found.input_type),
        message_factory.GetMessageClass(found.output_type),
    )


def number(enum: str, word: str, argument: str) -> int:
    """Return the number of a word, as ``"cosine"`` of ``Metric``."""
    from .._errors import InvalidArgumentError

    values = _POOL.FindEnumTypeByName(f"{_PACKAGE}.{enum}").values_by_name
    prefix = _prefix(enum)
    name = prefix + word.upper().replace("[]", "_LIST")
    if name in values and word != "unspecified":
        return int(values[name].number)
    known = ", ".join(_word(each, prefix) for each, value in values.items() if value.number != 0)
    raise InvalidArgumentError(f"{argument}: expected one of {known}; found {word!r}")


def word(enum: str, value: int) -> str:
    """Return the word of a number."""
    found = _POOL.FindEnumTypeByName(f"{_PACKAGE}.{enum}").values_by_number.get(value)
    return "unknown" if found is None else _word(found.name, _prefix(enum))


def _prefix(enum: str) -> str:
    spaced = "".join(f"_{letter}" if letter.isupper() else letter for letter in enum)
    return spaced.strip("_").upper() + "_"


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower().replace("_list", "[]")
