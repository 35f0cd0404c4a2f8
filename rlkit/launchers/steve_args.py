"""`rlkit steve args`: translates a configuration of tensorflow/models' research/steve.

    rlkit steve args config/experiments/goodruns/halfcheetah/steve3.json 0

prints the JSON for `launch_experiment.py`. It takes the arguments of master.py. Settings that are
unused, or work differently here, are reported on standard error.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from rlkit.core.config import flatten, read_json
from rlkit.core.describe import as_json
from rlkit.core.errors import UserError
from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.steve_keys import (
    COUNTS,
    ENSEMBLE,
    KNOWN,
    LATER,
    NOTES,
    ONE_MEMBER,
    TASKS,
    method_of,
    with_name,
)

FRAMES_PER_ITERATION, START = 1250, 10_000


@dataclass
class Merged:
    """Merged settings of several files.

    Attributes:
        values: nested, keys without stars.
        optional: dotted keys of blocks that are used only if another file has them too.
    """

    values: dict[str, Any] = field(default_factory=dict)
    optional: set[str] = field(default_factory=set)


def load(path: Path, root: Path, remarks: list[str], above: tuple[Path, ...] = ()) -> Merged:
    """Read a file: first the files it inherits, in order, then its own updates.

    A block `*name` is used only if the block `name` exists already. It is kept for files that
    inherit this one, and ignored by those that have no such block.

    Args:
        path: the file.
        root: folder that the paths in `inherits` are relative to.
        remarks: receives a line for each path without suffix.
        above: the files that inherit this one.
    Raises:
        UserError: the file is missing, is not JSON, has an unknown key, or inherits itself.
    """
    if path in above:
        raise UserError(f"{path}: inherits itself, through {', '.join(map(str, above))}")
    content = read_json(path)
    if unknown := set(content) - {"inherits", "updates"}:
        names = ", ".join(sorted(unknown))
        raise UserError(f"{path}: unknown {names}; expected inherits and updates")
    inherits, updates = content.get("inherits", []), content.get("updates", {})
    if not isinstance(inherits, list) or not all(isinstance(name, str) for name in inherits):
        raise UserError(f"{path}: inherits = {as_json(inherits)}: expected a list of paths")
    if not isinstance(updates, dict):
        raise UserError(f"{path}: updates = {as_json(updates)}: expected an object")
    result = Merged()
    for name in inherits:
        other = root / name
        if not other.exists() and (root / f"{name}.json").exists():
            remarks.append(f"{path}: inherits {name}, which does not exist; {name}.json is used")
            other = root / f"{name}.json"
        found = load(other, root, remarks, (*above, path))
        lay_over(result.values, found.values, found.optional)
    plain, starred = without_stars(updates)
    known = set(objects(result.values))
    lay_over(result.values, plain, set())
    result.optional = starred - known
    return result


def objects(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted keys of all objects."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield f"{prefix}{name}"
            yield from objects(value, f"{prefix}{name}.")


def lay_over(base: dict[str, Any], values: Mapping[str, Any], optional: set[str]) -> None:
    """Merge `values` into `base`: objects are merged key by key, other values replaced.

    Args:
        base: changed in place.
        values: nested.
        optional: dotted keys of objects in `values` that are skipped if `base` lacks them.
    """
    for name, value in values.items():
        if not isinstance(value, Mapping):
            base[name] = value
            continue
        if not isinstance(base.get(name), dict):
            if name in optional:
                continue
            base[name] = {}
        below = {key.removeprefix(f"{name}.") for key in optional if key.startswith(f"{name}.")}
        lay_over(base[name], value, below)


def without_stars(values: Mapping[str, Any], prefix: str = "") -> tuple[dict[str, Any], set[str]]:
    """The values with stars removed from keys, and the dotted keys that had them."""
    plain: dict[str, Any] = {}
    starred: set[str] = set()
    for name, value in values.items():
        short = name.removeprefix("*")
        if isinstance(value, Mapping):
            plain[short], below = without_stars(value, f"{prefix}{short}.")
            starred |= below | ({f"{prefix}{short}"} if short != name else set())
        else:
            plain[short] = value
    return plain, starred


def root_of(path: Path) -> Path:
    """Base folder of `inherits`: the working directory, or otherwise the parent of config/."""
    absolute = path.absolute()
    above = [folder.parent for folder in absolute.parents if folder.name == "config"]
    return above[-1] if above and not Path("config").is_dir() else Path()


def steve_args(path: Path, gpu: int, resume: bool = False) -> tuple[dict[str, Any], list[str]]:
    """Translate the arguments of master.py.

    Args:
        path: a configuration of the original.
        gpu: its ROOT_GPU.
        resume: its `--resume`.
    Returns:
        The configuration in JSON form, and remarks on unused or different settings.
    Raises:
        UserError: a file or key does not exist, or settings conflict.
    """
    remarks: list[str] = []
    if not path.exists() and (named := with_name(path)):
        remarks.append(f"{path} does not exist; {named} is used")
        path = named
    values = load(path, root_of(path), remarks).values
    flat = flatten(values)
    if unknown := sorted(set(flat) - KNOWN):
        raise UserError(f"{path}: the original has no setting {', '.join(unknown)}")
    remarks += [
        f"{key} = {as_json(flat[key])}: {note}" for key, note in NOTES.items() if key in flat
    ]
    task = str(flat.get("env.name"))
    if task not in TASKS:
        raise UserError(f"{path}: env.name = {as_json(task)}: expected one of {', '.join(TASKS)}")
    name, num_frames = TASKS[task]
    result: dict[str, Any] = {"algorithm": "steve", "env_name": name}
    result["algo_params"] = dict(algo_params(values, num_frames, str(path), remarks))
    result["algo_params"]["name"] = path.stem
    result["util_params"] = {"use_gpu": True, "gpu_id": gpu}
    if "output_root" in flat:
        result["util_params"]["base_log_dir"] = flat["output_root"]
    if task in LATER:
        remarks.append(f"env.name = {task}: this task is not supported yet")
        checked = {**result, "env_name": "Pendulum-v1"}
        parse_config(checked, str(path))
    else:
        parse_config(result, str(path))
    if resume:
        remarks.append("--resume: python launch_experiment.py --resume RUN_DIR resumes a run")
    return result, remarks


def algo_params(
    values: Mapping[str, Any], num_frames: int, source: str, remarks: list[str]
) -> Iterator[tuple[str, Any]]:
    """Yield the settings of the algorithm."""
    env, policy = values["env"], values.get("policy_config", {})
    model = values.get("model_config") or None
    yield "num_iterations", 1 + -(-(num_frames - START) // FRAMES_PER_ITERATION)
    yield "max_path_length", env.get("max_frames", 1000)
    yield "num_agents", values.get("agent_config", {}).get("batch_size", 8)
    evaluator = values.get("evaluator_config", {})
    yield "num_eval_episodes", evaluator.get("count", 2) * evaluator.get("batch_size", 1)
    yield "discount", env.get("discount", 0.99)
    yield "reward_scale", env.get("reward_scale", 1.0)
    for key in ("replay_size", "frames_before_learning"):
        both = [section[key] for section in (policy, model or {}) if key in section]
        if len(set(both)) > 1:
            raise UserError(f"{source}: {key} is {both[0]} and {both[1]}; expected equal values")
        if both:
            yield key, both[0]
    expansion = policy.get("value_expansion") or None
    if expansion and model is None:
        raise UserError(f"{source}: value_expansion without model_config; expected both or neither")
    yield "value_expansion", method_of(expansion)
    section = {key: policy[key] for key in COUNTS if key in policy}
    for key in ("explore_chance", "ddpg_explore_chance"):
        if key in policy:
            section[key] = policy[key]
    section["critic"] = ensemble(policy.get("bayesian"))
    yield "policy_config", timed(section, "policy_config", remarks)
    if model is not None and expansion:
        section = {key: model[key] for key in (*COUNTS, "pretrain_n") if key in model}
        section["pretrain_n"] = section.get("pretrain_n") or 0
        members = model.get("bayesian") or {}
        section |= {key: ensemble(members.get(key)) for key in ("transition", "reward")}
        yield "model_config", timed(section, "model_config", remarks)


def ensemble(block: Mapping[str, int] | None) -> dict[str, int]:
    """The settings of an ensemble; one member if the block is absent."""
    return {key: block[key] for key in ENSEMBLE if key in block} if block else dict(ONE_MEMBER)


def timed(section: dict[str, Any], name: str, remarks: list[str]) -> dict[str, Any]:
    """Drop `frames_per_update = false`, with a remark: the ratio of frames to updates is fixed."""
    if section.get("frames_per_update") is False:
        del section["frames_per_update"]
        remarks.append(f"{name}.frames_per_update = false: here the ratio is fixed, at 0.25")
    return section


@click.command("args")
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("gpu", type=click.IntRange(min=0))
@click.option("--resume", is_flag=True, help="Explain how to resume a run.")
def command(config: Path, gpu: int, resume: bool) -> None:
    """Translate the arguments CONFIG and GPU of research/steve's master.py to JSON."""
    with exit_codes():
        result, remarks = steve_args(config, gpu, resume)
        for remark in remarks:
            click.echo(remark, err=True)
        click.echo(json.dumps(result, indent=4))
