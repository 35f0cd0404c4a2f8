"""Tasks drawn by oyster's classes when used here, compared with those of oyster's code.

python -m benchmarks.studies.oyster_tasks CHECKOUT

CHECKOUT is a folder with oyster's source. Its file of point robots is run unchanged, with stand-ins
for its imports (`gym`, and `register_env` of its package). It is run again as a user's file, where
only the imports of gym and `register_env`, and `env_name` of its JSON, are changed. The goals of
all tasks are compared with each other and with those of the built-in tasks. Exits 1 if any differ,
2 if the folder has no such files.
"""

import importlib.util
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import click
import gymnasium
import numpy as np

from rlkit.core.config import read_json
from rlkit.core.errors import UserError
from rlkit.envs import make_env
from rlkit.envs.class_lanes import ClassEnv
from rlkit.envs.keywords import OYSTER_DEFAULTS
from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.launcher import launcher_for
from rlkit.launchers.load_config import parse_config

FILE = Path("rlkit", "envs", "point_robot.py")
CASES = {"PointEnv": "point-robot", "SparsePointEnv": "sparse-point-robot"}
USERS_MODULE, PACKAGE = "oyster_point_robot", "oyster_checkout"


def as_users_file(source: str) -> str:
    """Change a file of oyster's as a user must: import gymnasium, and register nothing."""
    source = re.sub(r"^(\s*(?:from|import) )gym\b", r"\1gymnasium", source, flags=re.M)
    return re.sub(r"^.*\bregister_env\b.*\n", "", source, flags=re.M)


@contextmanager
def modules(**stand_ins: ModuleType) -> Iterator[None]:
    """Make modules importable under other names within the block."""
    before = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def oysters_module(path: Path) -> ModuleType:
    """Run one of oyster's files unchanged, with gymnasium instead of gym."""
    package = ModuleType(PACKAGE)
    package.register_env = lambda name: lambda registered: registered  # type: ignore[attr-defined]
    spec = importlib.util.spec_from_file_location(f"{PACKAGE}.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path}: cannot be imported")
    module = importlib.util.module_from_spec(spec)
    with modules(gym=gymnasium, **{PACKAGE: package}):
        spec.loader.exec_module(module)
    return module


def goals_of(instance: Any) -> np.ndarray:
    """The goal of each task, float64 [num_tasks, 2], as the instance selects them."""
    goals = []
    for task in instance.get_all_task_idx():
        instance.reset_task(task)
        goals.append(instance._goal)
    return np.array(goals, np.float64)


def goals_here(class_name: str, config: dict[str, Any]) -> list[np.ndarray]:
    """Goals of two lanes of the user's class, as in a run with its JSON."""
    env_name = f"{USERS_MODULE}:{class_name}"
    parsed = parse_config({**config, "env_name": env_name}, f"{class_name}'s JSON")
    env = launcher_for(parsed).build_env(parsed)
    own = cast(ClassEnv, env.unwrapped)
    goals = [goals_of(own.construct()) for _ in range(2)]
    env.close()
    return goals


def difference(goals: np.ndarray, others: np.ndarray) -> float:
    """Largest difference between two task sets; infinite if their sizes differ."""
    return float(abs(goals - others).max()) if goals.shape == others.shape else np.inf


def compare(checkout: Path) -> dict[str, dict[str, float]]:
    """Largest differences from oyster's goals per class, for a user's lanes and the built-in task.

    Raises:
        UserError: the folder has no such files.
    """
    if not (checkout / FILE).is_file():
        raise UserError(f"{checkout}: there is no {FILE}; expected a checkout of oyster")
    original, differences = oysters_module(checkout / FILE), {}
    with tempfile.TemporaryDirectory() as folder:
        users_file = Path(folder, f"{USERS_MODULE}.py")
        users_file.write_text(as_users_file((checkout / FILE).read_text()))
        sys.path.insert(0, folder)
        try:
            for class_name, name in CASES.items():
                config = read_json(checkout / "configs" / f"{name}.json")
                env_params = {**OYSTER_DEFAULTS, **config["env_params"]}
                expected = goals_of(getattr(original, class_name)(**env_params))
                first, second = goals_here(class_name, config)
                built_in = make_env(name, dtype=np.float64, **env_params).tasks
                differences[f"{class_name}, {len(expected)} tasks"] = {
                    "a user's class, lane 0": difference(first, expected),
                    "lane 1": difference(second, expected),
                    name: difference(built_in, expected),
                }
        finally:
            sys.path.remove(folder)
            sys.modules.pop(USERS_MODULE, None)
    return differences


@click.command()
@click.argument("checkout", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(checkout: Path) -> None:
    """Compare the tasks; see the module's own text."""
    with exit_codes():
        differences = compare(checkout)
    for case, found in differences.items():
        parts = ", ".join(f"{what} {value:g}" for what, value in found.items())
        click.echo(f"{case}: greatest difference from oyster's goals: {parts}")
    if any(value for found in differences.values() for value in found.values()):
        click.echo("the tasks differ", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
