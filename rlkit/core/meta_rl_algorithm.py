"""PEARL's schedule: which trajectories are collected with which belief, how often is trained, what is evaluated.

Everything runs as wide as the schedule allows: trajectories that do not depend on each other are lanes of one rollout.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rlkit.core.eval_util import Adaptation, evaluate_adaptation
from rlkit.core.rl_algorithm import require_finite
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.data_management.relabeler import Relabeler
from rlkit.samplers.in_place import InPlacePathSampler


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
    ) -> None:
        self.env, self.agent, self.sampler, self.trainer = env, agent, sampler, trainer
        self.replay_buffer, self.encoder_buffer, self.relabeler = replay_buffer, encoder_buffer, relabeler
        self.train_tasks, self.eval_tasks = train_tasks, eval_tasks
        self.config, self.seed, self.save_eval_paths = config, seed, save_eval_paths
        self.buffers = {"replay": replay_buffer, "encoder": encoder_buffer}
        self.num_env_steps = self.num_rollouts = 0
        self._adaptations: dict[str, Adaptation] = {}

    @property
    def networks(self) -> dict[str, Any]:
        """The networks by the names of their weight files."""
        return self.trainer.networks

    # Collection

    def collect_data(self, iteration: int) -> dict[str, float]:
        """Fill the buffers: the initial pool first, then the visits of this iteration. Source: specs 1.2."""
        cfg = self.config
        if iteration == 0:
            self._collect_initial_pool()
        draws = stream(self.seed, "visits", iteration).integers(len(self.train_tasks), size=cfg.num_tasks_sample)
        visits = [self.train_tasks[i] for i in draws]
        self.relabeler.begin_visits(visits)
        started = np.zeros(len(visits), dtype=np.int64)
        for num_steps, posterior, to_encoder in (
            (cfg.num_steps_prior, False, True),
            (cfg.num_steps_posterior, True, True),
            (cfg.num_extra_rl_steps_posterior, True, False),
        ):
            self._collect_block(iteration, visits, started, num_steps, posterior=posterior, to_encoder=to_encoder)
        self._relabeling = self.relabeler.end_collection(iteration)
        return {
            "Number of train steps total": (iteration + 1) * cfg.num_train_steps_per_itr,
            "Number of env steps total": self.num_env_steps,
            "Number of rollouts total": self.num_rollouts,
        }

    def _collect_initial_pool(self) -> None:
        """`num_initial_steps` transitions of every train task with z from the prior, to both buffers, a slice of tasks a time."""
        cfg = self.config
        width = max(1, self.env.num_envs // math.ceil(cfg.num_initial_steps / cfg.max_path_length))
        for start in range(0, len(self.train_tasks), width):
            tasks = list(self.train_tasks[start : start + width])
            steps, started = np.zeros(len(tasks), dtype=np.int64), np.zeros(len(tasks), dtype=np.int64)
            while (steps < cfg.num_initial_steps).any():
                lanes = self._next_lanes(steps, started, cfg.num_initial_steps)
                generators = [stream(self.seed, "initial pool", tasks[i], n) for i, n in lanes]
                paths = self.sampler.obtain_samples([tasks[i] for i, _ in lanes], generators)
                self.relabeler.store(paths, to_encoder=True)
                self._count(paths, [i for i, _ in lanes], steps, started)

    def _collect_block(self, iteration: int, visits: list[int], started, num_steps: int, *, posterior: bool, to_encoder: bool):
        """Collect at least `num_steps` transitions on every visit, all visits together.

        With `posterior` the first `update_post_train` trajectories of a visit run with z from the prior, and each later group
        of as many with z from the posterior of a fresh context batch, one batch a group. Where the block itself feeds the
        encoder, a group must end before the next one's context is drawn; else all groups run at once.
        """
        group_size, first = self.config.update_post_train, started.copy()
        steps = np.zeros(len(visits), dtype=np.int64)
        contexts: dict[tuple[int, int], Any] = {}
        while (steps < num_steps).any():
            lanes = self._next_lanes(steps, started, num_steps)
            if posterior and to_encoder:
                group = (started - first) // group_size
                lanes = [(v, n) for v, n in lanes if (n - first[v]) // group_size == group[v]]
            generators = [stream(self.seed, "collection", iteration, v, n) for v, n in lanes]
            given = None
            if posterior:
                given = [self._context(iteration, v, int(n - first[v]) // group_size, int(first[v]), contexts) for v, n in lanes]
            paths = self.sampler.obtain_samples([visits[v] for v, _ in lanes], generators, given)
            self.relabeler.store(paths, to_encoder=to_encoder, visits=[v for v, _ in lanes])
            self._count(paths, [v for v, _ in lanes], steps, started)

    def _context(self, iteration: int, visit: int, group: int, first: int, contexts: dict):
        """The context batch of one group of a visit's block, drawn once; None for the first group (the prior)."""
        if group == 0:
            return None
        if (visit, group) not in contexts:
            generator = stream(self.seed, "collection context", iteration, visit, first, group)
            batch = self.relabeler.collection_context(visit, generator, self.config.embedding_batch_size)
            contexts[visit, group] = self.agent.context_of(batch)[0]
        return contexts[visit, group]

    def _next_lanes(self, steps: np.ndarray, started: np.ndarray, num_steps: int) -> list[tuple[int, int]]:
        """Trajectories that are certainly needed: (row, number of the trajectory). None of them is longer than the horizon,
        so the trajectories run are the shortest sequence that reaches `num_steps`, and none is thrown away."""
        missing = np.maximum(num_steps - steps, 0)
        counts = -(-missing // self.config.max_path_length)
        return [(row, int(started[row]) + k) for row, count in enumerate(counts) for k in range(count)]

    def _count(self, paths: Paths, rows: list[int], steps: np.ndarray, started: np.ndarray) -> None:
        np.add.at(steps, rows, paths.lengths)
        np.add.at(started, rows, 1)
        self.num_env_steps += paths.num_steps
        self.num_rollouts += paths.num_paths

    # Training

    def do_training(self, iteration: int) -> dict[str, float]:
        """`num_train_steps_per_itr` meta-gradient steps; oyster's 27 first columns, then the means over the iteration."""
        statistics = self.trainer.train(self.replay_buffer, self.encoder_buffer, self.config.num_train_steps_per_itr)
        require_finite(iteration, statistics)  # here, where the means tell of every step
        self._means = {name: value for name, value in statistics.items() if name.endswith("(mean)")}
        return {name: value for name, value in statistics.items() if name not in self._means}

    # Evaluation

    def evaluate(self, iteration: int) -> dict[str, float]:
        """The three returns of specs 1.7 C on as many train tasks as there are eval tasks, and on all eval tasks."""
        cfg = self.config
        if cfg.dump_eval_paths:
            self._dump_prior_paths(iteration)
        draws = stream(self.seed, "evaluation tasks", iteration).integers(len(self.train_tasks), size=len(self.eval_tasks))
        train_tasks = [self.train_tasks[i] for i in draws]
        splits = {"train": train_tasks, "test": list(self.eval_tasks)}
        with_buffer, explored = self._independent_trajectories(iteration, splits)
        self._adaptations = {split: self._adaptation(iteration, split, splits[split], explored[split]) for split in splits}
        if cfg.dump_eval_paths:
            self._dump_test_paths(iteration)
        final = {split: a.final_returns(cfg.sparse_rewards) for split, a in self._adaptations.items()}
        has_posterior = cfg.use_information_bottleneck
        return {
            "Z mean eval": self.agent.z_means[-1].abs().mean().item() if has_posterior else math.nan,
            "Z variance eval": self.agent.z_vars[-1].mean().item() if has_posterior else math.nan,
            "AverageTrainReturn_all_train_tasks": float(with_buffer.mean()),
            "AverageReturn_all_train_tasks": float(final["train"].mean()),
            "AverageReturn_all_test_tasks": float(final["test"].mean()),
        }

    def _independent_trajectories(self, iteration: int, splits: dict[str, list[int]]) -> tuple[np.ndarray, dict]:
        """Run all that depends on no other trajectory of the evaluation at once, as wide as the environment is.

        Returns:
            Return of each train task with z from the posterior of a training context batch, a fresh one a trajectory,
            [num_tasks]; and of each split the exploration trajectories of every run, as `evaluate_adaptation` takes them.
        """
        cfg, tasks = self.config, splits["train"]
        num_trajectories = max(1, cfg.num_steps_per_eval // cfg.max_path_length)
        lanes = [(index, n) for index in range(len(tasks)) for n in range(num_trajectories)]
        generators = [stream(self.seed, "buffer evaluation", iteration, index, n) for index, n in lanes]
        rows = cfg.embedding_batch_size
        drawn = [self.encoder_buffer.draw(tasks[index], rows, g) for (index, _), g in zip(lanes, generators, strict=True)]
        contexts = [self.agent.context_of(batch)[0] for batch in drawn]
        blocks = [[tasks[index] for index, _ in lanes]]

        # Shorter episodes may take more trajectories than this, but never fewer.
        num_explored = min(cfg.num_exp_traj_eval, math.ceil(cfg.num_steps_per_eval / cfg.max_path_length))
        for split, split_tasks in splits.items():
            streams = self._eval_streams(iteration, split)
            for n in range(num_explored):
                runs = [(index, run) for index in range(len(split_tasks)) for run in range(cfg.num_evals)]
                generators += [streams(index, run, n) for index, run in runs]
                blocks.append([split_tasks[index] for index, _ in runs])
        task_ids = sum(blocks, [])
        contexts += [None] * (len(task_ids) - len(contexts))
        paths = self.sampler.obtain_samples(task_ids, generators, contexts, deterministic=cfg.eval_deterministic)
        ends = np.cumsum([len(block) for block in blocks])
        parts = [paths.select(np.arange(end - len(block), end)) for block, end in zip(blocks, ends, strict=True)]
        with_buffer = parts[0].returns(cfg.sparse_rewards).reshape(len(tasks), num_trajectories).mean(axis=1)
        explored = {split: parts[1 + k * num_explored :][:num_explored] for k, split in enumerate(splits)}
        return with_buffer, explored

    def _eval_streams(self, iteration: int, split: str) -> Callable[[int, int, int], np.random.Generator]:
        return lambda index, run, n: stream(self.seed, f"meta-{split}", iteration, index, run, n)

    def _adaptation(self, iteration: int, split: str, tasks: list[int], explored: Sequence[Paths]) -> Adaptation:
        """Run the meta-test on some tasks, whose exploration trajectories were run before."""
        return evaluate_adaptation(
            self.env,
            self.agent,
            tasks,
            num_runs=self.config.num_evals,
            num_steps=self.config.num_steps_per_eval,
            max_path_length=self.config.max_path_length,
            streams=self._eval_streams(iteration, split),
            deterministic=self.config.eval_deterministic,
            explored=explored,
        )

    def _dump_prior_paths(self, iteration: int) -> None:
        """Twenty trajectories with z from the prior on the first eval task, as an NPZ file."""
        generators = [stream(self.seed, "prior paths", iteration, n) for n in range(20)]
        paths = self.sampler.obtain_samples([self.eval_tasks[0]] * 20, generators, deterministic=self.config.eval_deterministic)
        self.save_eval_paths(f"prior-epoch{iteration}", paths)

    def _dump_test_paths(self, iteration: int) -> None:
        """The meta-test trajectories of every eval task and run, as NPZ files."""
        adaptation = self._adaptations["test"]
        for index, task_id in enumerate(self.eval_tasks):
            for run in range(adaptation.num_runs):
                lane = index * adaptation.num_runs + run
                paths = Paths.concatenate([p.select([lane]) for p in adaptation.trajectories if p.lengths[lane] > 0])
                self.save_eval_paths(f"task{task_id}-epoch{iteration}-run{run}", paths)

    def online_returns(self) -> list[tuple]:
        """(split, means, stds, counts) over tasks, each a list over trajectories."""
        rows = []
        for split, adaptation in self._adaptations.items():
            returns = adaptation.online_returns(self.config.sparse_rewards)
            counts = [returns.shape[1]] * len(returns)
            rows.append((split, returns.mean(axis=1).tolist(), returns.std(axis=1).tolist(), counts))
        return rows

    def diagnostics(self) -> dict[str, float]:
        """Columns after oyster's: spread and first trajectory of the test returns, loss means, what the relabeler tells."""
        test, sparse = self._adaptations["test"], self.config.sparse_rewards
        return {
            "AverageReturn_std_test_tasks": float(test.final_returns(sparse).std()),
            "AverageReturn_prior_test_tasks": float(test.returns(sparse)[0].mean()),
            **self._means,
            **self._relabeling,
        }

    # State

    def state_dict(self) -> dict:
        """All that the next iteration depends on, beside the buffers' rows. Random streams need none: they are keyed."""
        return {
            "trainer": self.trainer.state_dict(),
            "num_env_steps": self.num_env_steps,
            "num_rollouts": self.num_rollouts,
        }

    def load_state_dict(self, state: dict) -> None:
        """Take over a state that `state_dict` returned."""
        self.trainer.load_state_dict(state["trainer"])
        self.num_env_steps, self.num_rollouts = state["num_env_steps"], state["num_rollouts"]
