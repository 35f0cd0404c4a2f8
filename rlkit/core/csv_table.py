"""A CSV file that grows by rows, and by columns when it must, and can be cut back.

People open such files in a spreadsheet while a run writes to them, and save them in another form. What
has been written is therefore kept in memory too, and a file that says something else is put aside.
"""

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from rlkit.core.csv_content import Content, agrees, parse, rows_up_to
from rlkit.core.files import replace_file

TIME_FORMAT = "%Y_%m_%d_%H_%M_%S"


class CsvTable:
    """Rows of text cells under one header. A cell that a row does not name is `nan`, never blank.

    Attributes:
        path: the file; it is created with the first row.
        content: what has been written.
    """

    def __init__(self, path: Path, say: Callable[[str], None] = lambda text: None) -> None:
        """Open a table; one that exists goes on.

        Args:
            path: the file.
            say: is told when a file is put aside.
        """
        self.path, self._say = path, say
        found = self._on_disk()
        self.content = (None if found is None else parse(found)) or Content([], [])
        # Of a file that is no table nothing counts as written, so that the first row puts it aside.
        self._written = found if found is not None and self.content.columns else b""

    def append(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Add rows at the end. A new column goes after the others; older rows get `nan` in it."""
        as_written = self._is_as_written()
        old, added = self.content, [name for row in rows for name in row]
        columns = list(dict.fromkeys([*old.columns, *added]))
        width = len(columns) - len(old.columns)
        cells = [[row.get(name, "nan") for name in columns] for row in rows]
        new = Content(columns, [*([*row, *["nan"] * width] for row in old.rows), *cells])
        if width or not as_written:
            self._replace(new)
            return
        text = text_of(Content(cells[0], cells[1:])).encode() if cells else b""
        with self.path.open("ab") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self.content, self._written = new, self._written + text

    def cut_back(self, key: str, last: float, kept: str | None = None) -> None:
        """Drop the rows whose `key` is greater than `last`, and a last line that has no end.

        Args:
            key: the column that counts.
            last: its greatest value that stays.
            kept: the table as it must then be. A file that says otherwise is put aside. None: it is
                not known, and any file with numbers as `key` is believed.
        """
        found = self._on_disk()
        table = None if found is None else parse(found)
        cut = None if table is None else rows_up_to(table, key, last)
        wanted = None if kept is None else parse(kept.encode())
        if wanted is None:
            if cut is None and found is not None:
                self._put_aside("is no table of this run")
            self._replace(cut or Content([], []))
            return
        if cut is None or not agrees(cut, wanted):
            if found is not None:
                self._put_aside("is not as the run wrote it")
            elif wanted.rows:
                self._say(f"{self.path} was missing and is written again from the checkpoint")
        self._replace(wanted)

    def _is_as_written(self) -> bool:
        """Compare the file with what was written; put aside one that says something else."""
        found = self._on_disk()
        if (found or b"") == self._written and (found is not None or not self._written):
            return True
        if found is None and not os.path.lexists(self.path):
            self._say(f"{self.path} was missing and is written again")
        elif found is None or (parse(found) or Content([], [])) != self.content:
            self._put_aside("is not as the run wrote it")
        return False

    def _put_aside(self, reason: str) -> None:
        name, count = f"{self.path.name}.{datetime.now().strftime(TIME_FORMAT)}", 1
        aside = self.path.with_name(name)
        while os.path.lexists(aside):
            count += 1
            aside = self.path.with_name(f"{name}_{count}")
        os.rename(self.path, aside)
        self._say(f"{self.path} {reason}: put aside as {aside.name}, and written again")

    def _replace(self, content: Content) -> None:
        """Make the file hold this; without a row there is none."""
        text = text_of(content).encode() if content.rows else b""
        if text:
            replace_file(self.path, text)
        else:
            self.path.unlink(missing_ok=True)
        self.content, self._written = content if text else Content([], []), text

    def _on_disk(self) -> bytes | None:
        """The bytes of the file; None if there is none, or something else in its place."""
        return self.path.read_bytes() if self.path.is_file() else None


def text_of(content: Content) -> str:
    """A table as a file holds it; empty without a header."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([content.columns, *content.rows])
    return text.getvalue() if content.columns else ""
