"""PEARL's evaluation: the meta-test, returns with training contexts, and statistics of z.

The meta-test itself is in `rlkit.core.meta_evaluation`; that of oyster's first release is in
`oyster2019`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from torch import Tensor

from rlkit.core.algorithm import Loop
from rlkit.core.eval_util import Adaptation
from rlkit.core.loop import Progress
from rlkit.core.meta_evaluation import ExtraColumns, MetaEvaluation, MetaTestSettings
from rlkit.core.online_returns import online_returns
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.envs.base import MetaEnv
from rlkit.samplers.in_place import InPlacePathSampler, with_contexts
from rlkit.torch.sac import dumps, oyster2019
from rlkit.torch.sac.agent import PEARLAgent
from rlkit.torch.sac.config import PEARLConfig


class Part(NamedTuple):
    """Independent trajectories of an evaluation, with what each of them needs."""

    task_ids: list[int]
    generators: list[np.random.Generator]
    contexts: list[Tensor | None]
    deterministic: bool


class PEARLEvaluation:
    """Evaluates an agent on train and test tasks; skipping evaluations changes no other result.

    Args:
        env, agent, sampler: run the trajectories.
        encoder_buffer: rows of the train tasks that contexts are drawn from.
        train_tasks, eval_tasks: task ids.
        config: PEARL's settings.
        seed: seeds the random streams.
        save_eval_paths: called with (file name, paths) when `dump_eval_paths` is set.
        extra_columns: further statistics of the adaptations.

    Attributes:
        adaptations: the meta-tests of the last evaluation, by split.
    """

    def __init__(
        self,
        *,
        env: MetaEnv,
        agent: PEARLAgent,
        sampler: InPlacePathSampler,
        encoder_buffer: MultiTaskReplayBuffer,
        train_tasks: range,
        eval_tasks: range,
        config: PEARLConfig,
        seed: int,
        save_eval_paths: Callable[[str, Paths], None] = lambda name, paths: None,
        extra_columns: ExtraColumns | None = None,
    ) -> None:
        self.agent, self.sampler, self.encoder_buffer = agent, sampler, encoder_buffer
        self.config, self.seed, self.save_eval_paths = config, seed, save_eval_paths
        self.train_tasks = train_tasks
        noisy = config.num_exp_traj_eval if config.eval_exploration == "stochastic" else 0
        settings = MetaTestSettings(
            num_runs=config.num_evals,
            num_steps=config.num_steps_per_eval,
            horizon=config.max_path_length,
            deterministic=config.eval_deterministic,
            num_stochastic=noisy,
            sparse=config.sparse_rewards,
        )
        self.meta_test = MetaEvaluation(
            env, agent, train_tasks, eval_tasks, settings, seed, extra_columns
        )
        self.adaptations: dict[str, Adaptation] = {}

    def evaluate(self, iteration: int, loop: Loop) -> dict[str, float]:
        """Measure the three returns, columns 30 to 32 of docs/columns.md, and their statistics."""
        return self.finish(iteration, self.begin(iteration), loop)

    def finish(self, iteration: int, part: Part, loop: Loop) -> dict[str, float]:
        """Run an evaluation, including the part that `begin` has prepared."""
        cfg, meta_test = self.config, self.meta_test
        if cfg.dump_eval_paths:
            dumps.save_prior_paths(
                self.sampler, self.train_tasks, cfg, self.seed, iteration, self.save_eval_paths
            )
        splits = meta_test.draw_tasks(iteration)
        with_buffer, *explored = self._run_together([part, *self._exploration(iteration, splits)])
        buffer_steps = len(part.task_ids) * cfg.max_path_length
        first_release = cfg.eval_protocol == "oyster2019"
        budget = oyster2019.budget(splits, cfg) if first_release else meta_test.budget
        progress = Progress(loop, buffer_steps + budget)
        progress.add(buffer_steps, "training contexts")
        if first_release:
            streams = partial(meta_test.streams, iteration)
            self.adaptations = oyster2019.evaluate_splits(
                self.sampler, self.agent, splits, cfg, streams, progress
            )
        else:
            half = len(explored) // 2
            by_split = {"train": explored[:half], "test": explored[half:]}
            self.adaptations = meta_test.adaptations(iteration, splits, progress, by_split)
        if cfg.dump_eval_paths:
            dumps.save_meta_test_paths(self.adaptations, splits, iteration, self.save_eval_paths)
        returns = with_buffer.returns(cfg.sparse_rewards).reshape(len(splits["train"]), -1)
        return {
            **self._latent(),
            "AverageTrainReturn_all_train_tasks": float(returns.mean(axis=1).mean()),
            **meta_test.statistics(self.adaptations),
        }

    def online_returns(self, iteration: int) -> list[dict[str, float | str]]:
        """Rows of online_returns.csv for the last evaluation."""
        return online_returns(iteration, self.adaptations, self.config.sparse_rewards)

    def _latent(self) -> dict[str, float]:
        """Mean of |mean| and of the variance of the last posterior; nan if z is deterministic."""
        if not self.config.use_information_bottleneck:
            return {"Z mean eval": math.nan, "Z variance eval": math.nan}
        return {
            "Z mean eval": self.agent.z_means[-1].abs().mean().item(),
            "Z variance eval": self.agent.z_vars[-1].mean().item(),
        }

    # Independent trajectories, which run together in all lanes of the environment

    def begin(self, iteration: int) -> Part:
        """Prepare trajectories, each with a fresh training context; only they need the buffer."""
        cfg, buffer = self.config, self.encoder_buffer
        tasks = self.meta_test.draw_tasks(iteration)["train"]
        per_task = max(1, cfg.num_steps_per_eval // cfg.max_path_length)
        lanes = [(index, n) for index in range(len(tasks)) for n in range(per_task)]
        task_ids = [tasks[index] for index, _ in lanes]
        generators = [stream(self.seed, "buffer evaluation", iteration, *lane) for lane in lanes]
        contexts: list[Tensor | None] = []
        for task_id, generator in zip(task_ids, generators, strict=True):
            if cfg.takes_episodes:
                num_rows = cfg.context_episodes * cfg.max_path_length
                episodes = buffer.by_episode.newest_episodes(task_id, num_rows)
                contexts.append(self.agent.acting_context(episodes))
            else:
                rows = buffer.draw(task_id, cfg.embedding_batch_size, generator)
                contexts.append(self.agent.acting_context(rows))
        return Part(task_ids, generators, contexts, cfg.eval_deterministic)

    def _exploration(self, iteration: int, splits: Mapping[str, Sequence[int]]) -> list[Part]:
        """The trajectories of the meta-test with z from the prior.

        Each part holds the n-th trajectory of every run of one split.
        """
        cfg = self.config
        if cfg.eval_protocol == "oyster2019":
            return []  # its runs share their exploration
        deterministic = cfg.eval_deterministic and cfg.eval_exploration == "deterministic"
        # If episodes end early, a run has more trajectories than this, but never fewer.
        most = math.ceil(cfg.num_steps_per_eval / cfg.max_path_length)
        parts = []
        for split, tasks in splits.items():
            streams = self.meta_test.streams(iteration, split)
            runs = [(index, run) for index in range(len(tasks)) for run in range(cfg.num_evals)]
            task_ids = [tasks[index] for index, _ in runs]
            for n in range(min(cfg.num_exp_traj_eval, most)):
                generators = [streams(*run, n) for run in runs]
                parts.append(Part(task_ids, generators, [None] * len(runs), deterministic))
        return parts

    def _run_together(self, parts: Sequence[Part]) -> list[Paths]:
        """Run all trajectories in one call of the sampler; return those of each part."""
        paths = self.sampler.obtain_samples(
            [task_id for part in parts for task_id in part.task_ids],
            [generator for part in parts for generator in part.generators],
            begin=with_contexts(
                self.agent, [context for part in parts for context in part.contexts]
            ),
            deterministic=[part.deterministic for part in parts for _ in part.task_ids],
        )
        ends = np.cumsum([len(part.task_ids) for part in parts])
        return [
            paths.select(np.arange(end - len(part.task_ids), end))
            for part, end in zip(parts, ends, strict=True)
        ]
