"""The runs of a sweep: configurations × settings × seeds, each with a reproducible name."""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rlkit.core.config import given_keys, to_dict
from rlkit.core.errors import UserError
from rlkit.launchers.command import new_config, run_to_resume, settings_to_resume
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.folders import check_name_is_free, named_folder
from rlkit.launchers.limits import check_it_fits
from rlkit.launchers.record import experiment_name
from rlkit.launchers.run_config import may_change, resumed_config
from rlkit.launchers.shipped import find_config
from rlkit.launchers.trackers import check_trackers

MOST_RUNS = 10_000
LONGEST_NAME = 120
LARGEST_SEED = 2**32 - 1
THREADS = ("torch_threads", "physics_threads")


@dataclass(frozen=True)
class Planned:
    """A run of a sweep.

    Attributes:
        name: name of its folder.
        folder: path of that folder, which need not exist yet.
        config_path: as the user gave it.
        arguments: of `rlkit train`, which starts or resumes the run.
        config: checked.
    """

    name: str
    folder: Path
    config_path: Path
    arguments: tuple[str, ...]
    config: ExperimentConfig

    @property
    def num_iterations(self) -> int:
        """Length of the run."""
        return self.config.algo_params.num_iterations

    @property
    def log(self) -> Path:
        """The log of its processes, next to the run folder."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def is_complete(self) -> bool:
        """Whether the newest checkpoint is the one after the last iteration."""
        try:
            file = json.loads((self.folder / "checkpoint" / "manifest.json").read_bytes())
            return int(file["manifest"]["iteration"]) + 1 >= self.num_iterations
        except (OSError, ValueError, KeyError, TypeError):
            return False


def plan(
    configs: Sequence[Path],
    settings: Sequence[str],
    seeds: Sequence[int | None],
    *,
    prefix: str | None = None,
    threads: int = 1,
) -> list[Planned]:
    """List the runs of a sweep and check each before any starts.

    Args:
        configs: JSON files or names of shipped configurations.
        settings: `key=value` or `key=value,value...`; all combinations are run.
        seeds: of the runs; None: the configuration's, or a random one.
        prefix: of the names, instead of the name of the configuration.
        threads: threads of PyTorch and of the physics, unless configuration or settings set them.
    Raises:
        UserError: bad input; one message lists all errors.
    """
    choices = [alternatives(setting) for setting in settings]
    several = {key for key, values in choices if len(values) > 1}
    runs: list[Planned] = []
    problems: list[str] = []
    seen: dict[str, str] = {}  # configuration -> name of its run
    for path, values in itertools.product(configs, itertools.product(*(v for _, v in choices))):
        chosen = {key: value for (key, _), value in zip(choices, values, strict=True)}
        try:
            for run in _runs_of(path, chosen, seeds, several, prefix, threads):
                twin = seen.setdefault(json.dumps(to_dict(run.config), sort_keys=True), run.name)
                if twin != run.name or any(other.folder == run.folder for other in runs):
                    raise UserError(f"{run.name} would be run twice; expected different settings")
                runs.append(run)
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(dict.fromkeys(problems)))
    if len(runs) > MOST_RUNS:
        raise UserError(f"{len(runs):,} runs; expected at most {MOST_RUNS:,}")
    return runs


def alternatives(setting: str) -> tuple[str, list[str]]:
    """Split "key=a,b" into the key and its values; commas inside JSON do not separate.

    Raises:
        UserError: there is no "=", no key, or a value twice.
    """
    key, equals, text = setting.partition("=")
    values = list(_split(text))
    if not equals or not key.strip():
        example = "for example algo_params.kl_lambda=0.1,1"
        raise UserError(f"--set {setting}: expected key=value or key=value,value, {example}")
    if len(set(values)) < len(values):
        raise UserError(f"--set {setting}: a value is given twice")
    return key.strip(), values


def parse_seeds(text: str) -> list[int]:
    """Read seeds such as "1-5", "1,4,7" or "1-3,10".

    Raises:
        UserError: the text has another form.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first or last > LARGEST_SEED or last - first >= MOST_RUNS:
            raise UserError(
                f"--seeds {text}: expected numbers and ranges, such as 1-5 or 1,4,7, below 2^32"
            )
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds {text}: a seed is given twice")
    return seeds


def _runs_of(
    path: Path,
    chosen: dict[str, str],
    seeds: Sequence[int | None],
    several: set[str],
    prefix: str | None,
    threads: int,
) -> Iterator[Planned]:
    """Check one combination of settings, and yield its run for each seed."""
    found = find_config(path)
    settings = [f"{key}={value}" for key, value in chosen.items()]
    config = new_config(found, settings)
    util = config.util_params
    given = given_keys(settings)
    settings += [
        f"util_params.{name}={threads}"
        for name in THREADS
        if getattr(util, name) is None and f"util_params.{name}" not in given
    ]
    config = replace(config, util_params=new_config(found, settings).util_params)
    check_it_fits(config)
    check_trackers(config)
    free = [key for key in chosen if may_change(key) or key.startswith("util_params.")]
    named = {key: v for key, v in chosen.items() if key in several or key not in free}
    begin = prefix or experiment_name(found)
    for seed in seeds:
        name = run_name(begin, named, seed, debug=util.debug)
        arguments = [str(path), "--name", name, "--start-or-resume"]
        for setting in settings:
            arguments += ["--set", setting]
        arguments += [] if seed is None else ["--seed", str(seed)]
        own = config if seed is None else replace(config, seed=seed)
        folder = named_folder(own, name)
        if (run_dir := run_to_resume(own, name)) is None:
            check_name_is_free(folder)
        else:
            more = [] if seed is None else [f"seed={seed}"]
            resumed_config(run_dir, found, settings_to_resume(own, [*settings, *more]))
        yield Planned(name, folder, path, tuple(arguments), own)


def run_name(begin: str, chosen: dict[str, str], seed: int | None, *, debug: bool = False) -> str:
    """Name a run after its settings and seed, such as "quick-point-robot-kl_lambda=0.5-seed=2"."""
    short = [key.rsplit(".", 1)[-1] for key in chosen]
    parts = [begin, *(["debug"] if debug else [])]
    for key, last in zip(chosen, short, strict=True):
        shown = last if short.count(last) == 1 else key
        value = re.sub(r"[^A-Za-z0-9_.+-]+", "-", chosen[key]).strip("-.") or "empty"
        parts.append(f"{shown}={value}")
    end = [] if seed is None else [f"seed={seed}"]
    name = "-".join([*parts, *end])
    if len(name) > LONGEST_NAME:
        mark = hashlib.sha256(name.encode()).hexdigest()[:10]
        name = "-".join(["-".join(parts)[: LONGEST_NAME - 40], mark, *end])
    return name


def _split(text: str) -> Iterator[str]:
    """Split at commas outside brackets and quotes."""
    depth, quoted, begin = 0, False, 0
    for place, letter in enumerate(text):
        if letter == '"' and text[place - 1 : place] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (letter in "[{") - (letter in "]}")
            if letter == "," and depth == 0:
                yield text[begin:place]
                begin = place + 1
    yield text[begin:]
