"""HFR as built by its launcher: whole iterations on four-corners and a small point robot."""

import copy
import math

import numpy as np
import pytest
import torch

from rlkit.core.algorithm import NoLoop
from rlkit.core.checkpoint import Checkpoint
from rlkit.launchers.hfr import HFR
from rlkit.launchers.launcher import launcher_for
from rlkit.launchers.load_config import parse_config
from tests.torch.sac.test_no_waiting import FailsOnWaiting

SMALL = {
    "env_name": "four-corners",
    "algorithm": "hfr",
    "n_train_tasks": 4,
    "n_eval_tasks": 4,
    "net_size": 16,
    "env_params": {"n_tasks": 4},
    "algo_params": {
        "meta_batch": 3,
        "num_iterations": 3,
        "num_initial_steps": 20,
        "num_tasks_sample": 3,
        "num_steps_prior": 20,
        "num_steps_posterior": 30,
        "num_extra_rl_steps_posterior": 20,
        "num_train_steps_per_itr": 3,
        "num_evals": 1,
        "num_steps_per_eval": 30,
        "batch_size": 8,
        "embedding_batch_size": 6,
        "embedding_mini_batch_size": 6,
        "max_path_length": 10,
    },
}
HINDSIGHT = {"utility_batch_size": 5, "num_partition_samples": 3}
METHODS = ("random", "return", "hipi", "hfr-q", "hfr-bellman")
VARIANTS = [{"relabel_method": method} for method in METHODS]
VARIANTS += [
    {"use_learned_reward": True},
    {"relabel_prob": 0.0},
    {"partition_when": "before_collection"},
]


def build(*, seed=0, without=(), top=None, **algo_params):
    data = {**copy.deepcopy(SMALL), **(top or {})}
    data["algo_params"] |= algo_params
    config = parse_config({key: value for key, value in data.items() if key not in without}, "test")
    return launcher_for(config).build(config, "cpu", seed)


def iterate(experiment, iterations):
    rows = []
    for i in iterations:
        collected = experiment.algorithm.collect_data(i, NoLoop())
        row = {
            **dict.fromkeys(experiment.algorithm.columns, math.nan),
            **experiment.algorithm.do_training(i, NoLoop()),
            **experiment.algorithm.evaluate(i, NoLoop()),
            **collected,
        }
        rows.append(
            {name: value for name, value in row.items() if "ime" not in name or name == "Timesteps"}
        )
    return rows


def weights(experiment) -> torch.Tensor:
    return torch.cat(
        [p.detach().flatten() for net in experiment.networks.values() for p in net.parameters()]
    )


def test_the_method_none_is_pearl_bit_for_bit():
    pearl, none = build(without=("algorithm",)), build(relabel_method="none")
    rows = [iterate(experiment, range(3)) for experiment in (pearl, none)]
    assert torch.equal(weights(pearl), weights(none))
    assert list(pearl.algorithm.buffers) == list(none.algorithm.buffers) == ["replay", "encoder"]
    for before, after in zip(*rows, strict=True):
        np.testing.assert_equal({name: after[name] for name in before}, before)
        assert set(before) <= set(after)


def test_successes_are_counted_alike_with_and_without_relabeling():
    options = {"num_extra_rl_steps_posterior": 0, "num_steps_prior": 400}
    top = {
        "env_name": "sparse-point-robot",
        "n_train_tasks": 4,
        "n_eval_tasks": 2,
        "env_params": {"n_tasks": 6, "goal_radius": 0.9},
    }
    counts = []
    for changes in ({"relabel_method": "none"}, {"relabel_prob": 0.0}):
        (row,) = iterate(build(top=top, **options, **changes), range(1))
        counts.append(row["Own-task successes"])
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_a_resumed_experiment_equals_the_uninterrupted_one_bit_for_bit(tmp_path, changes):
    options = {**HINDSIGHT, **changes}
    whole, first = build(**options), build(**options)
    expected = iterate(whole, range(3))
    iterate(first, range(2))
    Checkpoint(tmp_path).save(1, first.algorithm.state_dict(), first.algorithm.buffers)
    second = build(**options)
    iteration, state = Checkpoint(tmp_path).load(second.algorithm.buffers)
    second.algorithm.load_state_dict(state)
    (row,) = iterate(second, [iteration + 1])
    np.testing.assert_equal(row, expected[2])
    assert torch.equal(weights(second), weights(whole))


@pytest.mark.parametrize("method", METHODS)
def test_each_transition_is_stored_once_and_again_for_the_encoder_if_its_block_feeds_it(
    method,
):
    algorithm = build(**HINDSIGHT, relabel_method=method).algorithm
    blocks = {"to encoder": 0, "all": 0}
    store = algorithm.collection.relabeler.store

    def counting_store(paths, *, to_encoder, visits=None):
        blocks["to encoder"] += paths.num_steps * to_encoder
        blocks["all"] += paths.num_steps
        store(paths, to_encoder=to_encoder, visits=visits)

    algorithm.collection.relabeler.store = counting_store
    for i in range(2):
        algorithm.collect_data(i, NoLoop())
        added = {
            name: int(buffer.state_dict()["totals"].sum())
            for name, buffer in algorithm.buffers.items()
        }
        assert (
            algorithm.replay_buffer.num_rows
            == added["replay"]
            == blocks["all"]
            == algorithm.collection.num_env_steps
        )
        assert added["encoder"] == blocks["to encoder"]


