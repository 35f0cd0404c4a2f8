"""CSV tables of a resumed run, restored to their content at the checkpoint."""

import math
from collections.abc import Mapping, Sequence

from rlkit.core.csv_content import Content, parse
from rlkit.core.files import report_exhaustion
from rlkit.core.logger import CsvTable, Logger


def truncate_tables(
    logger: Logger,
    iteration: int,
    tables: Sequence[str] = (),
    contents: Mapping[str, str] | None = None,
) -> None:
    """Drop the rows of later iterations, and an incomplete last line.

    Args:
        logger: of the run.
        iteration: the last one to keep.
        tables: names of the run's tables other than progress.csv.
        contents: text of the tables at the end of that iteration; a file with other content is
            renamed and written again. None: unknown (an older checkpoint); then any file that is
            a table is accepted.
    Raises:
        ResourceError: the disk is full.
    """
    for name in tables:
        logger.table(name)
    with report_exhaustion(f"cannot rewrite the tables of {logger.run_dir}"):
        for name, table in logger.tables.items():
            key = "Epoch" if name == "progress" else "iteration"
            _cut_back(table, key, iteration, None if contents is None else contents.get(name, ""))


def drop_from(table: CsvTable, iteration: float) -> None:
    """Drop the rows of an iteration that is written again, and of later ones."""
    _cut_back(table, "iteration", math.nextafter(iteration, -math.inf), None)


def _cut_back(table: CsvTable, key: str, last: float, kept: str | None) -> None:
    """Drop the rows whose `key` is greater than `last`, and an incomplete last line.

    Args:
        table: the table.
        key: the column with the iteration.
        last: the greatest value to keep.
        kept: the table as it must be afterwards; None: unknown, and any file with numbers as
            `key` is accepted.
    """
    found = table.on_disk()
    content = None if found is None else parse(found)
    cut = None if content is None else _rows_up_to(content, key, last)
    wanted = None if kept is None else parse(kept.encode())
    if wanted is None:
        if cut is None and found is not None:
            table.put_aside("is not a table of this run")
        table.replace(cut or Content([], []))
        return
    if cut is None or not _agrees(cut, wanted):
        if found is not None:
            table.put_aside("is not what the run wrote")
        elif wanted.rows:
            table.say(f"{table.path} was missing and is written again from the checkpoint")
    table.replace(wanted)


def _rows_up_to(table: Content, key: str, last: float) -> Content | None:
    """The rows whose key is at most `last`; None if a key is not a number."""
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


def _agrees(found: Content, wanted: Content) -> bool:
    """Whether a file has the expected rows; columns that later rows added must be `nan`."""
    width = len(wanted.columns)
    return (
        found.columns[:width] == wanted.columns
        and [row[:width] for row in found.rows] == wanted.rows
        and all(cell == "nan" for row in found.rows for cell in row[width:])
    )
