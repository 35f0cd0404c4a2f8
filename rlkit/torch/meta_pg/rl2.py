"""The loop of RL²: whole trials of many tasks, then PPO on them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from rlkit.core.algorithm import Loop, Statistics
from rlkit.core.checkpoint import SavedRows
from rlkit.core.logger import Table
from rlkit.core.loop import Progress
from rlkit.core.meta_evaluation import MetaEvaluation
from rlkit.core.online_returns import online_returns
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.envs.base import MetaEnv
from rlkit.samplers.util import rollout
from rlkit.torch.execution import torch_threads
from rlkit.torch.meta_pg.config import RL2Settings
from rlkit.torch.meta_pg.gaussian import entropy
from rlkit.torch.meta_pg.ppo import TrialPPO
from rlkit.torch.meta_pg.rl2_policy import RL2Policy
from rlkit.torch.meta_pg.tasks import TaskSource
from rlkit.torch.meta_pg.trials import Trials, trials_of


class RL2:
    """RL² (Duan et al. 2016): a recurrent policy that learns its task within a trial.

    Args:
        env: takes actions in [-1, 1].
        policy: acts in `env`.
        tasks: chooses the tasks of an iteration.
        trainer: updates the network of the policy.
        evaluation: the meta-test.
        settings: sizes.
        seed: names the random streams.
        num_threads: CPU threads of the updates.
    """

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
        self.env, self.policy, self.tasks, self.trainer = env, policy, tasks, trainer
        self.evaluation, self.settings = evaluation, settings
        self.seed, self.num_threads = seed, num_threads
        self.num_env_steps = self.num_nominal_steps = 0
        self._trials: Trials | None = None  # of the current iteration
        self._online: Table = []

    @property
    def columns(self) -> Sequence[str]:
        """The first columns of progress.csv."""
        return (
            "AverageReturn_all_test_tasks",
            "AverageReturn_prior_test_tasks",
            "AverageReturn_all_train_tasks",
            "Adaptation gain",
            *(f"AverageReturn episode {n + 1}" for n in range(self.settings.episodes_per_trial)),
            "Number of env steps total",
            "Number of env steps nominal",
        )

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Policy and value on a shared core."""
        return {"policy": self.policy.network}

    @property
    def buffers(self) -> Mapping[str, SavedRows]:
        """None: data are used for one iteration only."""
        return {}

    def collect_data(self, iteration: int, loop: Loop) -> Statistics:
        """Run a trial of every task of the iteration."""
        task_ids = self.tasks.tasks_of(iteration)
        progress = Progress(loop, len(task_ids) * self.settings.episodes_per_trial)
        with torch_threads(self.num_threads):
            slices = [
                self._trials_of(
                    iteration, task_ids, range(start, len(task_ids))[: self.env.num_envs], progress
                )
                for start in range(0, len(task_ids), self.env.num_envs)
            ]
        episodes = [Paths.concatenate(parts) for parts in zip(*slices, strict=True)]
        self._trials = trials_of(episodes, self.policy.network.log_std.device)
        self.num_env_steps += sum(paths.num_steps for paths in episodes)
        self.num_nominal_steps += sum(paths.mask.size for paths in episodes)
        returns = [float(paths.returns().mean()) for paths in episodes]
        return {
            **{f"AverageReturn episode {n + 1}": value for n, value in enumerate(returns)},
            "Training gain": returns[-1] - returns[0],
            "Return std": float(episodes[-1].returns().std()),
            "Number of env steps total": float(self.num_env_steps),
            "Number of env steps nominal": float(self.num_nominal_steps),
        }

    def _trials_of(
        self, iteration: int, task_ids: np.ndarray, trials: Sequence[int], progress: Progress
    ) -> list[Paths]:
        """Run these trials in parallel, one lane each; returns their episodes in order."""
        self.policy.reset_belief(len(trials))
        episodes = []
        for number in range(self.settings.episodes_per_trial):
            draws = [stream(self.seed, "trials", iteration, trial, number) for trial in trials]
            horizon = self.settings.max_path_length
            episodes.append(rollout(self.env, self.policy, task_ids[list(trials)], draws, horizon))
            progress.add(len(trials), f"episode {number + 1}")
        return episodes

    def do_training(self, iteration: int, loop: Loop) -> Statistics:
        """Run PPO's epochs on the trials of the iteration."""
        if self._trials is None:
            raise RuntimeError("do_training was called before collect_data")
        loop.tick(0, 1)
        with torch_threads(self.num_threads):
            statistics = self.trainer.update(self._trials)
        self._trials = None
        loop.tick(1, 1)
        log_std = self.policy.network.log_std.detach()
        return {
            **statistics,
            "Policy std": log_std.exp().mean().item(),
            "Policy entropy": entropy(log_std).item(),
            "Number of train steps total": float((iteration + 1) * self.trainer.num_steps),
        }

    def evaluate(self, iteration: int, loop: Loop) -> Statistics:
        """Run the meta-test: trials on train and test tasks, trajectory by trajectory."""
        splits = self.evaluation.draw_tasks(iteration)
        progress = Progress(loop, self.evaluation.budget)
        adaptations = self.evaluation.adaptations(iteration, splits, progress)
        sparse = self.evaluation.settings.sparse
        self._online = online_returns(iteration, adaptations, sparse)
        final = self.evaluation.statistics(adaptations)
        first, last = (final[f"AverageReturn_{which}_test_tasks"] for which in ("prior", "all"))
        return {**final, "Adaptation gain": last - first}

    def tables(self, iteration: int) -> Mapping[str, Table]:
        """Return of the first, second, … trajectory of the meta-test."""
        return {"online_returns": self._online}

    def state_dict(self) -> dict[str, Any]:
        """The complete state; collected data and other random streams need none."""
        return {
            "env": self.env.state_dict(),
            "policy": self.policy.network.state_dict(),
            "trainer": self.trainer.state_dict(),
            "num_env_steps": self.num_env_steps,
            "num_nominal_steps": self.num_nominal_steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state; those of earlier versions lack the environment's."""
        if "env" in state:
            self.env.load_state_dict(state["env"])
        self.policy.network.load_state_dict(state["policy"])
        self.trainer.load_state_dict(state["trainer"])
        self.num_env_steps = state["num_env_steps"]
        self.num_nominal_steps = state["num_nominal_steps"]