def test_with_probability_0_the_rl_rows_are_pearls_so_no_stream_of_pearls_is_touched():
    options = {"num_extra_rl_steps_posterior": 0}  # HFR's contexts hold its rows, PEARL's do not
    none, control = build(relabel_method="none", **options), build(relabel_prob=0.0, **options)
    for experiment in (none, control):
        experiment.algorithm.collect_data(0, NoLoop())
    for task in range(4):
        rows = [experiment.algorithm.replay_buffer.rows_of(task) for experiment in (none, control)]
        assert torch.equal(*rows)
    first, second = (
        experiment.algorithm.trainer.generator.get_state() for experiment in (none, control)
    )
    assert torch.equal(first, second)


def test_weights_do_not_depend_on_how_many_rows_are_judged_at_a_time_but_for_rounding():
    small, large = (build(**HINDSIGHT, relabel_chunk_rows=rows) for rows in (1, 10_000))
    for experiment in (small, large):
        iterate(experiment, range(2))
    torch.testing.assert_close(weights(small), weights(large), rtol=0, atol=1e-4)


def test_a_step_that_trains_a_learned_reward_fetches_nothing_from_the_device():
    algorithm = build(**HINDSIGHT, use_learned_reward=True).algorithm
    algorithm.collect_data(0, NoLoop())
    trainer = algorithm.trainer
    trainer.train_step(
        algorithm.replay_buffer, algorithm.encoder_buffer, with_statistics=True
    )  # Adam makes its state
    with FailsOnWaiting():
        for with_statistics in (True, False):
            statistics = trainer.train_step(
                algorithm.replay_buffer, algorithm.encoder_buffer, with_statistics
            )
            assert ("RF Loss" in statistics) and ("Reward Mean" in statistics) == with_statistics


def test_networks_that_are_learned_are_saved_under_their_names():
    assert "rf" in build(**HINDSIGHT, use_learned_reward=True).networks
    assert "rf" not in build(**HINDSIGHT).networks


def test_buffers_never_outgrow_what_was_projected():
    experiment = build(**HINDSIGHT)
    data = {**copy.deepcopy(SMALL)}
    rows = HFR().buffer_sizes(parse_config(data, "test"))
    for i in range(3):
        experiment.algorithm.collect_data(i, NoLoop())
        held = {name: buffer.num_rows for name, buffer in experiment.algorithm.buffers.items()}
        assert all(held[name] <= getattr(rows, name) for name in held), (held, rows)


def test_one_seed_gives_one_run_whatever_the_number_of_lanes():
    rows = []
    for lanes in (1, 7):
        experiment = build(top={"util_params": {"num_envs": lanes}}, **HINDSIGHT)
        rows.append(iterate(experiment, range(2)))
    for narrow, wide in zip(*rows, strict=True):
        assert narrow["Relabeling moved"] == wide["Relabeling moved"]
        assert narrow["Rows per task Max"] == wide["Rows per task Max"]


def test_the_learned_reward_learns_at_its_own_rate():
    experiment = build(**HINDSIGHT, use_learned_reward=True, rf_lr=0.25, num_train_steps_per_itr=1)
    experiment.algorithm.collect_data(0, NoLoop())
    before = [p.detach().clone() for p in experiment.networks["rf"].parameters()]
    experiment.algorithm.do_training(0, NoLoop())
    after = experiment.networks["rf"].parameters()
    moved = max(float((a.detach() - b).abs().max()) for a, b in zip(after, before, strict=True))
    assert moved == pytest.approx(0.25, rel=1e-3)  # the size of Adam's first step


def test_a_checkpoint_in_which_the_relabeler_holds_the_learned_reward_resumes_alike():
    whole, first, second = (build(**HINDSIGHT, use_learned_reward=True) for _ in range(3))
    expected = iterate(whole, range(2))
    iterate(first, range(1))
    state = first.algorithm.state_dict()
    state["relabeler"]["learned_reward"] = state.pop("aux_learner")
    for name, buffer in first.algorithm.buffers.items():
        copied = second.algorithm.buffers[name]
        for task in range(buffer.num_tasks):
            copied.add_copy(task, buffer, task)
    second.algorithm.load_state_dict(copy.deepcopy(state))
    (row,) = iterate(second, [1])
    np.testing.assert_equal(row, expected[1])
    assert torch.equal(weights(second), weights(whole))


def test_hfrs_columns_follow_pearls_in_their_order():
    experiment = build(**HINDSIGHT, use_learned_reward=True, log_success_rate=True)
    (row,) = iterate(experiment, range(1))
    own = [name for name in row if name not in experiment.algorithm.columns]
    assert own[:14] == [
        *(f"Reward {statistic}" for statistic in ("Mean", "Std", "Max", "Min")),
        "RF Loss",
        "Average Return",
        *("Train Final Success", "Train Total Success", "Train Any Success"),
        *("Test Final Success", "Test Total Success", "Success Rate"),
        "Timesteps",
        "Adaptation Q Vals Mean",
    ]
    assert row["Timesteps"] == row["Number of env steps total"] > 0
    assert row["Average Return"] == row["AverageReturn_all_test_tasks"]
