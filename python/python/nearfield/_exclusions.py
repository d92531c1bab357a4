"""Named sets of ids that searches leave out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _checks, _inputs
from ._times import duration_us

if TYPE_CHECKING:
    from . import _core


class Exclusions:
    """The exclusion sets of a collection: what each user has seen, for example.

    A set is there once it is named. One that was never written, was cleared or has expired is
    empty. Searches name sets in ``exclude_sets=``.
    """

    def __init__(self, core: _core.Collection) -> None:
        self._core = core

    def add(
        self,
        name: str,
        ids: Any,
        ttl: str | timedelta | np.timedelta64 | None = None,
    ) -> None:
        """Add ids to a set. One atomic unit, as durable as an upsert.

        Parameters
        ----------
        name : str
            1 to 512 bytes of UTF-8, for example ``"user:42:seen"``.
        ids : array_like of ids
            As in `upsert`; there need not be such points.
        ttl : str, datetime.timedelta or numpy.timedelta64, optional
            How long these ids stay in the set, as in ``"7d"``; for good if not given. Adding an id
            again extends its time.

        Raises
        ------
        InvalidArgumentError
            If the name or an id can't be used.
        ReadOnlyError, ClosedError
            If the handle can't write.
        """
        ttl_us = None if ttl is None else duration_us(ttl, "ttl")
        self._core.exclude(_checks.text(name, "name"), _inputs.ids(ids, "ids"), ttl_us)

    def clear(self, name: str) -> None:
        """Empty a set.

        Parameters
        ----------
        name : str
            The set; one that was never written is empty already.

        Raises
        ------
        ReadOnlyError, ClosedError
            If the handle can't write.
        """
        self._core.clear_exclusions(_checks.text(name, "name"))

    def __repr__(self) -> str:
        return "<nearfield.Exclusions>"
