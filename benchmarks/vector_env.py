"""Environment steps per second through gymnasium: our `make_vec` batch and its own lanes.

python -m benchmarks.vector_env [--ids AntDir,CheetahVel,PointRobot] [--lanes 1,16,64] [--steps 300]

Both run the same tasks with the same random actions, in turns, including gymnasium's resets and
infos. Figures per CPU second are medians.
"""

import statistics
import time
import warnings

import click
import gymnasium
import numpy as np

import rlkit.envs
from benchmarks.machine import Table, Value, Watch, repeats_option, write_option, write_result

assert rlkit.envs  # registers the ids
MODES = ("vector_entry_point", "sync")


def cpu_seconds(env: gymnasium.vector.VectorEnv, actions: np.ndarray) -> float:
    """CPU seconds of all steps, the first reset left out."""
    env.reset(seed=0)
    start = time.process_time()
    for action in actions:
        env.step(action)
    return time.process_time() - start


def measure(name: str, lanes: int, steps: int, repeats: int) -> dict[str, float]:
    """Steps per CPU second of each way to step the lanes of an environment."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of gymnasium's checks, about unbounded observations
        envs = {mode: gymnasium.make_vec(f"rlkit/{name}-v0", lanes, mode) for mode in MODES}
    space = envs[MODES[0]].action_space
    actions = np.random.default_rng(0).uniform(space.low, space.high, (steps, *space.shape))
    seconds: dict[str, list[float]] = {mode: [] for mode in MODES}
    for _ in range(repeats):
        for mode, env in envs.items():
            seconds[mode].append(cpu_seconds(env, actions.astype(np.float32)))
    for env in envs.values():
        env.close()
    return {mode: steps * lanes / statistics.median(seconds[mode]) for mode in MODES}


@click.command()
@click.option("--ids", default="AntDir,CheetahVel,PointRobot", show_default=True)
@click.option("--lanes", default="1,16,64", show_default=True)
@click.option("--steps", default=300, show_default=True, type=click.IntRange(min=1))
@repeats_option(3)
@write_option
def main(ids: str, lanes: str, steps: int, repeats: int, write: bool) -> None:
    """Measure both; see the module's own text."""
    rows = []
    with Watch() as watch:
        for name in ids.split(","):
            for count in map(int, lanes.split(",")):
                batch, sync = measure(name, count, steps, repeats).values()
                rows.append([f"rlkit/{name}-v0", count, batch, sync, batch / sync])
                click.echo(f"{name}, {count} lanes: {batch:.0f} steps/s, gymnasium {sync:.0f}")
    if write:
        values = [Value("batch, steps/s"), Value("sync, steps/s"), Value("ratio", 1)]
        note = "Steps of a lane per CPU second, with gymnasium's resets and infos."
        table = Table("Vector environments of gymnasium", ["id", "lanes"], values, rows, note)
        command = f"python -m benchmarks.vector_env --ids {ids} --lanes {lanes} --steps {steps}"
        click.echo(f"wrote {write_result('vector_env', [table], watch, command=command)}")


if __name__ == "__main__":
    main()
