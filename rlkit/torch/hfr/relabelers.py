"""HFR as a `Relabeler`: three buffers per train task, a coin per call, and a task drawn in hindsight.

D (RL) and E (encoder) take a trajectory under the task that it was assigned to; S (sampler) always takes the original, and
is what contexts are drawn from while collecting. Source: HFR's code; docs/hfr.md.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlkit.core.eval_util import successes
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.data_management.relabeler import OriginalLabels, VisitRows
from rlkit.data_management.replay_buffer import Batch, EpisodeBatch, MultiTaskReplayBuffer
from rlkit.envs.base import MetaEnv
from rlkit.torch.hfr.assignment import draw_tasks, probabilities
from rlkit.torch.hfr.labels import Labels, labels_of, relabeled
from rlkit.torch.hfr.learned_reward import LearnedReward, marked_real
from rlkit.torch.hfr.methods import UniformTask
from rlkit.torch.hfr.statistics import RelabelingStatistics
from rlkit.torch.statistics import statistics_of

NO_EPISODE = np.empty(0, np.int64)


class CountedOriginals(OriginalLabels):
    """PEARL's relabeler, which also counts successes: what the method none is compared by.

    Args:
        env: says what success is.
        replay_buffer, encoder_buffer, max_visits: as for `OriginalLabels`.
    """

    def __init__(
        self,
        env: MetaEnv,
        replay_buffer: MultiTaskReplayBuffer,
        encoder_buffer: MultiTaskReplayBuffer,
        max_visits: int,
    ) -> None:
        super().__init__(replay_buffer, encoder_buffer, max_visits)
        self.env, self.own_successes = env, 0.0

    def store(self, paths: Paths, *, to_encoder: bool, visits: Sequence[int] | None = None) -> None:
        """As PEARL's; the initial pool does not count."""
        super().store(paths, to_encoder=to_encoder, visits=visits)
        if visits is not None:
            success = successes(self.env, paths)
            self.own_successes += math.nan if success is None else float(success.sum())

    def end_collection(self, iteration: int) -> dict[str, float]:
        """As PEARL's; tells the count and begins anew."""
        counted, self.own_successes = self.own_successes, 0.0
        return {**super().end_collection(iteration), "Own-task successes": counted}


