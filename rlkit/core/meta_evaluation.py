"""The meta-test on train and test tasks that every meta-learner is evaluated with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rlkit.core.eval_util import Adaptation, evaluate_adaptation, mean_speed, success_rate
from rlkit.core.loop import Progress
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.policies.base import MetaPolicy

Adaptations = Mapping[str, Adaptation]  # by split, "train" and "test"
ExtraColumns = Callable[[Adaptations], dict[str, float]]
Streams = Callable[[int, int, int], np.random.Generator]
# Before and after adaptation; of the test tasks after it there is always `SuccessRate_test_tasks`.
FURTHER_SUCCESS_RATES = (
    "SuccessRate_prior_train_tasks",
    "SuccessRate_train_tasks",
    "SuccessRate_prior_test_tasks",
)


@dataclass(frozen=True)
class MetaTestSettings:
    """How a meta-test is run.

    Attributes:
        num_runs: independent runs per task.
        num_steps: transitions of a run; its last trajectory is not cut there.
        horizon: the most steps of a trajectory.
        deterministic: no action noise.
        num_stochastic: that many trajectories at the beginning of a run have noise in any case.
        sparse: report sparse returns.
    """

    num_runs: int
    num_steps: int
    horizon: int
    deterministic: bool = True
    num_stochastic: int = 0
    sparse: bool = False


class MetaEvaluation:
    """Runs the meta-test on as many train tasks as there are test tasks, and on these.

    Args:
        env: takes actions in [-1, 1].
        policy: the meta-learner.
        train_tasks, eval_tasks: task ids.
        settings: how it is run.
        seed: names the random streams.
        extra_columns: further statistics of the adaptations.
    """

    def __init__(
        self,
        env: MetaEnv,
        policy: MetaPolicy,
        train_tasks: Sequence[int],
        eval_tasks: Sequence[int],
        settings: MetaTestSettings,
        seed: int,
        extra_columns: ExtraColumns | None = None,
    ) -> None:
        self.env, self.policy, self.settings = env, policy, settings
        self.train_tasks, self.eval_tasks = train_tasks, eval_tasks
        self.seed, self.extra_columns = seed, extra_columns

    @property
    def budget(self) -> int:
        """Steps of one evaluation, as `adaptations` counts them."""
        num_lanes = 2 * len(self.eval_tasks) * self.settings.num_runs
        return num_lanes * self.settings.num_steps

    def draw_tasks(self, iteration: int) -> dict[str, list[int]]:
        """Tasks of both splits; the train tasks are drawn with replacement."""
        generator = stream(self.seed, "evaluation tasks", iteration)
        draws = generator.integers(len(self.train_tasks), size=len(self.eval_tasks))
        return {"train": [self.train_tasks[i] for i in draws], "test": list(self.eval_tasks)}

    def streams(self, iteration: int, split: str, purpose: str = "") -> Streams:
        """Make the function that gives the generator of (index of the task, run, trajectory)."""
        name = f"meta-{split} {purpose}".rstrip()
        return lambda index, run, n: stream(self.seed, name, iteration, index, run, n)

    def adaptations(
        self,
        iteration: int,
        splits: Mapping[str, Sequence[int]],
        progress: Progress,
        explored: Mapping[str, Sequence[Paths]] | None = None,
    ) -> dict[str, Adaptation]:
        """Run the meta-test.

        Args:
            iteration: names the random streams.
            splits: the tasks of each split, as from `draw_tasks`.
            progress: called with the number of steps; they add up to `budget`.
            explored: first trajectories of every run that have been run already, by split; see
                `evaluate_adaptation`.
        """
        settings = self.settings
        return {
            split: evaluate_adaptation(
                self.env,
                self.policy,
                tasks,
                num_runs=settings.num_runs,
                num_steps=settings.num_steps,
                max_path_length=settings.horizon,
                streams=self.streams(iteration, split),
                deterministic=settings.deterministic,
                num_stochastic=settings.num_stochastic,
                explored=() if explored is None else explored[split],
                report=partial(progress.add, note=f"{split} tasks"),
            )
            for split, tasks in splits.items()
        }

    def statistics(self, adaptations: Adaptations) -> dict[str, float]:
        """Returns of both splits; how the test tasks' final trajectories went; extra columns.

        "prior" in a name means the first trajectory of a run. Success rates other than that of the
        test tasks are there where the environment knows success.
        """
        sparse, test = self.settings.sparse, adaptations["test"]
        returns, final = test.final_returns(sparse), test.final_paths()
        return {
            "AverageReturn_all_train_tasks": float(
                adaptations["train"].final_returns(sparse).mean()
            ),
            "AverageReturn_all_test_tasks": float(returns.mean()),
            "AverageReturn_std_test_tasks": float(returns.std()),
            "AverageReturn_prior_test_tasks": float(test.returns(sparse)[0].mean()),
            "AverageLength_test_tasks": float(final.lengths.mean()),
            "AverageSpeed_test_tasks": mean_speed(self.env, final),
            "SuccessRate_test_tasks": success_rate(self.env, final),
            **(self._further_success_rates(adaptations) if self.env.knows_success else {}),
            **({} if self.extra_columns is None else self.extra_columns(adaptations)),
        }

    def _further_success_rates(self, adaptations: Adaptations) -> dict[str, float]:
        train, test = adaptations["train"], adaptations["test"]
        judged = train.trajectories[0], train.final_paths(), test.trajectories[0]
        rates = (success_rate(self.env, paths) for paths in judged)
        return dict(zip(FURTHER_SUCCESS_RATES, rates, strict=True))
