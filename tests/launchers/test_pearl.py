"""PEARL as it is built: whole iterations on a small point robot."""

import copy

import numpy as np
import pytest
import torch

from rlkit.core.checkpoint import Checkpoint
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.pearl import build_networks, build_pearl, projected_rows

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
    return parse_config(data, "test")


def iterate(experiment, iterations):
    rows = []
    for i in iterations:
        collected = experiment.algorithm.collect_data(i)
        rows.append(
            {**experiment.algorithm.do_training(i), **experiment.algorithm.evaluate(i), **collected}
        )
    return rows


def weights(experiment) -> torch.Tensor:
    return torch.cat(
        [p.detach().flatten() for net in experiment.networks.values() for p in net.parameters()]
    )


def test_one_seed_gives_one_run_and_another_seed_another():
    first, second, other = (build_pearl(make_config(), "cpu", seed) for seed in (0, 0, 1))
    rows = [iterate(experiment, range(2)) for experiment in (first, second, other)]
    np.testing.assert_equal(rows[0], rows[1])
    assert torch.equal(weights(first), weights(second))
    assert rows[0][0]["AverageReturn_all_test_tasks"] != rows[2][0]["AverageReturn_all_test_tasks"]
    assert not torch.equal(weights(first), weights(other))


def test_global_random_state_neither_matters_nor_changes():
    torch.manual_seed(1)
    np.random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = build_pearl(make_config(), "cpu", 0)
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
    whole, first = build_pearl(config, "cpu", 0), build_pearl(config, "cpu", 0)
    expected = iterate(whole, range(3))
    iterate(first, range(2))
    Checkpoint(tmp_path).save(1, first.algorithm.state_dict(), first.algorithm.buffers)
    second = build_pearl(config, "cpu", 0)
    iteration, state = Checkpoint(tmp_path).load(second.algorithm.buffers)
    second.algorithm.load_state_dict(state)
    (row,) = iterate(second, [iteration + 1])
    np.testing.assert_equal(row, expected[2])
    assert torch.equal(weights(second), weights(whole))


def test_encoder_rows_of_a_task_are_those_of_its_last_visit():
    algorithm = build_pearl(make_config(num_tasks_sample=9), "cpu", 0).algorithm
    algorithm.collect_data(0)
    assert algorithm.replay_buffer.num_rows == 4 * 20 + 9 * 60
    assert [algorithm.encoder_buffer.size(i) for i in range(4)] == [
        20
    ] * 4  # each was visited; its initial pool is gone
    for task in range(4):
        replay = {row.numpy().tobytes() for row in algorithm.replay_buffer.rows_of(task)}
        assert {row.numpy().tobytes() for row in algorithm.encoder_buffer.rows_of(task)} <= replay


def test_buffers_never_outgrow_what_was_projected():
    config = make_config()
    algorithm = build_pearl(config, "cpu", 0).algorithm
    for i in range(3):
        algorithm.collect_data(i)
        assert algorithm.replay_buffer.num_rows <= projected_rows(config)[0]
        assert algorithm.encoder_buffer.num_rows <= projected_rows(config)[1]
    assert algorithm.replay_buffer.num_rows == projected_rows(config)[0]


def test_replay_reserve_makes_room_for_the_rl_rows_and_for_them_alone():
    def rooms(config):
        algorithm = build_pearl(config, "cpu", 0).algorithm
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
    experiment = build_pearl(make_config(**changes), "cpu", 0)
    (row,) = iterate(experiment, range(1))
    encoder = experiment.networks["context_encoder"]
    assert encoder.input_size == 5 + (2 if "use_next_obs_in_context" in changes else 0)
    assert encoder.output_size == (5 if "use_information_bottleneck" in changes else 10)
    assert np.isfinite(row["QF Loss"])
    assert np.isnan(row["KL Divergence"]) == ("use_information_bottleneck" in changes)


