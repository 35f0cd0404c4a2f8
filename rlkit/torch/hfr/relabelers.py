"""HFR as a `Relabeler`: a coin per group of trajectories, and tasks that are drawn in hindsight.

Each train task has three buffers. D (RL) and E (encoder) store a trajectory under the task that was
drawn for it. S (sampler) stores the original, for the contexts of the collection.
Source: HFR's code; docs/hfr.md.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch

from rlkit.core.eval_util import successes
from rlkit.core.seeding import stream
from rlkit.data_management.assignment import draw_tasks, probabilities
from rlkit.data_management.labels import Labels, labels_of, relabeled
from rlkit.data_management.original_labels import OriginalLabels
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.envs.base import MetaEnv
from rlkit.torch.hfr.config import HFRSettings
from rlkit.torch.hfr.learned_reward import LearnedReward, marked_real
from rlkit.torch.hfr.methods import UniformTask
from rlkit.torch.hfr.statistics import RelabelingStatistics

NO_EPISODE = np.empty(0, np.int64)


class CountedOriginals(OriginalLabels):
    """PEARL's relabeler plus a count of successes, as a baseline for relabeling.

    Args:
        env: defines success.
        replay_buffer: as for `OriginalLabels`.
    """

    def __init__(self, env: MetaEnv, replay_buffer: MultiTaskReplayBuffer) -> None:
        super().__init__(replay_buffer)
        self.env, self.own_successes = env, 0.0

    def store(self, paths: Paths, *, to_encoder: bool, visits: Sequence[int] | None = None) -> None:
        """Store as PEARL does; the initial pool is not counted."""
        super().store(paths, to_encoder=to_encoder, visits=visits)
        if visits is not None:
            success = successes(self.env, paths)
            self.own_successes += math.nan if success is None else float(success.sum())

    def end_collection(self, iteration: int) -> dict[str, float]:
        """Report the count and start a new one."""
        counted, self.own_successes = self.own_successes, 0.0
        return {"Own-task successes": counted}


class HindsightLabels:
    """Relabels a fraction of the collected trajectories at the end of each block.

    Args:
        env: computes rewards and defines success.
        tasks: the train tasks, [num_tasks, task_dim].
        replay_buffer, encoder_buffer, sampler_buffer: D, E and S.
        method: scores trajectories.
        settings: HFR's.
        sparse_rewards: use sparse returns.
        seed: seeds the random streams, which are keyed by iteration, visit and block and need no
            state.
        learned_reward: predicts the rewards of other tasks; None: the environment computes them.
        sharing: returns a context manager in which CPU threads share the networks' products.
    """

    def __init__(
        self,
        *,
        env: MetaEnv,
        tasks: np.ndarray,
        replay_buffer: MultiTaskReplayBuffer,
        encoder_buffer: MultiTaskReplayBuffer,
        sampler_buffer: MultiTaskReplayBuffer,
        method: UniformTask,
        settings: HFRSettings,
        sparse_rewards: bool,
        seed: int,
        learned_reward: LearnedReward | None = None,
        sharing: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.env, self.tasks, self.method, self.sharing = env, tasks, method, sharing
        self.settings, self.sparse_rewards, self.seed = settings, sparse_rewards, seed
        self.replay_buffer, self.encoder_buffer = replay_buffer, encoder_buffer
        self.sampler_buffer: MultiTaskReplayBuffer | None = sampler_buffer
        self.learned_reward = learned_reward
        # E of these tasks is cleared before the next rows are added.
        self.to_be_cleared = np.ones(len(tasks), bool)
        # The iteration in which rows were last added to each task's E.
        self.fed_in = np.zeros(len(tasks), np.int64)
        self.statistics = RelabelingStatistics(
            len(tasks), env.success, tasks, learned_reward=learned_reward is not None
        )
        self._pending: list[tuple[Paths, Sequence[int], bool]] = []
        self._iteration = self._block = 0
        self._seconds = 0.0

    # Collection

    def begin(self, task_ids: Sequence[int], iteration: int) -> None:
        """Begin the visits of an iteration."""
        self.statistics.begin()
        self._iteration, self._block, self._seconds = iteration, 0, 0.0
        if self.settings.probability > 0:
            self._timed(lambda: self.method.prepare(iteration))

    def store(self, paths: Paths, *, to_encoder: bool, visits: Sequence[int] | None = None) -> None:
        """Keep trajectories until the end of the block; the initial pool is never relabeled."""
        if self.learned_reward is not None:
            paths = marked_real(paths)
        if visits is None:
            self._add_paths(paths, paths.task_ids, to_encoder)
        else:
            self._pending.append((paths, visits, to_encoder))

    def end_block(self, group_size: int) -> None:
        """Relabel the block's trajectories: one coin per group, one task per trajectory."""
        if self._pending:
            self._timed(lambda: self._relabel_block(group_size))
        self._pending = []
        self._block += 1

    def end_collection(self, iteration: int) -> dict[str, float]:
        """Mark E for clearing, estimate the log-partitions, report relabeling statistics."""
        self.to_be_cleared[:] = True
        if self.settings.probability > 0:
            self._timed(lambda: self.method.conclude(iteration))
        return {
            **self.statistics.columns(iteration - self.fed_in),
            "Relabeling Time (s)": self._seconds,
        }

    # Relabeling

    def _relabel_block(self, group_size: int) -> None:
        paths = Paths.concatenate([part for part, _, _ in self._pending])
        visits = np.concatenate([part for _, part, _ in self._pending])
        to_encoder = self._pending[0][2]
        relabels = self._iteration >= self.settings.first_iteration
        active = relabels and self.settings.probability > 0
        all_labels = self._all_labels(paths) if active else []
        whole: list[tuple[Paths, int]] = []
        scattered: list[tuple[Paths, np.ndarray]] = []
        for visit in np.unique(visits):
            generator = stream(self.seed, "relabeling", self._iteration, visit, self._block)
            indices = np.flatnonzero(visits == visit)
            for start in range(0, len(indices), group_size or len(indices)):
                chosen = active and generator.random() < self.settings.probability
                for index in indices[start : start + (group_size or len(indices))]:
                    path, task_ids = paths.select([index]), paths.task_ids[index]
                    if chosen:
                        labels = all_labels[index]
                        task_ids = self._choose(path, labels, generator)
                        cut = self.settings.cut_at_terminal
                        path = relabeled(path, labels, task_ids, cut_at_terminal=cut)
                    self.statistics.count(path, task_ids, kept=not chosen)
                    if np.ndim(task_ids):
                        scattered.append((path, task_ids))
                    else:
                        whole.append((path, int(task_ids)))
        if whole:
            joined = Paths.concatenate([path for path, _ in whole])
            self._add_paths(joined, np.array([task for _, task in whole]), to_encoder)
        if scattered:
            self._add_transitions(scattered, to_encoder)

    def _all_labels(self, paths: Paths) -> list[Labels]:
        """Label every trajectory of a block with every task."""
        each = [paths.select([i]) for i in range(paths.num_paths)]
        all_labels = [labels_of(path, self.tasks, self.env) for path in each]
        if self.learned_reward is not None:
            learned = [
                self.learned_reward.relabel(path, labels)
                for path, labels in zip(each, all_labels, strict=True)
            ]
            all_labels = [labels for labels, _ in learned]
            self.statistics.reward_errors += [error for _, error in learned]
        rewards = [
            labels.sparse_rewards if self.sparse_rewards else labels.rewards
            for labels in all_labels
        ]
        self.method.watch(np.stack([r.sum(axis=1, dtype=np.float64) for r in rewards]))
        return all_labels

    def _choose(self, path: Paths, labels: Labels, generator: np.random.Generator) -> np.ndarray:
        """Draw the task of a trajectory, or of each of its steps.

        With a single train task there is nothing to choose.
        """
        own = np.array(path.task_ids[0])
        if len(self.tasks) == 1:
            return own
        scores = self.method.score(path, labels, generator)
        distribution = probabilities(scores.logits, use_softmax=self.settings.use_softmax)
        self.statistics.judge(scores, distribution)
        return draw_tasks(distribution, generator.random(scores.logits.shape[1:]), int(own))

    # Storing

    def _add_paths(self, paths: Paths, task_ids: np.ndarray, to_encoder: bool) -> None:
        self.replay_buffer.add_paths(task_ids, paths)
        if to_encoder:
            self._make_room(task_ids)
            self.encoder_buffer.add_paths(task_ids, paths)

    def _add_transitions(self, scattered: list[tuple[Paths, np.ndarray]], to_encoder: bool) -> None:
        """Add each transition to its own task.

        They form no episode, so none of them is used as a start state.
        """
        rows = torch.from_numpy(
            np.concatenate([np.concatenate(list(p.rows().values()), axis=1) for p, _ in scattered])
        )
        task_ids = np.concatenate([tasks for _, tasks in scattered])
        for task_id in np.unique(task_ids):
            of_task = rows[torch.from_numpy(task_ids == task_id)]
            self.replay_buffer.add_rows(int(task_id), of_task, NO_EPISODE)
            if to_encoder:
                self._make_room(np.array([task_id]))
                self.encoder_buffer.add_rows(int(task_id), of_task, NO_EPISODE)

    def _make_room(self, task_ids: np.ndarray) -> None:
        """Clear E of tasks that receive their first rows since the last collection ended."""
        for task_id in np.unique(task_ids):
            if self.to_be_cleared[task_id]:
                self.encoder_buffer.clear(int(task_id))
                self.to_be_cleared[task_id] = False
            self.fed_in[task_id] = self._iteration

    def _timed(self, work: Callable[[], None]) -> None:
        started = time.perf_counter()
        with self.sharing():
            work()
        self._seconds += time.perf_counter() - started

    # State

    def state_dict(self) -> dict[str, Any]:
        """Flags and ages of the rows in E, and the state of the method."""
        return {
            "to_be_cleared": torch.from_numpy(self.to_be_cleared.copy()),
            "fed_in": torch.from_numpy(self.fed_in.copy()),
            "method": self.method.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state; older ones include that of the learned reward."""
        self.to_be_cleared = state["to_be_cleared"].numpy().copy()
        self.fed_in = state["fed_in"].numpy().copy()
        self.method.load_state_dict(state["method"])
        if self.learned_reward is not None and "learned_reward" in state:
            self.learned_reward.load_state_dict(state["learned_reward"])
