"""PEARL's collection: which trajectories are run under which belief, and where they are stored.

Trajectories that do not depend on each other run in parallel, as lanes of one rollout.
"""

import math
from typing import NamedTuple

import numpy as np
from torch import Tensor

from rlkit.core.algorithm import Loop
from rlkit.core.errors import UserError
from rlkit.core.loop import Progress
from rlkit.core.seeding import stream
from rlkit.data_management.original_labels import VisitRows, tasks_without_rows
from rlkit.data_management.paths import Paths
from rlkit.data_management.relabeler import Relabeler
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.envs.base import MetaEnv
from rlkit.samplers.in_place import InPlacePathSampler, Lane, Quota, with_contexts
from rlkit.torch.sac.agent import PEARLAgent
from rlkit.torch.sac.config import PEARLConfig


class Block(NamedTuple):
    """A part of every visit to a task."""

    num_steps: int  # collected at least
    posterior: bool  # z is drawn from the posterior, otherwise from the prior
    to_encoder: bool  # also store in the encoder buffer, otherwise in the RL buffer only


def visited_tasks(
    seed: int, iteration: int, train_tasks: range, num_tasks_sample: int
) -> list[int]:
    """Draw the train tasks that an iteration visits, in order and with replacement."""
    draws = stream(seed, "visits", iteration).integers(len(train_tasks), size=num_tasks_sample)
    return [train_tasks[i] for i in draws]


