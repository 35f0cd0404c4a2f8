"""STEVE through the command line: training, resuming, rejected input, evaluation, printing."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import rlkit
from rlkit.core.config import inspect, to_dict
from rlkit.core.rl_algorithm import Schedule
from rlkit.launchers.cli import main as rlkit_command
from rlkit.launchers.load_config import load_config
from rlkit.launchers.steve import STEVELauncher
from rlkit.launchers.steve_config import STEVEExperiment
from rlkit.launchers.steve_weights import histogram
from sim_policy import main as sim_policy
from tests.steve_runs import config, write_config
from tests.stoppable_runs import Stopped, run_stoppable
from tests.tiny_runs import launch, rows, same_weights

CONFIGS = Path(__file__).parents[2] / "configs" / "steve"
SHIPPED = sorted(CONFIGS.rglob("*.json"))
OFTEN = 1e-9  # minutes: a checkpoint with every tick
# (iteration, progress of the verb): random frames, pretraining, frames with updates
STOPS = [(0, 4), (0, 12), (0, 3), (0, 5), (1, 4), (1, 10), (2, 2), (3, 6), (3, 8), (3, 10)]
TIMES = 2  # first columns of a line of a log: seconds and hours


def run(folder: Path, settings, stop_at=None, *, resume: bool = False) -> list:
    minutes = OFTEN if stop_at else 10.0
    schedule = Schedule(settings.algo_params.num_iterations, checkpoint_minutes=minutes)
    return run_stoppable(
        STEVELauncher(), settings, folder, schedule, stop_at=stop_at, resume=resume
    )


def files_of(folder: Path) -> dict[str, list[list[str]]]:
    """The reference's files without hours and seconds."""
    greedy = (folder / "tiny.greedy.csv").read_text().splitlines()
    found = {"greedy": [line.split(",")[1:] for line in greedy]}
    for name in ("valuerl", "worldmodel"):
        lines = (folder / f"{name}.log").read_text().splitlines()
        found[name] = [line.replace("\t", ", ").split(", ")[TIMES:] for line in lines]
    return found


@pytest.fixture(scope="module")
def tiny():
    return config(algo_params__name="tiny")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(folder, tiny)
    return folder


@pytest.mark.parametrize("stop_at", STOPS, ids=str)
def test_a_stopped_run_equals_an_uninterrupted_one(tmp_path, whole, tiny, stop_at):
    with pytest.raises(Stopped):
        run(tmp_path, tiny, stop_at)
    run(tmp_path, tiny, resume=True)
    assert rows(tmp_path) == rows(whole)
    assert same_weights(tmp_path, whole)
    assert files_of(tmp_path) == files_of(whole)
    backups = [sorted(p.name for p in (f / "checkpoints").iterdir()) for f in (tmp_path, whole)]
    assert backups[0] == backups[1]


HARDCORE = pytest.param(
    "BipedalWalkerHardcore-v3",
    marks=pytest.mark.skipif(find_spec("Box2D") is None, reason="needs the extra steve"),
)


@pytest.mark.parametrize("task", ["Hopper-v4", HARDCORE])
def test_a_stopped_run_of_other_simulators_equals_an_uninterrupted_one(tmp_path, task):
    changed = config(env_name=task, algo_params__name="tiny", algo_params__max_path_length=30)
    run(tmp_path / "whole", changed)
    with pytest.raises(Stopped):
        run(tmp_path / "stopped", changed, (2, 6))
    run(tmp_path / "stopped", changed, resume=True)
    assert rows(tmp_path / "stopped") == rows(tmp_path / "whole")
    assert same_weights(tmp_path / "stopped", tmp_path / "whole")
    assert files_of(tmp_path / "stopped") == files_of(tmp_path / "whole")


def test_a_longer_run_equals_one_that_was_extended(tmp_path, whole):
    run(tmp_path, config(algo_params__name="tiny", algo_params__num_iterations=2))
    run(tmp_path, config(algo_params__name="tiny"), resume=True)
    assert rows(tmp_path) == rows(whole) and same_weights(tmp_path, whole)


def test_the_files_of_the_reference(whole):
    table, found = rows(whole), files_of(whole)
    frames = [float(row["Number of env steps total"]) for row in table]
    assert frames == [12, 22, 32, 42]
    assert [float(row["Number of train steps total"]) for row in table] == [0, 10, 20, 30]
    scores = np.array(found["greedy"], float)
    assert scores.shape == (8, 3) and scores[::2, 1].tolist() == frames
    averages = [float(row["AverageReturn"]) for row in table]
    np.testing.assert_allclose(scores[:, 2].reshape(4, 2).mean(1), averages, atol=2e-6)
    assert scores[::2, 0].tolist() == [1, 3, 6, 8]  # one before training, then before 4, 8, ...
    lines = np.array(found["valuerl"], float)
    assert lines.shape == (10, 3 + 4) and lines[:, 1].tolist() == list(range(2, 31, 3))
    losses = np.array(found["worldmodel"], float)
    assert losses.shape[1] == 3 + 5
    np.testing.assert_allclose(losses[:, 3], losses[:, 4:].sum(axis=1), rtol=1e-6)
    hps = json.loads((whole / "hps.json").read_text())
    assert hps["algo_params"]["policy_config"]["frames_per_update"] == 1
    names = sorted(path.name for path in (whole / "checkpoints").iterdir())
    assert names == ["000000007_worldmodel.params", "000000007_valuerl.params"][::-1]
    kept = torch.load(whole / "checkpoints" / names[0], weights_only=True)
    assert set(kept) == {"policy", "qf", "target_qf"}
    weights = [float(table[-1][f"Weight {t}"]) for t in range(3)]
    assert sum(weights) == pytest.approx(1)
    assert float(table[-1]["Model Use"]) == pytest.approx(1 - weights[0])
    assert table[0]["Q Loss"] == "nan" and table[0]["Model Loss"] != "nan"


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("steve")
    path = write_config(folder / "own-name.json", util_params__base_log_dir=str(folder / "out"))
    result = launch(path, "--set", "algo_params.num_iterations=2")
    assert result.exit_code == 0, result.output
    (found,) = (folder / "out").glob("*/*")
    return found


