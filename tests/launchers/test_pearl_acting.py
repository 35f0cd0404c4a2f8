"""How PEARL acts and evaluates once it is built.

Copies of weights, protocols, widths, sizes of networks.
"""

import numpy as np
import pytest
import torch

from rlkit.core.algorithm import NoLoop
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.pearl import PEARL
from rlkit.launchers.pearl_networks import build_networks
from tests.launchers.test_pearl import EPISODES, iterate, make_config, weights


@pytest.mark.parametrize(
    "changes", [{}, {"use_information_bottleneck": False}, EPISODES[0]], ids=str
)
def test_an_agent_that_acts_with_copied_weights_leaves_the_same_numbers(changes):
    shared, copied = (
        PEARL().build(make_config(**changes), "cpu", 0, copy_weights=copies)
        for copies in (False, True)
    )
    assert (
        copied.policy.policy is not copied.networks["policy"]
        and shared.policy.policy is shared.networks["policy"]
    )
    np.testing.assert_equal(iterate(copied, range(2)), iterate(shared, range(2)))
    assert torch.equal(weights(copied), weights(shared))


def test_copied_weights_follow_when_a_phase_of_acting_begins_and_not_while_training():
    experiment = PEARL().build(make_config(), "cpu", 0, copy_weights=True)
    acting, trained = (
        experiment.policy.policy.last_fc.weight,
        experiment.networks["policy"].last_fc.weight,
    )
    experiment.algorithm.collect_data(0, NoLoop())
    before = acting.clone()
    experiment.algorithm.do_training(0, NoLoop())
    assert torch.equal(acting, before) and not torch.equal(trained, before)
    experiment.algorithm.evaluate(0, NoLoop())
    assert torch.equal(acting, trained)
    experiment.algorithm.do_training(1, NoLoop())
    experiment.algorithm.collect_data(1, NoLoop())
    assert torch.equal(acting, trained)


def test_weights_are_the_same_however_often_is_evaluated():
    every, sometimes = (PEARL().build(make_config(), "cpu", 0) for _ in range(2))
    rows = iterate(every, range(3))
    sometimes.algorithm.collect_data(0, NoLoop()), sometimes.algorithm.do_training(0, NoLoop())
    sometimes.algorithm.collect_data(1, NoLoop()), sometimes.algorithm.do_training(1, NoLoop())
    (row,) = iterate(sometimes, [2])
    assert torch.equal(weights(every), weights(sometimes))
    np.testing.assert_equal(row, rows[2])


def test_stochastic_exploration_changes_only_exploration_and_what_is_learned_from_it():
    first, second = (
        PEARL().build(make_config(eval_exploration=kind), "cpu", 0)
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
    again = PEARL().build(
        make_config(eval_exploration="stochastic", eval_deterministic=False), "cpu", 0
    )
    (row,) = iterate(again, range(1))
    assert row[changed] != rows[1][changed]  # its last trajectory has noise too


def test_the_first_release_protocol_runs_within_an_experiment():
    config = make_config(
        eval_protocol="oyster2019", num_evals=3, posterior_from_start=True, update_post_train=0
    )
    experiment = PEARL().build(config, "cpu", 0)
    rows = iterate(experiment, range(2))
    adaptation = experiment.algorithm.evaluation.adaptations["test"]
    assert (
        adaptation.num_trajectories().tolist() == [[5, 5, 5]] * 2
    )  # 30 steps explored, then two trajectories of 10
    assert adaptation.final().sum() == 2 * 3 * 2
    assert experiment.policy.z_means.shape[0] == 1 and np.isfinite(rows[1]["Z variance eval"])
    assert rows[1]["AverageLength_test_tasks"] == 10


@pytest.mark.parametrize("init", ["fanout", "fanin"])
def test_init_reaches_every_network(init):
    networks = PEARL().build(make_config(init=init), "cpu", 0).networks
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
    env = PEARL().build(make_config(), "cpu", 0).env
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

    experiment = PEARL().build(make_config(), "cpu", 0)
    iterate(experiment, range(1))
    for network in experiment.networks.values():
        network.double()

    def evaluate(num_envs):
        env = make_env("point-robot", n_tasks=6, num_envs=num_envs, dtype=np.float64)
        adaptation = evaluate_adaptation(
            env,
            experiment.policy,
            [4, 5, 4],
            num_runs=2,
            num_steps=30,
            max_path_length=10,
            streams=lambda index, run, n: stream(0, "test", index, run, n),
        )
        return np.stack([paths.obs for paths in adaptation.trajectories])

    np.testing.assert_allclose(evaluate(1), evaluate(6), atol=1e-9, rtol=0)
