"""Problems that prevent a new run but not the resumption of an existing one."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import sim_policy
from rlkit.core.errors import UserError
from rlkit.launchers import plot
from rlkit.launchers.load_config import load_config, parse_config
from rlkit.launchers.pearl import PEARL
from tests.envs.old_gym_toys import write_toy
from tests.envs.own_task import LineWalk
from tests.test_old_runs import unpacked
from tests.tiny_runs import TINY, launch, rows

CONFIGS = Path(__file__).parents[2] / "configs"
SPARSE = {"sparse_rewards": True}
NEVER_TESTED = {"num_exp_traj_eval": 2}  # of the two trajectories of a meta-test


class Walk(LineWalk):
    """A user-defined task distribution that does not declare whether it has a sparse reward."""

    def __init__(self, n_tasks, *, randomize_tasks=True, **settings):
        super().__init__(n_tasks, **settings)


def with_algo(**changes):
    return {**TINY, "algo_params": {**TINY["algo_params"], **changes}}


def test_sparse_rewards_of_a_task_without_are_refused_naming_those_that_have_them():
    with pytest.raises(UserError, match="sparse_rewards = true.*point-robot has no.*sparse-point"):
        parse_config(with_algo(**SPARSE), "here")
    parse_config({**with_algo(**SPARSE), "env_name": "sparse-point-robot"}, "here")


def test_sparse_rewards_of_a_class_of_old_gym_that_gives_none_are_refused(tmp_path, monkeypatch):
    write_toy(monkeypatch, tmp_path)
    data = {**with_algo(**SPARSE), "env_name": "toy_tasks.lines:Toy"}
    with pytest.raises(UserError, match="toy_tasks.lines:Toy has no sparse reward"):
        parse_config(data, "here")


def test_a_class_that_does_not_say_whether_it_has_sparse_rewards_gets_a_warning():
    data = {**with_algo(**SPARSE), "env_name": "tests.launchers.test_new_runs:Walk"}
    config = parse_config(data, "here")
    lines = [line for line in PEARL().remarks(config, "cpu") if "sparse" in line]
    (line,) = lines
    assert "if tests.launchers.test_new_runs:Walk has no sparse rewards" in line
    dense = parse_config({**TINY, "env_name": "tests.launchers.test_new_runs:Walk"}, "here")
    assert not any("sparse" in line for line in PEARL().remarks(dense, "cpu"))


@pytest.mark.parametrize(("num_exp_traj_eval", "num_steps"), [(2, 10), (3, 10), (2, 6), (1, 5)])
def test_a_meta_test_that_never_uses_a_posterior_is_refused(num_exp_traj_eval, num_steps):
    data = with_algo(num_exp_traj_eval=num_exp_traj_eval, num_steps_per_eval=num_steps)
    with pytest.raises(UserError, match="num_exp_traj_eval = .*num_steps_per_eval = "):
        parse_config(data, "here")
    data["algo_params"]["eval_protocol"] = "oyster2019"
    parse_config(data, "here")


def test_a_meta_test_whose_last_trajectory_uses_a_posterior_is_accepted():
    parse_config(with_algo(num_exp_traj_eval=2, num_steps_per_eval=11), "here")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("paper/*.json")), ids=lambda path: path.stem)
def test_the_settings_of_the_paper_are_valid_with_the_first_releases_protocol(path):
    assert load_config(path).algo_params.eval_protocol == "oyster2019"


@pytest.mark.parametrize("changes", [SPARSE, NEVER_TESTED], ids=str)
def test_a_run_folder_of_before_is_evaluated_plotted_and_resumed_with_one_line(
    changes, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    run_dir = unpacked("pearl", tmp_path)
    variant = json.loads((run_dir / "variant.json").read_text())
    variant["algo_params"] |= changes
    (run_dir / "variant.json").write_text(json.dumps(variant))

    refused = launch(run_dir / "variant.json")
    assert refused.exit_code == 2
    resumed = launch("--resume", run_dir, "--set", "algo_params.num_iterations=3")
    assert resumed.exit_code == 0, resumed.output
    assert resumed.output.count("a new run would be refused: ") == 1
    assert len(rows(run_dir)) == 3
    evaluated = CliRunner().invoke(sim_policy.main, [str(run_dir)])
    assert evaluated.exit_code == 0, evaluated.output
    assert evaluated.output.count("a new run would be refused: ") == 1
    drawn = CliRunner().invoke(plot.main, [str(run_dir)])
    assert drawn.exit_code == 0, drawn.output
