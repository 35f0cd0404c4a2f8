"""The twin of PETS' benchmark computes the same numbers; the floor is the published count."""

import pytest
import torch

from benchmarks.pets_plan import NUM_NETS, TASKS, make_dynamics, make_plain
from rlkit.torch.pets.propagation import trajectory_sampling_inf


class Given:
    """Noise that was drawn before."""

    def __init__(self, z: torch.Tensor) -> None:
        self.z = z

    def normal(self, shape, lane_axis: int) -> torch.Tensor:
        assert self.z.shape == tuple(shape)
        return self.z

    uniform = normal


@pytest.mark.parametrize(
    ("name", "macs", "gflop"), [("cartpole", 507_000, 1014.0), ("halfcheetah", 132_000, 396.0)]
)
def test_the_floor_counts_the_published_arithmetic(name, macs, gflop):
    assert TASKS[name].macs == macs
    assert TASKS[name].plan_flops / 1e9 == pytest.approx(gflop)


@pytest.mark.parametrize("name", TASKS)
@torch.no_grad()
def test_the_twin_moves_the_same_particles(name):
    task, generator = TASKS[name], torch.Generator().manual_seed(1)
    obs = torch.randn(10, 3, task.obs_dim, generator=generator)
    action, z = torch.randn(3, task.act_dim, generator=generator), torch.randn_like(obs)
    ours = trajectory_sampling_inf(make_dynamics(task), obs, action, Given(z))
    rows = [part.transpose(0, 1).reshape(30, -1) for part in (obs, action.expand(10, -1, -1), z)]
    theirs = make_plain(task).next_obs(rows[0], rows[1], 10, rows[2])
    torch.testing.assert_close(ours.transpose(0, 1).reshape(30, -1), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", TASKS)
def test_the_twin_trains_to_the_same_weights(name):
    task, generator = TASKS[name], torch.Generator().manual_seed(1)
    dynamics, plain = make_dynamics(task), make_plain(task)
    for _ in range(3):
        inputs = torch.randn(NUM_NETS, 32, task.input_size, generator=generator)
        targets = torch.randn(NUM_NETS, 32, task.obs_dim, generator=generator)
        ours, theirs = (t.train_step(inputs, targets) for t in (dynamics, plain))
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    for i, weight in enumerate(dynamics.ensemble.networks.weights):
        twins = torch.stack([member[i][0] for member in plain.members])
        assert (weight - twins).abs().mean() < 1e-5
