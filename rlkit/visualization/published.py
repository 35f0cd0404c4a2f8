"""Published returns of other work, drawn next to learning curves."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlkit.core.errors import UserError
from rlkit.core.found_files import obstacle
from rlkit.visualization.runs import Run

COLUMNS = ("env_name", "column", "method", "env_steps", "value", "source")


@dataclass(frozen=True)
class PublishedPoint:
    """One point of a published curve.

    Attributes:
        env_name: environment, a name as in a configuration.
        column: column of progress.csv that means the same.
        method: name of the curve that the point belongs to.
        env_steps: environment steps.
        value: the return.
        source: where it was published.
    """

    env_name: str
    column: str
    method: str
    env_steps: float
    value: float
    source: str


def read_published(path: Path) -> list[PublishedPoint]:
    """Read a table of published points, such as docs/results/published.csv.

    Raises:
        UserError: it cannot be read or lacks a column, or a cell is not a number.
    """
    if reason := obstacle(path):
        raise UserError(f"{path} {reason}")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a table ({error})") from error
    return [_point(path, line, row) for line, row in enumerate(rows, start=2)]


def _point(path: Path, line: int, row: Mapping[str, str | None]) -> PublishedPoint:
    cells = {name: row.get(name) for name in COLUMNS}
    if missing := [name for name, cell in cells.items() if cell is None]:
        raise UserError(
            f"{path}, line {line}: {missing[0]} is missing; expected {','.join(COLUMNS)}"
        )
    texts = {name: str(cell) for name, cell in cells.items()}
    numbers = {}
    for name in ("env_steps", "value"):
        try:
            numbers[name] = float(texts[name])
        except ValueError:
            numbers[name] = math.nan
        if not math.isfinite(numbers[name]):
            raise UserError(f"{path}, line {line}: {name} = {texts[name]}: expected a number")
    return PublishedPoint(
        env_name=texts["env_name"],
        column=texts["column"],
        method=texts["method"],
        env_steps=numbers["env_steps"],
        value=numbers["value"],
        source=texts["source"],
    )


def published_curves(
    points: Iterable[PublishedPoint], groups: Mapping[str, Sequence[Run]], column: str
) -> dict[str, np.ndarray]:
    """The published points for the curves of one panel.

    Args:
        points: of any environments and columns.
        groups: the runs of the panel.
        column: the column that the panel shows.
    Returns:
        Label -> environment steps and values, [2, num_points], sorted by environment steps. The
        label is the method, after the environment if the runs have more than one.
    """
    shown = {str(run.config.get("env_name")) for runs in groups.values() for run in runs}
    curves: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        if point.env_name in shown and point.column == column:
            label = point.method if len(shown) == 1 else f"{point.env_name}, {point.method}"
            curves.setdefault(label, []).append((point.env_steps, point.value))
    return {label: np.array(sorted(pairs)).T for label, pairs in curves.items()}
