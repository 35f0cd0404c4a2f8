"""The meta-test that every meta-learner shares, with a toy whose returns are known."""

import numpy as np
import pytest

from rlkit.core.algorithm import NoLoop
from rlkit.core.loop import Progress
from rlkit.core.meta_evaluation import MetaEvaluation, MetaTestSettings
from rlkit.core.online_returns import online_returns
from tests.toy import CountingEnv, RecordingPolicy

# Task k ends after its k-th step (0: never); every step has reward 1, half of it if sparse.
SETTINGS = {"num_runs": 2, "num_steps": 10, "horizon": 4}


class Recorder(NoLoop):
    def __init__(self):
        self.ticks = []

    def tick(self, done, total, note="", save=None):
        self.ticks.append((done, total, note))


def make_evaluation(train_tasks=(1, 2), eval_tasks=(3, 0), num_envs=16, **changes):
    settings = MetaTestSettings(**{**SETTINGS, **changes})
    return MetaEvaluation(
        CountingEnv(num_envs), RecordingPolicy(), train_tasks, eval_tasks, settings, seed=0
    )


def run(evaluation, splits=None, iteration=0, **options):
    splits = splits or {"train": list(evaluation.train_tasks), "test": list(evaluation.eval_tasks)}
    loop = Recorder()
    progress = Progress(loop, evaluation.budget)
    return evaluation.adaptations(iteration, splits, progress, **options), loop.ticks


def test_as_many_train_tasks_are_drawn_as_there_are_test_tasks():
    evaluation = make_evaluation(train_tasks=range(50), eval_tasks=range(60, 70))
    first, second = evaluation.draw_tasks(0), evaluation.draw_tasks(1)
    assert first["test"] == second["test"] == list(range(60, 70))
    assert len(first["train"]) == 10 and set(first["train"]) <= set(range(50))
    assert first["train"] != second["train"]
    assert first == evaluation.draw_tasks(0)


@pytest.mark.parametrize(("sparse", "scale"), [(False, 1.0), (True, 0.5)])
def test_statistics_are_those_of_the_final_trajectories(sparse, scale):
    evaluation = make_evaluation(sparse=sparse)
    adaptations, _ = run(evaluation)
    found = evaluation.statistics(adaptations)
    assert found["AverageReturn_all_train_tasks"] == scale * 1.5
    assert found["AverageReturn_all_test_tasks"] == scale * 3.5
    assert found["AverageReturn_std_test_tasks"] == scale * 0.5
    assert found["AverageReturn_prior_test_tasks"] == scale * 3.5
    assert found["AverageLength_test_tasks"] == 3.5
    assert found["SuccessRate_test_tasks"] == 0.5  # the task that never ends does not succeed
    assert list(found) == [
        "AverageReturn_all_train_tasks",
        "AverageReturn_all_test_tasks",
        "AverageReturn_std_test_tasks",
        "AverageReturn_prior_test_tasks",
        "AverageLength_test_tasks",
        "AverageSpeed_test_tasks",
        "SuccessRate_test_tasks",
    ]


def test_the_return_before_adaptation_is_that_of_the_first_trajectory():
    class Improving(CountingEnv):
        trials = 0

        def reset(self, generators):
            self.trials += 1
            return super().reset(generators)

        def step(self, *arguments):
            obs, reward, *rest = super().step(*arguments)
            return obs, reward * self.trials, *rest

    evaluation = make_evaluation(num_runs=1)
    evaluation.env = Improving(16)
    adaptations, _ = run(evaluation, {"train": [0], "test": [0]})
    found = evaluation.statistics(adaptations)
    # three trajectories of four steps on either task, rewards 1, 2, 3, then 4, 5, 6 a step
    assert found["AverageReturn_all_train_tasks"] == 4 * 3
    assert found["AverageReturn_prior_test_tasks"] == 4 * 4
    assert found["AverageReturn_all_test_tasks"] == 4 * 6
    online = online_returns(0, adaptations, sparse=False)
    assert [row["mean"] for row in online] == [4, 8, 12, 16, 20, 24]


