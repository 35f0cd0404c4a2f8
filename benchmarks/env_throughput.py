"""Environment steps per second of every task by lanes and threads, compared with gymnasium and with
MuJoCo alone.

python -m benchmarks.env_throughput [--tasks ant-dir,cheetah-vel] [--lanes 1,5,16,64,128]
    [--threads 1,2] [--repeats 20]

Actions are uniform random. An episode ends where its task ends it, after at most 200 steps (Sawyer:
150, point robots: 20), and the next one begins.

*Ours* includes observation, reward and termination, as in training. *Bare* is a Python loop over
`mj_step` with the same substeps (followed by `mj_rnePostConstraint` for ant and humanoid), on the
same models, start states and actions, with one `MjData` per lane. It reads nothing and is the limit
of one core. `mujoco.batch`, which steps all bodies except ant and humanoid, goes through the lanes
without Python in between, so ours can exceed it. *Sync* and *Async* are gymnasium's vector
environments of its nearest environment; physics, episodes and observations differ somewhat.

All take short turns one after another. Figures per CPU second count the work of all threads and
processes and are medians over the turns.
"""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import click
import numpy as np

from benchmarks.contestants import BareMujoco, GymnasiumLanes, OurLanes, draw, timed
from benchmarks.machine import Table, Value, Watch, write_option, write_result
from benchmarks.sawyer_policies import runnable

# Nearest environment of gymnasium; none of its own is a point in the plane: a point on a line, with
# a force, must do.
NEAREST = {
    "cheetah-vel": "HalfCheetah-v5",
    "cheetah-dir": "HalfCheetah-v5",
    "cheetah-highdim": "HalfCheetah-v5",
    "cheetah-vel-sparse": "HalfCheetah-v5",
    "cheetah-run": "HalfCheetah-v5",
    "ant-dir": "Ant-v5",
    "ant-goal": "Ant-v5",
    "ant-goal-ring": "Ant-v5",
    "ant-vel": "Ant-v5",
    "ant-vel-sparse": "Ant-v5",
    "humanoid-dir": "Humanoid-v5",
    "hopper-rand-params": "Hopper-v5",
    "walker-rand-params": "Walker2d-v5",
    "point-robot": "MountainCarContinuous-v0",
    "sparse-point-robot": "MountainCarContinuous-v0",
    "four-corners": "MountainCarContinuous-v0",
    "pets-cartpole": "InvertedPendulum-v5",
    "pets-halfcheetah": "HalfCheetah-v5",
    "pets-pusher": "Pusher-v5",
    "pets-reacher": "Pusher-v5",
    "sawyer-push": "Pusher-v5",
    "sawyer-reach": "Pusher-v5",
}
WARM_UP = 20  # steps of every lane before anything is timed
GYMNASIUM_EVERY = 4  # gymnasium runs in every fourth repeat only: its workers take most of the time
Times = dict[
    str, list[tuple[float, float]]
]  # contestant -> per repeat CPU and wall-clock seconds per environment step


def measure(task: str, lanes: int, repeats: int, seconds: float, seed: int = 0) -> Times:
    """Time our lanes on one thread, MuJoCo alone and gymnasium, alternately.

    Args:
        task: name of the task distribution.
        lanes: how many lanes.
        repeats: how many turns each has.
        seconds: approximate length of a turn of ours; short, so that other load on the machine
            affects all alike.
        seed: of starts and actions.
    Returns:
        Seconds per environment step of "ours", "bare", "Sync" and "Async".
    Raises:
        RuntimeError: MuJoCo alone reached other states than our lanes.
    """
    ours = OurLanes(task, lanes, 1, seed)
    bare = None if ours.body is None else BareMujoco(ours)
    gym = {kind: GymnasiumLanes(NEAREST[task], lanes, kind, seed) for kind in ("Sync", "Async")}
    contestants: dict[str, Any] = {"ours": ours, **({"bare": bare} if bare else {}), **gym}
    rng = np.random.default_rng(seed)
    times: Times = defaultdict(list)
    num_steps = WARM_UP
    for repeat in range(repeats + 1):  # the first is the warm-up
        actions = draw(rng, num_steps, lanes, ours.env.act_dim)
        for name, contestant in contestants.items():
            if name in gym and repeat % GYMNASIUM_EVERY > 0:
                continue
            given = actions if name not in gym else draw(rng, num_steps, lanes, contestant.act_dim)
            found = timed(contestant, given)
            if repeat == 0 and name == "ours":
                num_steps = max(1, round(seconds / (found[0] * lanes)))
            elif repeat > 0:
                times[name].append(found)
    difference = bare.difference() if bare else 0.0
    for contestant in contestants.values():
        contestant.close()
    if difference > 0:
        raise RuntimeError(
            f"{task}: bare MuJoCo ends {difference} away from our lanes: the two did different work"
        )
    return times


def scale(
    task: str, lanes: int, threads: Sequence[int], repeats: int, seconds: float, seed: int = 0
) -> Times:
    """Time our lanes on different numbers of threads.

    Turns are long enough for the system to spread the threads over cores.

    Args:
        task, lanes, repeats, seconds, seed: as for `measure`.
        threads: the numbers.
    Returns:
        Seconds per environment step of "threads N".
    """
    contestants = {f"threads {number}": OurLanes(task, lanes, number, seed) for number in threads}
    rng = np.random.default_rng(seed)
    times: Times = defaultdict(list)
    num_steps = WARM_UP
    for repeat in range(repeats + 1):
        actions = draw(rng, num_steps, lanes, contestants[f"threads {threads[0]}"].env.act_dim)
        found = {name: timed(contestant, actions) for name, contestant in contestants.items()}
        if repeat == 0:
            num_steps = max(1, round(seconds / (found[f"threads {threads[0]}"][0] * lanes)))
        else:
            for name, pair in found.items():
                times[name].append(pair)
    for contestant in contestants.values():
        contestant.close()
    return times


