"""Options of PEARL that the strict configuration accepts, and its messages for others."""

import pytest

from rlkit.core.errors import UserError
from rlkit.launchers.load_config import parse_config

POINT_ROBOT = {
    "env_name": "point-robot",
    "n_train_tasks": 8,
    "n_eval_tasks": 2,
    "env_params": {"n_tasks": 10},
}


def load(util_params=None, **algo_params):
    return parse_config(
        {**POINT_ROBOT, "algo_params": algo_params, "util_params": util_params or {}}, "here"
    )


@pytest.mark.parametrize(
    "options",
    [
        {"context_source": "whole"},
        {
            "context_source": "rl_batch",
            "embedding_batch_size": 256,
            "embedding_mini_batch_size": 256,
        },
        {"context_trajectories": 3, "embedding_batch_size": 7, "embedding_mini_batch_size": 0},
        {"context_trajectories": None, "encoder": "gru"},
        {"kl_reduction": "mean_task"},
        {"posterior_from_start": True, "update_post_train": 0},
        {"posterior_from_start": True, "update_post_train": 3},
        {"eval_exploration": "stochastic", "eval_protocol": "oyster2019", "eval_every": 7},
        {"init": "fanin", "min_sigma": 0.01, "gradient_clip": 10, "target_clip": 1e3},
        {"gradient_clip": None, "target_clip": None},
    ],
)
def test_an_option_is_taken_over_as_it_is_given(options):
    loaded = load(**options).algo_params
    assert {name: getattr(loaded, name) for name in options} == options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"context_source": "old"},
            'algo_params.context_source = "old": expected one of "recent", "whole", "rl_batch"',
        ),
        (
            {
                "context_source": "rl_batch",
                "embedding_batch_size": 257,
                "embedding_mini_batch_size": 257,
            },
            "algo_params.embedding_batch_size = 257, algo_params.batch_size = 256: "
            "expected the context to fit",
        ),
        (
            {"context_trajectories": 0},
            "algo_params.context_trajectories = 0: expected an integer, at least 1 or null",
        ),
        (
            {"context_trajectories": 2, "recurrent": True},
            'expected null, or the "mlp" encoder and the "recent" source',
        ),
        (
            {"context_trajectories": 2, "context_source": "whole"},
            'expected null, or the "mlp" encoder and the "recent" source',
        ),
        (
            {"context_trajectories": 2, "replay_buffer_size": 199},
            "expected room for a whole trajectory",
        ),
        (
            {"kl_reduction": "mean"},
            'algo_params.kl_reduction = "mean": expected one of "sum", "mean_task"',
        ),
        (
            {"update_post_train": 0},
            "algo_params.posterior_from_start = false: "
            "expected an update, or the posterior from the start",
        ),
        (
            {"update_post_train": -1},
            "algo_params.update_post_train = -1: expected an integer, at least 0",
        ),
        ({"eval_exploration": True}, "algo_params.eval_exploration = true: expected one of"),
        (
            {"eval_protocol": "2019"},
            'algo_params.eval_protocol = "2019": expected one of "online", "oyster2019"',
        ),
        ({"eval_every": 0}, "algo_params.eval_every = 0: expected an integer, at least 1"),
        ({"init": "fan-in"}, 'algo_params.init = "fan-in": expected one of "fanout", "fanin"'),
        ({"min_sigma": -0.1}, "algo_params.min_sigma = -0.1: expected a number, at least 0"),
        (
            {"min_sigma": 0.1, "use_information_bottleneck": False},
            "algo_params.min_sigma = 0.1, algo_params.use_information_bottleneck = false: "
            "expected 0 without the bottleneck",
        ),
        (
            {"gradient_clip": 0},
            "algo_params.gradient_clip = 0: expected a number, more than 0 or null",
        ),
        (
            {"target_clip": -5},
            "algo_params.target_clip = -5: expected a number, more than 0 or null",
        ),
        (
            {"posterior_from_start": "yes"},
            'algo_params.posterior_from_start = "yes": expected true or false',
        ),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options, message):
    with pytest.raises(UserError) as caught:
        load(**options)
    assert message in str(caught.value)


def test_snapshots_are_asked_for_in_util_params():
    assert load({"save_every": 5}).util_params.save_every == 5
    with pytest.raises(
        UserError, match="util_params.save_every = 0: expected an integer, at least 1 or null"
    ):
        load({"save_every": 0})