def test_an_environment_that_knows_success_has_it_before_and_after_adaptation():
    class Learning(CountingEnv):
        knows_success = True

        def success(self, outcome, task):  # later trajectories reach more
            self.asked = getattr(self, "asked", 0) + 1
            return (outcome[..., 0] > 0) & (task[..., 0] <= self.asked)

    evaluation = make_evaluation(train_tasks=(1, 2), eval_tasks=(3, 0))
    evaluation.env = Learning(16)
    adaptations, _ = run(evaluation, {"train": [2, 3], "test": [3, 4]})
    found = evaluation.statistics(adaptations)
    assert {name: value for name, value in found.items() if "Success" in name} == {
        "SuccessRate_test_tasks": 0.0,  # asked first, so that tasks up to 1 succeed
        "SuccessRate_prior_train_tasks": 0.5,
        "SuccessRate_train_tasks": 1.0,
        "SuccessRate_prior_test_tasks": 1.0,
    }
    assert list(found)[-4:] == [name for name in found if "Success" in name]


def test_extra_columns_follow():
    evaluation = make_evaluation()
    evaluation.extra_columns = lambda adaptations: {"Runs": adaptations["train"].num_runs}
    adaptations, _ = run(evaluation)
    assert list(evaluation.statistics(adaptations).items())[-1] == ("Runs", 2)


def test_online_returns_are_one_row_per_trajectory_that_all_runs_have():
    evaluation = make_evaluation(eval_tasks=(3, 0))
    adaptations, _ = run(evaluation)
    rows = online_returns(7, adaptations, sparse=False)
    test = [row for row in rows if row["split"] == "test"]
    assert [row["trajectory"] for row in test] == [1, 2, 3]  # the run of four steps has three
    assert test[0] == {
        "iteration": 7,
        "split": "test",
        "trajectory": 1,
        "mean": 3.5,
        "std": 0.5,
        "n": 2,
    }
    assert len([row for row in rows if row["split"] == "train"]) == 5


@pytest.mark.parametrize("num_envs", [1, 3, 16])
def test_ticks_add_up_to_the_budget_whatever_the_lanes(num_envs):
    evaluation = make_evaluation(num_envs=num_envs)
    _, ticks = run(evaluation)
    done = [ticked for ticked, _, _ in ticks]
    assert done == sorted(done) and done[-1] == evaluation.budget == 2 * 2 * 2 * 10
    assert len(ticks) >= 10
    assert {note for _, _, note in ticks} == {"train tasks", "test tasks"}


def test_splits_iterations_tasks_runs_and_trajectories_have_streams_of_their_own():
    evaluation, seen = make_evaluation(), set()
    for split in ("train", "test"):
        for iteration in (0, 1):
            for key in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)):
                seen.add(evaluation.streams(iteration, split)(*key).random())
    seen.add(evaluation.streams(0, "test", "exploration")(0, 0, 0).random())
    assert len(seen) == 2 * 2 * 4 + 1


def test_the_settings_reach_the_rollouts():
    evaluation = make_evaluation(num_stochastic=1)
    adaptations, _ = run(evaluation)
    noisy = [bool(paths.actions.any()) for paths in adaptations["test"].trajectories]
    assert noisy[0] and not any(noisy[1:])
    assert adaptations["test"].num_runs == 2
    noise = make_evaluation(deterministic=False)
    assert all(paths.actions.any() for paths in run(noise)[0]["test"].trajectories)


def test_trajectories_that_were_run_before_are_not_run_again():
    whole, _ = run(make_evaluation())
    explored = {split: adaptation.trajectories[:1] for split, adaptation in whole.items()}
    evaluation = make_evaluation()
    partial, ticks = run(evaluation, explored=explored)
    for split in ("train", "test"):
        np.testing.assert_array_equal(whole[split].returns(False), partial[split].returns(False))
    assert ticks[-1][0] == evaluation.budget
    assert len(evaluation.policy.z) == sum(len(a.trajectories) - 1 for a in whole.values())
