"""logs.mat and predictions.mat, with the same arrays as in kchua/handful-of-trials."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from scipy.io import savemat
from torch import Tensor

from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer

SMALL = 8_000_000  # bytes up to which the file is rewritten after every iteration
GROWTH = 1.1  # factor by which a larger file must grow before it is rewritten


def trial_arrays(buffer: MultiTaskReplayBuffer) -> dict[str, list[np.ndarray]]:
    """Split the buffer into its training trials, in order.

    Args:
        buffer: one task whose rows are whole trials.
    Returns:
        observations [T + 1, obs_dim], actions [T, act_dim] and rewards [T] of every trial, float32.
    """
    rows = buffer.rows_of(0).cpu()
    obs, actions, rewards, _, next_obs, _ = (
        part.numpy() for part in rows.split(buffer.columns, dim=1)
    )
    found: dict[str, list[np.ndarray]] = {"observations": [], "actions": [], "rewards": []}
    end = 0
    for length in buffer.episodes.lengths(0).tolist():
        begin, end = end, end + length
        last = next_obs[end - 1 : end]
        found["observations"].append(np.concatenate([obs[begin:end], last]))
        found["actions"].append(actions[begin:end])
        found["rewards"].append(rewards[begin:end, 0])
    return found


def logs_mat(buffer: MultiTaskReplayBuffer, returns: Sequence[float]) -> bytes:
    """Make the content of logs.mat.

    Args:
        buffer: the training trials, including the random ones.
        returns: returns of the evaluated trials, in order.
    Returns:
        A MAT file with observations [n, T + 1, obs_dim], actions [n, T, act_dim], rewards [n, T]
        and returns [1, m]. If the trials differ in length, the first three are cell arrays.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, trials in trial_arrays(buffer).items():
        if len({len(trial) for trial in trials}) <= 1:
            arrays[name] = np.array(trials)
            continue
        arrays[name] = np.empty(len(trials), object)
        arrays[name][:] = trials
    content = io.BytesIO()
    savemat(content, {**arrays, "returns": np.array(returns, np.float64).reshape(1, -1)})
    return content.getvalue()


def predictions_mat(
    predictions: Sequence[Tensor], num_plans: Sequence[int], *, particles: bool
) -> bytes:
    """Make the content of predictions.mat: the model's predictions for an iteration's plans.

    Args:
        predictions: predicted states per plan, [num_lanes, plan_hor + 1, num_particles, obs_dim].
        num_plans: number of plans of each trial (lane).
        particles: write all particles instead of their mean and variance.
    Returns:
        A MAT file with either predictions [plan_hor + 1, num_particles, obs_dim] or means and vars
        [plan_hor + 1, obs_dim] of every plan, trial by trial. The variance is taken around the mean
        of the particles (the reference subtracts arrays of different shapes).
    """
    stacked = torch.stack(list(predictions))
    found = torch.cat([stacked[:count, lane] for lane, count in enumerate(num_plans)]).numpy()
    arrays = {"predictions": found}
    if not particles:
        arrays = {"means": found.mean(axis=2), "vars": found.var(axis=2)}
    content = io.BytesIO()
    savemat(content, arrays)
    return content.getvalue()


class LogsSchedule:
    """Decides when to write logs.mat, which reaches 60 MB at the end of a long run.

    A small file is written after every iteration, a large one only when it has grown by a tenth and
    after the last iteration.
    """

    def __init__(self, num_iterations: int) -> None:
        self._num_iterations, self._written = num_iterations, 0

    def due(self, iteration: int, num_bytes: int) -> bool:
        """Whether to write the file after this iteration; if so, remember its size."""
        last = iteration + 1 == self._num_iterations
        due = last or num_bytes < SMALL or num_bytes >= GROWTH * self._written
        if due:
            self._written = num_bytes
        return due
