"""What a stopped run goes on with: its own variant.json, and the few settings that may change."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from rlkit.core import config as settings_of
from rlkit.core.describe import as_json
from rlkit.core.errors import UserError
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.load_config import load_config, parse_config, read_variant

CHANGEABLE = ("algo_params.num_iterations", "util_params.")
FIXED = (
    "util_params.debug",
    "util_params.base_log_dir",
)  # decided where the run lies and what its counts are
_OF_THE_MACHINE = (
    "num_envs",
    "torch_threads",
    "physics_threads",
    "matmul",
    "slice_rows",
    "rollout_device",
)
CHOSEN_AT_START = ("seed", *(f"util_params.{key}" for key in _OF_THE_MACHINE))


def resumed_config(
    run_dir: str | Path, config_path: str | Path | None, settings: Iterable[str]
) -> ExperimentConfig:
    """Find out with what configuration a run goes on.

    Args:
        run_dir: the run folder.
        config_path: the JSON that the run is thought to have been started with, compared if given.
        settings: `key=value` changes; only of algo_params.num_iterations and util_params.
    Returns:
        The run's configuration with the changes.
    Raises:
        UserError: a folder without a readable variant.json, a change that is not allowed, or a `config_path` that
            says something else than the run.
    """
    variant = Path(run_dir) / "variant.json"
    if not variant.is_file():
        raise UserError(
            f"--resume {run_dir}: there is no variant.json; expected the folder of a run"
        )
    settings, stored = list(settings), read_variant(variant)
    run = parse_config(stored, str(variant))
    changed = parse_config(settings_of.with_settings(stored, settings), str(variant))
    refused = [text for key, text in _differences(changed, run, "run") if not _may_change(key)]
    if refused:
        allowed = "only algo_params.num_iterations and util_params.* (but debug and base_log_dir) may change"
        raise UserError("\n  ".join([f"--resume {run_dir}: {allowed}", *refused]))
    if config_path is not None:
        given = load_config(config_path)
        given = given.cut_for_debug() if run.util_params.debug else given
        given = parse_config(
            settings_of.with_settings(settings_of.to_dict(given), settings), str(config_path)
        )
        other = [text for _, text in _differences(given, changed, "run")]
        if other:
            begin = f"{config_path} is not what {run_dir} was started with (without CONFIG, the run's own settings are taken)"
            raise UserError("\n  ".join([begin, *other]))
    return changed


def _may_change(key: str) -> bool:
    return key.startswith(CHANGEABLE) and key not in FIXED


def _differences(
    config: ExperimentConfig, other: ExperimentConfig, name: str
) -> Iterator[tuple[str, str]]:
    """Yield each key whose values differ, with a text; what `config` leaves open agrees with whatever was chosen."""
    one, two = (settings_of.flatten(settings_of.to_dict(side)) for side in (config, other))
    for key in dict.fromkeys([*one, *two]):
        value, stored = one.get(key), two.get(key)
        if value != stored and not (value in (None, "auto") and key in CHOSEN_AT_START):
            yield key, f"{key} = {as_json(value)} ({name}: {as_json(stored)})"
