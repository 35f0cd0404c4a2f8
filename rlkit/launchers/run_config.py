"""Configuration of an existing run, and the settings that may change when it is resumed."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from rlkit.core import config as config_lib
from rlkit.core.describe import as_json
from rlkit.core.errors import UserError
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.folder_check import check_run_folder
from rlkit.launchers.load_config import load_config, parse_config, read_variant

CHANGEABLE = ("algo_params.num_iterations", "util_params.")
# They determine the run's folder and counts, so they cannot change.
FIXED = ("util_params.debug", "util_params.base_log_dir")
MOST_NAMED = 5  # runs that a message lists at most
CHOSEN_AT_START = ("seed", "util_params.")  # may be null or "auto"


# A run may differ from its JSON in these: they affect neither tasks, networks nor evaluation.
FREE_KEYS = ("seed", "path_to_weights", "util_params.", "algo_params.num_iterations")


def resumed_config(
    run_dir: str | Path, config_path: str | Path | None, settings: Iterable[str]
) -> ExperimentConfig:
    """Configuration of a resumed run: its own variant.json plus the few settings that may change.

    Args:
        run_dir: the run folder.
        config_path: the JSON that the run was started with; compared if given.
        settings: `key=value` changes of algo_params.num_iterations and util_params only.
    Returns:
        The run's configuration with the changes.
    Raises:
        UserError: there is no readable variant.json, a change is not allowed, or `config_path`
            differs from the run.
    """
    variant = Path(run_dir) / "variant.json"
    check_run_folder(Path(run_dir))
    if not variant.is_file():
        raise UserError(f"--resume {run_dir}: {no_variant(Path(run_dir))}")
    settings, stored = list(settings), read_variant(variant)
    run = parse_config(stored, str(variant), new_run=False)
    changed = parse_config(config_lib.with_settings(stored, settings), str(variant), new_run=False)
    refused = [text for key, text in _differences(changed, run, "run") if not may_change(key)]
    if refused:
        allowed = (
            "only algo_params.num_iterations and util_params.* (except debug and base_log_dir) may "
            "change"
        )
        raise UserError("\n  ".join([f"--resume {run_dir}: {allowed}", *refused]))
    if config_path is not None:
        given = load_config(config_path, new_run=False)
        given = given.cut_for_debug() if run.util_params.debug else given
        given = parse_config(
            config_lib.with_settings(config_lib.to_dict(given), settings),
            str(config_path),
            new_run=False,
        )
        other = [text for _, text in _differences(given, changed, "run")]
        if other:
            begin = (
                f"{config_path} differs from the settings of {run_dir} (omit CONFIG to use the "
                "run's own)"
            )
            raise UserError("\n  ".join([begin, *other]))
    return changed


def read_run_config(
    run_dir: str | Path, config_path: str | Path | None = None
) -> tuple[ExperimentConfig, list[str]]:
    """Read the configuration that a run folder was trained with.

    Args:
        run_dir: holds `variant.json`; a folder of bare weights may lack it.
        config_path: the experiment's JSON; needed only if there is no `variant.json`, otherwise
            compared with it.
    Returns:
        The run's own configuration, and the settings in which `config_path` differs, as text.
    Raises:
        UserError: the folder or the configuration is missing, or the configuration cannot be loaded
            or is of another environment.
    """
    run_dir = Path(run_dir)
    if not run_dir.is_dir():
        raise UserError(
            f"{run_dir}: no such folder; expected a run folder (variant.json, policy.pth, "
            "context_encoder.pth)"
        )
    given = None if config_path is None else load_config(config_path, new_run=False)
    variant = run_dir / "variant.json"
    if not os.path.lexists(variant):
        if given is None:
            raise UserError(f"{run_dir}: {no_variant(run_dir, weights=True)}")
        return given, []
    config = load_config(variant, new_run=False)
    if given is None:
        return config, []
    if given.env_name != config.env_name:
        raise UserError(
            f"{config_path} is a configuration of {given.env_name}, but {run_dir} was trained on "
            f"{config.env_name}"
        )
    run, wanted = (
        config_lib.flatten(config_lib.to_dict(config)),
        config_lib.flatten(config_lib.to_dict(given)),
    )
    return config, [
        f"{key} = {as_json(wanted.get(key))} (run: {as_json(run.get(key))})"
        for key in {**run, **wanted}
        if wanted.get(key) != run.get(key) and not key.startswith(FREE_KEYS)
    ]


def no_variant(run_dir: Path, *, weights: bool = False) -> str:
    """Describe a folder without variant.json, for an error message.

    Args:
        run_dir: the folder; it need not exist.
        weights: whether bare weights together with the experiment's JSON are enough.
    """
    missing = "there is no variant.json"
    runs = sorted((p.parent for p in run_dir.glob("*/variant.json")), key=lambda p: p.name)
    runs += sorted((p.parent for p in run_dir.glob("*/*/variant.json")), key=lambda p: p.name)
    if runs:
        newest = [str(path) for path in runs[-MOST_NAMED:][::-1]]
        more = f" and {len(runs) - MOST_NAMED} more" if len(runs) > MOST_NAMED else ""
        return f"{missing}; runs below this folder: {', '.join(newest)}{more}"
    if (run_dir / "tasks.npz").exists() and not any(run_dir.glob("*.pth")):
        stopped = "this run was stopped before variant.json was written, and has computed nothing"
        return f"{stopped}: start it again from its configuration"
    wanted = "give the experiment's JSON as CONFIG" if weights else "expected the folder of a run"
    return f"{missing}; {wanted}"


def may_change(key: str) -> bool:
    """Whether a resumed run may change a setting, by its dotted key."""
    return key.startswith(CHANGEABLE) and key not in FIXED


def _differences(
    config: ExperimentConfig, other: ExperimentConfig, name: str
) -> Iterator[tuple[str, str]]:
    """Yield each key whose values differ, with a description.

    Settings that `config` leaves open agree with any choice.
    """
    one, two = (config_lib.flatten(config_lib.to_dict(side)) for side in (config, other))
    for key in dict.fromkeys([*one, *two]):
        value, stored = one.get(key), two.get(key)
        if value != stored and not (value in (None, "auto") and key.startswith(CHOSEN_AT_START)):
            yield key, f"{key} = {as_json(value)} ({name}: {as_json(stored)})"
