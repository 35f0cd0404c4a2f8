"""MAML-TRPO, ProMP and RL² go through the house's commands.

Trained, resumed, evaluated, refused.
"""

import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import rlkit
from rlkit.core.algorithm import NoLoop
from rlkit.core.config import to_dict
from rlkit.launchers.launcher import launcher_for
from rlkit.launchers.load_config import load_config, parse_config
from rlkit.launchers.plot import main as plot
from sim_policy import main as sim_policy
from tests.meta_pg_runs import METHODS, config, rows, settings, write
from tests.tiny_runs import launch, same_weights

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted([*(CONFIGS / "meta_pg").rglob("*.json"), *(CONFIGS / "figure3").rglob("*.json")])


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(name: str, *arguments: object) -> Path:
    place = f"util_params.base_log_dir={name}"
    result = launch("config.json", "--set", place, *arguments)
    assert result.exit_code == 0, result.output
    (run_dir,) = Path(name).glob("*/*")
    return run_dir


@pytest.mark.parametrize("method", METHODS)
def test_a_run_resumes_bit_for_bit_repeats_and_is_evaluated(method, here):
    write(method)
    whole = run("whole")
    table = rows(whole)
    parts = run("parts", "--set", "algo_params.num_iterations=1")
    more = launch("--resume", parts, "--set", "algo_params.num_iterations=3")
    assert more.exit_code == 0, more.output
    again = run("again")
    for other in (parts, again):
        assert rows(other) == table and same_weights(other, whole)
    other_seed = rows(run("other", "--seed", 4, "--set", "algo_params.num_iterations=1"))
    assert other_seed[0]["AverageReturn_all_test_tasks"] != table[0]["AverageReturn_all_test_tasks"]
    steps = 4 * 6 * (2 if method == "rl2" else 2 * 3)
    assert [float(row["Number of env steps total"]) for row in table] == [
        steps,
        2 * steps,
        3 * steps,
    ]
    last = table[-1]
    assert all(
        math.isfinite(float(cell))
        for name, cell in last.items()
        if "Speed" not in name and "Success" not in name
    ), last
    assert_evaluated(whole, 2 if method == "rl2" else 4)


def test_rl2_resumes_with_its_statistics_and_counts_the_gradient_steps_it_took(here):
    write("rl2", normalize_obs=True, kl_target=1e-12)  # one step an iteration, instead of four
    whole = run("whole")
    parts = run("parts", "--set", "algo_params.num_iterations=1")
    more = launch("--resume", parts, "--set", "algo_params.num_iterations=3")
    assert more.exit_code == 0, more.output
    assert rows(parts) == rows(whole) and same_weights(parts, whole)
    counts = [float(row["Number of train steps total"]) for row in rows(whole)]
    assert counts == [1, 2, 3]
    network = rlkit.load(whole)._policy.network
    assert network.normalizer.count == 3 * 4 * 2 * 6  # steps of three iterations
    plain = run("plain", "--set", "algo_params.normalize_obs=false")
    assert rows(plain)[1] != rows(whole)[1]


def assert_evaluated(run_dir: Path, num_trajectories: int) -> None:
    """sim_policy.py, rlkit.load and plots take the run."""
    result = CliRunner().invoke(sim_policy, [str(run_dir)])
    assert result.exit_code == 0, result.output
    with (run_dir / "sim_policy.csv").open(newline="") as file:
        assert len([*csv.DictReader(file)]) == num_trajectories
    assert (run_dir / "trajectories.png").exists()
    agent = rlkit.load(run_dir)
    assert agent.act(np.zeros(2)).shape == (2,) and agent.protocol.num_explored >= 1
    curves = run_dir / "curves.png"
    result = CliRunner().invoke(plot, [str(run_dir), "-o", str(curves)])
    assert result.exit_code == 0 and curves.exists(), result.output


