"""The policy of gradient methods: parameters per task, adapted by inner steps."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from rlkit.core.errors import NonFiniteError
from rlkit.data_management.paths import Paths
from rlkit.torch.meta_pg.inner import Surrogate, adapted
from rlkit.torch.meta_pg.policy import Params, act, parameters_of, repeated
from rlkit.torch.meta_pg.task_data import AdvantageSettings, TaskData, task_data


class GradientPolicy:
    """Acts in each lane with the parameters of that lane's task.

    Actions are drawn from the Gaussian and not clipped; the environment clips what it executes.

    As a meta-policy it explores with θ for `num_explored` trajectories, takes an inner step on them
    and acts with the new parameters. If there are more inner steps, each is preceded by the same
    number of trajectories; after the last one the parameters stay fixed.

    Args:
        network: θ, a module that returns mean and log standard deviation.
        advantages: how advantages are computed.
        inner_lr, inner_surrogate: step size and loss of the inner step.
        num_inner_steps: maximum number of inner steps.
        num_explored: number of trajectories before each inner step.
    """

    def __init__(
        self,
        network: nn.Module,
        advantages: AdvantageSettings,
        *,
        inner_lr: float,
        inner_surrogate: Surrogate,
        num_inner_steps: int = 1,
        num_explored: int = 20,
    ) -> None:
        self.network, self.advantages = network, advantages
        self.inner_lr, self.inner_surrogate = inner_lr, inner_surrogate
        self.num_inner_steps, self.num_explored = num_inner_steps, num_explored
        self.reset_belief(1)

    # Many tasks at once

    def theta(self, num_tasks: int) -> dict[str, torch.Tensor]:
        """The parameters before any inner step, repeated for each task without copies."""
        own = {name: p.detach() for name, p in parameters_of(self.network).items()}
        return repeated(own, num_tasks)

    def data_of(self, paths: Paths, params: Params) -> TaskData:
        """Training data from trajectories collected with these parameters, task-major."""
        num_tasks = len(next(iter(params.values())))
        return task_data(paths, num_tasks, self.network, params, self.advantages)

    def inner_step(self, params: Params, data: TaskData) -> dict[str, torch.Tensor]:
        """The parameters of all tasks after one inner step on their data."""
        return adapted(self.network, params, data, self.inner_lr, self.inner_surrogate)

    def use(self, params: Params | None, tasks: Sequence[int] | np.ndarray = ()) -> None:
        """Act with task-specific parameters.

        Args:
            params: parameters of each task, [num_tasks, ...]; None: θ in every lane.
            tasks: index of each lane's task, [num_lanes].
        """
        self._params = params
        if params is None:
            return
        # Lanes of one task share a matrix product, so they are grouped: [num_tasks, most lanes].
        present, self._rows = np.unique(np.asarray(tasks), return_inverse=True)
        self._params = {name: value[torch.from_numpy(present)] for name, value in params.items()}
        counts = np.zeros(len(present), np.int64)
        self._columns = np.empty(len(self._rows), np.int64)
        for lane, row in enumerate(self._rows):
            self._columns[lane] = counts[row]
            counts[row] += 1
        self._shape = len(present), int(counts.max())

    # Acting

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        """Do nothing: the policy has no state per trajectory."""

    @torch.no_grad()
    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """Draw actions [num_lanes, act_dim], not clipped; without noise, the means."""
        place = next(self.network.parameters()).device
        if self._params is None:
            mean, log_std = self.network(torch.as_tensor(obs, dtype=torch.float32, device=place))
            std = log_std.exp().expand_as(mean)
        else:
            padded = np.zeros((*self._shape, obs.shape[1]), np.float32)
            padded[self._rows, self._columns] = obs
            means, log_stds = torch.func.vmap(lambda p, o: act(self.network, p, o))(
                self._params, torch.from_numpy(padded).to(place)
            )
            mean = means[self._rows, self._columns]
            std = log_stds[self._rows].exp()
        action: np.ndarray = mean.cpu().numpy()
        if noise is not None:
            action = action + std.cpu().numpy() * noise
        if not np.isfinite(action).all():
            adapted = "the inner steps are too long" if self._params else "the policy has diverged"
            raise NonFiniteError(f"actions are not finite: {adapted}")
        return action

    # As a meta-policy

    def reset_belief(self, num_envs: int) -> None:
        """Reset every lane to θ."""
        self._num_steps, self._seen = 0, list[Paths]()
        self._belief: Params | None = None
        self._num_lanes = num_envs
        self.use(None)

    def adapt(self, paths: Paths) -> None:
        """Add one trajectory per lane; those of length 0 are ignored."""
        if self._num_steps >= self.num_inner_steps:
            return
        self._seen.append(paths)
        if len(self._seen) >= self.num_explored:
            self.adapt_now()

    def adapt_now(self) -> None:
        """Take the inner step on all trajectories since the last one, however many."""
        lanes = np.arange(self._num_lanes)
        width = max(paths.horizon for paths in self._seen)
        wide = Paths.concatenate([_widened(paths, width) for paths in self._seen])
        # From trajectory-major to lane-major, which is task-major here.
        order = np.arange(wide.num_paths).reshape(-1, self._num_lanes).T.ravel()
        params = self.theta(self._num_lanes) if self._belief is None else self._belief
        self._belief = self.inner_step(params, self.data_of(wide.select(order), params))
        self._num_steps, self._seen = self._num_steps + 1, []
        self.use(self._belief, lanes)


def _widened(paths: Paths, horizon: int) -> Paths:
    """Pad the trajectories' arrays to a longer horizon."""
    if paths.horizon == horizon:
        return paths
    missing = horizon - paths.horizon
    arrays = {}
    for name, array in vars(paths).items():
        if name in ("lengths", "task_ids", "zs"):
            arrays[name] = array
        else:
            pad = [(0, 0), (0, missing), *[(0, 0)] * (array.ndim - 2)]
            arrays[name] = np.pad(array, pad)
    return Paths(**arrays)
