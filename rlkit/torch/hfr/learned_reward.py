"""A learned reward function of tasks, used for relabeled trajectories.

It cannot be combined with sparse rewards and uses their column: 1 marks a reward that the network
predicted, 0 one from the environment. The network trains on the latter only. Source: HFR's code.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rlkit.data_management.batch import Batch
from rlkit.data_management.labels import Labels
from rlkit.data_management.paths import Paths
from rlkit.torch.adam import adam
from rlkit.torch.gradient_steps import statistics_of


class LearnedReward:
    """f(o, a, g), trained to predict the unscaled rewards of the rows of every gradient step.

    Args:
        network: maps (obs, action, task) to one number.
        tasks: the train tasks g, [num_tasks, task_dim].
        learning_rate: step size of its own Adam.
    """

    def __init__(self, network: nn.Module, tasks: np.ndarray, learning_rate: float) -> None:
        like = next(network.parameters())
        self.network, self.tasks = network, torch.from_numpy(tasks).to(like.device, like.dtype)
        self.optimizer = adam([(network, learning_rate)])

    def train_step(self, batch: Batch, task_ids: Tensor) -> Tensor:
        """Take a step on the mean squared error; nothing is read from the device.

        Only rows with the environment's reward enter the loss.

        Args:
            batch: RL rows, fields [m, n, dim].
            task_ids: their tasks, [m].
        Returns:
            The loss before the step, a scalar; 0 if there is no such row.
        """
        goals = self.tasks.index_select(0, task_ids).unsqueeze(1).expand(*batch.obs.shape[:2], -1)
        real = 1.0 - batch.sparse_rewards
        errors = (self.network(batch.obs, batch.actions, goals) - batch.rewards) ** 2
        loss = (real * errors).sum() / real.sum().clamp(min=1.0)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def predict(self, path: Paths) -> np.ndarray:
        """Rewards of a trajectory's steps under every task, [num_tasks, T]."""
        steps, tasks = int(path.lengths[0]), self.tasks
        obs, actions = (
            torch.from_numpy(array[0, :steps]).to(tasks) for array in (path.obs, path.actions)
        )
        shape = len(tasks), steps
        goals = tasks.unsqueeze(1).expand(*shape, -1)
        predicted = self.network(obs.expand(*shape, -1), actions.expand(*shape, -1), goals)
        return predicted.squeeze(-1).cpu().numpy()

    def relabel(self, path: Paths, labels: Labels) -> tuple[Labels, float]:
        """Replace the rewards of all tasks but the trajectory's own by predictions.

        The environment's terminations are kept.

        Returns:
            The labels, whose sparse rewards mark predicted rewards; and the mean squared error of
            the predictions for the trajectory's own task, on which the network was not trained.
        """
        own, predicted = int(path.task_ids[0]), self.predict(path)
        error = float(((predicted[own] - labels.rewards[own]) ** 2).mean())
        made = np.ones_like(labels.rewards)
        made[own], predicted[own] = 0.0, labels.rewards[own]
        return labels._replace(
            rewards=predicted.astype(labels.rewards.dtype), sparse_rewards=made
        ), error

    def state_dict(self) -> dict[str, Any]:
        """Weights and optimizer."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore weights and optimizer."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])


class RewardLearner:
    """Auxiliary learner that reports the rewards of a step and trains the learned reward.

    Args:
        learned_reward: the reward to train; None: only report.
    """

    def __init__(self, learned_reward: LearnedReward | None) -> None:
        self.learned_reward = learned_reward
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: list[torch.optim.Optimizer] = []
        if learned_reward is not None:
            self.networks["rf"] = learned_reward.network
            self.optimizers.append(learned_reward.optimizer)

    def train_step(
        self, batch: Batch, task_ids: Tensor, with_statistics: bool
    ) -> dict[str, Tensor]:
        """Train on the RL rows of a gradient step; nothing is read from the device.

        Args:
            batch: fields [m, n, dim].
            task_ids: their tasks, [m].
            with_statistics: also return statistics of the rewards.
        """
        statistics = statistics_of("Reward", batch.rewards) if with_statistics else {}
        if self.learned_reward is not None:
            statistics["RF Loss"] = self.learned_reward.train_step(batch, task_ids)
        return statistics

    def state_dict(self) -> dict[str, Any]:
        """Weights and optimizer of the learned reward, if there is one."""
        return {} if self.learned_reward is None else self.learned_reward.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
        if self.learned_reward is not None:
            self.learned_reward.load_state_dict(state)


def marked_real(paths: Paths) -> Paths:
    """Mark all rewards of the trajectories as the environment's."""
    return replace(paths, sparse_rewards=np.zeros_like(paths.sparse_rewards))
