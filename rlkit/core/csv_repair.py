"""What a CSV file says, and what it must say when a run goes on from a checkpoint."""

import csv
import io
import math
import os
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

TIME_FORMAT = "%Y_%m_%d_%H_%M_%S"
MISSING = "is missing"


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


def repaired(
    found: bytes | None, key: str, last: float, kept: str | None
) -> tuple[Content, str | None]:
    """What a file must hold when the rows after `last` are dropped.

    Args:
        found: what it holds; None: there is none.
        key: the column that counts.
        last: its greatest value that stays.
        kept: the table as it must then be; None: it is not known, and any file with numbers as
            `key` is believed.
    Returns:
        The content, and why what was found has to be put aside (or `MISSING`); None: it has not.
    """
    table = None if found is None else parse(found)
    up_to_last = None if table is None else rows_up_to(table, key, last)
    wanted = None if kept is None else parse(kept.encode())
    if wanted is None:
        foreign = up_to_last is None and found is not None
        return up_to_last or Content([], []), "is no table of this run" if foreign else None
    if up_to_last is not None and agrees(up_to_last, wanted):
        return wanted, None
    if found is not None:
        return wanted, "is not as the run wrote it"
    return wanted, MISSING if wanted.rows else None


def put_aside(path: Path) -> Path:
    """Rename a file to `<name>.<time>`; returns its new path."""
    name, count = f"{path.name}.{datetime.now().strftime(TIME_FORMAT)}", 1
    aside = path.with_name(name)
    while os.path.lexists(aside):
        count += 1
        aside = path.with_name(f"{name}_{count}")
    os.rename(path, aside)
    return aside
