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
    right = _to_the_right(columns)

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
    side = {name: "right" if of else "left" for name, of in _to_the_right(columns).items()}

    def row(tag: str, texts: Sequence[str]) -> str:
        cells = (
            f"<{tag} style='text-align:{align}'>{html.escape(text)}</{tag}>"
            for align, text in zip(side.values(), texts, strict=True)
        )
        return f"<tr>{''.join(cells)}</tr>"

    head = row("th", list(columns))
    body = "".join(
        row("td", [cell(of) for of in each]) for each in zip(*columns.values(), strict=True)
    )
    more = f"<p>... {left_out:,} more</p>" if left_out else ""
    return (
        f"<div><p>{html.escape(title)}</p><table><thead>{head}</thead>"
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


def _to_the_right(columns: Mapping[str, Sequence[Any]]) -> dict[str, bool]:
    """Whether each column has numbers only, null apart."""
    return {
        name: all(of is None or _is_number(of) for of in values) for name, values in columns.items()
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)
