"""What a run writes for people and plots: progress.csv, further tables, debug.log, variant.json."""

import json
import numbers
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rlkit.core.csv_table import CsvTable, text_of
from rlkit.core.files import replace_file, report_exhaustion

Sink = Callable[[Mapping[str, float], int], None]
Table = Sequence[Mapping[str, float | str]]


class Logger:
    """Writes the files of one run folder.

    Attributes:
        run_dir: the folder.
        iteration: stands in the lines of debug.log; the caller sets it. None: lines without an iteration.
    """

    def __init__(
        self,
        run_dir: str | Path,
        *,
        echo: Callable[[str], None] = print,
        sinks: Sequence[Sink] = (),
    ) -> None:
        """Open a run folder, new or of a run that goes on.

        Args:
            run_dir: created if need be.
            echo: takes the texts of `say`, such as a console's print.
            sinks: each is called with (row, iteration) after a row is written; TensorBoard and its
                like.
        """
        self.run_dir = Path(run_dir)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.iteration: int | None = None
        self._echo, self._sinks = echo, list(sinks)
        self._progress = self._open("progress")
        self._tables: dict[str, CsvTable] = {}

    def write_variant(self, variant: Mapping[str, Any]) -> None:
        """Write variant.json, indented, keys sorted.

        Raises:
            ValueError: a number is not finite, which JSON has no place for.
            ResourceError: the disk is full.
        """
        text = json.dumps(variant, indent=2, sort_keys=True, allow_nan=False) + "\n"
        with report_exhaustion(f"cannot write {self.run_dir / 'variant.json'}"):
            replace_file(self.run_dir / "variant.json", text.encode())

    def log(self, text: str) -> None:
        """Append lines to debug.log, each as `<time> | [<run>] Iteration #<n> | <line>`.

        Raises:
            ResourceError: the disk is full.
        Source: the form is that of katerakelly/oyster.
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

        The first row makes the header. What a later row lacks is `nan`; a column that it adds is put after the others, and
        the file is rewritten. Readers such as viskit take blanks and text for 0, so there are none.

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
        table = self._table(name)
        cells = [
            {
                key: value if isinstance(value, str) else _cell(key, value)
                for key, value in row.items()
            }
            for row in rows
        ]
        with report_exhaustion(f"cannot write {table.path}"):
            table.append(cells)

    @property
    def table_names(self) -> list[str]:
        """Names of the tables of this run, for its checkpoints."""
        return sorted(self._tables)

    @property
    def contents(self) -> dict[str, str]:
        """All that progress.csv and the tables hold, by name without suffix, for checkpoints."""
        return {name: text_of(t.content) for name, t in self._all_tables().items()}

    def truncate_to(
        self,
        iteration: int,
        tables: Sequence[str] = (),
        contents: Mapping[str, str] | None = None,
    ) -> None:
        """Drop the rows of later iterations, and lines that were not written to their end.

        Args:
            iteration: the last one to be kept.
            tables: names of the tables that the run has besides progress.csv.
            contents: what the tables held at the end of that iteration; a file that says otherwise is
                put aside and written again. None: not known (an older checkpoint); then a file that
                is a table is believed.
        Raises:
            ResourceError: the disk is full.
        """
        for name in tables:
            self._table(name)
        with report_exhaustion(f"cannot rewrite the tables of {self.run_dir}"):
            for name, table in self._all_tables().items():
                key = "Epoch" if table is self._progress else "iteration"
                kept = None if contents is None else contents.get(name, "")
                table.cut_back(key, iteration, kept)

    def _all_tables(self) -> dict[str, CsvTable]:
        return {"progress": self._progress, **self._tables}

    def _table(self, name: str) -> CsvTable:
        if name not in self._tables:
            self._tables[name] = self._open(name)
        return self._tables[name]

    def _open(self, name: str) -> CsvTable:
        return CsvTable(self.run_dir / f"{name}.csv", self.say)


def _cell(name: str, value: float) -> str:
    """A number as text that reads back as the same number; also numbers of numpy and torch."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        raise ValueError(f"{name} must be a number, got {value!r}")
    if isinstance(value, numbers.Integral):
        return str(int(value))
    return repr(float(value))