def rate(times: Times, name: str) -> float:
    """Environment steps per CPU second, the median of the turns."""
    return 1 / statistics.median(cpu for cpu, _ in times[name])


def best(times: Times, name: str) -> tuple[float, float]:
    """Steps per second and cores used in the fastest turn, the one least disturbed."""
    cpu, wall = min(times[name], key=lambda pair: pair[1])
    return 1 / wall, cpu / wall


def speedup(times: Times, ours: str, other: str) -> float:
    """Ratio of our steps per CPU second to theirs: median over adjacent turns."""
    every = len(times[ours]) // len(times[other])
    pairs = zip(times[ours][every - 1 :: every], times[other], strict=True)
    return statistics.median(theirs / own for (own, _), (theirs, _) in pairs)


def tables(
    measured: dict[tuple[str, int], Times],
    scaled: dict[tuple[str, int], Times],
    threads: Sequence[int],
) -> list[Table]:
    """Arrange the medians for the page."""
    shares = Table(
        "Steps per CPU second, and our share of the limit",
        ["task", "lanes"],
        [
            Value("ours"),
            Value("bare"),
            Value("ours / bare", 2),
            Value("Sync"),
            Value("Async"),
            Value("ours / Sync", 1),
        ]
        + [Value("ours / Async", 1)],
        [
            [task, lanes, rate(times, "ours")]
            + (
                [rate(times, "bare"), speedup(times, "ours", "bare")]
                if "bare" in times
                else [None, None]
            )
            + [
                rate(times, "Sync"),
                rate(times, "Async"),
                speedup(times, "ours", "Sync"),
                speedup(times, "ours", "Async"),
            ]
            for (task, lanes), times in measured.items()
        ],
        "Ours on one thread. Per CPU second, wherever it is spent: the speed per core.",
    )
    names = [f"threads {number}" for number in threads]
    wall = Table(
        "Steps per second of wall-clock time",
        ["task", "lanes"],
        [Value(f"{number} threads" if number > 1 else "1 thread", wall=True) for number in threads]
        + [Value(f"{number} / {threads[0]}", 2, wall=True) for number in threads[1:]]
        + [Value(f"cores used by {number}", 2, wall=True) for number in threads[1:]]
        + [Value(f"per CPU second, {number} / {threads[0]}", 2) for number in threads[1:]]
        + [Value("Sync", wall=True), Value("Async", wall=True)],
        [
            [task, lanes]
            + [best(times, name)[0] for name in names]
            + [best(times, name)[0] / best(times, names[0])[0] for name in names[1:]]
            + [best(times, name)[1] for name in names[1:]]
            + [speedup(times, name, names[0]) for name in names[1:]]
            + [best(measured[task, lanes], kind)[0] for kind in ("Sync", "Async")]
            for (task, lanes), times in scaled.items()
        ],
        "Each in its fastest turn. Threads step different lanes; *cores used* is their CPU time "
        "over the wall-clock time. What threads do per CPU second, compared with one thread, is "
        "what remains of each core when all are free.",
    )
    return [shares, wall]


def numbers(context: click.Context, parameter: click.Parameter, text: str) -> list[int]:
    """Read numbers separated by commas."""
    try:
        found = [int(word) for word in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise click.BadParameter(f"{text!r} is not a list of positive numbers like 1,5,16")
    return found


def names(context: click.Context, parameter: click.Parameter, text: str) -> list[str]:
    """Read names of tasks separated by commas."""
    unknown = [name for name in text.split(",") if name not in NEAREST]
    if unknown:
        raise click.BadParameter(f"{unknown} are not among {', '.join(NEAREST)}")
    return text.split(",")


@click.command()
@click.option(
    "--tasks", default=",".join(runnable(NEAREST)), callback=names, help="Task distributions."
)
@click.option("--lanes", default="1,5,16,64,128", callback=numbers, help="Numbers of lanes.")
@click.option("--threads", default="1,2", callback=numbers, help="Numbers of threads of our lanes.")
@click.option(
    "--repeats", default=20, type=click.IntRange(min=GYMNASIUM_EVERY), help="Turns of each."
)
@click.option(
    "--seconds",
    default=0.03,
    type=click.FloatRange(min=0.0, min_open=True),
    help="Length of one turn of ours.",
)
@write_option
def main(
    tasks: list[str],
    lanes: list[int],
    threads: list[int],
    repeats: int,
    seconds: float,
    write: bool,
) -> None:
    """Measure environment steps per second."""
    measured: dict[tuple[str, int], Times] = {}
    scaled: dict[tuple[str, int], Times] = {}
    with Watch() as watch:
        for task, number in ((task, number) for task in tasks for number in lanes):
            times = measured[task, number] = measure(task, number, repeats, seconds)
            more = scaled[task, number] = scale(
                task, number, threads, max(1, repeats // 4), 8 * seconds
            )
            shown = [f"{name} {rate(times, name):,.0f}" for name in times]
            shown += [f"{name} {best(more, name)[0]:,.0f}" for name in more]
            click.echo(f"{task}, {number} lanes: {', '.join(shown)}")
    if write:
        options = f"--threads {','.join(map(str, threads))} --repeats {repeats}"
        command = f"python -m benchmarks.env_throughput {options}"
        found = tables(measured, scaled, threads)
        click.echo(f"wrote {write_result('env_throughput', found, watch, command=command)}")


if __name__ == "__main__":
    main()