class Collection:
    """Collects the initial pool and the visits of each iteration.

    Args:
        env, agent, sampler: run the trajectories.
        replay_buffer, encoder_buffer: RL rows and context rows, each with one ring per train task.
        relabeler: decides under which task a trajectory is stored.
        train_tasks: ids of the train tasks, which also index the buffers.
        config: PEARL's settings.
        seed: seeds the random streams.

    Attributes:
        num_env_steps, num_rollouts: totals of the run.
        num_pools: number of train tasks, from the first on, whose initial pool is complete.
    Source: PEARL, algorithm 1, lines 1 to 10.
    """

    def __init__(
        self,
        *,
        env: MetaEnv,
        agent: PEARLAgent,
        sampler: InPlacePathSampler,
        replay_buffer: MultiTaskReplayBuffer,
        encoder_buffer: MultiTaskReplayBuffer,
        relabeler: Relabeler,
        train_tasks: range,
        config: PEARLConfig,
        seed: int,
    ) -> None:
        self.env, self.agent, self.sampler = env, agent, sampler
        self.replay_buffer, self.encoder_buffer = replay_buffer, encoder_buffer
        self.relabeler, self.train_tasks = relabeler, train_tasks
        self.config, self.seed = config, seed
        own = relabeler.sampler_buffer
        self.visit_rows = VisitRows(
            encoder_buffer if own is None else own,
            config.num_tasks_sample,
            every_block=own is not None,
        )
        self.num_env_steps = self.num_rollouts = self.num_pools = 0

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of every visit, in order."""
        cfg = self.config
        return (
            Block(cfg.num_steps_prior, posterior=False, to_encoder=True),
            Block(cfg.num_steps_posterior, posterior=True, to_encoder=True),
            Block(cfg.num_extra_rl_steps_posterior, posterior=True, to_encoder=False),
        )

    def collect(self, iteration: int, loop: Loop) -> dict[str, float]:
        """Fill the buffers from the initial pool (iteration 0 only) and the iteration's visits.

        A run can be resumed between the initial pools of two tasks and after the last one.

        Returns:
            The relabeler's statistics.
        Raises:
            UserError: the relabeler left a train task without rows in the first collection.
        """
        cfg = self.config
        initial = cfg.num_initial_steps * len(self.train_tasks) if iteration == 0 else 0
        of_visits = cfg.num_tasks_sample * sum(block.num_steps for block in self.blocks)
        collected = cfg.num_initial_steps * self.num_pools if iteration == 0 else 0
        progress = Progress(loop, initial + of_visits, collected)
        if iteration == 0:
            self.collect_initial_pool(progress)
        self.collect_visits(iteration, progress)
        statistics = self.end(iteration)
        progress.offer("after")
        return statistics

    def collect_initial_pool(self, progress: Progress) -> None:
        """Collect `num_initial_steps` on every train task, z from the prior, into both buffers.

        As many tasks run together as fit into the environment's lanes.
        """
        num_steps, horizon = self.config.num_initial_steps, self.config.max_path_length
        width = max(1, self.env.num_envs // math.ceil(num_steps / horizon))
        while self.num_pools < len(self.train_tasks):
            tasks = list(self.train_tasks[self.num_pools : self.num_pools + width])
            quota = Quota(num_steps, horizon, started=np.zeros(len(tasks), np.int64))
            while not quota.reached:
                lanes = quota.next_lanes()
                paths = self.sampler.obtain_samples(
                    [tasks[lane.row] for lane in lanes],
                    [stream(self.seed, "initial pool", tasks[row], n) for row, n, _ in lanes],
                )
                self._store(paths, to_encoder=True, visits=None)
                progress.add(quota.count(lanes, paths), "initial pool")
            self.num_pools += len(tasks)
            is_last = self.num_pools == len(self.train_tasks)
            progress.offer("now" if is_last else "due", "initial pool")

    def collect_visits(self, iteration: int, progress: Progress) -> None:
        """Visit `num_tasks_sample` train tasks, drawn with replacement, all visits together."""
        visits = visited_tasks(self.seed, iteration, self.train_tasks, self.config.num_tasks_sample)
        self.visit_rows.begin(visits)
        self.relabeler.begin(visits, iteration)
        started = np.zeros(len(visits), dtype=np.int64)
        for block in self.blocks:
            started = self._collect_block(iteration, visits, started, block, progress)

    def _collect_block(
        self,
        iteration: int,
        visits: list[int],
        started: np.ndarray,
        block: Block,
        progress: Progress,
    ) -> np.ndarray:
        """Collect at least `block.num_steps` transitions on every visit, all visits together.

        With `posterior`, trajectories run in groups of `update_post_train`. The first group samples
        z from the prior. Every later group draws a fresh context batch and samples z from its
        posterior. With `posterior_from_start` the first group uses the posterior too, provided the
        visit already has encoder rows. With `update_post_train` 0 the block is a single group that
        keeps its first z.

        Args:
            iteration: the current one.
            visits: the task of each visit.
            started: number of trajectories of each visit before this block, [num_visits].
            block: the part of the visits to collect.
            progress: counts the steps.
        Returns:
            Number of trajectories of each visit after this block, [num_visits].
        """
        group_size = self.config.update_post_train if block.posterior else 0
        # If a block adds rows that contexts are drawn from, its groups must run one after another.
        in_turn = group_size > 0 and (block.to_encoder or self.visit_rows.every_block)
        keeps_z = block.posterior and group_size == 0
        quota = Quota(block.num_steps, self.config.max_path_length, started, group_size)
        contexts: dict[tuple[int, int], Tensor | None] = {}  # by visit and group
        while not quota.reached:
            lanes = quota.next_lanes(one_group=in_turn)
            for visit, _, group in lanes:
                if block.posterior and (visit, group) not in contexts:
                    contexts[visit, group] = self._context(iteration, visit, started, group)
            paths = self.sampler.obtain_samples(
                [visits[lane.row] for lane in lanes],
                [stream(self.seed, "collection", iteration, v, n) for v, n, _ in lanes],
                begin=with_contexts(
                    self.agent, [contexts.get((v, group)) for v, _, group in lanes]
                ),
                policy_generators=self._shared_z(iteration, lanes, started) if keeps_z else None,
            )
            self._store(paths, to_encoder=block.to_encoder, visits=[lane.row for lane in lanes])
            progress.add(quota.count(lanes, paths))
        self.relabeler.end_block(group_size)
        return quota.started

    def end(self, iteration: int) -> dict[str, float]:
        """Finish a collection; results and errors as for `collect`."""
        self.visit_rows.end()
        statistics = self.relabeler.end_collection(iteration)
        if iteration == 0:
            self._check_rows()
        return statistics

    def _context(
        self, iteration: int, visit: int, started: np.ndarray, group: int
    ) -> Tensor | None:
        """Draw the context of one group in a visit's block; None if z comes from the prior."""
        cfg, first = self.config, int(started[visit])
        if group == 0 and not (cfg.posterior_from_start and first > 0):
            return None
        if cfg.takes_episodes:
            num_rows = cfg.context_episodes * cfg.max_path_length
            return self.agent.acting_context(self.visit_rows.newest_episodes(visit, num_rows))
        generator = stream(self.seed, "collection context", iteration, visit, first, group)
        rows = self.visit_rows.draw(visit, cfg.embedding_batch_size, generator)
        return self.agent.acting_context(rows)

    def _shared_z(
        self, iteration: int, lanes: list[Lane], started: np.ndarray
    ) -> list[np.random.Generator]:
        """Generators that give all trajectories of a visit's block the same z."""
        keys = [(lane.row, int(started[lane.row])) for lane in lanes]
        return [stream(self.seed, "collection z", iteration, *key) for key in keys]

    def _store(self, paths: Paths, *, to_encoder: bool, visits: list[int] | None) -> None:
        self.visit_rows.store(paths, to_encoder=to_encoder, visits=visits)
        self.relabeler.store(paths, to_encoder=to_encoder, visits=visits)
        self.num_env_steps += paths.num_steps
        self.num_rollouts += paths.num_paths

    def _check_rows(self) -> None:
        """Check that the relabeler has left rows of every train task for the gradient steps."""
        if lacking := tasks_without_rows(self.replay_buffer, self.encoder_buffer):
            name = type(self.relabeler).__name__
            raise UserError(
                f"after the first collection {name} has left the train tasks {lacking} without "
                "rows in the RL or the encoder buffer; a relabeler must leave at least one row of "
                "every train task there (storing the initial pool under its own tasks is enough)"
            )
