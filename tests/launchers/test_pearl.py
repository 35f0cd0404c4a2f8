"""PEARL as it is built: whole iterations on a small point robot."""

import copy

import numpy as np
import pytest
import torch

from rlkit.core.algorithm import NoLoop
from rlkit.core.checkpoint import Checkpoint
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.pearl import PEARL
from rlkit.launchers.pearl_sizes import buffer_sizes

SMALL = {
    "env_name": "point-robot",
    "n_train_tasks": 4,
    "n_eval_tasks": 2,
    "net_size": 16,
    "env_params": {"n_tasks": 6},
    "algo_params": {
        "meta_batch": 3,
        "num_iterations": 3,
        "num_initial_steps": 20,
        "num_tasks_sample": 2,
        "num_steps_prior": 20,
        "num_extra_rl_steps_posterior": 40,
        "num_train_steps_per_itr": 3,
        "num_evals": 1,
        "num_steps_per_eval": 30,
        "batch_size": 8,
        "embedding_batch_size": 6,
        "embedding_mini_batch_size": 6,
        "max_path_length": 10,
    },
}


def make_config(**algo_params):
    data = copy.deepcopy(SMALL)
    data["algo_params"] |= algo_params
    if algo_params.get("sparse_rewards"):
        data["env_name"] = "sparse-point-robot"
    return parse_config(data, "test")


def iterate(experiment, iterations):
    rows = []
    for i in iterations:
        collected = experiment.algorithm.collect_data(i, NoLoop())
        rows.append(
            {
                **experiment.algorithm.do_training(i, NoLoop()),
                **experiment.algorithm.evaluate(i, NoLoop()),
                **collected,
            }
        )
    return rows


def weights(experiment) -> torch.Tensor:
    return torch.cat(
        [p.detach().flatten() for net in experiment.networks.values() for p in net.parameters()]
    )


def test_one_seed_gives_one_run_and_another_seed_another():
    first, second, other = (PEARL().build(make_config(), "cpu", seed) for seed in (0, 0, 1))
    rows = [iterate(experiment, range(2)) for experiment in (first, second, other)]
    np.testing.assert_equal(rows[0], rows[1])
    assert torch.equal(weights(first), weights(second))
    assert rows[0][0]["AverageReturn_all_test_tasks"] != rows[2][0]["AverageReturn_all_test_tasks"]
    assert not torch.equal(weights(first), weights(other))


def test_global_random_state_neither_matters_nor_changes():
    torch.manual_seed(1)
    np.random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = PEARL().build(make_config(), "cpu", 0)
    iterate(first, range(1))
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])


EPISODES = [
    {"encoder": "gru"},
    {"recurrent": True, "embedding_mini_batch_size": 4, "rl_batch_sampling": "trajectories"},
    {
        "encoder": "attention",
        "num_steps_posterior": 20,
        "replay_buffer_size": 50,
    },  # rings that wrap round
]


@pytest.mark.parametrize("changes", [{}, *EPISODES], ids=str)
def test_a_resumed_experiment_equals_the_uninterrupted_one_bit_for_bit(tmp_path, changes):
    config = make_config(**changes)
    whole, first = PEARL().build(config, "cpu", 0), PEARL().build(config, "cpu", 0)
    expected = iterate(whole, range(3))
    iterate(first, range(2))
    Checkpoint(tmp_path).save(1, first.algorithm.state_dict(), first.algorithm.buffers)
    second = PEARL().build(config, "cpu", 0)
    iteration, state = Checkpoint(tmp_path).load(second.algorithm.buffers)
    second.algorithm.load_state_dict(state)
    (row,) = iterate(second, [iteration + 1])
    np.testing.assert_equal(row, expected[2])
    assert torch.equal(weights(second), weights(whole))


