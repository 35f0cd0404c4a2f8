"""HFR's configuration files: the authors' eight, the quick ones, the ablations; all of them run."""

import csv
from contextlib import nullcontext
from pathlib import Path

import pytest
from rich.console import Console

from rlkit.core.config import flatten, to_dict
from rlkit.core.errors import UserError
from rlkit.launchers.estimate import estimates
from rlkit.launchers.launcher import launcher_for
from rlkit.launchers.load_config import load_config
from rlkit.launchers.run import start_run

FOLDER = Path(__file__).parents[2] / "configs" / "hfr"
FILES = sorted(FOLDER.rglob("*.json"))


def loaded(path, settings=()):
    """The configuration, or a skipped test where the task's own files are not installed."""
    try:
        return load_config(path, settings)
    except UserError as error:
        if "metaworld" in str(error):
            pytest.skip(str(error))
        raise


# Of HFR's files: initial steps, steps an iteration, iterations, gradient steps, evaluation steps an
# iteration (without those of the evaluation with the buffer's context, which HFR does not make),
# start states
SHIPPED = {
    "ant-goal": (200_000, 10_000, 180, 1000, 36_000, 64),
    "ant-vel": (300_000, 10_000, 160, 1000, 36_000, 256),
    "cheetah-highdim": (200_000, 10_000, 180, 1000, 36_000, 256),
    "cheetah-vel": (200_000, 5_000, 160, 1000, 36_000, 256),
    "cheetah-vel-sparse": (200_000, 5_000, 160, 1000, 72_000, 256),
    "four-corners": (800, 10_000, 300, 1000, 6_400, 1024),
    "sawyer-push-sparse": (105_000, 10_500, 90, 1000, 24_000, 256),
    "sawyer-reach-sparse": (105_000, 10_500, 40, 1000, 24_000, 256),
}


@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*.json"))])
def test_the_authors_files_ask_for_the_steps_of_their_experiments(name):
    config = loaded(FOLDER / f"{name}.json")
    algo, needed = config.algo_params, launcher_for(config).requirements(config)
    evaluation = 2 * config.n_eval_tasks * algo.num_evals * algo.num_steps_per_eval
    found = (
        needed.initial_steps,
        needed.iteration_steps,
        algo.num_iterations,
        algo.num_train_steps_per_itr,
        evaluation,
        algo.utility_batch_size,
    )
    assert found == SHIPPED[name]
    assert (
        algo.relabel_method,
        algo.probability,
        algo.num_partition_samples,
        algo.use_softmax,
    ) == ("hfr-q", 0.5, 20, True)


@pytest.mark.parametrize(
    ("name", "seed"),
    [("ant-goal", 1), ("ant-vel", 3), ("cheetah-vel", 3), ("cheetah-vel-sparse", 1)],
)
def test_the_task_set_is_hfrs(name, seed):
    assert load_config(FOLDER / f"{name}.json").env_params["task_seed"] == seed


@pytest.mark.parametrize(("name", "rows"), [("four-corners", 64), ("sparse-point-robot", 256)])
def test_the_quick_files_have_the_sizes_that_are_compared(name, rows):
    config = load_config(FOLDER / "quick" / f"{name}.json")
    algo = config.algo_params
    sizes = (
        config.net_size,
        algo.meta_batch,
        algo.batch_size,
        algo.embedding_batch_size,
        algo.utility_batch_size,
    )
    assert sizes == (128, 8, 128, rows, 64)


ABLATIONS = {
    "argmax": {"use_softmax": False},
    "no-partition": {"use_partition": False},
    "bellman": {"relabel_method": "hfr-bellman"},
    "learned-reward": {"use_learned_reward": True},
    "k5": {"num_partition_samples": 5},
    "temperature": {"relabel_temperature": 10.0},
}


def test_an_ablation_differs_from_four_corners_in_what_it_is_named_for():
    shipped = flatten(to_dict(load_config(FOLDER / "four-corners.json")))
    paths = sorted((FOLDER / "ablations").glob("four-corners-*.json"))
    assert [path.stem for path in paths] == sorted(f"four-corners-{name}" for name in ABLATIONS)
    for name, changes in ABLATIONS.items():
        ours = flatten(to_dict(load_config(FOLDER / "ablations" / f"four-corners-{name}.json")))
        assert {key: ours[key] for key in shipped if ours[key] != shipped[key]} == {
            f"algo_params.{key}": value for key, value in changes.items()
        }


TINY = [
    "net_size=8",
    "algo_params.batch_size=4",
    "algo_params.utility_batch_size=2",
    "algo_params.num_partition_samples=1",
]
TINY += [
    "algo_params.embedding_batch_size=4",
    "algo_params.embedding_mini_batch_size=4",
]
TINY += [
    "util_params.torch_threads=1",
    "util_params.physics_threads=1",
    "util_params.use_gpu=false",
    "util_params.matmul=default",
]
TINY += ["n_eval_tasks=1", "seed=1"]


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: str(path.relative_to(FOLDER).with_suffix(""))
)
def test_every_file_runs_from_end_to_end(path, tmp_path):
    config = loaded(path)
    horizon, four = config.algo_params.max_path_length, config.env_name == "four-corners"
    few = [] if four else ["n_train_tasks=3"]
    settings = [
        *TINY,
        *few,
        f"algo_params.num_steps_per_eval={(config.algo_params.num_exp_traj_eval + 1) * horizon}",
        f"util_params.base_log_dir={tmp_path}",
    ]
    settings = [text for text in settings if not (four and text.startswith("n_eval_tasks"))]
    cut = load_config(path, settings).cut_for_debug()
    run_dir = start_run(cut, "debug", Console(quiet=True), nullcontext)
    with (run_dir / "progress.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 and float(rows[1]["Relabeling Time (s)"]) > 0
    assert "memory: about" in "\n".join(estimates(config, timed=False))
