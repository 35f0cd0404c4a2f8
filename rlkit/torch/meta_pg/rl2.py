"""The loop of RL²: run whole trials on many tasks, then update on them with PPO."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from rlkit.core.algorithm import Loop, Statistics
from rlkit.core.loop import Progress
from rlkit.core.meta_evaluation import MetaEvaluation
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.samplers.util import rollout
from rlkit.torch.meta_pg.config import RL2Settings
from rlkit.torch.meta_pg.on_policy import MetaTest, OnPolicyMetaLearner
from rlkit.torch.meta_pg.ppo import TrialPPO
from rlkit.torch.meta_pg.rl2_policy import RL2Policy
from rlkit.torch.meta_pg.tasks import TaskSource
from rlkit.torch.meta_pg.trials import Trials, trials_of


class RL2(OnPolicyMetaLearner):
    """RL² (Duan et al. 2016): a recurrent policy that learns the task within a trial.

    Args:
        env: takes actions in [-1, 1].
        policy: acts in `env`.
        tasks: chooses the tasks of an iteration.
        trainer: updates the network of the policy.
        evaluation: the meta-test.
        settings: sizes.
        seed: seeds the random streams.
        num_threads: CPU threads of the updates.
    """

    state_name = "trainer"

    def __init__(
        self,
        env: MetaEnv,
        policy: RL2Policy,
        tasks: TaskSource,
        trainer: TrialPPO,
        evaluation: MetaEvaluation,
        settings: RL2Settings,
        *,
        seed: int = 0,
        num_threads: int = 1,
    ) -> None:
        network = policy.network
        super().__init__(env, network, trainer, evaluation, seed=seed, num_threads=num_threads)
        self.env, self.policy, self.tasks, self.trainer = env, policy, tasks, trainer
        self.settings = settings
        self._trials: Trials | None = None  # of the current iteration

    @property
    def evaluation_columns(self) -> Sequence[str]:
        """No further columns."""
        return ()

    @property
    def collection_columns(self) -> Sequence[str]:
        """Columns of returns, one per episode of a trial."""
        return [f"AverageReturn episode {n + 1}" for n in range(self.settings.episodes_per_trial)]

    def collect_data(self, iteration: int, loop: Loop) -> Statistics:
        """Run one trial on each of the iteration's tasks."""
        task_ids = self.tasks.tasks_of(iteration)
        progress = Progress(loop, len(task_ids) * self.settings.episodes_per_trial)
        slices = [
            self._trials_of(
                iteration, task_ids, range(start, len(task_ids))[: self.env.num_envs], progress
            )
            for start in range(0, len(task_ids), self.env.num_envs)
        ]
        episodes = [Paths.concatenate(parts) for parts in zip(*slices, strict=True)]
        self._trials = trials_of(episodes, self.policy.network.log_std.device)
        for paths in episodes:
            self.count(paths)
        returns = [float(paths.returns().mean()) for paths in episodes]
        return {
            **{f"AverageReturn episode {n + 1}": value for n, value in enumerate(returns)},
            "Training gain": returns[-1] - returns[0],
            "Return std": float(episodes[-1].returns().std()),
            **self.counters,
        }

    def _trials_of(
        self, iteration: int, task_ids: np.ndarray, trials: Sequence[int], progress: Progress
    ) -> list[Paths]:
        """Run these trials in parallel, one lane each; return their episodes in order."""
        self.policy.reset_belief(len(trials))
        episodes = []
        for number in range(self.settings.episodes_per_trial):
            draws = [stream(self.seed, "trials", iteration, trial, number) for trial in trials]
            horizon = self.settings.max_path_length
            episodes.append(rollout(self.env, self.policy, task_ids[list(trials)], draws, horizon))
            progress.add(len(trials), f"episode {number + 1}")
        return episodes

    def take_update(self) -> tuple[Statistics, Tensor]:
        """Run PPO's epochs on the iteration's trials."""
        if self._trials is None:
            raise RuntimeError("do_training needs trials; expected collect_data to be called first")
        statistics = self.trainer.update(self._trials)
        self._trials = None
        return statistics, self.policy.network.log_std.detach()

    def adaptation_gain(self, test: MetaTest) -> Statistics:
        """Gain of the last trajectory of a trial over the first."""
        first, last = (
            test.final[f"AverageReturn_{which}_test_tasks"] for which in ("prior", "all")
        )
        return {"Adaptation gain": last - first}