def test_the_loaded_agent_of_a_gradient_method_adapts(here):
    write("promp")
    agent = rlkit.load(run("one"))
    before = agent.act([0.3, 0.2])
    draw = np.random.default_rng(0)
    for _ in range(2):  # as many as the run explores
        actions = draw.uniform(-0.1, 0.1, (6, 2)).astype(np.float32)
        agent.adapt(draw.normal(size=(7, 2)), actions, draw.normal(size=6))
    assert not np.allclose(agent.act([0.3, 0.2]), before)
    agent.reset()
    assert np.allclose(agent.act([0.3, 0.2]), before)


def test_the_loaded_agent_of_rl2_acts_by_the_rewards_it_is_told(here):
    write("rl2")
    agent = rlkit.load(run("one"))
    actions = []
    for reward in (-1.0, -1.0, -9.0):
        agent.reset()
        agent.act([0.3, 0.2])
        agent.after_step(reward, False)
        actions.append(agent.act([0.3, 0.2]))
    assert np.array_equal(actions[0], actions[1]) and not np.array_equal(actions[0], actions[2])


def test_real_steps_are_counted_where_episodes_end_early(here):
    data = settings("maml-trpo", env_name="point-maml", max_path_length=60, init_std=3.0)
    experiment = launcher_for(parsed := parse_config(data, "test")).build(parsed, "cpu", 1)
    algorithm = experiment.algorithm
    seen = []
    original = algorithm.policy.data_of
    algorithm.policy.data_of = lambda paths, params: (
        seen.append(int(paths.lengths.sum())),
        original(paths, params),
    )[1]
    experiment.env.unwrapped.goal_radius = 0.2
    found = algorithm.collect_data(0, NoLoop())
    assert found["Number of env steps total"] == sum(seen) < 2 * 4 * 3 * 60
    assert found["Number of env steps nominal"] == 2 * 4 * 3 * 60
    experiment.close()


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("maml-trpo", {"outer": "vpg", "exploration_credit": True}),
        ("maml-trpo", {"num_inner_steps": 2, "inner_surrogate": "log_likelihood"}),
        ("maml-trpo", {"exploration_credit": True, "hvp_subsample": 0.34}),
        ("promp", {"kl_target": 0.01, "baseline": "linear_time", "nonlinearity": "relu"}),
        ("promp", {"num_inner_steps": 2, "baseline": "zero"}),
        ("rl2", {"cell": "lstm", "credit": "episode", "entropy_coef": 0.01}),
        ("rl2", {"normalize_obs": True, "kl_target": 0.02}),
    ],
)
def test_the_options_train(method, changes):
    experiment = launcher_for(parsed := config(method, **changes)).build(parsed, "cpu", 1)
    algorithm, loop = experiment.algorithm, NoLoop()
    before = {n: p.clone() for n, p in algorithm.networks["policy"].named_parameters()}
    for iteration in range(2):
        collected = algorithm.collect_data(iteration, loop)
        trained = algorithm.do_training(iteration, loop)
        evaluated = algorithm.evaluate(iteration, loop)
    found = {**collected, **trained, **evaluated}
    assert all(
        math.isfinite(v) for n, v in found.items() if "Speed" not in n and "Success" not in n
    )
    after = dict(algorithm.networks["policy"].named_parameters())
    assert any((before[name] != after[name]).any() for name in before)
    experiment.close()


