"""Translates a command line of kchua/handful-of-trials to a configuration.

    python -m rlkit.launchers.pets_args -env halfcheetah -ca model-type PE -o
    ctrl_cfg.opt_cfg.plan_hor 20

prints the JSON for `launch_experiment.py`, as `rlkit pets args` does with the same flags. It takes
the flags of scripts/mbexp.py.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from rlkit.core import config as config_lib
from rlkit.core.errors import UserError
from rlkit.core.nearest import nearest
from rlkit.launchers.load_config import parse_config
from rlkit.torch.pets.published import PUBLISHED

ENVIRONMENTS = {name.removeprefix("pets-"): name for name in PUBLISHED}
NUM_ITERATIONS = {"cartpole": 50, "reacher": 100, "pusher": 100, "halfcheetah": 300}
CONTROL = {"model-type": "model_type", "prop-type": "prop_type", "opt-type": "opt_type"}
FLAGS = {
    "-env": 1,
    "-ca": 2,
    "--ctrl_arg": 2,
    "-o": 2,
    "--override": 2,
    "-logdir": 1,
}
ITERATIONS = "exp_cfg.exp_cfg.ntrain_iters"
PROP, OPT = "ctrl_cfg.prop_cfg", "ctrl_cfg.opt_cfg"


def as_bool(text: str) -> bool:
    """False for "False", "false" and "", as in the original."""
    return text not in ("False", "false", "")


OVERRIDES: dict[str, Callable[[str], Any]] = {
    "exp_cfg.sim_cfg.task_hor": int,
    "exp_cfg.sim_cfg.stochastic": as_bool,
    "exp_cfg.sim_cfg.noise_std": float,
    ITERATIONS: int,
    "exp_cfg.exp_cfg.nrollouts_per_iter": int,
    "exp_cfg.exp_cfg.ninit_rollouts": int,
    "exp_cfg.log_cfg.nrecord": int,
    "exp_cfg.log_cfg.neval": int,
    "ctrl_cfg.per": int,
    f"{PROP}.model_pretrained": as_bool,
    f"{PROP}.npart": int,
    f"{PROP}.ign_var": as_bool,
    f"{PROP}.model_init_cfg.num_nets": int,
    f"{PROP}.model_init_cfg.model_dir": str,
    f"{PROP}.model_init_cfg.load_model": as_bool,
    f"{PROP}.model_train_cfg.batch_size": int,
    f"{PROP}.model_train_cfg.epochs": int,
    f"{PROP}.model_train_cfg.holdout_ratio": float,
    f"{PROP}.model_train_cfg.max_logging": int,
    f"{OPT}.plan_hor": int,
    f"{OPT}.cfg.popsize": int,
    f"{OPT}.cfg.max_iters": int,
    f"{OPT}.cfg.num_elites": int,
    f"{OPT}.cfg.epsilon": float,
    f"{OPT}.cfg.alpha": float,
    "ctrl_cfg.log_cfg.save_all_models": as_bool,
    "ctrl_cfg.log_cfg.log_traj_preds": as_bool,
    "ctrl_cfg.log_cfg.log_particles": as_bool,
}


def pets_args(argv: Sequence[str]) -> dict[str, Any]:
    """Translate the arguments of scripts/mbexp.py.

    Args:
        argv: such as ["-env", "halfcheetah", "-ca", "model-type", "PE"].
    Returns:
        The configuration in JSON form; missing keys take the published values.
    Raises:
        UserError: an unknown flag, environment or key (the original ignores unknown keys of -ca),
            a value of the wrong type, or settings that conflict.
    """
    env, algo, settings = None, dict[str, Any](), dict[str, Any]()
    iterations = None
    util: dict[str, Any] = {}
    for flag, values in _flags(argv):
        if flag == "-env":
            env = _known(flag, values[0], ENVIRONMENTS)
        elif flag == "-logdir":
            util["base_log_dir"] = values[0]
        elif flag in ("-ca", "--ctrl_arg"):
            algo[CONTROL[_known(flag, values[0], CONTROL)]] = values[1]
        else:
            key = _known(flag, values[0], OVERRIDES)
            try:
                value = OVERRIDES[key](values[1])
            except ValueError as error:
                kind = OVERRIDES[key].__name__
                raise UserError(f"{flag} {key} {values[1]}: expected {kind}") from error
            if key == ITERATIONS:
                iterations = value
            else:
                settings[key] = value
    if env is None:
        raise UserError(f"-env is missing; expected one of {', '.join(ENVIRONMENTS)}")
    trials = NUM_ITERATIONS[env] if iterations is None else iterations
    initial = settings.get("exp_cfg.exp_cfg.ninit_rollouts", 1) > 0  # iteration 0 has these
    result: dict[str, Any] = {"algorithm": "pets", "env_name": ENVIRONMENTS[env]}
    result["algo_params"] = {"num_iterations": trials + initial, **algo}
    if util:
        result["util_params"] = util
    texts = [f"algo_params.{key}={json.dumps(value)}" for key, value in settings.items()]
    result = config_lib.with_settings(result, texts)
    parse_config(result, "these arguments")
    return result


def _flags(argv: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each flag with its values.

    Raises:
        UserError: an unknown flag, or one without all its values.
    """
    rest = list(argv)
    while rest:
        flag = _known("these arguments", rest.pop(0), FLAGS)
        count = FLAGS[flag]
        if len(rest) < count:
            raise UserError(f"{flag}: expected {count} value{'s' if count > 1 else ''} after it")
        yield flag, rest[:count]
        del rest[:count]


def _known(where: str, name: str, known: dict[str, Any]) -> str:
    if name not in known:
        near = nearest(name, known)
        hint = f"; did you mean {near}?" if near else f"; expected one of {', '.join(known)}"
        raise UserError(f"{where}: unknown {name!r}{hint}")
    return name


def main(argv: Sequence[str] | None = None) -> int:
    """Print the JSON; the exit code is 2 for bad input."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    try:
        print(json.dumps(pets_args(arguments), indent=4))
    except UserError as error:
        print(error, file=sys.stderr, flush=True)
        return 2
    return 0


@click.command(
    "args",
    context_settings={"ignore_unknown_options": True},
    help="Translate the flags of handful-of-trials' mbexp.py to a JSON configuration, for example "
    "-env halfcheetah -ca model-type PE.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """`main` as a subcommand of `rlkit`."""
    raise SystemExit(main(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
