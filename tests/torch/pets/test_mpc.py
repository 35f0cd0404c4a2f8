"""MPC: costs of candidates, warm start, replanning, independent lanes, resumption."""

import numpy as np
import pytest
import torch
from torch import Tensor

from rlkit.torch.pets.mpc import MPC
from rlkit.torch.pets.noise import LaneNoise
from rlkit.torch.pets.objective import NAN_COST, ModelCosts
from rlkit.torch.pets.planners import CEM, RandomShooting
from rlkit.torch.pets.propagation import PROPAGATIONS
from tests.torch.pets.toy import ACT_DIM, OBS_DIM, Remembered, make_dynamics, postprocess

H = 4
LOW, HIGH = torch.tensor([-1.0, -2.0]).double(), torch.tensor([1.0, 2.0]).double()


def reward(obs: Tensor, action: Tensor, next_obs: Tensor, planned_from: Tensor) -> Tensor:
    goal = planned_from[..., 2]
    return -((next_obs[..., 1] - goal) ** 2) - 0.1 * obs[..., 0] - 0.01 * (action**2).sum(dim=-1)


def costs_of(model_type: str = "PE", mode: str = "TSinf", particles: int = 6) -> ModelCosts:
    return ModelCosts(make_dynamics(model_type), PROPAGATIONS[mode], reward, particles)


