"""Parses CSV files, and renames those that a run did not write."""

import csv
import io
import os
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

TIME_FORMAT = "%Y_%m_%d_%H_%M_%S"


class Content(NamedTuple):
    """Header and rows of a table, as text; every row is as long as the header."""

    columns: list[str]
    rows: list[list[str]]


def parse(data: bytes) -> Content | None:
    """Parse a table; None if it is not one.

    A last line without a line break or with too few cells is dropped.
    """
    text = data[: data.rfind(b"\n") + 1]
    try:
        lines = list(csv.reader(io.StringIO(text.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        return None
    columns, *rows = lines or [[]]
    if rows and len(rows[-1]) < len(columns):
        rows.pop()
    return Content(columns, rows) if all(len(row) == len(columns) for row in rows) else None


def put_aside(path: Path) -> Path:
    """Rename a file to `<name>.<time>`; returns its new path."""
    name, count = f"{path.name}.{datetime.now().strftime(TIME_FORMAT)}", 1
    aside = path.with_name(name)
    while os.path.lexists(aside):
        count += 1
        aside = path.with_name(f"{name}_{count}")
    os.rename(path, aside)
    return aside
