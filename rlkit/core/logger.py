"""What a run writes for people and plots: progress.csv, online_returns.csv, debug.log, variant.json."""

import json
import numbers
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rlkit.core.csv_table import CsvTable
from rlkit.core.files import replace_file, report_exhaustion

Sink = Callable[[Mapping[str, float], int], None]


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
        echo: Callable[[str], None] | None = None,
        sinks: Sequence[Sink] = (),
    ) -> None:
        """Open a run folder, new or of a run that goes on.

        Args:
            run_dir: created if need be.
            echo: also gets each text of `log`, such as a console's print.
            sinks: each is called with (row, iteration) after a row is written; TensorBoard and its like.
        """
        self.run_dir = Path(run_dir)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.iteration: int | None = None
        self._echo, self._sinks = echo, list(sinks)
        self._progress = CsvTable(self.run_dir / "progress.csv")
        self._online_returns = CsvTable(self.run_dir / "online_returns.csv")

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
        """Append to debug.log, each line of the text as `<time> | [<run>] Iteration #<n> | <line>`, as oyster does.

        Raises:
            ResourceError: the disk is full.
        """
        time = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S.%f %Z")
        place = f"[{self.run_dir.name}]" + (
            "" if self.iteration is None else f" Iteration #{self.iteration}"
        )
        lines = [f"{time} | {place} | {line}\n" for line in text.splitlines() or [""]]
        path = self.run_dir / "debug.log"
        with report_exhaustion(f"cannot write {path}"), path.open("a", encoding="utf-8") as file:
            file.write("".join(lines))
        if self._echo is not None:
            self._echo(text)

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

    def record_online_returns(
        self,
        iteration: int,
        split: str,
        means: Sequence[float],
        stds: Sequence[float],
        counts: Sequence[int],
    ) -> None:
        """Append to online_returns.csv one row per trajectory of the adaptation: iteration, split, trajectory, mean, std, n.

        Args:
            iteration: index of the iteration.
            split: "train" or "test".
            means: return of the first, second, ... trajectory, over tasks and runs.
            stds: their spread.
            counts: how many returns each is computed from.
        Raises:
            ResourceError: the disk is full.
        """
        rows = []
        for number, values in enumerate(zip(means, stds, counts, strict=True), start=1):
            named = dict(zip(("mean", "std", "n"), values, strict=True))
            cells = {name: _cell(name, value) for name, value in named.items()}
            rows.append(
                {"iteration": str(iteration), "split": split, "trajectory": str(number), **cells}
            )
        with report_exhaustion(f"cannot write {self._online_returns.path}"):
            self._online_returns.append(rows)

    def truncate_to(self, iteration: int) -> None:
        """Drop what came after an iteration: the rows of later ones, and lines that were not written to their end.

        Raises:
            ResourceError: the disk is full.
        """
        with report_exhaustion(f"cannot rewrite the tables of {self.run_dir}"):
            self._progress.truncate("Epoch", iteration)
            self._online_returns.truncate("iteration", iteration)


def _cell(name: str, value: float) -> str:
    """A number as text that reads back as the same number; also numbers of numpy and torch."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        raise ValueError(f"{name} must be a number, got {value!r}")
    if isinstance(value, numbers.Integral):
        return str(int(value))
    return repr(float(value))