def test_the_scores_are_named_after_the_configuration(run_dir):
    assert json.loads((run_dir / "variant.json").read_text())["exp_name"] == "own-name"
    assert len((run_dir / "own-name.greedy.csv").read_text().splitlines()) == 4


def test_a_trained_policy_is_evaluated_and_loaded(run_dir):
    result = CliRunner().invoke(sim_policy, [str(run_dir)])
    assert result.exit_code == 0, result.output
    agent = rlkit.load(run_dir)
    obs = np.array([1.0, 0.0, 0.5], np.float32)
    weights = torch.load(run_dir / "policy.pth", weights_only=True)
    x = torch.from_numpy(obs)
    for i in range(4):
        x = x @ weights[f"weights.{i}"][0] + weights[f"biases.{i}"][0, 0]
        x = torch.relu(x) if i < 3 else x
    np.testing.assert_allclose(agent.act(obs), 2 * torch.tanh(x).numpy(), rtol=1e-5)


def test_print_config_names_steps_and_time(here):
    write_config(Path("config.json"))
    result = launch("config.json", "--print-config")
    assert result.exit_code == 0
    assert "gradient steps: 80 (20 per iteration)" in result.stderr
    assert "environment steps: 42 (2 at first, 10 per iteration)" in result.stderr
    assert "time: about" in result.stderr


ALGO = "algo_params"
REFUSED = {
    "an unknown method": (f"{ALGO}.value_expansion.method=mvee", '"mve", "mean_k"'),
    "no horizon": (f"{ALGO}.value_expansion.rollout_len=0", "at least 1"),
    "more critics drawn than there are": (
        f"{ALGO}.policy_config.critic.eval_sample_count=3",
        "no more members drawn than there are",
    ),
    "more transition members drawn": (
        f"{ALGO}.model_config.transition.train_sample_count=4",
        "no more members drawn than there are",
    ),
    "rows that cannot be shared": (f"{ALGO}.policy_config.batch_size=7", "share equally"),
    "other lanes than agents": ("util_params.num_envs=3", "2 or null"),
    "several tasks": ("env_name=point-robot", "an environment of one task, not of"),
    "a dead key": (f"{ALGO}.policy_config.algo=ddpg", "unknown key"),
}


@pytest.mark.parametrize(("change", "expected"), REFUSED.values(), ids=REFUSED)
def test_bad_settings_are_refused_in_one_message(here, change, expected):
    write_config(Path("config.json"))
    result = launch("config.json", "--set", change)
    assert result.exit_code == 2, result.output
    assert expected in result.stderr and change.partition("=")[0] in result.stderr
    assert not Path("output").exists()


def test_the_two_names_of_the_exploration_chance():
    policy = config(algo_params__policy_config__ddpg_explore_chance=0.0).algo_params.policy_config
    assert policy.epsilon == 0 and config().algo_params.policy_config.epsilon == 0.5


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_smoke_run_of_a_shipped_configuration_is_small(path):
    content = json.loads(path.read_text())  # environments are made once, below
    full, problems = inspect(content, STEVEExperiment)
    assert not problems and full.env_name in content["env_name"]
    cut = full.cut_for_debug()
    assert cut.algo_params.frames_after(1) <= 56
    assert to_dict(cut.cut_for_debug()) == to_dict(cut)
    assert not [*cut.relations()] and not [*cut.algo_params.relations()]


@pytest.mark.parametrize("task", ["halfcheetah", "hopper", "walker2d", "swimmer"])
def test_the_shipped_configurations_load(task):
    assert load_config(CONFIGS / f"{task}-steve.json").algo_params.num_iterations == 793


def test_the_weights_along_greedy_episodes(run_dir):
    result = CliRunner().invoke(
        rlkit_command, ["steve", "weights", str(run_dir), "--episodes", "3"]
    )
    assert result.exit_code == 0, result.output
    assert result.output.count("7 steps, return") == 3
    table = np.loadtxt(run_dir / "steve_weights.csv", delimiter=",", skiprows=1)
    assert table.shape == (10, 2 + 3)
    np.testing.assert_allclose(table[:, 2:].sum(axis=0), 1, atol=1e-5)
    means = (table[:, 2:] * table[:, :2].mean(axis=1, keepdims=True)).sum(axis=0)
    assert means.sum() == pytest.approx(1, abs=0.2)  # weights add up to 1
    assert (run_dir / "steve_weights.png").stat().st_size > 5000


def test_weights_are_counted_in_tenths():
    weights = np.array([[1.0, 0.0], [0.1, 0.9], [0.95, 0.05], [0.100011, 0.899989]])
    found = 4 * histogram(weights)
    assert found[:, 0].tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert found[:, 1].tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 2, 0]