@pytest.mark.parametrize("changes", EPISODES, ids=str)
def test_contexts_of_episodes_are_the_newest_ones_while_collecting_and_whole_ones_in_training(
    changes,
):
    experiment = build_pearl(make_config(**changes), "cpu", 0)
    assert (
        experiment.networks["context_encoder"].input_size == 6
    )  # with the flag of an episode's first step
    agent, acting, training = experiment.agent, [], []
    infer, posterior = agent.infer_posterior, agent.posterior

    def infer_posterior(contexts, lanes):
        acting.extend(contexts)
        infer(contexts, lanes)

    def posterior_of(context, mask=None):
        training.append((context, mask))
        return posterior(context, mask)

    agent.infer_posterior, agent.posterior = infer_posterior, posterior_of
    experiment.algorithm.collect_data(0)
    assert acting and all(
        context.shape == (20, 6) for context in acting
    )  # 2 episodes, the most that a meta-test sees
    training.clear()
    experiment.algorithm.do_training(0)
    assert [context.shape for context, _ in training] == [(3, 20, 6)] * 3
    for context, mask in training:
        begins = torch.arange(20) % 10 == 0
        assert {int(n) for n in mask.sum(1)} <= {10, 20}
        assert torch.equal(context[..., -1][mask].bool(), begins.expand(3, -1)[mask])
    (row,) = iterate(experiment, range(1))
    assert np.isfinite(row["QF Loss"]) and np.isfinite(row["KL Divergence"])


@pytest.mark.parametrize(
    "changes", [{}, {"use_information_bottleneck": False}, EPISODES[0]], ids=str
)
def test_an_agent_that_acts_with_copied_weights_leaves_the_same_numbers(changes):
    shared, copied = (
        build_pearl(make_config(**changes), "cpu", 0, copy_weights=copies)
        for copies in (False, True)
    )
    assert (
        copied.agent.policy is not copied.networks["policy"]
        and shared.agent.policy is shared.networks["policy"]
    )
    np.testing.assert_equal(iterate(copied, range(2)), iterate(shared, range(2)))
    assert torch.equal(weights(copied), weights(shared))


def test_copied_weights_follow_when_a_phase_of_acting_begins_and_not_while_training():
    experiment = build_pearl(make_config(), "cpu", 0, copy_weights=True)
    acting, trained = (
        experiment.agent.policy.last_fc.weight,
        experiment.networks["policy"].last_fc.weight,
    )
    experiment.algorithm.collect_data(0)
    before = acting.clone()
    experiment.algorithm.do_training(0)
    assert torch.equal(acting, before) and not torch.equal(trained, before)
    experiment.algorithm.evaluate(0)
    assert torch.equal(acting, trained)
    experiment.algorithm.do_training(1)
    experiment.algorithm.collect_data(1)
    assert torch.equal(acting, trained)


def test_weights_are_the_same_however_often_is_evaluated():
    every, sometimes = (build_pearl(make_config(), "cpu", 0) for _ in range(2))
    rows = iterate(every, range(3))
    sometimes.algorithm.collect_data(0), sometimes.algorithm.do_training(0)
    assert "AverageReturn_std_test_tasks" not in sometimes.algorithm.diagnostics()
    assert sometimes.algorithm.online_returns() == []
    sometimes.algorithm.collect_data(1), sometimes.algorithm.do_training(1)
    (row,) = iterate(sometimes, [2])
    assert torch.equal(weights(every), weights(sometimes))
    np.testing.assert_equal(row, rows[2])


def test_an_evaluation_leaves_nothing_for_the_next_iteration():
    algorithm = build_pearl(make_config(), "cpu", 0).algorithm
    algorithm.collect_data(0), algorithm.do_training(0), algorithm.evaluate(0)
    assert (
        "AverageReturn_prior_test_tasks" in algorithm.diagnostics() and algorithm.online_returns()
    )
    algorithm.collect_data(1), algorithm.do_training(1)
    assert (
        "AverageReturn_prior_test_tasks" not in algorithm.diagnostics()
        and not algorithm.online_returns()
    )


