"""Collections made from indexes of other programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from . import _checks, _core
from ._collection import AttributeType, Collection, Memory, Metric, PathLike
from ._progress import bar


def import_hnsw_rs(
    dump: PathLike,
    path: PathLike | None = None,
    *,
    metric: Metric | None = None,
    schema: Mapping[str, AttributeType] | None = None,
    space: str | None = None,
    profile: Literal["fast", "balanced", "compact"] = "balanced",
    durability: Literal["sync", "buffered"] = "sync",
    memory: Memory = "mapped",
    seed: int = 0,
    progress: bool = False,
) -> Collection:
    """Turn a dump of the Rust crate hnsw_rs into a collection, open for writing.

    The graph of the dump is kept and searched as nearfield's own is. Ids are the dump's, vectors
    too (f32, u8 or i8).

    Parameters
    ----------
    dump : str or Path
        The name given to ``Hnsw::file_dump`` with its directory, or one of the two files.
    path : str or Path, optional
        A directory that doesn't exist yet. Without one, the collection lives in memory.
    metric : {"cosine", "ip", "l2"}, optional
        What near means; by default what the dump's distance says: DistCosine, DistDot or DistL2.
        Needed where that is a function of your own.
    schema : dict of str to str, optional
        Attribute columns and their types, as in :func:`create`; every value is null at first.
    space : str, optional
        The embedding space, ``name@version``.
    profile : {"balanced", "fast", "compact"}
        Memory against speed: the size of the codes.
    durability : {"sync", "buffered"}
        Whether a write that returned survives a power cut, or only the end of the process.
    memory : {"mapped", "pinned", "heap"}
        Where segments live while open.
    seed : int
        Of everything random.
    progress : bool
        Show a bar (needs tqdm).

    Returns
    -------
    Collection

    Raises
    ------
    InvalidArgumentError
        If a file is missing or damaged, or the dump holds what a collection can't.
    AlreadyExistsError
        If the path is taken.
    """
    where = None if path is None else _checks.path(path, "path")
    arguments = {
        "metric": None if metric is None else _checks.text(metric, "metric"),
        "schema": _checks.schema(schema),
        "space": None if space is None else _checks.text(space, "space"),
        "profile": _checks.text(profile, "profile"),
        "durability": _checks.text(durability, "durability"),
        "memory": _checks.text(memory, "memory"),
        "seed": _checks.count(seed, "seed", 2**64 - 1),
    }
    source = _checks.path(dump, "dump")
    with bar(_checks.flag(progress, "progress"), "import") as tick:
        core = _core.Collection.import_hnsw_rs(source, where, arguments, tick)
    return Collection(core, where)