ALGO = "algo_params"
REFUSED = {
    "an unknown method": ("maml-trpo", {"algorithm": "mamltrpo"}, "did you mean 'maml-trpo'"),
    "an unknown surrogate": ("promp", {f"{ALGO}.inner_surrogate": "dice"}, '"log_likelihood"'),
    "inner steps without data": ("promp", {f"{ALGO}.rollouts_per_task": 0}, "at least 1"),
    "a trial of fewer episodes than a test": (
        "rl2",
        {f"{ALGO}.num_exp_traj_eval": 2},
        "fewer exploration trajectories than episodes",
    ),
    "minibatches without trials": ("rl2", {f"{ALGO}.num_minibatches": 9}, "one trial in each"),
    "more fresh tasks than there is room for": (
        "maml-trpo",
        {f"{ALGO}.meta_batch": 6},
        "at most n_train_tasks fresh tasks",
    ),
    "held-out tasks that are trained on": ("rl2", {"n_eval_tasks": 3}, "together at most the 7"),
    "new tasks that cannot be drawn": (
        "maml-trpo",
        {"env_name": "sparse-point-robot"},
        "fresh_tasks.*sparse-point-robot cannot draw new tasks",
    ),
    "a backtracking that does not shorten": (
        "maml-trpo",
        {f"{ALGO}.line_search_decay": 1.0},
        "between 0 and 1",
    ),
    "an unknown policy": ("promp", {f"{ALGO}.policy": "mpl"}, "did you mean 'mlp'"),
    "a policy without second derivatives": (
        "promp",
        {f"{ALGO}.policy": "tests.torch.meta_pg.test_policy:OfMlp"},
        r"algo_params.policy = .*cannot be differentiated twice",
    ),
    "a setting of another method": ("rl2", {f"{ALGO}.inner_lr": 0.1}, "inner_lr"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_with_one_message(case, here):
    method, changes, expected = REFUSED[case]
    write(method)
    arguments = [
        part for key, value in changes.items() for part in ("--set", f"{key}={json.dumps(value)}")
    ]
    result = launch("config.json", *arguments)
    assert result.exit_code == 2
    message = result.stderr
    assert "Traceback" not in message
    assert re.search(expected, message, re.S), message
    assert not Path("output").exists()


@pytest.mark.parametrize(
    ("method", "change"),
    [("promp", "learning_rate"), ("rl2", "learning_rate"), ("maml-trpo", "inner_lr")],
)
def test_a_run_that_diverges_stops_and_keeps_its_last_checkpoint(method, change, here):
    write(method)
    result = launch("config.json", "--set", f"algo_params.{change}=1e38")
    assert result.exit_code == 3, result.output
    assert "finite" in result.stderr or "nan" in result.stderr
    assert "--resume" in result.stderr


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_configuration_loads_and_its_smoke_run_is_small(path):
    full = load_config(path)
    assert full.algorithm in METHODS and path.stem == f"{full.env_name}-{full.algorithm}"
    cut = full.cut_for_debug()
    assert launcher_for(cut).requirements(cut).iteration_steps <= 400
    assert to_dict(cut.cut_for_debug()) == to_dict(cut) and not [*cut.relations()]
    tasks = (full.n_train_tasks, full.n_eval_tasks, full.env_params["n_tasks"])
    pearl = CONFIGS / f"{full.env_name}.json"
    if pearl.exists():  # the held-out tasks are PEARL's
        theirs = load_config(pearl)
        assert tasks == (theirs.n_train_tasks, theirs.n_eval_tasks, theirs.env_params["n_tasks"])


@pytest.mark.parametrize("method", METHODS)
def test_print_config_names_steps_and_hours(method, here):
    write(method)
    result = launch("config.json", "--print-config")
    assert result.exit_code == 0
    steps = 4 * 6 * (2 if method == "rl2" else 2 * 3)
    assert (
        f"environment steps: {3 * steps:,} (0 at first, {steps:,} per iteration)" in result.stderr
    )
    assert "time: about" in result.stderr
    assert json.loads(result.stdout)["algorithm"] == method


def test_one_set_of_tasks_may_serve_for_both_where_it_cannot_be_drawn_anew():
    data = settings("rl2", env_name="cheetah-dir", fresh_tasks=False, max_path_length=3)
    data |= {"n_train_tasks": 2, "n_eval_tasks": 2, "env_params": {}}
    experiment = launcher_for(parsed := parse_config(data, "test")).build(parsed, "cpu", 1)
    found = experiment.algorithm.collect_data(0, NoLoop())
    assert found["Number of env steps total"] == 4 * 2 * 3
    experiment.close()
