"""The meta-test of oyster's first release, which produced the published curves.

The current one is `rlkit.core.eval_util.evaluate_adaptation`.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from torch import Tensor

from rlkit.core.eval_util import Adaptation
from rlkit.core.loop import Progress
from rlkit.data_management.paths import Paths
from rlkit.samplers.in_place import InPlacePathSampler, with_contexts
from rlkit.torch.sac.agent import PEARLAgent
from rlkit.torch.sac.config import PEARLConfig

Streams = Callable[[int, int, int], np.random.Generator]


def budget(splits: Mapping[str, Sequence[int]], config: PEARLConfig) -> int:
    """Environment steps of the meta-test of all splits."""
    num_tasks = sum(len(tasks) for tasks in splits.values())
    return num_tasks * (1 + config.num_evals) * config.num_steps_per_eval


def evaluate_splits(
    sampler: InPlacePathSampler,
    agent: PEARLAgent,
    splits: Mapping[str, Sequence[int]],
    config: PEARLConfig,
    streams: Callable[[str, str], Streams],
    progress: Progress,
) -> dict[str, Adaptation]:
    """Run the meta-test of each split with PEARL's settings; see `evaluate_oyster2019`."""
    return {
        split: evaluate_oyster2019(
            sampler,
            agent,
            tasks,
            num_runs=config.num_evals,
            num_steps=config.num_steps_per_eval,
            num_rows=config.embedding_batch_size,
            streams=partial(streams, split),
            deterministic=config.eval_deterministic,
            report=partial(progress.add, note=f"{split} tasks"),
        )
        for split, tasks in splits.items()
    }


def evaluate_oyster2019(
    sampler: InPlacePathSampler,
    agent: PEARLAgent,
    task_ids: Sequence[int],
    *,
    num_runs: int,
    num_steps: int,
    num_rows: int,
    streams: Callable[[str], Streams],
    deterministic: bool = True,
    report: Callable[[int], None] = lambda steps: None,
) -> Adaptation:
    """Explore each task once, then act several times from posteriors of some of the rows.

    On every task the stochastic policy collects `num_steps` transitions, with a new z from the
    prior for each trajectory. A run draws `num_rows` of them, uniformly with replacement, and one z
    from their posterior. It acts with that z, and starts another trajectory as long as a full one
    would leave its total below `num_steps`. If no episode ends early and the budget is that of two
    trajectories, it runs one. The final return is the mean over all these trajectories of all runs.

    Args:
        sampler: runs trajectories of the agent.
        agent: acts; its belief ends as the posterior of the last run.
        task_ids: the tasks, [num_tasks]; a task may occur more than once.
        num_runs: independent runs per task.
        num_steps: transitions of exploration, and the budget of a run.
        num_rows: context rows of a run.
        streams: maps a purpose to the generators by (index into task_ids, run, trajectory).
        deterministic: no action noise after the exploration.
        report: called after each rollout with the steps that it took from the budgets of
            exploration and runs; a run that has ended counts with its whole budget.
    Source: katerakelly/oyster at a40a98c (2019-03-20).
    """
    explored = _explore(sampler, task_ids, num_steps, streams("exploration"), report)
    lanes = [(index, run) for index in range(len(task_ids)) for run in range(num_runs)]
    contexts: list[Tensor] = []
    for index, run in lanes:
        of_task = Paths.concatenate([paths.select([index]) for paths in explored])
        rows = np.flatnonzero(of_task.mask)
        drawn = streams("context")(index, run, 0).choice(rows, size=num_rows)
        contexts.append(agent.context_of_paths(of_task).flatten(0, 1)[drawn])
    acted = _act(
        sampler, agent, task_ids, lanes, contexts, num_steps, streams, deterministic, report
    )
    agent.reset_belief(1)
    agent.infer_posterior(contexts[-1:], [0])

    per_lane = np.repeat(np.arange(len(task_ids)), num_runs)
    trajectories = [*(paths.select(per_lane) for paths in explored), *acted]
    return _closed_up(trajectories, len(explored), len(task_ids), num_runs)


