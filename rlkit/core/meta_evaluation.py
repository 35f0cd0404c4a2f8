"""What PEARL evaluates after an iteration: three returns, adaptation trajectory by trajectory, speed and success.

The meta-test itself is `evaluate_adaptation`, or that of oyster's first release in `evaluate_oyster2019`.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from rlkit.core.eval_util import Adaptation, evaluate_adaptation, mean_speed, success_rate
from rlkit.core.oyster2019 import evaluate_oyster2019
from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.policies.base import with_contexts
from rlkit.samplers.in_place import InPlacePathSampler


class MetaEvaluation:
    """Evaluates an agent on train and on test tasks; what is not evaluated leaves no trace.

    Args:
        env, agent, sampler: what acts where.
        encoder_buffer: rows of the train tasks that contexts are drawn from.
        train_tasks, eval_tasks: task ids.
        config: PEARL's settings.
        seed: names the random streams.
        save_eval_paths: called with (file name, paths) when `dump_eval_paths` is set.
    """

    def __init__(
        self,
        *,
        env,
        agent,
        sampler: InPlacePathSampler,
        encoder_buffer,
        train_tasks: range,
        eval_tasks: range,
        config,
        seed: int,
        save_eval_paths: Callable[[str, Paths], None],
    ) -> None:
        self.env, self.agent, self.sampler, self.encoder_buffer = (
            env,
            agent,
            sampler,
            encoder_buffer,
        )
        self.train_tasks, self.eval_tasks = train_tasks, eval_tasks
        self.config, self.seed, self.save_eval_paths = config, seed, save_eval_paths
        self.adaptations: dict[str, Adaptation] = {}

    def evaluate(self, iteration: int) -> dict[str, float]:
        """The three returns (docs/pearl.md, columns 30-32): on as many train tasks as there are eval tasks, and on these."""
        cfg = self.config
        if cfg.dump_eval_paths:
            self._dump_prior_paths(iteration)
        draws = stream(self.seed, "evaluation tasks", iteration).integers(
            len(self.train_tasks), size=len(self.eval_tasks)
        )
        train_tasks = [self.train_tasks[i] for i in draws]
        splits = {"train": train_tasks, "test": list(self.eval_tasks)}
        with_buffer, explored = self._independent_trajectories(iteration, splits)
        self.adaptations = {
            split: self._adaptation(iteration, split, splits[split], explored[split])
            for split in splits
        }
        if cfg.dump_eval_paths:
            self._dump_test_paths(iteration)
        final = {
            split: a.final_returns(cfg.sparse_rewards) for split, a in self.adaptations.items()
        }
        has_posterior = cfg.use_information_bottleneck
        return {
            "Z mean eval": self.agent.z_means[-1].abs().mean().item()
            if has_posterior
            else math.nan,
            "Z variance eval": self.agent.z_vars[-1].mean().item() if has_posterior else math.nan,
            "AverageTrainReturn_all_train_tasks": float(with_buffer.mean()),
            "AverageReturn_all_train_tasks": float(final["train"].mean()),
            "AverageReturn_all_test_tasks": float(final["test"].mean()),
            **self._of_test_tasks(),
        }

    def _independent_trajectories(
        self, iteration: int, splits: dict[str, list[int]]
    ) -> tuple[np.ndarray, dict]:
        """Run all that depends on no other trajectory of the evaluation at once, as wide as the environment is.

        Returns:
            Return of each train task with z from the posterior of a training context batch, a fresh one a trajectory,
            [num_tasks]; and of each split the exploration trajectories of every run, as `evaluate_adaptation` takes them.
        """
        cfg, tasks = self.config, splits["train"]
        num_trajectories = max(1, cfg.num_steps_per_eval // cfg.max_path_length)
        lanes = [(index, n) for index in range(len(tasks)) for n in range(num_trajectories)]
        generators = [
            stream(self.seed, "buffer evaluation", iteration, index, n) for index, n in lanes
        ]
        rows, buffer = cfg.embedding_batch_size, self.encoder_buffer
        if cfg.takes_episodes:
            drawn = (
                buffer.newest_episodes(tasks[index], cfg.context_episodes * cfg.max_path_length)
                for index, _ in lanes
            )
        else:
            drawn = (
                buffer.draw(tasks[index], rows, g)
                for (index, _), g in zip(lanes, generators, strict=True)
            )
        contexts = [self.agent.acting_context(batch) for batch in drawn]
        blocks = [[tasks[index] for index, _ in lanes]]

        # Shorter episodes may take more trajectories than this, but never fewer.
        num_explored = min(
            cfg.num_exp_traj_eval, math.ceil(cfg.num_steps_per_eval / cfg.max_path_length)
        )
        if cfg.eval_protocol == "oyster2019":
            num_explored = 0  # it shares its exploration between the runs
        for split, split_tasks in splits.items():
            streams = self._eval_streams(iteration, split)
            for n in range(num_explored):
                runs = [
                    (index, run)
                    for index in range(len(split_tasks))
                    for run in range(cfg.num_evals)
                ]
                generators += [streams(index, run, n) for index, run in runs]
                blocks.append([split_tasks[index] for index, _ in runs])
        task_ids = sum(blocks, [])
        contexts += [None] * (len(task_ids) - len(contexts))
        exploration = cfg.eval_deterministic and cfg.eval_exploration == "deterministic"
        deterministic = [cfg.eval_deterministic] * len(lanes) + [exploration] * (
            len(task_ids) - len(lanes)
        )
        paths = self.sampler.obtain_samples(
            task_ids,
            generators,
            begin=with_contexts(self.agent, contexts),
            deterministic=deterministic,
        )
        ends = np.cumsum([len(block) for block in blocks])
        parts = [
            paths.select(np.arange(end - len(block), end))
            for block, end in zip(blocks, ends, strict=True)
        ]
        with_buffer = (
            parts[0].returns(cfg.sparse_rewards).reshape(len(tasks), num_trajectories).mean(axis=1)
        )
        explored = {
            split: parts[1 + k * num_explored :][:num_explored] for k, split in enumerate(splits)
        }
        return with_buffer, explored

    def _eval_streams(
        self, iteration: int, split: str, purpose: str = ""
    ) -> Callable[[int, int, int], np.random.Generator]:
        return lambda index, run, n: stream(
            self.seed, f"meta-{split}{purpose}", iteration, index, run, n
        )

    def _adaptation(
        self, iteration: int, split: str, tasks: list[int], explored: Sequence[Paths]
    ) -> Adaptation:
        """Run the meta-test on some tasks, whose exploration trajectories were run before."""
        cfg = self.config
        if cfg.eval_protocol == "oyster2019":
            return evaluate_oyster2019(
                self.sampler,
                self.agent,
                tasks,
                num_runs=cfg.num_evals,
                num_steps=cfg.num_steps_per_eval,
                num_rows=cfg.embedding_batch_size,
                streams=lambda purpose: self._eval_streams(iteration, split, f" {purpose}"),
                deterministic=cfg.eval_deterministic,
            )
        return evaluate_adaptation(
            self.env,
            self.agent,
            tasks,
            num_runs=cfg.num_evals,
            num_steps=cfg.num_steps_per_eval,
            max_path_length=cfg.max_path_length,
            streams=self._eval_streams(iteration, split),
            deterministic=cfg.eval_deterministic,
            num_stochastic=cfg.num_exp_traj_eval if cfg.eval_exploration == "stochastic" else 0,
            explored=explored,
        )

    def _dump_prior_paths(self, iteration: int) -> None:
        """Twenty trajectories with z from the prior on the first eval task, as an NPZ file."""
        generators = [stream(self.seed, "prior paths", iteration, n) for n in range(20)]
        paths = self.sampler.obtain_samples(
            [self.eval_tasks[0]] * 20, generators, deterministic=self.config.eval_deterministic
        )
        self.save_eval_paths(f"prior-epoch{iteration}", paths)

    def _dump_test_paths(self, iteration: int) -> None:
        """The meta-test trajectories of every eval task and run, as NPZ files."""
        adaptation = self.adaptations["test"]
        for index, task_id in enumerate(self.eval_tasks):
            for run in range(adaptation.num_runs):
                lane = index * adaptation.num_runs + run
                paths = Paths.concatenate(
                    [p.select([lane]) for p in adaptation.trajectories if p.lengths[lane] > 0]
                )
                self.save_eval_paths(f"task{task_id}-epoch{iteration}-run{run}", paths)

    def online_returns(self, iteration: int) -> list[dict[str, float | str]]:
        """Return of the first, second, ... trajectory over tasks, for either split."""
        rows: list[dict[str, float | str]] = []
        for split, adaptation in self.adaptations.items():
            by_trajectory = adaptation.online_returns(self.config.sparse_rewards)
            for number, returns in enumerate(by_trajectory, start=1):
                place: dict[str, float | str] = {
                    "iteration": iteration,
                    "split": split,
                    "trajectory": number,
                }
                spread = {"mean": returns.mean(), "std": returns.std(), "n": len(returns)}
                rows.append({**place, **spread})
        return rows

    def _of_test_tasks(self) -> dict[str, float]:
        """Spread of the return, the first trajectory's return, and measures of the final trajectories."""
        test, sparse = self.adaptations["test"], self.config.sparse_rewards
        final = test.final_paths()
        return {
            "AverageReturn_std_test_tasks": float(test.final_returns(sparse).std()),
            "AverageReturn_prior_test_tasks": float(test.returns(sparse)[0].mean()),
            "AverageLength_test_tasks": float(final.lengths.mean()),
            "AverageSpeed_test_tasks": mean_speed(self.env, final),
            "SuccessRate_test_tasks": success_rate(self.env, final),
        }