def test_stochastic_exploration_changes_exploration_trajectories_and_what_is_learned_from_them_only():
    first, second = (
        build_pearl(make_config(eval_exploration=kind), "cpu", 0)
        for kind in ("deterministic", "stochastic")
    )
    rows = [iterate(experiment, range(1))[0] for experiment in (first, second)]
    assert torch.equal(weights(first), weights(second))
    kept, changed = "AverageTrainReturn_all_train_tasks", "AverageReturn_all_test_tasks"
    assert rows[0][kept] == rows[1][kept] and rows[0][changed] != rows[1][changed]
    noisy = [
        paths.actions for paths in second.algorithm.evaluation.adaptations["test"].trajectories
    ]
    assert (
        len({action.tobytes() for action in noisy[0][0]}) == 10
    )  # the policy of a fresh run hardly moves by itself
    again = build_pearl(
        make_config(eval_exploration="stochastic", eval_deterministic=False), "cpu", 0
    )
    (row,) = iterate(again, range(1))
    assert row[changed] != rows[1][changed]  # its last trajectory has noise too


def test_the_first_release_protocol_runs_within_an_experiment():
    config = make_config(
        eval_protocol="oyster2019", num_evals=3, posterior_from_start=True, update_post_train=0
    )
    experiment = build_pearl(config, "cpu", 0)
    rows = iterate(experiment, range(2))
    adaptation = experiment.algorithm.evaluation.adaptations["test"]
    assert (
        adaptation.num_trajectories().tolist() == [[5, 5, 5]] * 2
    )  # 30 steps explored, then two trajectories of 10
    assert adaptation.final().sum() == 2 * 3 * 2
    assert experiment.agent.z_means.shape[0] == 1 and np.isfinite(rows[1]["Z variance eval"])
    assert experiment.algorithm.diagnostics()["AverageLength_test_tasks"] == 10


@pytest.mark.parametrize("init", ["fanout", "fanin"])
def test_init_reaches_every_network(init):
    networks = build_pearl(make_config(init=init), "cpu", 0).networks
    for name, network in networks.items():
        bound = network.fc0.weight.shape[0 if init == "fanout" else 1] ** -0.5
        assert 0.8 * bound < network.fc0.weight.abs().max() <= bound, name


def test_networks_have_the_sizes_of_the_specification():
    config = parse_config(
        {
            "env_name": "point-robot",
            "n_train_tasks": 80,
            "n_eval_tasks": 20,
            "env_params": {"n_tasks": 100},
        },
        "test",
    )
    env = build_pearl(make_config(), "cpu", 0).env
    networks = build_networks(config, env, torch.Generator().manual_seed(0)).named()
    shapes = {
        name: [p.shape[0] for n, p in net.named_parameters() if n.endswith("bias")]
        for name, net in networks.items()
    }
    assert shapes["context_encoder"] == [200, 200, 200, 10]
    assert shapes["qf1"] == shapes["vf"] == [300, 300, 300, 1]
    assert shapes["policy"] == [300, 300, 300, 2, 2]
    assert [networks[n].input_size for n in ("qf1", "vf", "policy", "context_encoder")] == [
        9,
        7,
        7,
        5,
    ]
    assert not torch.equal(networks["qf1"].fc0.weight, networks["qf2"].fc0.weight)
    assert torch.equal(networks["vf"].fc0.weight, networks["target_vf"].fc0.weight)


def test_wide_evaluation_equals_one_lane_at_a_time_in_float64():
    from rlkit.core.eval_util import evaluate_adaptation
    from rlkit.core.seeding import stream
    from rlkit.envs import make_env

    experiment = build_pearl(make_config(), "cpu", 0)
    iterate(experiment, range(1))
    for network in experiment.networks.values():
        network.double()

    def evaluate(num_envs):
        env = make_env("point-robot", n_tasks=6, num_envs=num_envs, dtype=np.float64)
        adaptation = evaluate_adaptation(
            env,
            experiment.agent,
            [4, 5, 4],
            num_runs=2,
            num_steps=30,
            max_path_length=10,
            streams=lambda index, run, n: stream(0, "test", index, run, n),
        )
        return np.stack([paths.obs for paths in adaptation.trajectories])

    np.testing.assert_allclose(evaluate(1), evaluate(6), atol=1e-9, rtol=0)
