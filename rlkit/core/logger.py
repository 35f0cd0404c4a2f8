"""Log files of a run: progress.csv, further tables and debug.log."""

import csv
import io
import numbers
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from rlkit.core.csv_content import Content, parse, put_aside
from rlkit.core.files import replace_file, report_exhaustion

Sink = Callable[[Mapping[str, float], int], None]
Table = Sequence[Mapping[str, float | str]]


class Logger:
    """Writes the files of one run folder.

    Attributes:
        run_dir: the folder.
        iteration: shown in the lines of debug.log; set by the caller. None: lines without an
            iteration.
    """

    def __init__(
        self,
        run_dir: str | Path,
        *,
        echo: Callable[[str], None] = print,
        sinks: Sequence[Sink] = (),
    ) -> None:
        """Open the folder of a new or resumed run.

        Args:
            run_dir: created if needed.
            echo: receives the texts of `say`, for example a console's print.
            sinks: each is called with (row, iteration) after a row is written, for example to log
                to TensorBoard.
        """
        self.run_dir = Path(run_dir)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.iteration: int | None = None
        self._echo, self._sinks = echo, list(sinks)
        self._progress = self._open("progress")
        self._tables: dict[str, CsvTable] = {}

    def log(self, text: str) -> None:
        """Append lines to debug.log, each as `<time> | [<run>] Iteration #<n> | <line>`.

        Raises:
            ResourceError: the disk is full.
        Source: the line format is that of katerakelly/oyster.
        """
        time = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S.%f %Z")
        place = f"[{self.run_dir.name}]" + (
            "" if self.iteration is None else f" Iteration #{self.iteration}"
        )
        lines = [f"{time} | {place} | {line}\n" for line in text.splitlines() or [""]]
        path = self.run_dir / "debug.log"
        with report_exhaustion(f"cannot write {path}"), path.open("a", encoding="utf-8") as file:
            file.write("".join(lines))

    def say(self, text: str) -> None:
        """Print a text and append it to debug.log.

        Raises:
            ResourceError: the disk is full.
        """
        self._echo(text)
        self.log(text)

    def record_row(self, row: Mapping[str, float]) -> None:
        """Append a row to progress.csv.

        The first row defines the header. Cells missing from a later row are `nan`; a column that it
        adds goes after the others, and the file is rewritten. Readers such as viskit read blanks
        and text as 0, so neither is written.

        Args:
            row: column name to number; `Epoch` is the iteration.
        Raises:
            ValueError: a value is not a number.
            ResourceError: the disk is full.
        """
        cells = {name: _cell(name, value) for name, value in row.items()}
        with report_exhaustion(f"cannot write {self._progress.path}"):
            self._progress.append([cells])
        for sink in self._sinks:
            sink(row, int(row["Epoch"]))

    def record_table(self, name: str, rows: Table) -> None:
        """Append rows to `<name>.csv`; each has a column `iteration`.

        Args:
            name: of the file, without suffix.
            rows: column name to number or text.
        Raises:
            ValueError: a value is neither a number nor text.
            ResourceError: the disk is full.
        """
        is_new, table = name not in self._tables, self.table(name)
        if is_new and rows and table.content.rows:  # left by a process that saved nothing of it
            from rlkit.core.restored_tables import drop_from

            drop_from(table, float(rows[0]["iteration"]))
        cells = [
            {k: v if isinstance(v, str) else _cell(k, v) for k, v in row.items()} for row in rows
        ]
        with report_exhaustion(f"cannot write {table.path}"):
            table.append(cells)

    @property
    def table_names(self) -> list[str]:
        """Names of the tables of this run, for its checkpoints."""
        return sorted(self._tables)

    @property
    def contents(self) -> dict[str, str]:
        """Text of progress.csv and the tables, by name without suffix, for checkpoints."""
        return {name: text_of(t.content) for name, t in self.tables.items()}

    @property
    def tables(self) -> dict[str, "CsvTable"]:
        """progress.csv and the other tables of this run, by name without suffix."""
        return {"progress": self._progress, **self._tables}

    def table(self, name: str) -> "CsvTable":
        """The table of this name, opened if needed."""
        if name not in self._tables:
            self._tables[name] = self._open(name)
        return self._tables[name]

    def _open(self, name: str) -> "CsvTable":
        return CsvTable(self.run_dir / f"{name}.csv", self.say)


def _cell(name: str, value: float) -> str:
    """A Python, numpy or torch number as text that parses back to the same number."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        raise ValueError(f"{name} must be a number, got {value!r}")
    if isinstance(value, numbers.Integral):
        return str(int(value))
    return repr(float(value))


class CsvTable:
    """A CSV file of text cells under one header. A cell missing from a row is `nan`, never blank.

    Users may open the file in a spreadsheet during a run and save it in another format. The written
    content is therefore kept in memory too, and a file that no longer matches it is renamed and
    written again.

    Attributes:
        path: the file; it is created with the first row.
        content: what has been written.
    """

    def __init__(self, path: Path, say: Callable[[str], None] = lambda text: None) -> None:
        """Open a table; rows are appended to an existing one.

        Args:
            path: the file.
            say: called with a message when a file is renamed.
        """
        self.path, self.say = path, say
        found = self.on_disk()
        self.content = (None if found is None else parse(found)) or Content([], [])
        # A file that is not a table counts as unwritten, so that the first row renames it.
        self._written = found if found is not None and self.content.columns else b""

    def append(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Append rows. A new column goes after the others; older rows get `nan` in it."""
        as_written = self._is_as_written()
        old, added = self.content, [name for row in rows for name in row]
        columns = list(dict.fromkeys([*old.columns, *added]))
        width = len(columns) - len(old.columns)
        cells = [[row.get(name, "nan") for name in columns] for row in rows]
        new = Content(columns, [*([*row, *["nan"] * width] for row in old.rows), *cells])
        if width or not as_written:
            self.replace(new)
            return
        text = text_of(Content(cells[0], cells[1:])).encode() if cells else b""
        with self.path.open("ab") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self.content, self._written = new, self._written + text

    def _is_as_written(self) -> bool:
        """Compare the file with what was written; rename one with other content."""
        found = self.on_disk()
        if (found or b"") == self._written and (found is not None or not self._written):
            return True
        if found is None and not os.path.lexists(self.path):
            self.say(f"{self.path} was missing and is written again")
        elif found is None or (parse(found) or Content([], [])) != self.content:
            self.put_aside("is not what the run wrote")
        return False

    def put_aside(self, reason: str) -> None:
        """Rename the file and report the reason."""
        aside = put_aside(self.path)
        self.say(f"{self.path} {reason}: it was renamed to {aside.name} and written again")

    def replace(self, content: Content) -> None:
        """Write this content to the file; remove the file if there are no rows."""
        text = text_of(content).encode() if content.rows else b""
        if text:
            replace_file(self.path, text)
        else:
            self.path.unlink(missing_ok=True)
        self.content, self._written = content if text else Content([], []), text

    def on_disk(self) -> bytes | None:
        """The bytes of the file; None if there is no regular file."""
        return self.path.read_bytes() if self.path.is_file() else None


def text_of(content: Content) -> str:
    """A table as CSV text; empty without a header."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([content.columns, *content.rows])
    return text.getvalue() if content.columns else ""
