"""A CSV file that grows by rows, and by columns when it must, and can be cut back."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rlkit.core.files import replace_file


class CsvTable:
    """Rows of text cells under one header. A cell that a row does not name is `nan`, never blank.

    Attributes:
        path: the file; it is created with the first row.
        columns: the header.
    """

    def __init__(self, path: Path) -> None:
        """Open a table; one that exists goes on."""
        self.path = path
        self.columns: list[str] = []
        if path.exists():
            self.columns = self._read()[0]

    def append(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Add rows at the end. A new column goes after the others; rows that are there get `nan` in it."""
        added = [name for row in rows for name in row if name not in self.columns]
        if added:
            old_columns, old_rows = self._read()
            self.columns = [*old_columns, *dict.fromkeys(added)]
            old_rows = [
                [*row, *["nan"] * (len(self.columns) - len(old_columns))] for row in old_rows
            ]
            self._replace([*old_rows, *self._cells(rows)])
            return
        with self.path.open("a", newline="", encoding="utf-8") as file:
            file.write(_as_text(self._cells(rows)))
            file.flush()
            os.fsync(file.fileno())

    def truncate(self, column: str, last: float) -> None:
        """Drop the rows whose `column` is greater than `last`, and a last line that was not written to its end."""
        if not self.path.exists():
            return
        self.columns, rows = self._read()
        if column not in self.columns:
            rows = []
        else:
            index = self.columns.index(column)
            rows = [row for row in rows if float(row[index]) <= last]
        if rows:
            self._replace(rows)
        else:
            self.columns = []
            self.path.unlink()

    def _cells(self, rows: Sequence[Mapping[str, str]]) -> list[list[str]]:
        return [[row.get(name, "nan") for name in self.columns] for row in rows]

    def _replace(self, rows: Sequence[Sequence[str]]) -> None:
        replace_file(self.path, _as_text([self.columns, *rows]).encode())

    def _read(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows; without the last line if it does not end, or has too few cells."""
        if not self.path.exists():
            return [], []
        text = self.path.read_text(encoding="utf-8")
        columns, *rows = list(
            csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline=""))
        ) or [[]]
        return columns, [row for row in rows if len(row) == len(columns)]


def _as_text(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
