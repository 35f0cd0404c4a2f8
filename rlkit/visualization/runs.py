"""Runs as curves: reads `progress.csv` and `variant.json`, groups seeds of a configuration."""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from rlkit.core.config import flatten
from rlkit.core.errors import UserError
from rlkit.torch.sac.config import PEARLConfig

# What makes two runs the same experiment; num_iterations is left out, so that a longer run of the
# same kind is one seed more.
CONFIG_KEYS = (
    "algorithm",
    "env_name",
    "n_train_tasks",
    "n_eval_tasks",
    "latent_size",
    "net_size",
    "path_to_weights",
    "env_params",
    "algo_params",
)
LENGTH_KEY = "algo_params.num_iterations"
DEFAULTS = {
    f"algo_params.{key}": value
    for key, value in asdict(PEARLConfig()).items()
    if key != "num_iterations"
}


@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes:
        path: the folder.
        config: what was run, flattened to `algo_params.kl_lambda` -> value, without seed, machine
            and length.
        seed: the top-level seed, None where the run does not say.
        columns: column name -> values, one per iteration, [num_iterations].
    """

    path: Path
    config: dict[str, object]
    seed: int | None
    columns: dict[str, np.ndarray]

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

    A torn last line is left out.
    """
    with path.open(newline="") as file:
        lines = csv.reader(file)
        names = next(lines, [])
        rows = [row for row in lines if len(row) == len(names)]
    try:
        values = np.array(rows, dtype=np.float64).reshape(len(rows), len(names))
    except ValueError as error:
        raise UserError(f"{path}: a cell is not a number ({error})") from error
    return {name: values[:, i] for i, name in enumerate(names)}


def read_run(path: Path) -> Run:
    """Read one run folder; without a `variant.json` its configuration is empty."""
    variant_file = path / "variant.json"
    try:
        variant = json.loads(variant_file.read_text()) if variant_file.exists() else {}
    except ValueError as error:
        raise UserError(f"{variant_file}: not valid JSON ({error})") from error
    config = flatten({key: variant[key] for key in CONFIG_KEYS if key in variant})
    config.pop(LENGTH_KEY, None)
    if variant:
        config = {**DEFAULTS, **config}  # earlier versions do not name settings that came later
        if config["algo_params.encoder"] == "mlp" and not config["algo_params.recurrent"]:
            config.pop("algo_params.embedding_mini_batch_size")  # which this encoder does not read
        mode = variant.get("obs_mode", "state")  # variant.json of earlier versions does not say
        size, frames = variant.get("image_size"), variant.get("image_frames")
        config["obs_mode"] = f"image of {size} px, {frames} frames" if mode == "image" else mode
    return Run(path, config, variant.get("seed"), read_progress(path / "progress.csv"))


def find_runs(folders: Iterable[str | Path]) -> list[Run]:
    """Read every run at or below the given folders, each once, sorted by path.

    A run is a folder with a `progress.csv` that has a row.

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
        for run in map(read_run, sorted(paths))
        if run.columns and len(next(iter(run.columns.values())))
    ]
    if not runs:
        raise UserError("no run has finished an iteration yet (every progress.csv is empty)")
    return runs


def group_runs(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Put runs that differ in nothing but their seed together.

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
    """The environment, if several are shown, and the settings in which its runs differ."""
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
    """Values of one column over seeds, cut to the shortest run: [num_runs, num_iterations]."""
    columns = [run.column(name) for run in runs]
    length = min(map(len, columns))
    return np.stack([column[:length] for column in columns])


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Mean over the last `window` iterations, ignoring nan, along the last axis."""
    if window < 2:
        return values
    known = np.isfinite(values)
    sums = np.cumsum(np.where(known, values, 0.0), axis=-1)
    counts = np.cumsum(known, axis=-1).astype(np.float64)
    for total in (sums, counts):
        total[..., window:] = total[..., window:] - total[..., :-window]
    return np.divide(sums, counts, out=np.full_like(sums, math.nan), where=counts > 0)
