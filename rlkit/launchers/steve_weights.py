"""`rlkit steve weights`: greedy episodes of a run, and STEVE's target weights along them."""

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch

from rlkit.core.errors import UserError
from rlkit.core.files import report_exhaustion
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.launchers.arguments import UserPath
from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.run_config import read_run_config
from rlkit.launchers.run_folder import load_weights
from rlkit.launchers.steve import EVALUATION_LANES, STEVELauncher
from rlkit.launchers.steve_config import STEVEExperiment
from rlkit.launchers.steve_estimates import build
from rlkit.samplers.util import rollout
from rlkit.torch.steve.config import STEVESettings
from rlkit.torch.steve.policy import GreedyPolicy
from rlkit.torch.steve.value_learner import ValueLearner
from rlkit.torch.steve.world_model import Transitions

NUM_BUCKETS = 10
MARGIN = 1e-5  # a weight of 1 belongs to the highest bucket
CHUNK = 1000  # transitions per batch of targets


@click.command("weights")
@click.argument("run_dir", type=UserPath())
@click.option(
    "--episodes",
    default=10,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of episodes.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Seed of the episodes.",
)
def command(run_dir: Path, episodes: int, seed: int) -> None:
    """Run greedy episodes with the policy in RUN_DIR; print their lengths and returns, and STEVE's
    weights by rollout length.

    Writes steve_weights.csv and, if there is a model, steve_weights.png.
    """
    with exit_codes():
        config, _ = read_run_config(run_dir)
        if not isinstance(config, STEVEExperiment):
            raise UserError(f"{run_dir}: a run of {config.algorithm}; expected a run of steve")
        learner, paths = greedy_episodes(config, run_dir, episodes, seed)
        for number, (length, score) in enumerate(
            zip(paths.lengths.tolist(), paths.returns().tolist(), strict=True)
        ):
            click.echo(f"episode {number}: {length} steps, return {score:.2f}")
        if learner is None:
            click.echo("no weights: DDPG has no model")
            return
        shares = histogram(weights_along(learner, paths))
        click.echo(as_text(shares))
        with report_exhaustion(f"cannot write to {run_dir}"):
            (run_dir / "steve_weights.csv").write_text(as_csv(shares))
            draw(shares, run_dir / "steve_weights.png")
        click.echo(f"wrote {run_dir / 'steve_weights.csv'} and steve_weights.png")


def greedy_episodes(
    config: STEVEExperiment, run_dir: Path, count: int, seed: int
) -> tuple[ValueLearner | None, Paths]:
    """Run greedy episodes; also return the run's value learner, None without a model.

    Raises:
        UserError: weights are missing or of the wrong size.
    """
    algo = config.algo_params
    env = STEVELauncher().build_env(config, num_envs=min(count, EVALUATION_LANES))
    try:
        built = build(with_variances(algo), env.obs_dim, env.act_dim, torch.device("cpu"))
        load_weights(run_dir, built.networks)
        policy, parts = GreedyPolicy(built.value.policy), []
        for first in range(0, count, env.num_envs):
            numbers = range(first, min(first + env.num_envs, count))
            streams = [stream(seed, "weights", number) for number in numbers]
            tasks, horizon = [0] * len(numbers), algo.max_path_length
            parts.append(rollout(env, policy, tasks, streams, horizon, deterministic=True))
    finally:
        env.close()
    if built.model is not None and built.snapshot is not None:
        built.snapshot.load_state_dict(built.model.model.state_dict())
    return built.value if algo.has_model else None, Paths.concatenate(parts)


def with_variances(algo: STEVESettings) -> STEVESettings:
    """The settings with STEVE's weights instead of MVE's; DDPG is unchanged."""
    if not algo.has_model:
        return algo
    return replace(algo, value_expansion=replace(algo.value_expansion, method="steve"))


def weights_along(learner: ValueLearner, paths: Paths) -> np.ndarray:
    """STEVE's weights at every transition, [num_transitions, F]."""
    rows = {name: torch.from_numpy(array).float() for name, array in paths.rows().items()}
    names = "obs", "actions", "rewards", "next_obs", "terminated"
    obs, action, reward, next_obs, terminated = (rows[name] for name in names)
    parts = zip(
        *(part.split(CHUNK) for part in (obs, action, reward[:, 0], next_obs, terminated[:, 0])),
        strict=True,
    )
    found = [learner.targets(Transitions(*part))[0].weights[:, 0] for part in parts]
    return torch.cat(found).numpy()


def histogram(weights: np.ndarray) -> np.ndarray:
    """Fraction of transitions per weight decile, by length: [10, F], lowest first."""
    bucket = np.floor(NUM_BUCKETS * (weights - MARGIN)).astype(int).clip(0, NUM_BUCKETS - 1)
    counts = np.stack([(bucket == number).sum(axis=0) for number in range(NUM_BUCKETS)])
    shares: np.ndarray = counts / len(weights)
    return shares


def as_text(shares: np.ndarray) -> str:
    """The table, highest bucket first."""
    lines = ["weight      " + "".join(f"   length {t}" for t in range(shares.shape[1]))]
    for number in reversed(range(NUM_BUCKETS)):
        cells = "".join(f"{share:11.3f}" for share in shares[number])
        lines.append(f"{number / 10:.1f} to {(number + 1) / 10:.1f}  {cells}")
    return "\n".join(lines)


def as_csv(shares: np.ndarray) -> str:
    """CSV with a header, lowest bucket first."""
    header = ["from", "to", *(f"length {t}" for t in range(shares.shape[1]))]
    rows = [
        [f"{number / 10:g}", f"{(number + 1) / 10:g}", *(f"{share:.6g}" for share in row)]
        for number, row in enumerate(shares)
    ]
    return "".join(",".join(cells) + "\n" for cells in [header, *rows])


def draw(shares: np.ndarray, path: Path) -> None:
    """Plot a histogram for every length."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lengths = shares.shape[1]
    figure, axes = pyplot.subplots(
        1, lengths, figsize=(2.2 * lengths, 2.6), sharey=True, layout="constrained", squeeze=False
    )
    places = (np.arange(NUM_BUCKETS) + 0.5) / NUM_BUCKETS
    for length, axis in enumerate(axes[0]):
        axis.bar(places, shares[:, length], width=0.9 / NUM_BUCKETS)
        axis.set(xlabel="weight", title=f"length {length}", xlim=(0, 1))
    axes[0][0].set_ylabel("share of transitions")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
