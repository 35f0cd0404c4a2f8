"""logs.mat and predictions.mat, with the arrays that kchua/handful-of-trials writes."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from scipy.io import savemat
from torch import Tensor

from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer

SMALL = 8_000_000  # bytes up to which the file is written anew after every iteration
GROWTH = 1.1  # by so much a larger one has to grow before it is written again


def trial_arrays(buffer: MultiTaskReplayBuffer) -> dict[str, list[np.ndarray]]:
    """The trials that are learned from, in their order, each an array.

    Args:
        buffer: of one task, whose rows are whole trials.
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
    """The content of logs.mat.

    Args:
        buffer: the trials that are learned from, the random ones included.
        returns: of the trials that are evaluated, in their order.
    Returns:
        A MAT file with observations [n, T + 1, obs_dim], actions [n, T, act_dim], rewards [n, T]
        and returns [1, m]; cells instead of the first three if the trials differ in length.
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
    """The content of predictions.mat: what the model predicted for the plans of an iteration.

    Args:
        predictions: of every plan, [num_lanes, plan_hor + 1, num_particles, obs_dim].
        num_plans: how many of them each trial, a lane, has made.
        particles: write all particles instead of their mean and variance.
    Returns:
        A MAT file with, for every plan, one trial after the other, predictions [plan_hor + 1,
        num_particles, obs_dim]; or means and vars [plan_hor + 1, obs_dim], the latter around the
        mean of the particles (the reference subtracts arrays that do not fit).
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
    """Decides when logs.mat is due: the whole of it, 60 MB at the end of a long run, is not written
    after every iteration.

    It is while it is small, and after the last iteration; otherwise when it has grown by a tenth.
    """

    def __init__(self, num_iterations: int) -> None:
        self._num_iterations, self._written = num_iterations, 0

    def due(self, iteration: int, num_bytes: int) -> bool:
        """Whether the file is to be written after an iteration; if so, remembers its size."""
        last = iteration + 1 == self._num_iterations
        due = last or num_bytes < SMALL or num_bytes >= GROWTH * self._written
        if due:
            self._written = num_bytes
        return due
