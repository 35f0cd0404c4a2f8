"""Loads JSON files as complete, checked `ExperimentConfig`s."""

import copy
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, field, make_dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium

from rlkit.core import config as settings_of
from rlkit.core.config import Problem, Relation
from rlkit.core.describe import as_json
from rlkit.core.nearest import nearest
from rlkit.core.user_paths import expand_setting, path_keys
from rlkit.envs import ENVS, env_class, make_env
from rlkit.envs.keywords import json_keywords
from rlkit.envs.own_meta_env import try_out
from rlkit.launchers import ALGORITHMS
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.launcher import launcher_of
from rlkit.launchers.shipped import find_config
from rlkit.visualization.runs import RECORD

LAUNCHER_KEYWORDS = (
    "num_envs",
    "physics_threads",
    "dtype",
)  # of environment constructors; never in env_params


def load_config(
    path: str | Path, settings: Iterable[str] = (), *, new_run: bool = True
) -> ExperimentConfig:
    """Load an experiment's configuration from a JSON file.

    Args:
        path: one of configs/*.json, one of oyster's, the variant.json of a run, or the name of a
            shipped configuration (`find_config`).
        settings: `key=value` changes, as given with --set.
        new_run: also reject settings that only an existing run may have.
    Returns:
        The complete configuration: env_params holds every keyword of the environment's
        constructor.
    Raises:
        UserError: one message that lists all errors.
    """
    settings, path = list(settings), find_config(path)
    data = settings_of.with_settings(read_variant(path), settings)
    # Paths in a variant.json are already expanded.
    changed = [setting.partition("=")[0].strip() for setting in settings]
    names = changed if Path(path).name == "variant.json" else [*data]
    return parse_config(_expand_paths(data, names, str(path)), str(path), new_run=new_run)


def cut_for_debug(config: ExperimentConfig, settings: Iterable[str]) -> ExperimentConfig:
    """Reduce the counts of a configuration for a smoke run, except those set by `settings`.

    Args:
        config: as `load_config` returned it.
        settings: the `key=value` changes applied to it.
    Raises:
        UserError: such a setting conflicts with the reduced ones.
    """
    cut, wanted = (settings_of.to_dict(c) for c in (config.cut_for_debug(), config))
    values, flat = settings_of.flatten(wanted), settings_of.flatten(cut)
    for key in settings_of.given_keys(settings):
        if key in values and values[key] != flat.get(key):
            *sections, name = key.split(".")
            place = cut
            for section in sections:
                place = place[section]
            place[name] = values[key]
    return parse_config(cut, "--set with --debug")


def _expand_paths(data: Mapping[str, Any], names: Sequence[str], source: str) -> dict[str, Any]:
    """Expand `~` and environment variables in the paths at or below the given dotted names."""
    env_name, problems, result = data.get("env_name"), [], dict(data)
    try:
        keys = [*path_keys(launcher_of(str(data.get("algorithm", "pearl"))).settings)]
        if isinstance(env_name, str):
            keys += path_keys(env_schema(env_name), "env_params.")
    except ValueError:
        return result  # an unknown name, reported with the other errors
    for key in keys:
        if any(f"{key}.".startswith(f"{name}.") for name in names):
            try:
                result = expand_setting(result, key)
            except ValueError as error:
                value = as_json(settings_of.flatten(data).get(key))
                problems.append(Problem((key,), f"{key} = {value}: {error}"))
    settings_of.raise_problems(problems, source)
    return result


def read_variant(path: str | Path) -> dict[str, Any]:
    """Read a configuration or variant.json as a dictionary, without the record of a run."""
    return {key: value for key, value in settings_of.read_json(path).items() if key not in RECORD}


def parse_config(data: Mapping[str, Any], source: str, *, new_run: bool = True) -> ExperimentConfig:
    """Check a configuration given as a dictionary.

    Args:
        data: the configuration.
        source: names it in messages.
        new_run: also reject settings that only an existing run may have.
    Raises:
        UserError: one message that lists all errors.
    """
    algorithm = data.get("algorithm", "pearl")
    try:
        schema = launcher_of(str(algorithm)).settings
    except ValueError as error:
        settings_of.raise_problems([_unknown_algorithm(algorithm, error)], source)
        raise
    env_keys = _env_keys(data.get("env_name", schema.env_name))
    config, problems = settings_of.inspect(data, schema, more_keys=env_keys)
    problems = [_of_another_algorithm(problem, schema, str(algorithm)) for problem in problems]
    doubtful = {key for problem in problems for key in problem.keys}
    if "env_name" not in doubtful:
        env_params, found = _inspect_environment(config, doubtful, new_run)
        problems += found
        config = replace(config, env_params=env_params)
    settings_of.raise_problems(problems, source)
    return config


