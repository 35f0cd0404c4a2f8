"""Reads `progress.csv` and `variant.json` of runs, and groups the seeds of a configuration."""

import csv
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from rlkit.core.config import flatten
from rlkit.core.describe import as_json
from rlkit.core.errors import UserError
from rlkit.core.found_files import obstacle

LENGTH_KEY = "algo_params.num_iterations"  # not compared: runs of any length are one group
# Keys of variant.json that describe the run and are not settings.
RECORD = ("exp_name", "headline", "requested", "versions", "machine", "log_dir_id")
NOT_COMPARED = ("seed", "util_params", *RECORD)

# Maps a variant.json to the flattened settings that distinguish runs.
SettingsOf = Callable[[Mapping[str, Any]], dict[str, Any]]


def recorded_settings(variant: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a variant.json names, without seed, machine and length."""
    config = flatten({key: value for key, value in variant.items() if key not in NOT_COMPARED})
    config.pop(LENGTH_KEY, None)
    return config


@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes:
        path: the folder.
        config: settings, flattened to `algo_params.kl_lambda` -> value, without seed, machine and
            length.
        seed: the top-level seed; None if not recorded.
        columns: column name -> values, one per iteration, [num_iterations].
        headline: label -> main columns of the run's algorithm; may be empty.
        planned: iterations of the whole run; None if not recorded.
    """

    path: Path
    config: dict[str, object]
    seed: int | None
    columns: dict[str, np.ndarray]
    headline: dict[str, str] = field(default_factory=dict)
    planned: int | None = None

    @property
    def length(self) -> int:
        """Number of finished iterations."""
        return len(next(iter(self.columns.values()), ()))

    @property
    def is_complete(self) -> bool:
        """Whether the run has reached its planned end."""
        return self.planned is None or self.length >= self.planned

    def column(self, name: str) -> np.ndarray:
        """Values of one column, [num_iterations].

        Raises:
            UserError: there is no such column; the nearest one is named.
        """
        if name not in self.columns:
            near = get_close_matches(name, self.columns, n=1, cutoff=0.0)
            raise UserError(
                f"{self.path}: no column {name!r} in progress.csv; nearest: {near[0]!r}"
            )
        return self.columns[name]


def read_progress(path: Path) -> dict[str, np.ndarray]:
    """Read a `progress.csv` as column name -> [num_iterations] float64.

    An incomplete last line is dropped.

    Raises:
        UserError: the file cannot be read, or is not a table of numbers.
    """
    if reason := obstacle(path):
        raise UserError(f"{path} {reason}")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = csv.reader(file)
            names = next(lines, [])
            rows = [row for row in lines if len(row) == len(names)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a table ({error})") from error
    try:
        values = np.array(rows, dtype=np.float64).reshape(len(rows), len(names))
    except ValueError as error:
        raise UserError(f"{path}: a cell is not a number ({error})") from error
    return {name: values[:, i] for i, name in enumerate(names)}


def read_run(path: Path, settings_of: SettingsOf = recorded_settings) -> Run:
    """Read one run folder; without a `variant.json` its configuration is empty.

    Args:
        path: the folder.
        settings_of: completes the settings of a variant.json with its algorithm's defaults.
    Raises:
        UserError: a file is damaged.
    """
    variant_file = path / "variant.json"
    variant = read_variant(variant_file) if os.path.lexists(variant_file) else {}
    config = settings_of(variant) if variant else {}
    headline, seed = variant.get("headline", {}), variant.get("seed")
    if not isinstance(headline, dict) or not all(isinstance(v, str) for v in headline.values()):
        raise UserError(
            f"{variant_file}: headline = {as_json(headline)}: expected names of columns"
        )
    if seed is not None and type(seed) is not int:
        raise UserError(f"{variant_file}: seed = {as_json(seed)}: expected an integer or null")
    planned = flatten(variant).get(LENGTH_KEY)
    planned = planned if type(planned) is int else None
    return Run(path, config, seed, read_progress(path / "progress.csv"), headline, planned)


def read_variant(path: Path) -> dict[str, Any]:
    """Read a variant.json of any program; NaN, which some write, is allowed.

    Raises:
        UserError: it cannot be read, or is not an object.
    """
    if reason := obstacle(path):
        raise UserError(f"{path} {reason}")
    try:
        variant = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(variant, dict):
        raise UserError(f"{path}: expected a JSON object {{...}}, found {as_json(variant)}")
    return variant


def find_runs(
    folders: Iterable[str | Path], settings_of: SettingsOf = recorded_settings
) -> list[Run]:
    """Read every run at or below the given folders, each once, sorted by path.

    A run is a folder with a `progress.csv` that has a row.

    Args:
        folders: where to look.
        settings_of: as for `read_run`.
    Raises:
        UserError: a folder does not exist, or holds no run.
    """
    paths: set[Path] = set()
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder")
        found = {file.parent.resolve() for file in folder.rglob("progress.csv")}
        if not found:
            raise UserError(f"{folder}: no progress.csv in it or below it")
        paths |= found
    runs = [
        run
        for run in (read_run(path, settings_of) for path in sorted(paths))
        if run.columns and len(next(iter(run.columns.values())))
    ]
    if not runs:
        raise UserError("no run has finished an iteration yet (every progress.csv is empty)")
    return runs


def group_runs(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Group runs that differ only in their seed.

    Returns:
        Label -> runs, in order of first appearance. The label names the settings in which the
        groups differ.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(json.dumps(run.config, sort_keys=True), []).append(run)
    labelled: dict[str, list[Run]] = {}
    for group in groups.values():
        label = _label(group[0], [other[0] for other in groups.values()])
        labelled[label if label not in labelled else f"{label} ({len(labelled) + 1})"] = group
    return labelled


def _label(run: Run, others: Sequence[Run]) -> str:
    """The environment, if there are several, and the settings in which its runs differ."""
    name = str(run.config.get("env_name", run.path.name))
    rivals = [
        other.config
        for other in others
        if other.config.get("env_name") == run.config.get("env_name")
    ]
    keys = dict.fromkeys(key for config in rivals for key in config)
    differing = [key for key in keys if len({json.dumps(config.get(key)) for config in rivals}) > 1]
    settings = [f"{key.rsplit('.', 1)[-1]} {run.config.get(key, 'unset')}" for key in differing]
    return ", ".join(settings if settings and len(rivals) == len(others) else [name, *settings])


def stack(runs: Sequence[Run], name: str) -> np.ndarray:
    """Values of one column over seeds, nan after a run's end: [num_runs, most iterations]."""
    columns = [run.column(name) for run in runs]
    values = np.full((len(columns), max(map(len, columns))), math.nan)
    for row, column in zip(values, columns, strict=True):
        row[: len(column)] = column
    return values


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Moving average over the last `window` iterations, ignoring nan, along the last axis."""
    if window < 2:
        return values
    known = np.isfinite(values)
    sums = np.cumsum(np.where(known, values, 0.0), axis=-1)
    counts = np.cumsum(known, axis=-1).astype(np.float64)
    for total in (sums, counts):
        total[..., window:] = total[..., window:] - total[..., :-window]
    return np.divide(sums, counts, out=np.full_like(sums, math.nan), where=counts > 0)
