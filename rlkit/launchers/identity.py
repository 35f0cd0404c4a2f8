"""Identity of a run: checks that the files of a folder belong together and are unchanged.

variant.json, tasks.npz and the state of each checkpoint store the random identity of the run. The
state also has the settings that a resumed run may not change, and the hash of tasks.npz. Folders
written by earlier versions have none of these.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rlkit.core import config as config_lib
from rlkit.core.errors import UserError
from rlkit.core.found_files import hash_file
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.run_config import may_change

# Key in variant.json and array in tasks.npz. viskit does not split runs by keys starting with
# log_dir.
IDENTITY = "log_dir_id"
NOT_RECORDED = "this run's version recorded no identity: whether its files fit together is unknown"


def new_identity() -> str:
    """Draw an identity."""
    return secrets.token_hex(16)


def identity_of_tasks(run_dir: Path) -> str | None:
    """The identity in a readable tasks.npz; None if it has none."""
    path = run_dir / "tasks.npz"
    if not path.exists():
        return None
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return str(arrays[IDENTITY]) if IDENTITY in arrays else None


def identity_record(
    config: ExperimentConfig, identity: str | None, run_dir: Path
) -> dict[str, Any]:
    """The record of the run in a checkpoint: identity, fixed settings, hash of tasks.npz."""
    settings = config_lib.flatten(config_lib.to_dict(config))
    return {
        "identity": identity,
        "settings": {
            key: json.dumps(value, sort_keys=True)
            for key, value in settings.items()
            if not may_change(key) and not key.startswith("util_params.")
        },
        "tasks": hash_file(run_dir / "tasks.npz"),
    }


def check_tasks(record: Mapping[str, Any], run_dir: Path) -> None:
    """Check that variant.json and tasks.npz belong to the same run.

    Args:
        record: the content of variant.json.
        run_dir: their folder; tasks.npz is readable or missing.
    Raises:
        UserError: they do not; names both identities.
    """
    own = record.get(IDENTITY)
    if (run_dir / "tasks.npz").exists() and (found := identity_of_tasks(run_dir)) != own:
        what = f"tasks.npz belongs to {_named(found)}, variant.json to {_named(own)}"
        raise UserError(f"{run_dir} holds files of different runs: {what}")


def check_state(present: Mapping[str, Any], state: object, run_dir: Path) -> None:
    """Check that a checkpoint belongs to this run and that the run's files are unchanged.

    Args:
        present: the `identity_record` of the current variant.json and tasks.npz.
        state: as `Checkpoint.load` returned it.
        run_dir: names the run in messages.
    Raises:
        UserError: names each difference with both values.
    """
    stored = state.get("run") if isinstance(state, Mapping) else None
    if stored is None:
        stored = {"identity": None}
    problems = ["it does not say which run it belongs to"]
    if isinstance(stored, Mapping):
        problems = list(_differences(stored, present))
    if problems:
        place = f"the checkpoint in {run_dir / 'checkpoint'}"
        raise UserError(
            "\n  ".join([f"{place} does not match variant.json or tasks.npz:", *problems])
        )


def _differences(stored: Mapping[str, Any], present: Mapping[str, Any]) -> Iterator[str]:
    """Yield the differences, except settings that only one of the two has."""
    if (stored.get("identity") or None) != present["identity"]:
        own, other = _named(present["identity"]), _named(stored.get("identity"))
        yield f"variant.json belongs to {own}, the checkpoint to {other}"
        return
    settings = stored.get("settings", {})
    for key, text in settings.items() if isinstance(settings, Mapping) else ():
        now = present["settings"].get(key, text)
        if not _same(now, text):
            yield f"{key}: {now} in variant.json, {text} in the checkpoint"
    was = stored.get("tasks", present["tasks"])
    if was != present["tasks"]:
        yield f"tasks.npz has the hash {present['tasks']}, but had {was} at the checkpoint"


def _same(one: str, other: object) -> bool:
    """Whether two JSON texts have equal values, such as 1 and 1.0."""
    try:
        return bool(json.loads(one) == json.loads(str(other)))
    except ValueError:
        return False


def _named(identity: object) -> str:
    return f"run {identity}" if identity else "a run without identity"