def test_encoder_rows_of_a_task_are_those_of_its_last_visit():
    algorithm = PEARL().build(make_config(num_tasks_sample=9), "cpu", 0).algorithm
    algorithm.collect_data(0, NoLoop())
    assert algorithm.replay_buffer.num_rows == 4 * 20 + 9 * 60
    assert [algorithm.encoder_buffer.size(i) for i in range(4)] == [
        20
    ] * 4  # each was visited; its initial pool is gone
    for task in range(4):
        replay = {row.numpy().tobytes() for row in algorithm.replay_buffer.rows_of(task)}
        assert {row.numpy().tobytes() for row in algorithm.encoder_buffer.rows_of(task)} <= replay


def test_buffers_never_outgrow_what_was_projected():
    config = make_config()
    algorithm = PEARL().build(config, "cpu", 0).algorithm
    for i in range(3):
        algorithm.collect_data(i, NoLoop())
        assert algorithm.replay_buffer.num_rows <= buffer_sizes(config)[0]
        assert algorithm.encoder_buffer.num_rows <= buffer_sizes(config)[1]
    assert algorithm.replay_buffer.num_rows == buffer_sizes(config)[0]


def test_replay_reserve_makes_room_for_the_rl_rows_and_for_them_alone():
    def rooms(config):
        algorithm = PEARL().build(config, "cpu", 0).algorithm
        buffers = algorithm.replay_buffer, algorithm.encoder_buffer
        return [len(buffer.rows.pages.data) for buffer in buffers]

    data = copy.deepcopy(SMALL)
    data["util_params"] = {"replay_reserve": 500_000}
    wanted, projected = rooms(parse_config(data, "test")), rooms(make_config())
    assert wanted[0] >= 500_000 > 10 * projected[0]
    assert wanted[1] == projected[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"sparse_rewards": 1},
        {"use_next_obs_in_context": True},
        {"use_information_bottleneck": False},
    ],
)
def test_options_change_the_encoder_input_or_the_belief_and_run(changes):
    experiment = PEARL().build(make_config(**changes), "cpu", 0)
    (row,) = iterate(experiment, range(1))
    encoder = experiment.networks["context_encoder"]
    assert encoder.input_size == 5 + (2 if "use_next_obs_in_context" in changes else 0)
    assert encoder.output_size == (5 if "use_information_bottleneck" in changes else 10)
    assert np.isfinite(row["QF Loss"])
    assert ("KL Divergence" in row) == ("use_information_bottleneck" not in changes)


@pytest.mark.parametrize("changes", EPISODES, ids=str)
def test_contexts_of_episodes_are_the_newest_ones_while_collecting_and_whole_ones_in_training(
    changes,
):
    experiment = PEARL().build(make_config(**changes), "cpu", 0)
    assert (
        experiment.networks["context_encoder"].input_size == 6
    )  # with the flag of an episode's first step
    agent, acting, training = experiment.policy, [], []
    infer, posterior = agent.infer_posterior, agent.posterior

    def infer_posterior(contexts, lanes):
        acting.extend(contexts)
        infer(contexts, lanes)

    def posterior_of(context, mask=None):
        training.append((context, mask))
        return posterior(context, mask)

    agent.infer_posterior, agent.posterior = infer_posterior, posterior_of
    experiment.algorithm.collect_data(0, NoLoop())
    assert acting and all(
        context.shape == (20, 6) for context in acting
    )  # 2 episodes, the most that a meta-test sees
    training.clear()
    experiment.algorithm.do_training(0, NoLoop())
    assert [context.shape for context, _ in training] == [(3, 20, 6)] * 3
    for context, mask in training:
        begins = torch.arange(20) % 10 == 0
        assert {int(n) for n in mask.sum(1)} <= {10, 20}
        assert torch.equal(context[..., -1][mask].bool(), begins.expand(3, -1)[mask])
    (row,) = iterate(experiment, range(1))
    assert np.isfinite(row["QF Loss"]) and np.isfinite(row["KL Divergence"])
