"""The trajectories of many tasks for an update, as padded tensors with a mask."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from rlkit.data_management.paths import Paths
from rlkit.torch.meta_pg.advantages import discounted_returns, gae, standardized
from rlkit.torch.meta_pg.baseline import Baseline, baseline_values
from rlkit.torch.meta_pg.policy import Params, act


class AdvantageSettings(NamedTuple):
    """How advantages are computed.

    Attributes:
        discount, gae_lambda: γ and λ.
        baseline: kind of baseline.
    """

    discount: float
    gae_lambda: float
    baseline: Baseline


class TaskData(NamedTuple):
    """Trajectories of all tasks, collected with one policy per task.

    `torch.func.vmap` removes the first axis, which leaves the data of one task.

    Attributes:
        obs: [num_tasks, num_paths, horizon, obs_dim].
        actions: as drawn from the Gaussian, not clipped, [num_tasks, num_paths, horizon, act_dim].
        advantages: standardised per task, [num_tasks, num_paths, horizon].
        mask: 1 for valid steps, otherwise 0, same shape.
        old_mean: mean of the policy that collected the data, shape of `actions`.
        old_log_std: its log standard deviation, [num_tasks, act_dim].
    """

    obs: Tensor
    actions: Tensor
    advantages: Tensor
    mask: Tensor
    old_mean: Tensor
    old_log_std: Tensor

    def first_paths(self, share: float) -> "TaskData":
        """Keep only the first fraction of each task's trajectories, at least one."""
        num = max(1, round(share * self.obs.shape[1]))
        cut = {name: getattr(self, name)[:, :num] for name in self._fields[:-1]}
        return self._replace(**cut)


def task_data(
    paths: Paths,
    num_tasks: int,
    policy: nn.Module,
    params: Params,
    settings: AdvantageSettings,
) -> TaskData:
    """Make the data of an adaptation step.

    Args:
        paths: trajectories in task-major order, the same number for each task.
        num_tasks: number of tasks.
        policy: the network that collected them.
        params: its parameters for each task, [num_tasks, ...].
        settings: how advantages are computed.
    """
    place = next(iter(params.values())).device

    def grouped(array: np.ndarray) -> Tensor:
        shape = num_tasks, len(array) // num_tasks, *array.shape[1:]
        return torch.from_numpy(array.reshape(shape)).to(place)

    obs, actions = grouped(paths.obs[:, :-1]).float(), grouped(paths.actions).float()
    rewards, mask = grouped(paths.rewards).double(), grouped(paths.mask)
    returns = discounted_returns(rewards, settings.discount)
    values = baseline_values(obs, returns, mask, settings.baseline)
    advantages = gae(
        rewards, values, mask, discount=settings.discount, gae_lambda=settings.gae_lambda
    )
    with torch.no_grad():
        old_mean, old_log_std = torch.func.vmap(lambda p, o: act(policy, p, o))(dict(params), obs)
    return TaskData(
        obs,
        actions,
        standardized(advantages, mask).float(),
        mask.float(),
        old_mean,
        old_log_std,
    )
