"""Trajectory files of `dump_eval_paths`, written at each evaluation as in oyster."""

import math
from collections.abc import Callable, Mapping, Sequence

from rlkit.core.eval_util import Adaptation
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.torch.sac.collection import visited_tasks
from rlkit.torch.sac.config import PEARLConfig

NUM_PRIOR_PATHS = 20  # or more if episodes end early

Save = Callable[[str, Paths], None]


def save_prior_paths(
    sampler: InPlacePathSampler,
    train_tasks: range,
    config: PEARLConfig,
    seed: int,
    iteration: int,
    save: Save,
) -> None:
    """Save trajectories with z from the prior, at least `NUM_PRIOR_PATHS` horizons of steps.

    Args:
        sampler: runs trajectories of the agent.
        train_tasks: task ids; the trajectories run on the task that was visited last.
        config: PEARL's settings.
        seed: seeds the random streams.
        iteration: iteration of the evaluation.
        save: called with (file name, paths).
    Source: katerakelly/oyster.
    """
    task_id = visited_tasks(seed, iteration, train_tasks, config.num_tasks_sample)[-1]
    needed, parts = NUM_PRIOR_PATHS * config.max_path_length, list[Paths]()
    while (missing := needed - sum(part.num_steps for part in parts)) > 0:
        first = sum(part.num_paths for part in parts)
        numbers = range(first, first + math.ceil(missing / config.max_path_length))
        part = sampler.obtain_samples(
            [task_id] * len(numbers),
            [stream(seed, "prior paths", iteration, n) for n in numbers],
            deterministic=config.eval_deterministic,
        )
        parts.append(part)
    save(f"prior-epoch{iteration}", Paths.concatenate(parts))


def save_meta_test_paths(
    adaptations: Mapping[str, Adaptation],
    splits: Mapping[str, Sequence[int]],
    iteration: int,
    save: Save,
) -> None:
    """Save the meta-test trajectories of every train and test task, one file per run.

    A task that is in both splits is saved as a test task. Arguments as for `save_prior_paths`.
    """
    for split, tasks in splits.items():
        adaptation = adaptations[split]
        for index, task_id in enumerate(tasks):
            for run in range(adaptation.num_runs):
                lane = index * adaptation.num_runs + run
                paths = Paths.concatenate(
                    [p.select([lane]) for p in adaptation.trajectories if p.lengths[lane] > 0]
                )
                save(f"task{task_id}-epoch{iteration}-run{run}", paths)