class HindsightLabels:
    """Relabels a share of the collected trajectories, at the end of each block.

    Args:
        env: gives rewards, and says what success is.
        tasks: the train tasks, [num_tasks, task_dim].
        replay_buffer, encoder_buffer, sampler_buffer: D, E and S.
        method: judges trajectories.
        config: PEARL's settings and HFR's.
        seed: names the random streams, which are keyed by iteration, visit and block: they need no state.
        learned_reward: gives the rewards of other tasks, and learns within the gradient steps; None: the environment does.
        together: makes the context manager inside which the networks share the processor's threads.
    """

    contexts_of_every_block = True

    def __init__(
        self,
        *,
        env: Any,
        tasks: np.ndarray,
        replay_buffer: MultiTaskReplayBuffer,
        encoder_buffer: MultiTaskReplayBuffer,
        sampler_buffer: MultiTaskReplayBuffer,
        method: UniformTask,
        config: Any,
        seed: int,
        learned_reward: LearnedReward | None = None,
        together: Callable[[], AbstractContextManager] = nullcontext,
    ) -> None:
        self.env, self.tasks, self.method, self.config, self.seed, self.together = (
            env,
            tasks,
            method,
            config,
            seed,
            together,
        )
        self.replay_buffer, self.encoder_buffer = replay_buffer, encoder_buffer
        self.visits = VisitRows(sampler_buffer, config.num_tasks_sample)
        self.buffers = {"sampler": sampler_buffer}
        self.learned_reward = learned_reward
        self.networks: dict[str, Any] = (
            {} if learned_reward is None else {"rf": learned_reward.network}
        )
        self.optimizers = [] if learned_reward is None else [learned_reward.optimizer]
        self.to_be_cleared = np.ones(
            len(tasks), bool
        )  # E of these is emptied before anything is added
        self.fed_in = np.zeros(
            len(tasks), np.int64
        )  # iteration in which each task's E got its rows
        self.statistics = RelabelingStatistics(
            len(tasks), env.success, tasks, learned_reward=learned_reward is not None
        )
        self._pending: list[tuple[Paths, Sequence[int], bool]] = []
        self._iteration = self._block = 0
        self._seconds = 0.0

    # Collection

    def begin_visits(self, task_ids: Sequence[int], iteration: int) -> None:
        """Begin an iteration's collection."""
        self.visits.begin(task_ids)
        self.statistics.begin()
        self._iteration, self._block, self._seconds = iteration, 0, 0.0
        if self.config.probability > 0:
            self._timed(lambda: self.method.prepare(iteration))

    def store(self, paths: Paths, *, to_encoder: bool, visits: Sequence[int] | None = None) -> None:
        """Store the originals in S; the rest is decided at the end of the block. The initial pool is never relabeled."""
        self.visits.add(paths, visits)
        if self.learned_reward is not None:
            paths = marked_real(paths)
        if visits is None:
            self.replay_buffer.add_paths(paths.task_ids, paths)
            self._feed(paths.task_ids)
            self.encoder_buffer.add_paths(paths.task_ids, paths)
        else:
            self._pending.append((paths, visits, to_encoder))

    def end_block(self, group_size: int) -> None:
        """Relabel the block's trajectories: one coin for each group, a task for each trajectory."""
        if self._pending:
            self._timed(lambda: self._relabel_block(group_size))
        self._pending = []
        self._block += 1

    def _relabel_block(self, group_size: int) -> None:
        paths = Paths.concatenate([part for part, _, _ in self._pending])
        visits = np.concatenate([part for _, part, _ in self._pending])
        to_encoder = self._pending[0][2]
        active = self.config.probability > 0 and self._iteration >= self.config.first_iteration
        all_labels = self._all_labels(paths) if active else []
        stored: list[tuple[Paths, int]] = []
        scattered: list[tuple[Paths, np.ndarray]] = []
        for visit in np.unique(visits):
            generator = stream(self.seed, "relabeling", self._iteration, visit, self._block)
            indices = np.flatnonzero(visits == visit)
            for start in range(0, len(indices), group_size or len(indices)):
                relabel = active and generator.random() < self.config.probability
                for index in indices[start : start + (group_size or len(indices))]:
                    path, task_ids = paths.select([index]), paths.task_ids[index]
                    if relabel:
                        task_ids = self._choose(path, all_labels[index], generator)
                        path = relabeled(
                            path,
                            all_labels[index],
                            task_ids,
                            cut_at_terminal=self.config.cut_at_terminal,
                        )
                    self.statistics.count(path, task_ids, kept=not relabel)
                    if np.ndim(task_ids):
                        scattered.append((path, task_ids))
                    else:
                        stored.append((path, int(task_ids)))
        self._add_paths(stored, to_encoder)
        self._add_transitions(scattered, to_encoder)

    def _all_labels(self, paths: Paths) -> list[Labels]:
        """Label every trajectory of a block with every task."""
        all_labels = [
            labels_of(paths.select([i]), self.tasks, self.env) for i in range(paths.num_paths)
        ]
        if self.learned_reward is not None:
            learned = [
                self.learned_reward.relabel(paths.select([i]), labels)
                for i, labels in enumerate(all_labels)
            ]
            all_labels = [labels for labels, _ in learned]
            self.statistics.reward_errors += [error for _, error in learned]
        rewards = [
            labels.sparse_rewards if self.config.sparse_rewards else labels.rewards
            for labels in all_labels
        ]
        self.method.watch(np.stack([r.sum(axis=1, dtype=np.float64) for r in rewards]))
        return all_labels

    def _choose(self, path: Paths, labels: Labels, generator: np.random.Generator) -> np.ndarray:
        """Draw the task of a trajectory, or of each of its steps; with a single train task there is nothing to choose."""
        own = np.array(path.task_ids[0])
        if len(self.tasks) == 1:
            return own
        scores = self.method.score(path, labels, generator)
        distribution = probabilities(scores.logits, use_softmax=self.config.use_softmax)
        self.statistics.judge(scores, distribution)
        return draw_tasks(distribution, generator.random(scores.logits.shape[1:]), int(own))

    def _add_paths(self, stored: list[tuple[Paths, int]], to_encoder: bool) -> None:
        if stored:
            paths, task_ids = (
                Paths.concatenate([path for path, _ in stored]),
                np.array([task for _, task in stored]),
            )
            self.replay_buffer.add_paths(task_ids, paths)
            if to_encoder:
                self._feed(task_ids)
                self.encoder_buffer.add_paths(task_ids, paths)

    def _add_transitions(self, scattered: list[tuple[Paths, np.ndarray]], to_encoder: bool) -> None:
        """Add transitions, each to its task; they make up no episode, so that none of them is taken for a start state."""
        if not scattered:
            return
        rows = torch.from_numpy(
            np.concatenate([np.concatenate(list(p.rows().values()), axis=1) for p, _ in scattered])
        )
        task_ids = np.concatenate([tasks for _, tasks in scattered])
        for task_id in np.unique(task_ids):
            of_task = rows[torch.from_numpy(task_ids == task_id)]
            self.replay_buffer.add_rows(int(task_id), of_task, NO_EPISODE)
            if to_encoder:
                self._feed(np.array([task_id]))
                self.encoder_buffer.add_rows(int(task_id), of_task, NO_EPISODE)

    def _feed(self, task_ids: np.ndarray) -> None:
        """Empty E of tasks that get their first rows since the last collection ended."""
        for task_id in np.unique(task_ids):
            if self.to_be_cleared[task_id]:
                self.encoder_buffer.clear(int(task_id))
                self.to_be_cleared[task_id] = False
            self.fed_in[task_id] = self._iteration

    def collection_context(
        self, visit: int, generator: np.random.Generator, num_rows: int
    ) -> Batch:
        """Draw original rows of the visit, from all its blocks."""
        return self.visits.context(visit, generator, num_rows)

    def collection_episodes(self, visit: int, num_rows: int) -> EpisodeBatch:
        """Take the newest original episodes of the visit."""
        return self.visits.episodes(visit, num_rows)

    def end_collection(self, iteration: int) -> dict[str, float]:
        """Let S of each visited task be its last visit's rows, mark E to be cleared, estimate the log-partitions."""
        self.visits.end()
        self.to_be_cleared[:] = True
        if self.config.probability > 0:
            self._timed(lambda: self.method.conclude(iteration))
        return {
            **self.statistics.columns(iteration - self.fed_in),
            "Relabeling Time (s)": self._seconds,
        }

    # Training

    def train_step(
        self, batch: Batch, task_ids: Tensor, with_statistics: bool
    ) -> dict[str, Tensor]:
        """Let the learned reward, if there is one, learn from a gradient step's RL rows; nothing is fetched."""
        statistics = statistics_of("Reward", batch.rewards) if with_statistics else {}
        if self.learned_reward is not None:
            statistics["RF Loss"] = self.learned_reward.train_step(batch, task_ids)
        return statistics

    def _timed(self, work: Callable[[], None]) -> None:
        started = time.perf_counter()
        with self.together():
            work()
        self._seconds += time.perf_counter() - started

    # State

    def state_dict(self) -> dict[str, Any]:
        """Flags of E, ages, and what the method keeps; random streams need no state."""
        arrays: dict[str, Tensor] = {
            "to_be_cleared": torch.from_numpy(self.to_be_cleared.copy()),
            "fed_in": torch.from_numpy(self.fed_in.copy()),
        }
        learned = {} if self.learned_reward is None else self.learned_reward.state_dict()
        return {**arrays, "method": self.method.state_dict(), "learned_reward": learned}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.to_be_cleared, self.fed_in = (
            state["to_be_cleared"].numpy().copy(),
            state["fed_in"].numpy().copy(),
        )
        self.method.load_state_dict(state["method"])
        if self.learned_reward is not None:
            self.learned_reward.load_state_dict(state["learned_reward"])
