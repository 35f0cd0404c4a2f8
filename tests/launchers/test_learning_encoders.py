"""Every encoder learns to tell tasks apart: on the point robot, its own task's context serves better than another's."""

import numpy as np
import pytest

from rlkit.core.seeding import stream
from rlkit.launchers.load_config import load_config
from rlkit.launchers.pearl import ENCODERS, build_pearl

SETTINGS = [
    *("n_train_tasks=10", "n_eval_tasks=2", "env_params.n_tasks=12", "net_size=64", "util_params.matmul=default"),
    *("algo_params.num_steps_per_eval=40", "algo_params.meta_batch=10", "algo_params.num_tasks_sample=10"),
    *("algo_params.num_train_steps_per_itr=300", "algo_params.policy_lr=0.001", "algo_params.context_lr=0.001"),
    *("algo_params.qf_lr=0.001", "algo_params.vf_lr=0.001"),
]
ITERATIONS = 8


def returns_with_contexts_of(algorithm, tasks):
    """Mean return over the train tasks, four trajectories each, acting by the newest episodes of the given tasks."""
    cfg, agent, buffer = algorithm.config, algorithm.agent, algorithm.encoder_buffer
    if cfg.takes_episodes:
        drawn = [buffer.newest_episodes(task, cfg.context_episodes * cfg.max_path_length) for task in tasks]
    else:
        drawn = [buffer.draw(task, cfg.embedding_batch_size, stream(0, "context", task)) for task in tasks]
    contexts = [agent.context_of(batch)[0] for batch in drawn] * 4
    ids = list(algorithm.train_tasks) * 4
    generators = [stream(0, "check", i) for i in range(len(ids))]
    return algorithm.sampler.obtain_samples(ids, generators, contexts, deterministic=True).returns().mean()


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_right_context_serves_better_than_that_of_other_tasks(encoder):
    config = load_config("configs/quick/point-robot.json", [*SETTINGS, f"algo_params.encoder={encoder}"])
    algorithm = build_pearl(config, "cpu", seed=1).algorithm
    tasks, gains = list(algorithm.train_tasks), []
    for iteration in range(ITERATIONS):
        algorithm.collect_data(iteration)
        algorithm.do_training(iteration)
        own = returns_with_contexts_of(algorithm, tasks)
        others = np.mean([returns_with_contexts_of(algorithm, np.roll(tasks, shift)) for shift in (1, 4, 7)])
        gains.append(own - others)
        print(f"{encoder}: iteration {iteration}, own {own:.2f}, others {others:.2f}")
    assert np.mean(gains[-3:]) > 4  # 7 to 11 with each of two seeds; a policy that ignores its context gains nothing
