"""Recurrent policies in rollouts: their feedback, and trials independent of neighbours."""

import numpy as np
import pytest

from rlkit.core.eval_util import evaluate_adaptation
from rlkit.core.seeding import stream
from rlkit.envs import make_env
from rlkit.envs.wrapper import NormalizedBoxEnv
from rlkit.policies.base import FeedbackPolicy
from rlkit.policies.simple import RandomPolicy
from rlkit.samplers.util import rollout
from tests.envs.own_task import LineWalk
from tests.toy import CountingEnv, RecordingPolicy


def times(rows, weights):
    """`rows @ weights.T`; unlike BLAS, the order of additions ignores the number of rows."""
    return sum(rows[:, i : i + 1] * weights[:, i] for i in range(rows.shape[1]))


class Told(RecordingPolicy):
    """Records its calls."""

    def __init__(self):
        super().__init__()
        self.told = []

    def after_step(self, reward, ended):
        self.told.append((reward.tolist(), ended.tolist()))


class Recurrent:
    """A state per lane, fed with the last action, its reward and the end of an episode.

    The state outlives a trajectory, as in RL²; only `reset_belief` clears it.
    """

    def __init__(self, act_dim):
        self.weights = np.random.default_rng(0).normal(size=(act_dim, 4))

    def reset_belief(self, num_envs):
        self.state = np.zeros((num_envs, 4))

    def adapt(self, paths):
        pass

    def start_trajectories(self, generators):
        self.over = np.zeros(len(self.state), bool)

    def get_actions(self, obs, noise):
        self.action = np.tanh(times(self.state * obs[:, :1], self.weights) + 0.5 * noise)
        return self.action

    def after_step(self, reward, ended):
        fed = np.tanh(
            self.state + times(self.action, self.weights.T) + reward[:, None] + ended[:, None]
        )
        self.state = np.where(self.over[:, None], self.state, fed)
        self.over = ended


def test_a_policy_is_told_rewards_and_ends_of_termination_and_horizon():
    policy = Told()
    rollout(CountingEnv(), policy, [0, 2, 3], [stream(0, "t", i) for i in range(3)], 4)
    assert policy.told == [
        ([1, 1, 1], [False, False, False]),
        ([1, 1, 1], [False, True, False]),
        ([1, 0, 1], [False, True, True]),
        ([1, 0, 0], [True, True, True]),
    ]


def test_only_a_policy_with_after_step_is_told():
    assert isinstance(Told(), FeedbackPolicy)
    assert not isinstance(RandomPolicy(1), FeedbackPolicy)


def trials(env, task_ids, which):
    """Trials of several trajectories on the chosen entries of `task_ids`, and the final states."""
    policy, states = Recurrent(env.act_dim), []
    policy.adapt = lambda paths: states.append(policy.state.copy())
    adaptation = evaluate_adaptation(
        env,
        policy,
        [task_ids[i] for i in which],
        num_runs=1,
        num_steps=40,
        max_path_length=40,
        streams=lambda index, run, n: stream(0, "trial", which[index], n),
        deterministic=False,
    )
    return adaptation.trajectories, states


@pytest.mark.parametrize("name", ["humanoid-dir", "hopper-rand-params", "point-robot", "line-walk"])
def test_a_trial_does_not_depend_on_the_lanes_next_to_it_nor_on_their_number(name):
    def env(num_envs):
        if name == "line-walk":
            return NormalizedBoxEnv(LineWalk(5, num_envs=num_envs))
        return make_env(name, n_tasks=5, num_envs=num_envs)

    together, states = trials(env(6), [0, 1, 2, 3, 4, 0], range(6))
    for which in ([4], [1, 4], [5, 4, 0, 2]):
        lane = which.index(4)
        some, some_states = trials(env(len(which)), [0, 1, 2, 3, 4, 0], which)
        for whole, part, state, some_state in zip(
            together, some, states, some_states, strict=False
        ):
            length = whole.lengths[4]
            assert part.lengths[lane] == length
            if length:
                assert part.actions[lane].tobytes() == whole.actions[4].tobytes()
                assert part.obs[lane].tobytes() == whole.obs[4].tobytes()
                assert part.rewards[lane].tobytes() == whole.rewards[4].tobytes()
                assert some_state[lane].tobytes() == state[4].tobytes()
    if name in ("humanoid-dir", "hopper-rand-params"):
        ends = np.concatenate([paths.lengths for paths in together])
        assert len(set(ends[ends > 0])) > 1, "episodes end at different times"


def test_a_trajectory_that_the_class_cuts_off_ends_without_being_terminated():
    class Staggered(LineWalk):
        def _advance(self, action, lanes):
            step = super()._advance(action, lanes)
            return step._replace(truncated=self.steps[lanes] >= 2 + self.task_ids[lanes])

    env, policy = Staggered(4, num_envs=3), Told()
    paths = rollout(env, policy, [0, 1, 3], [stream(0, "cut", i) for i in range(3)], 10)
    assert paths.lengths.tolist() == [2, 3, 5]
    assert not paths.terminated.any()
    assert env.steps.tolist() == [2, 3, 5], "a lane is not advanced beyond its end"
    assert [ended for _, ended in policy.told][1:] == [
        [True, False, False],
        [True, True, False],
        [True, True, False],
        [True, True, True],
    ]
