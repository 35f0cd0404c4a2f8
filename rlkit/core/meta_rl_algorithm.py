"""PEARL's schedule: which trajectories are collected with which belief, how often is trained, what is evaluated.

Everything runs as wide as the schedule allows: trajectories that do not depend on each other are lanes of one rollout.
"""

import math
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np

from rlkit.core.meta_evaluation import MetaEvaluation
from rlkit.core.rl_algorithm import require_finite
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.data_management.relabeler import Relabeler
from rlkit.policies.base import with_contexts
from rlkit.samplers.in_place import InPlacePathSampler

OYSTER_COLUMNS = 27  # of a row of progress.csv; they are the trainer's first statistics


class MetaRLAlgorithm:
    """Off-policy meta-training (PEARL, algorithm 1) and meta-testing (algorithm 2).

    Args:
        env, agent, sampler: what acts where.
        trainer: offers `train(replay_buffer, encoder_buffer, num_steps)`, `networks`, `state_dict`, `load_state_dict`.
        replay_buffer, encoder_buffer: one task each per train task.
        relabeler: stores what is collected.
        train_tasks, eval_tasks: task ids; train task i fills row i of the buffers.
        config: PEARL's settings.
        seed: names the random streams of collection and evaluation.
        save_eval_paths: called with (file name, paths) when `dump_eval_paths` is set.
        before_rollouts: called when a collection or an evaluation begins; brings what acts up to date.
    """

    def __init__(
        self,
        *,
        env,
        agent,
        sampler: InPlacePathSampler,
        trainer,
        replay_buffer,
        encoder_buffer,
        relabeler: Relabeler,
        train_tasks: range,
        eval_tasks: range,
        config,
        seed: int,
        save_eval_paths: Callable[[str, Paths], None] = lambda name, paths: None,
        before_rollouts: Callable[[], None] = lambda: None,
    ) -> None:
        self.env, self.agent, self.sampler, self.trainer = env, agent, sampler, trainer
        self.replay_buffer, self.encoder_buffer, self.relabeler = (
            replay_buffer,
            encoder_buffer,
            relabeler,
        )
        self.train_tasks, self.eval_tasks = train_tasks, eval_tasks
        self.config, self.seed, self._before_rollouts = config, seed, before_rollouts
        self.num_env_steps = self.num_rollouts = 0
        self.evaluation = MetaEvaluation(
            env=env,
            agent=agent,
            sampler=sampler,
            encoder_buffer=encoder_buffer,
            train_tasks=train_tasks,
            eval_tasks=eval_tasks,
            config=config,
            seed=seed,
            save_eval_paths=save_eval_paths,
        )

    @property
    def networks(self) -> dict[str, Any]:
        """The networks by the names of their weight files."""
        return {**self.trainer.networks, **self.relabeler.networks}

    @property
    def buffers(self) -> dict[str, Any]:
        """What a checkpoint keeps of the buffers, by the names of its segments."""
        own = {**self.replay_buffer.saved_as("replay"), **self.encoder_buffer.saved_as("encoder")}
        return {**own, **self.relabeler.buffers}

    # Collection

    def collect_data(self, iteration: int) -> dict[str, float]:
        """Fill the buffers: the initial pool first, then the visits of this iteration. Source: algorithm 1, lines 1 to 10."""
        cfg = self.config
        self.evaluation.forget()
        self._before_rollouts()
        if iteration == 0:
            self._collect_initial_pool()
        self._collect_visits(iteration)
        self._relabeling = self.relabeler.end_collection(iteration)
        return {
            "Number of train steps total": (iteration + 1) * cfg.num_train_steps_per_itr,
            "Number of env steps total": self.num_env_steps,
            "Number of rollouts total": self.num_rollouts,
        }

    def _collect_visits(self, iteration: int) -> None:
        """The visits of an iteration: prior, posterior and extra trajectories of the tasks that are drawn."""
        cfg = self.config
        draws = stream(self.seed, "visits", iteration).integers(
            len(self.train_tasks), size=cfg.num_tasks_sample
        )
        visits = [self.train_tasks[i] for i in draws]
        self.relabeler.begin_visits(visits, iteration)
        started = np.zeros(len(visits), dtype=np.int64)
        for num_steps, posterior, to_encoder in (
            (cfg.num_steps_prior, False, True),
            (cfg.num_steps_posterior, True, True),
            (cfg.num_extra_rl_steps_posterior, True, False),
        ):
            self._collect_block(
                iteration, visits, started, num_steps, posterior=posterior, to_encoder=to_encoder
            )

    def _collect_initial_pool(self) -> None:
        """`num_initial_steps` transitions of every train task with z from the prior, to both buffers, a slice of tasks a time."""
        cfg = self.config
        width = max(1, self.env.num_envs // math.ceil(cfg.num_initial_steps / cfg.max_path_length))
        for start in range(0, len(self.train_tasks), width):
            tasks = list(self.train_tasks[start : start + width])
            steps, started = (
                np.zeros(len(tasks), dtype=np.int64),
                np.zeros(len(tasks), dtype=np.int64),
            )
            while (steps < cfg.num_initial_steps).any():
                lanes = self._next_lanes(steps, started, cfg.num_initial_steps)
                generators = [stream(self.seed, "initial pool", tasks[i], n) for i, n in lanes]
                paths = self.sampler.obtain_samples([tasks[i] for i, _ in lanes], generators)
                self.relabeler.store(paths, to_encoder=True)
                self._count(paths, [i for i, _ in lanes], steps, started)

    def _collect_block(
        self,
        iteration: int,
        visits: list[int],
        started,
        num_steps: int,
        *,
        posterior: bool,
        to_encoder: bool,
    ):
        """Collect at least `num_steps` transitions on every visit, all visits together.

        With `posterior` the first `update_post_train` trajectories of a visit run with z from the prior, and each later group
        of as many with z from the posterior of a fresh context batch, one batch a group; with `posterior_from_start` the first
        group too, if the visit has encoder rows by then. Where the block itself feeds what contexts are drawn from, a group
        must end before the next one's context is drawn; else all groups run at once. With `update_post_train` 0 the block is
        one group and keeps its first z.
        """
        group_size, first = self.config.update_post_train, started.copy()
        steps = np.zeros(len(visits), dtype=np.int64)
        contexts: dict[tuple[int, int], Any] = {}
        while (steps < num_steps).any():
            lanes = self._next_lanes(steps, started, num_steps)
            if posterior and group_size and (to_encoder or self.relabeler.contexts_of_every_block):
                group = (started - first) // group_size
                lanes = [(v, n) for v, n in lanes if (n - first[v]) // group_size == group[v]]
            generators = [stream(self.seed, "collection", iteration, v, n) for v, n in lanes]
            given = of_z = None
            if posterior:
                groups = [int(n - first[v]) // group_size if group_size else 0 for v, n in lanes]
                drawn = [
                    self._context(iteration, v, k, int(first[v]), contexts)
                    for (v, _), k in zip(lanes, groups, strict=True)
                ]
                given = with_contexts(self.agent, drawn)
            if posterior and not group_size:
                of_z = [
                    stream(self.seed, "collection z", iteration, v, int(first[v])) for v, _ in lanes
                ]
            paths = self.sampler.obtain_samples(
                [visits[v] for v, _ in lanes], generators, begin=given, policy_generators=of_z
            )
            self.relabeler.store(paths, to_encoder=to_encoder, visits=[v for v, _ in lanes])
            self._count(paths, [v for v, _ in lanes], steps, started)
        self.relabeler.end_block(group_size if posterior else 0)

    def _context(self, iteration: int, visit: int, group: int, first: int, contexts: dict):
        """The context batch of one group of a visit's block, drawn once; None where the prior is used.

        The first group has one with `posterior_from_start`, unless the block is the visit's first (`first` is 0), so that there
        are no encoder rows yet.
        """
        if group == 0 and not (self.config.posterior_from_start and first > 0):
            return None
        if (visit, group) not in contexts:
            cfg, generator = (
                self.config,
                stream(self.seed, "collection context", iteration, visit, first, group),
            )
            if cfg.takes_episodes:
                drawn: Any = self.relabeler.collection_episodes(
                    visit, cfg.context_episodes * cfg.max_path_length
                )
            else:
                drawn = self.relabeler.collection_context(
                    visit, generator, cfg.embedding_batch_size
                )
            contexts[visit, group] = self.agent.acting_context(drawn)
        return contexts[visit, group]

    def _next_lanes(
        self, steps: np.ndarray, started: np.ndarray, num_steps: int
    ) -> list[tuple[int, int]]:
        """Trajectories that are certainly needed: (row, number of the trajectory). None of them is longer than the horizon,
        so the trajectories run are the shortest sequence that reaches `num_steps`, and none is thrown away."""
        missing = np.maximum(num_steps - steps, 0)
        counts = -(-missing // self.config.max_path_length)
        return [
            (row, int(started[row]) + k) for row, count in enumerate(counts) for k in range(count)
        ]

    def _count(self, paths: Paths, rows: list[int], steps: np.ndarray, started: np.ndarray) -> None:
        np.add.at(steps, rows, paths.lengths)
        np.add.at(started, rows, 1)
        self.num_env_steps += paths.num_steps
        self.num_rollouts += paths.num_paths

    # Training

    def do_training(self, iteration: int) -> dict[str, float]:
        """`num_train_steps_per_itr` meta-gradient steps; returns oyster's 27 first columns, keeps the others."""
        statistics = self.trainer.train(
            self.replay_buffer, self.encoder_buffer, self.config.num_train_steps_per_itr
        )
        require_finite(iteration, statistics)  # here, where the means tell of every step
        statistics = {**dict.fromkeys(self.trainer.statistic_names, math.nan), **statistics}
        items = iter(statistics.items())
        first = dict(islice(items, OYSTER_COLUMNS))
        self._trained = dict(items)
        return first

    # Evaluation

    def evaluate(self, iteration: int) -> dict[str, float]:
        """Measure returns on train and test tasks. Source: algorithm 2."""
        self._before_rollouts()
        return self.evaluation.evaluate(iteration)

    def online_returns(self) -> list[tuple]:
        """(split, means, stds, counts) over tasks, each a list over trajectories; empty if this iteration was not evaluated."""
        return self.evaluation.online_returns()

    def diagnostics(self) -> dict[str, float]:
        """Columns after oyster's: of the evaluation, of the posterior and the gradients, and what the relabeler tells."""
        return {**self.evaluation.diagnostics(), **self._trained, **self._relabeling}

    # State

    def state_dict(self) -> dict:
        """All that the next iteration depends on, beside the buffers' rows. Random streams need none: they are keyed."""
        return {
            "trainer": self.trainer.state_dict(),
            "relabeler": self.relabeler.state_dict(),
            "num_env_steps": self.num_env_steps,
            "num_rollouts": self.num_rollouts,
        }

    def load_state_dict(self, state: dict) -> None:
        """Take over a state that `state_dict` returned."""
        self.trainer.load_state_dict(state["trainer"])
        self.relabeler.load_state_dict(
            state.get("relabeler", {})
        )  # checkpoints of before it had a state lack it
        self.num_env_steps, self.num_rollouts = state["num_env_steps"], state["num_rollouts"]
