"""The evaluation of PEARL as it is built: what it reports, in which columns, and its ticks."""

import copy

from rlkit.core.algorithm import NoLoop
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.pearl import PEARL
from tests.launchers.test_pearl import SMALL, iterate, make_config


def test_only_the_evaluation_reports_what_is_evaluated():
    algorithm = PEARL().build(make_config(), "cpu", 0).algorithm
    assert "AverageReturn_prior_test_tasks" not in algorithm.collect_data(0, NoLoop())
    assert "AverageReturn_prior_test_tasks" not in algorithm.do_training(0, NoLoop())
    assert algorithm.tables(0) == {"online_returns": []}
    assert "AverageReturn_prior_test_tasks" in algorithm.evaluate(0, NoLoop())
    first, *_ = algorithm.tables(0)["online_returns"]
    assert {name: first[name] for name in ("iteration", "split", "trajectory", "n")} == {
        "iteration": 0,
        "split": "train",
        "trajectory": 1,
        "n": 2,
    }


def test_the_columns_of_a_run_are_what_its_verbs_report_in_their_order():
    experiment = PEARL().build(make_config(), "cpu", 0)
    (row,) = iterate(experiment, range(1))
    columns = experiment.algorithm.columns
    times = {name for name in columns if name.endswith("(s)")} | {"Epoch"}
    assert set(columns) - times == set(row)
    assert columns[40] == "Epoch" and columns[46] == "KL dim 0"
    trained = list(experiment.algorithm.do_training(1, NoLoop()))
    assert [name for name in columns if name in trained] == trained


def test_an_evaluation_ticks_after_each_rollout_and_its_steps_add_up():
    class Recorder(NoLoop):
        def __init__(self):
            self.ticks = []

        def tick(self, done, total, note="", save=None):
            self.ticks.append((done, total, note))

    for protocol in ("online", "oyster2019"):
        algorithm = PEARL().build(make_config(eval_protocol=protocol), "cpu", 0).algorithm
        algorithm.collect_data(0, NoLoop())
        loop = Recorder()
        algorithm.evaluate(0, loop)
        done = [ticked for ticked, _, _ in loop.ticks]
        runs = 2 * 2 * 30 * (1 if protocol == "online" else 2)
        assert {total for _, total, _ in loop.ticks} == {2 * 30 + runs}
        assert done == sorted(done) and done[-1] == 2 * 30 + runs
        assert [note for _, _, note in loop.ticks][:2] == ["training contexts", "train tasks"]


def test_no_two_trajectories_of_an_evaluation_share_a_random_stream():
    config = make_config(num_evals=2, num_exp_traj_eval=2, num_steps_per_eval=40)
    algorithm, seen = PEARL().build(config, "cpu", 0).algorithm, []
    algorithm.collect_data(0, NoLoop())
    obtain_samples = algorithm.evaluation.sampler.obtain_samples

    def recording(task_ids, generators, *arguments, **options):
        seen.extend(copy.deepcopy(generator).random() for generator in generators)
        return obtain_samples(task_ids, generators, *arguments, **options)

    algorithm.evaluation.sampler.obtain_samples = recording
    algorithm.evaluate(0, NoLoop())
    assert len(seen) == 2 * 4 + 2 * 2 * 2 * 2  # training contexts; splits, tasks, runs, explored
    assert len(set(seen)) == len(seen)


def test_each_split_shows_the_exploration_of_its_own_tasks():
    algorithm = PEARL().build(make_config(), "cpu", 0).algorithm
    algorithm.collect_data(0, NoLoop())
    algorithm.evaluate(0, NoLoop())
    for split, tasks in (("train", {0, 1, 2, 3}), ("test", {4, 5})):
        adaptation = algorithm.evaluation.adaptations[split]
        ids = [paths.task_ids.tolist() for paths in adaptation.trajectories]
        assert set(ids[0]) <= tasks and all(later == ids[0] for later in ids)


def test_returns_with_sparse_rewards_are_sparse_in_every_column():
    top = {"env_name": "sparse-point-robot", "env_params": {"n_tasks": 6, "goal_radius": 0.9}}
    data = {**copy.deepcopy(SMALL), **top}
    data["algo_params"] |= {"sparse_rewards": True}
    algorithm = PEARL().build(parse_config(data, "test"), "cpu", 0).algorithm
    algorithm.collect_data(0, NoLoop())
    row = algorithm.evaluate(0, NoLoop())
    returns = {name: value for name, value in row.items() if name.startswith("Average")}
    returns = {name: value for name, value in returns.items() if "Return" in name}
    assert len(returns) == 5 and all(value >= 0 for value in returns.values())  # dense: below 0
