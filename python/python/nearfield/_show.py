"""Rows of results as text and as HTML, for people."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

ROWS = 10
_WIDTH = 48


def text_rows(columns: Mapping[str, Sequence[Any]], left_out: int) -> str:
    """Lay out columns of equal length as text; say how many rows are left out."""
    cells = {name: [cell(value) for value in values] for name, values in columns.items()}
    widths = {name: max(map(len, [name, *values])) for name, values in cells.items()}
    right = {
        name: all(of is None or _is_number(of) for of in values) for name, values in columns.items()
    }

    def line(row: Sequence[str]) -> str:
        padded = (
            text.rjust(widths[name]) if right[name] else text.ljust(widths[name])
            for name, text in zip(cells, row, strict=True)
        )
        return "  ".join(padded).rstrip()

    lines = [line(list(cells)), *(line(row) for row in zip(*cells.values(), strict=True))]
    if left_out:
        lines.append(f"... {left_out:,} more")
    return "\n".join(lines)


def html_rows(title: str, columns: Mapping[str, Sequence[Any]], left_out: int) -> str:
    """Lay out columns of equal length as an HTML table under a title."""
    head = "".join(f"<th style='text-align:left'>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td style='text-align:{'right' if _is_number(value) else 'left'}'>"
            f"{html.escape(cell(value))}</td>"
            for value in row
        )
        + "</tr>"
        for row in zip(*columns.values(), strict=True)
    )
    more = f"<p>... {left_out:,} more</p>" if left_out else ""
    return (
        f"<div><p>{html.escape(title)}</p><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{more}</div>"
    )


def cell(value: Any) -> str:
    """Write a value in one short line."""
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}"
    if isinstance(value, np.datetime64):
        return "" if np.isnat(value) else str(value.astype("datetime64[s]")).replace("T", " ")
    if isinstance(value, np.ndarray):
        return f"[{', '.join(cell(of) for of in value[:3])}{', ...' if len(value) > 3 else ''}]"
    text = " ".join(str(value).split())
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)