def _explore(
    sampler: InPlacePathSampler,
    task_ids: Sequence[int],
    num_steps: int,
    streams: Streams,
    report: Callable[[int], None],
) -> list[Paths]:
    """Run trajectories with z from the prior until every task has `num_steps`.

    Returns:
        Entry n: the n-th trajectory of each task, or an empty one.
    """
    trajectories: list[Paths] = []
    steps = np.zeros(len(task_ids), np.int64)
    while (steps < num_steps).any():
        lanes = np.flatnonzero(steps < num_steps).tolist()
        generators = [streams(index, 0, len(trajectories)) for index in lanes]
        paths = _spread(
            sampler.obtain_samples([task_ids[i] for i in lanes], generators), lanes, len(task_ids)
        )
        before = np.minimum(steps, num_steps).sum()
        steps += paths.lengths
        trajectories.append(paths)
        report(int(np.minimum(steps, num_steps).sum() - before))
    return trajectories


def _act(
    sampler: InPlacePathSampler,
    agent: PEARLAgent,
    task_ids: Sequence[int],
    lanes: Sequence[tuple[int, int]],
    contexts: Sequence[Tensor],
    num_steps: int,
    streams: Callable[[str], Streams],
    deterministic: bool,
    report: Callable[[int], None],
) -> list[Paths]:
    """Run the trajectories of every run, each run with a single z.

    Returns:
        Entry n: the n-th trajectory of each lane, or an empty one.
    """
    trajectories: list[Paths] = []
    steps, going = np.zeros(len(lanes), np.int64), list(range(len(lanes)))
    while going:
        number, chosen = len(trajectories), [lanes[i] for i in going]
        paths = sampler.obtain_samples(
            [task_ids[index] for index, _ in chosen],
            [streams("run")(index, run, number) for index, run in chosen],
            begin=with_contexts(agent, [contexts[i] for i in going]),
            deterministic=deterministic,
            policy_generators=[streams("z")(index, run, 0) for index, run in chosen],
        )
        trajectories.append(_spread(paths, going, len(lanes)))
        used = _used(steps, going, num_steps)
        steps += trajectories[-1].lengths
        going = np.flatnonzero(steps + sampler.max_path_length < num_steps).tolist()
        report(_used(steps, going, num_steps) - used)
    return trajectories


def _used(steps: np.ndarray, going: list[int], num_steps: int) -> int:
    """Steps taken from the budgets; a run that has ended counts with its whole budget."""
    return int(steps[going].sum()) + num_steps * (len(steps) - len(going))


def _spread(paths: Paths, lanes: list[int], num_lanes: int) -> Paths:
    """Put trajectories into their lanes among `num_lanes`, with empty ones in the others."""
    if len(lanes) == num_lanes:
        return paths
    spread = paths.select(np.zeros(num_lanes, np.int64)).emptied()
    for field in dataclasses.fields(Paths):
        getattr(spread, field.name)[lanes] = getattr(paths, field.name)
    return spread


def _closed_up(
    trajectories: list[Paths], num_explored: int, num_tasks: int, num_runs: int
) -> Adaptation:
    """Close the gaps between each lane's trajectories; only those after exploration count."""
    lengths = np.stack([paths.lengths for paths in trajectories])
    order = np.argsort(lengths == 0, axis=0, kind="stable")[: (lengths > 0).sum(axis=0).max()]
    counted = (order >= num_explored) & (np.take_along_axis(lengths, order, axis=0) > 0)
    joined, num_lanes = Paths.concatenate(trajectories), lengths.shape[1]
    closed_up = [joined.select(numbers * num_lanes + np.arange(num_lanes)) for numbers in order]
    return Adaptation(num_tasks, num_runs, closed_up, counted)
