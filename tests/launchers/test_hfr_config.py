"""HFR's settings: which algorithms accept them, contradictions, and names of tasks."""

import copy

import pytest

from rlkit.core.errors import UserError
from rlkit.launchers.load_config import parse_config

SMALL = {
    "env_name": "four-corners",
    "algorithm": "hfr",
    "n_train_tasks": 4,
    "n_eval_tasks": 4,
    "env_params": {"n_tasks": 4},
}


def load(top=None, **algo_params):
    data = {**copy.deepcopy(SMALL), **(top or {}), "algo_params": algo_params}
    return parse_config({key: value for key, value in data.items() if value is not None}, "test")


def test_the_algorithm_selects_the_defaults():
    algo = load().algo_params
    assert (
        algo.relabel_method,
        algo.probability,
        algo.use_softmax,
        algo.num_partition_samples,
    ) == ("hfr-q", 0.5, True, 20)
    assert algo.meta_batch == 16  # PEARL's are there too


@pytest.mark.parametrize(
    ("method", "share"), [("none", 0.0), ("random", 1.0), ("return", 0.5), ("hipi", 0.5)]
)
def test_the_share_of_relabeling_is_the_methods_own_unless_it_is_set(method, share):
    assert load(relabel_method=method).algo_params.probability == share
    assert load(relabel_method=method, relabel_prob=0.25).algo_params.probability == 0.25


def test_a_learned_reward_relabels_from_iteration_1():
    assert load(use_learned_reward=True).algo_params.first_iteration == 1


@pytest.mark.parametrize("algorithm", [None, "pearl"])
def test_a_key_of_hfr_in_another_configuration_says_whose_it_is(algorithm):
    with pytest.raises(UserError) as error:
        load({"algorithm": algorithm}, utility_batch_size=64)
    message = (
        'test: algo_params.utility_batch_size = 64: a setting of algorithm "hfr", '
        'but this configuration selects "pearl"'
    )
    assert str(error.value) == message


BAD = [
    ({"relabel_method": "her"}, "algo_params.relabel_method.*expected one of"),
    (
        {"use_softmax": False, "relabel_method": "none"},
        "use_softmax.*expected a method that has logits",
    ),
    (
        {"use_softmax": 0, "relabel_method": "random"},
        "use_softmax.*expected a method that has logits",
    ),
    ({"use_learned_reward": True, "relabel_method": "hipi"}, "use_learned_reward.*hfr-q"),
    ({"use_learned_reward": True, "sparse_rewards": True}, "use_learned_reward.*sparse_rewards"),
    ({"encoder": "gru"}, "encoder.*expected .*mlp"),
    ({"recurrent": True}, "recurrent.*expected .*mlp"),
    (
        {"relabel_method": "hipi", "rl_batch_sampling": "trajectories"},
        "rl_batch_sampling.*expected .*transitions",
    ),
    (
        {"relabel_method": "hipi", "context_trajectories": 3},
        "context_trajectories.*expected .*null",
    ),
    ({"relabel_method": "hipi", "cut_at_terminal": True}, "cut_at_terminal.*expected"),
    ({"relabel_method": "random", "utility_entropy": True}, "utility_entropy.*hfr-q"),
    ({"replay_buffer_size": 100}, "replay_buffer_size.*room for a whole trajectory"),
    ({"relabel_prob": 1.5}, "algo_params.relabel_prob.*at most 1"),
    ({"relabel_temperature": 0}, "algo_params.relabel_temperature.*more than 0"),
    ({"utilty_batch_size": 4}, "nearest known key is algo_params.utility_batch_size"),
]


@pytest.mark.parametrize(("algo_params", "message"), BAD, ids=lambda value: str(value)[:40])
def test_settings_that_contradict_each_other_get_one_message(algo_params, message):
    with pytest.raises(UserError, match=message) as error:
        load(**algo_params)
    assert len(str(error.value).splitlines()) == 1


def test_a_smoke_run_estimates_the_partition_from_few_contexts():
    cut = load(num_partition_samples=20).algo_params.cut_for_debug()
    assert (cut.num_partition_samples, cut.num_iterations, cut.utility_batch_size) == (2, 2, 64)


def test_without_relabeling_any_encoder_will_do():
    assert load(relabel_method="none", encoder="gru").algo_params.takes_episodes


@pytest.mark.parametrize("name", ["ant-goal", "cheetah-vel", "point-robot"])
def test_a_name_that_hfr_gave_another_task_stops_unless_the_task_set_is_named(name):
    top = {"env_name": name, "env_params": {"n_tasks": 8}}
    with pytest.raises(UserError, match=f'env_name = "{name}": expected .*HFR\'s.*1337'):
        load(top)
    top["env_params"]["task_seed"] = 1337
    assert load(top).env_name == name


@pytest.mark.parametrize("name", ["walker-rand-params", "hopper-rand-params"])
def test_tasks_that_differ_in_their_dynamics_are_refused(name):
    top = {"env_name": name, "env_params": {"n_tasks": 8}}
    with pytest.raises(
        UserError, match=f'env_name = "{name}".*tasks that differ in their rewards alone'
    ):
        load(top)
    assert load(top, relabel_method="none").env_name == name
