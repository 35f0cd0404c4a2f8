"""Run folders, names, and the choices that are made at the start."""

import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

from rlkit.core.errors import UserError
from rlkit.launchers import ALGORITHMS
from rlkit.launchers import run as run_module
from rlkit.launchers.choices import resolve
from rlkit.launchers.folders import create_run_folder, lock_run_folder
from rlkit.launchers.launcher import Launcher, launcher_of
from rlkit.launchers.load_config import load_config, parse_config
from rlkit.launchers.pearl_config import PEARLExperiment, PEARLUtil
from rlkit.launchers.record import experiment_name, variant_record

NOW = datetime(2031, 2, 3, 4, 5, 6)


def config_in(folder, *, debug: bool = False, env_name: str = "point-robot") -> PEARLExperiment:
    return PEARLExperiment(
        env_name=env_name, util_params=PEARLUtil(base_log_dir=str(folder), debug=debug)
    )


def test_a_run_folder_is_named_after_environment_and_time(tmp_path):
    run_dir = create_run_folder(config_in(tmp_path / "new", env_name="my_env"), NOW)
    assert run_dir == tmp_path / "new" / "my-env" / "2031_02_03_04_05_06"
    assert run_dir.is_dir()
    run_dir = create_run_folder(config_in(tmp_path, env_name="my_env/Line-v0"), NOW)
    assert run_dir.parent == tmp_path / "my-env.Line-v0"


def test_runs_of_one_second_get_folders_of_their_own(tmp_path):
    names = [create_run_folder(config_in(tmp_path), NOW).name for _ in range(3)]
    assert names == ["2031_02_03_04_05_06", "2031_02_03_04_05_06_2", "2031_02_03_04_05_06_3"]


def test_a_debug_run_replaces_the_one_before(tmp_path):
    config = config_in(tmp_path, debug=True)
    run_dir = create_run_folder(config, NOW)
    (run_dir / "variant.json").write_text("{}")
    (run_dir / "old").mkdir()
    assert create_run_folder(config, NOW) == run_dir == tmp_path / "point-robot" / "debug"
    assert list(run_dir.iterdir()) == []
    assert list(run_dir.parent.iterdir()) == [run_dir]


def test_a_debug_folder_that_is_no_run_is_left_alone(tmp_path):
    folder = tmp_path / "point-robot" / "debug"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="debug: expected an earlier run"):
        create_run_folder(config_in(tmp_path, debug=True), NOW)
    assert (folder / "thesis.txt").read_text() == "precious"


def test_a_base_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError,
        match=r"util_params.base_log_dir: .*file.*cannot be created.*expected a writable folder",
    ):
        create_run_folder(config_in(tmp_path / "file"), NOW)


def test_two_processes_cannot_run_in_one_folder(tmp_path):
    with lock_run_folder(tmp_path):
        with (
            pytest.raises(UserError, match="another process is running"),
            lock_run_folder(tmp_path),
        ):
            pass
    with lock_run_folder(tmp_path):
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_of_the_table_can_be_built(name):
    assert isinstance(launcher_of(name), Launcher)


def test_what_is_left_open_is_chosen_at_the_start_and_what_is_given_stays():
    config = parse_config(
        {"env_name": "point-robot", "n_train_tasks": 1, "n_eval_tasks": 1}, "here"
    )
    chosen = resolve(config)
    util = chosen.util_params
    assert None not in (chosen.seed, util.num_envs, util.torch_threads, util.physics_threads)
    assert resolve(chosen) == chosen
    threads = replace(
        util,
        num_envs=3,
        torch_threads=5,
        physics_threads=7,
        matmul="onednn",
        slice_rows=9,
        rollout_device="cpu",
    )
    given = replace(config, seed=0, util_params=threads)
    assert resolve(given) == given


def test_seeds_that_are_drawn_differ():
    config = PEARLExperiment()
    assert resolve(config).seed != resolve(config).seed


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("configs/point-robot.json", "point-robot"),
        ("configs/quick/a.json", "quick-a"),
        ("elsewhere/mine.json", "mine"),
    ],
)
def test_an_experiment_is_named_after_its_file(path, name):
    assert experiment_name(Path(path)) == name


def test_a_variant_json_is_a_configuration_that_repeats_its_run(tmp_path):
    config = resolve(
        parse_config({"env_name": "point-robot", "n_train_tasks": 1, "n_eval_tasks": 1}, "here")
    )
    path = tmp_path / "variant.json"
    path.write_text(json.dumps(variant_record(config, config, "first-try", "cpu")))
    assert (load_config(path), experiment_name(path)) == (config, "first-try")


def test_a_variant_json_tells_what_was_left_open(tmp_path):
    requested = parse_config(
        {"env_name": "point-robot", "n_train_tasks": 1, "n_eval_tasks": 1, "seed": 3}, "here"
    )
    record = variant_record(resolve(requested), requested, "first-try", "cpu")
    machine_keys = (
        "matmul",
        "num_envs",
        "physics_threads",
        "rollout_device",
        "slice_rows",
        "torch_threads",
    )
    measured = ("matmul", "rollout_device")
    assert record["requested"] == {
        f"util_params.{key}": "auto" if key in measured else None for key in machine_keys
    }


def test_a_run_tells_the_c_library_to_keep_freed_memory_before_it_trains(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(run_module, "keep_freed_memory", lambda: calls.append("keep"))
    monkeypatch.setattr(run_module, "train", lambda *args, **options: calls.append("train"))
    config = config_in(tmp_path)
    config = replace(config, env_params={"n_tasks": 2}, n_train_tasks=1, n_eval_tasks=1)
    run_module.start_run(config, "test", Console(quiet=True), nullcontext)
    assert calls == ["keep", "train"]
