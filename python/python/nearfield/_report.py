"""What calls report: a read-only mapping whose keys are attributes too."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any


class Report(Mapping[str, Any]):
    """A read-only mapping; ``report.points`` is ``report["points"]``."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_values", dict(values))

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            names = ", ".join(self._values)
            raise AttributeError(f"no {name!r} in this report; it has {names}") from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a report is read-only: cannot set {name!r}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def __reduce__(self) -> tuple[type[Report], tuple[dict[str, Any]]]:
        return (Report, (dict(self._values),))

    def __repr__(self) -> str:
        fields = ", ".join(f"{key}={value!r}" for key, value in self._values.items())
        return f"Report({fields})"

    def _repr_html_(self) -> str:
        return html_table(self._values)


def html_table(rows: Mapping[str, Any]) -> str:
    """Lay out names and values as an HTML table."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(str(name))}</th>"
        f"<td style='text-align:left'>{html.escape(_shown(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table>{cells}</table>"


def _shown(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {kind}" for key, kind in value.items())
    return str(value)