def _unknown_algorithm(algorithm: object, error: ValueError) -> Problem:
    return Problem(("algorithm",), f"algorithm = {as_json(algorithm)}: {error}")


def _of_another_algorithm(
    problem: Problem, schema: type[ExperimentConfig], algorithm: str
) -> Problem:
    """Reword the problem if its unknown key is a setting of other algorithms."""
    key = problem.keys[0]
    if key in settings_of.known_keys(schema):
        return problem
    owners = [
        name for name in ALGORITHMS if key in settings_of.known_keys(launcher_of(name).settings)
    ]
    if not owners:
        return problem
    setting = problem.message.split(": ", 1)[0]
    names = " or ".join(f'"{name}"' for name in owners)
    reason = f'a setting of algorithm {names}, but this configuration selects "{algorithm}"'
    return Problem(problem.keys, f"{setting}: {reason}")


def env_schema(env_name: str) -> type:
    """Make a dataclass of the keys of `env_params`, keywords of the environment's constructor."""
    members = [
        (name, parameter.annotation, _field(parameter.default))
        for name, parameter in json_keywords(env_class(env_name)).items()
        if name not in LAUNCHER_KEYWORDS
    ]
    return make_dataclass("EnvParams", members, frozen=True, kw_only=True)


def _env_keys(env_name: object) -> list[str]:
    """Dotted keys of an environment's settings; none if the environment does not exist."""
    try:
        return [*settings_of.known_keys(env_schema(str(env_name)), "env_params.")]
    except ValueError:
        return []  # reported with everything else


def _field(default: Any) -> Any:
    """A dataclass field with a parameter's default; lists and dictionaries are copied."""
    if isinstance(default, list | dict):
        return field(default_factory=lambda: copy.deepcopy(default))
    return field(default=MISSING if default is inspect.Parameter.empty else default)


def _inspect_environment(
    config: ExperimentConfig, doubtful: set[str], new_run: bool
) -> tuple[dict[str, Any], list[Problem]]:
    """Check env_name and env_params against the environment; return the complete env_params."""
    name = config.env_name
    if name not in ENVS and ":" not in name and name not in gymnasium.registry:
        near = nearest(name.replace("_", "-"), ENVS) or nearest(name, gymnasium.registry)
        hint = f", the nearest is {near}" if near else ""
        own = 'or a class of your own as "module:Class", or a gymnasium id'
        message = (
            f"no such environment in this version{hint}; available are {', '.join(sorted(ENVS))}, "
            f"{own}"
        )
        return config.env_params, [Problem(("env_name",), f"env_name = {as_json(name)}: {message}")]
    try:
        fixed = env_class(name).fixed_n_tasks
    except ValueError as error:
        return config.env_params, [Problem(("env_name",), f"env_name = {as_json(name)}: {error}")]
    if "env_params" in doubtful:
        return config.env_params, []
    params: Any
    params, problems = settings_of.inspect(config.env_params, env_schema(name), "env_params.")
    complete = settings_of.to_dict(params)
    if not problems and fixed is not None and complete.get("n_tasks", fixed) != fixed:
        relation = Relation(
            ("env_params.n_tasks",), f"{fixed}, the number of tasks that {name} has"
        )
        problems.append(settings_of.relation_problem({"env_params": complete}, relation))
    elif not problems:
        try:
            env = make_env(name, **complete)
            if ":" in name:
                try_out(env)
            env.close()
            if new_run and not doubtful:
                problems += config.new_run_problems(env)
        except ValueError as error:
            problems.append(
                Problem(("env_params",), f"env_params = {as_json(config.env_params, 200)}: {error}")
            )
            return complete, problems
        problems += config.env_problems(env)
    return complete, problems


def refused_if_new(config: ExperimentConfig) -> list[str]:
    """Problems that would prevent a new run with the configuration of an existing one."""
    try:
        env = make_env(config.env_name, **config.env_params)
        env.close()
        problems = list(config.new_run_problems(env))
    except ValueError:
        return []  # problems of the environment are reported elsewhere
    return [f"a new run would be refused: {problem.message}" for problem in problems]
