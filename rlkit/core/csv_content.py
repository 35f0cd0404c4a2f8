"""What a CSV file says: reading it, cutting it back, comparing it with what it must say."""

import csv
import io
import math
from typing import NamedTuple


class Content(NamedTuple):
    """Header and rows of a table, as text; every row is as long as the header."""

    columns: list[str]
    rows: list[list[str]]


def parse(data: bytes) -> Content | None:
    """Read a table, without the last line if that has no end or too few cells; None: it is none."""
    text = data[: data.rfind(b"\n") + 1]
    try:
        lines = list(csv.reader(io.StringIO(text.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        return None
    columns, *rows = lines or [[]]
    if rows and len(rows[-1]) < len(columns):
        rows.pop()
    return Content(columns, rows) if all(len(row) == len(columns) for row in rows) else None


def rows_up_to(table: Content, key: str, last: float) -> Content | None:
    """Rows up to `last`; None if a row has no number as its key."""
    if not table.columns:
        return table
    if key not in table.columns:
        return None
    index = table.columns.index(key)
    try:
        numbers = [float(row[index]) for row in table.rows]
    except ValueError:
        return None
    if not all(map(math.isfinite, numbers)):
        return None
    pairs = zip(table.rows, numbers, strict=True)
    return Content(table.columns, [row for row, number in pairs if number <= last])


def agrees(found: Content, wanted: Content) -> bool:
    """Whether a file says what it must; columns that came with later rows are `nan` before."""
    width = len(wanted.columns)
    return (
        found.columns[:width] == wanted.columns
        and [row[:width] for row in found.rows] == wanted.rows
        and all(cell == "nan" for row in found.rows for cell in row[width:])
    )