def start(num_lanes: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randn(num_lanes, OBS_DIM, generator=generator, dtype=torch.float64)


class Counting:
    """Plans 0, 1, 2, ... plus the number of the plan times 100, and remembers where it began."""

    def __init__(self) -> None:
        self.means: list[Tensor] = []

    def plan(self, objective, mean: Tensor, noise: LaneNoise) -> Tensor:
        self.means.append(mean)
        steps = torch.arange(1.0, H + 1).double().view(1, H, 1) + 100 * (len(self.means) - 1)
        return steps.expand_as(mean)


def generators(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


def test_costs_are_mean_negative_returns_of_particles_moved_one_by_one():
    costs, noise, obs = costs_of("DE"), Remembered(*generators(0, 1)), start()
    generator = torch.Generator().manual_seed(5)
    candidates = torch.randn(2, 3, H, ACT_DIM, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        found = costs.objective(obs, noise)(candidates)
        for lane in range(2):
            for n in range(3):
                returns = []
                for particle in range(6):
                    state, total = obs[lane], 0.0
                    for action in candidates[lane, n]:
                        mean, _ = costs.model.predict(state.view(1, 1, -1), action.view(1, 1, -1))
                        moved = postprocess(state, mean[particle // 2, 0])
                        total += reward(state, action, moved, obs[lane]).item()
                        state = moved
                    returns.append(total)
                assert found[lane, n].item() == pytest.approx(-np.mean(returns), abs=1e-10)


@pytest.mark.parametrize("mode", PROPAGATIONS)
def test_random_numbers_of_a_lane_do_not_depend_on_its_neighbours(mode):
    costs, obs = costs_of(mode=mode, particles=1 if mode == "E" else 6), start(3)
    planner = CEM(LOW, HIGH, 20, 4, max_iters=3)
    mpc = MPC(costs, planner, LOW, HIGH, H)
    mpc.start_trajectories(generators(7, 8, 9))
    together = [mpc.get_actions(obs.numpy()) for _ in range(2)]
    for lane, seed in enumerate((7, 8, 9)):
        mpc.start_trajectories(generators(seed))
        for step in range(2):
            alone = mpc.get_actions(obs[lane : lane + 1].numpy())
            np.testing.assert_allclose(alone[0], together[step][lane], rtol=1e-9, atol=1e-9)


def test_a_plan_moves_a_trajectorys_generator_by_one_number_whatever_is_drawn():
    small, large = generators(3, 3)
    for generator, popsize in ((small, 5), (large, 50)):
        mpc = MPC(costs_of(), RandomShooting(LOW, HIGH, popsize), LOW, HIGH, H)
        mpc.start_trajectories([generator])
        mpc.get_actions(start(1).numpy())
    assert small.random() == large.random()


def test_particles_without_a_number_cost_a_million():
    def broken(obs: Tensor, action: Tensor, next_obs: Tensor, planned_from: Tensor) -> Tensor:
        rewards = torch.zeros(obs.shape[:2], dtype=obs.dtype)
        rewards[0, 1] = torch.nan
        rewards[1, 2] = -torch.inf
        return rewards

    costs = ModelCosts(make_dynamics("PE"), PROPAGATIONS["TSinf"], broken, 6)
    with torch.no_grad():
        candidates = torch.zeros(1, 3, H, ACT_DIM).double()
        found = costs.objective(start(1), Remembered())(candidates)
    assert found.tolist() == [[0.0, pytest.approx(NAN_COST / 6), torch.inf]]


def test_predicted_trajectories_begin_at_the_observation_and_follow_the_plan():
    costs, obs, plan = costs_of("D", "E", 1), start(), torch.ones(2, H, ACT_DIM).double()
    with torch.no_grad():
        states = costs.trajectories(obs, plan, Remembered(*generators(0, 1)))
        assert states.shape == (2, H + 1, 1, OBS_DIM)
        assert torch.equal(states[:, 0, 0], obs)
        for t in range(H):
            mean, _ = costs.model.predict(states[None, :, t, 0], plan[None, :, t])
            torch.testing.assert_close(states[:, t + 1, 0], postprocess(states[:, t, 0], mean[0]))


def test_every_plan_starts_from_the_rest_of_the_last_one():
    planner = Counting()
    mpc = MPC(costs_of(), planner, LOW, HIGH + 1, H)
    mpc.start_trajectories(generators(0, 1))
    actions = [mpc.get_actions(start().numpy()) for _ in range(3)]
    assert [action[0, 0] for action in actions] == [1, 101, 201]
    assert (planner.means[0] == torch.tensor([0.5, 0.5])).all()
    assert planner.means[1][1, :, 0].tolist() == [2, 3, 4, 0]
    assert planner.means[2][0, :, 1].tolist() == [102, 103, 104, 0]


def test_with_per_2_every_second_step_plans():
    planner = Counting()
    mpc = MPC(costs_of(), planner, LOW, HIGH, H, per=2)
    mpc.start_trajectories(generators(0))
    actions = [mpc.get_actions(start(1).numpy())[0, 0] for _ in range(5)]
    assert actions == [1, 2, 101, 102, 201]
    assert planner.means[1][0, :, 0].tolist() == [3, 4, 0, 0]


def test_a_new_trajectory_forgets_plan_and_queue():
    planner = Counting()
    mpc = MPC(costs_of(), planner, LOW, HIGH, H, per=2)
    mpc.start_trajectories(generators(0))
    mpc.get_actions(start(1).numpy())
    mpc.start_trajectories(generators(1, 2))
    assert mpc.get_actions(start().numpy()).tolist() == [[101, 101]] * 2
    assert (planner.means[1] == 0).all()


def test_a_trial_resumed_in_the_middle_continues_bit_for_bit():
    def new() -> MPC:
        return MPC(costs_of(), CEM(LOW, HIGH, 20, 4, max_iters=2), LOW, HIGH, H, per=2)

    mpc, lanes, obs = new(), generators(0, 1), start().numpy()
    mpc.start_trajectories(lanes)
    for _ in range(3):
        mpc.get_actions(obs)
    state, states = mpc.state_dict(), [lane.bit_generator.state for lane in lanes]
    expected = [mpc.get_actions(obs) for _ in range(4)]

    resumed, lanes = new(), generators(10, 11)
    for lane, saved in zip(lanes, states, strict=True):
        lane.bit_generator.state = saved
    resumed.start_trajectories(lanes)
    resumed.load_state_dict(state)
    for action in expected:
        np.testing.assert_array_equal(resumed.get_actions(obs), action)


def test_horizons_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="plan_hor is 0; expected at least 1"):
        MPC(costs_of(), Counting(), LOW, HIGH, 0)
    with pytest.raises(ValueError, match="per is 5; expected 1 to plan_hor, which is 4"):
        MPC(costs_of(), Counting(), LOW, HIGH, H, per=5)


def test_lanes_that_do_not_divide_an_axis_are_refused():
    with pytest.raises(ValueError, match="2 lanes cannot share axis 0"):
        LaneNoise(generators(0, 1)).normal((3, 2), lane_axis=0)
