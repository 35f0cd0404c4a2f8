"""Runs on images: whole iterations, resuming, widths, memory, and rejected settings."""

import copy

import numpy as np
import pytest
import torch

from rlkit.core.algorithm import NoLoop
from rlkit.core.checkpoint import Checkpoint
from rlkit.core.errors import UserError
from rlkit.launchers.estimate import estimates
from rlkit.launchers.load_config import load_config, parse_config
from rlkit.launchers.pearl import PEARL
from rlkit.launchers.pearl_sizes import buffer_sizes, frames_shown
from rlkit.launchers.run_folder import load_weights
from tests.launchers.test_pearl import SMALL, iterate, weights


def image_config(algo_params=None, **changes):
    """The small point robot of test_pearl.py in images of 16 x 16."""
    data = copy.deepcopy({**SMALL, "obs_mode": "image", "image_size": 16, **changes})
    data["algo_params"] |= algo_params or {}
    if data["algo_params"].get("sparse_rewards"):
        data["env_name"] = "sparse-point-robot"
    return parse_config(data, "test")


@pytest.mark.parametrize(
    "algo_params",
    [{}, {"encoder": "gru", "num_steps_posterior": 20, "replay_buffer_size": 50}],
    ids=["mlp", "gru, full rings"],
)
def test_a_resumed_run_on_pictures_equals_the_uninterrupted_one_bit_for_bit(tmp_path, algo_params):
    config = image_config(algo_params)
    whole, first = PEARL().build(config, "cpu", 0), PEARL().build(config, "cpu", 0)
    checkpoint, states = Checkpoint(tmp_path), []
    expected = iterate(whole, range(3))
    for iteration in range(2):  # the second checkpoint adds to the segments of the first
        iterate(first, [iteration])
        states.append(first.algorithm.state_dict())
        checkpoint.save(iteration, states[-1], first.algorithm.buffers)
    second = PEARL().build(config, "cpu", 0)
    iteration, state = Checkpoint(tmp_path).load(second.algorithm.buffers)
    second.algorithm.load_state_dict(state)
    (row,) = iterate(second, [iteration + 1])
    np.testing.assert_equal(row, expected[2])
    assert torch.equal(weights(second), weights(whole))
    assert {path.name.split("-")[0] for path in (tmp_path / "checkpoint").glob("*.npy")} == set(
        first.algorithm.buffers
    )


def test_what_is_collected_does_not_depend_on_the_lanes_beside_it():
    wide, narrow = (
        PEARL().build(image_config(util_params={"num_envs": lanes}), "cpu", 0).algorithm
        for lanes in (12, 1)
    )
    tasks, generators = (
        [0, 1, 2, 3],
        [[np.random.default_rng(i) for i in range(4)] for _ in range(2)],
    )
    first, second = (
        a.collection.sampler.obtain_samples(tasks, g)
        for a, g in zip((wide, narrow), generators, strict=True)
    )
    assert first.obs.dtype == np.uint8
    assert first.obs.shape == (4, 11, 16 * 16 * 3)
    np.testing.assert_allclose(
        first.actions, second.actions, atol=1e-5
    )  # a convolution rounds by its number of rows
    assert np.abs(first.obs.astype(int) - second.obs).max() <= 1


def test_every_encoder_and_option_of_the_context_runs_on_pictures():
    for algo_params in (
        {"encoder": "attention", "rl_batch_sampling": "trajectories"},
        {
            "use_next_obs_in_context": True,
            "eval_protocol": "oyster2019",
            "context_source": "rl_batch",
        },
        {"sparse_rewards": True, "use_information_bottleneck": False, "gradient_clip": 1.0},
    ):
        (row,) = iterate(PEARL().build(image_config(algo_params), "cpu", 0), range(1))
        assert np.isfinite(row["QF Loss"])


def test_an_agent_with_copied_weights_acts_by_pictures_as_well():
    config = image_config()
    first, second = (
        PEARL().build(config, "cpu", 0, copy_weights=copies) for copies in (False, True)
    )
    assert second.policy.obs_encoder is not second.networks["obs_encoder"]
    np.testing.assert_equal(iterate(first, range(2)), iterate(second, range(2)))


def test_frames_never_outgrow_what_was_projected_and_are_those_of_the_rows():
    config = image_config()
    algorithm = PEARL().build(config, "cpu", 0).algorithm
    for iteration in range(3):
        algorithm.collect_data(iteration, NoLoop())
    rows = buffer_sizes(config).replay
    assert algorithm.replay_buffer.num_rows == rows
    assert algorithm.replay_buffer.frames.num_rows == frames_shown(config, rows) == rows * 11 // 10


def test_requirements_count_the_pictures(tmp_path):
    text = "\n".join(estimates(load_config("configs/cheetah-vel-img.json"), timed=False))
    bytes_a_row = 4 * (2 * 3 + 6 + 3) + -(-64 * 64 * 3 * 51 // 50)
    assert f"({bytes_a_row} bytes per row)" in text
    assert "environment steps: 1,004,000 (4,000 at first, 5,000 per iteration)" in text


def test_the_state_decides_nothing_where_pictures_are_seen():
    networks = PEARL().build(image_config(), "cpu", 0).networks
    assert set(networks) == {
        "qf1",
        "qf2",
        "vf",
        "target_vf",
        "policy",
        "context_encoder",
        "obs_encoder",
    }
    assert networks["policy"].input_size == 256 + 5
    assert networks["context_encoder"].input_size == 256 + 2 + 1
    assert "obs_encoder" not in PEARL().build(image_config(obs_mode="state"), "cpu", 0).networks


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"obs_mode": "pixels"}, 'obs_mode = "pixels": expected one of "state", "image"'),
        ({"image_size": 8}, "image_size = 8: expected .*16"),
        ({"image_frames": 0}, "image_frames = 0"),
        (
            {"env_name": f"{__name__}:Blind"},
            'obs_mode = "image": .*Blind cannot be drawn: expected a MuJoCo model, or a method',
        ),
        ({"algorithm": "hfr"}, r'obs_mode = "image", algorithm = "hfr": expected "state"'),
    ],
)
def test_what_cannot_be_seen_is_refused_in_one_message(changes, message):
    with pytest.raises(UserError, match=message):
        image_config(**changes)


class Blind:
    """A task distribution written for old gym, which nobody can draw."""

    def __init__(self, n_tasks=6, randomize_tasks=True):
        import gymnasium

        self.tasks = list(range(n_tasks))
        self.observation_space = self.action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def get_all_task_idx(self):
        return range(len(self.tasks))

    def reset_task(self, idx):
        self.reset()

    def reset(self):
        return np.zeros(2)

    def step(self, action):
        return np.zeros(2), 0.0, False, {}


def test_weights_of_a_run_on_states_are_refused_for_one_on_pictures(tmp_path):
    for name, network in PEARL().build(image_config(obs_mode="state"), "cpu", 0).networks.items():
        torch.save(network.state_dict(), tmp_path / f"{name}.pth")
    with pytest.raises(UserError, match=r"missing weight files obs_encoder\.pth"):
        load_weights(tmp_path, PEARL().build(image_config(), "cpu", 0).networks)
