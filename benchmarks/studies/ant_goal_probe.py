"""Exploration of the untrained ant-goal agent, and the components of its return.

    python -m benchmarks.studies.ant_goal_probe [--episodes 128]

*Reach* is the maximum distance from the origin within a trajectory of 200 steps. *Crossed* is the
share of (goal, two trajectories) in which one of the two passes a coordinate of the goal. Before
that, the reward -|x - g_x| - |y - g_y| has slopes of ±1, which reveal both signs and |g_x| + |g_y|
but not g_x and g_y. *Fallen* is the share of steps with the torso below 0.2 m or above 1 m. Costs
are sums over 200 steps. Ideal returns contain no costs.
"""

from collections.abc import Iterator
from typing import Any

import click
import numpy as np
import torch

from benchmarks.studies.reference_returns import ZeroPolicy
from rlkit.core.seeding import stream, torch_seed
from rlkit.data_management.paths import Paths
from rlkit.envs import make_env
from rlkit.envs.ant import CONTACT_COST, Ant
from rlkit.envs.ant_goal import CONTROL_COST
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl_networks import build_agent, build_networks
from rlkit.policies.simple import RandomPolicy
from rlkit.samplers.util import rollout

HORIZON, DT, LANES, NUM_GOALS = 200, 0.05, 64, 4000
SPEEDS = (0.25, 0.5, 1.0, 2.0)  # m/s


def fresh_agent(env: Any, seed: int):
    """The untrained agent of configs/ant-goal.json, which collects the initial pool."""
    config = load_config("configs/ant-goal.json", ["util_params.matmul=default"])
    networks = build_networks(
        config, env, torch.Generator().manual_seed(torch_seed(seed, "networks"))
    )
    return build_agent(config, networks)


def trajectories(behaviour: str, episodes: int, seed: int, **env_params: Any) -> Paths:
    """Run a behaviour, whose trajectories do not depend on the task."""
    env = make_env("ant-goal", n_tasks=1, num_envs=LANES, **env_params)
    policies = {"zero actions": ZeroPolicy, "uniform actions": RandomPolicy}
    policy = policies[behaviour](env.act_dim) if behaviour in policies else fresh_agent(env, seed)
    parts = []
    for start in range(0, episodes, LANES):
        numbers = range(start, min(start + LANES, episodes))
        if behaviour == "untrained policy":
            policy.reset_belief(len(numbers))
        generators = [stream(seed, f"ant-goal probe, {behaviour}", n) for n in numbers]
        parts.append(rollout(env, policy, [0] * len(numbers), generators, HORIZON))
    env.close()
    return Paths.concatenate(parts)


def goals(seed: int) -> np.ndarray:
    """Goals of the task distribution, [NUM_GOALS, 2]."""
    return np.asarray(
        make_env("ant-goal", n_tasks=NUM_GOALS, task_seed=seed).tasks, dtype=np.float64
    )


def crossed(places: np.ndarray, targets: np.ndarray) -> float:
    """Fraction of goals [k, 2] with a coordinate passed by a trajectory of positions [n, steps, 2].

    Goal i goes with trajectories 2 i and 2 i + 1, modulo n.
    """
    i = 2 * np.arange(len(targets)) % (len(places) // 2 * 2)
    pair = np.concatenate([places[i], places[i + 1]], axis=1)
    return float(
        (pair * np.sign(targets)[:, None] > np.abs(targets)[:, None]).any(axis=(1, 2)).mean()
    )


def behaviour_lines(episodes: int, seed: int) -> Iterator[str]:
    """One row of the first table per behaviour."""
    targets = goals(seed)
    for behaviour, env_params in (
        ("zero actions", {}),
        ("uniform actions", {}),
        ("uniform actions", {"use_low_gear_ratio": True}),
        ("untrained policy", {}),
        ("untrained policy", {"use_low_gear_ratio": True}),
    ):
        paths = trajectories(behaviour, episodes, seed, **env_params)
        places, height = paths.outcomes[..., :2], paths.obs[:, 1:, 2]
        reach = np.linalg.norm(places, axis=-1).max(axis=1)
        control, contact = (
            CONTROL_COST * paths.outcomes[..., 2],
            CONTACT_COST * paths.outcomes[..., 3],
        )
        forces = paths.obs[..., 29:]
        numbers = [
            *(f"{np.quantile(reach, q):.2f}" for q in (0.1, 0.5, 0.9)),
            *(f"{crossed(places, targets):.2f}", f"{Ant.fallen(height).mean():.2f}"),
            *(f"{control.sum(axis=1).mean():.1f}", f"{contact.sum(axis=1).mean():.2f}"),
            *(f"{(forces != 0).mean():.2f}", f"{(np.abs(forces) == 1).mean():.2f}"),
        ]
        yield f"| {behaviour} | {30 if env_params else 150} | {' | '.join(numbers)} |"


def ideal_lines(seed: int) -> Iterator[str]:
    """Rows of the second table, by speed: return without costs of a straight path to a place."""
    targets = goals(seed)
    signs, total = np.sign(targets), np.abs(targets).sum(axis=1)
    places = {"goal": targets, "middle": signs * total[:, None] / 2}
    for speed in (0.0, *SPEEDS):
        returns = []
        for place in places.values():
            share = np.minimum(
                1, speed * DT * np.arange(1, HORIZON + 1) / np.linalg.norm(place, axis=1)[:, None]
            )
            missing = np.abs(share[..., None] * place[:, None] - targets[:, None]).sum(axis=-1)
            returns.append(f"{-missing.sum(axis=1).mean():.0f}")
        yield f"| {speed:g} | {' | '.join(returns)} |"


@click.command()
@click.option(
    "--episodes",
    default=128,
    show_default=True,
    type=click.IntRange(min=2),
    help="Of each behaviour.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
def main(episodes: int, seed: int) -> None:
    """Print the two tables of docs/results/ant-goal-notes.md."""
    torch.set_num_threads(1)
    click.echo(
        "| behaviour | gear | reach, 10% [m] | 50% | 90% | crossed | fallen | control | contact "
        "| forces not 0 | at ±1 |"
    )
    click.echo("|---|---|---|---|---|---|---|---|---|---|---|")
    for line in behaviour_lines(episodes, seed):
        click.echo(line)
    click.echo(
        "\n| speed [m/s] | straight to the goal | straight to the middle of what the start tells |"
        "\n|---|---|---|"
    )
    for line in ideal_lines(seed):
        click.echo(line)


if __name__ == "__main__":
    main()
