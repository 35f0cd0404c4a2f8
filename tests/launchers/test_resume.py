"""Settings that may change when a run is resumed, and settings that must not."""

import json

import pytest

from rlkit.core.errors import UserError
from rlkit.launchers.choices import resolve
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.record import variant_record
from rlkit.launchers.run_config import resumed_config

DATA = {
    "env_name": "point-robot",
    "n_train_tasks": 8,
    "n_eval_tasks": 2,
    "env_params": {"n_tasks": 10},
    "util_params": {},
}


def run_of(tmp_path, data: dict = DATA):
    config = resolve(parse_config(data, "here"))
    (tmp_path / "variant.json").write_text(
        json.dumps(variant_record(config, config, "name", "cpu"))
    )
    (tmp_path / "config.json").write_text(json.dumps(data))
    return config


def refusal(*arguments) -> str:
    with pytest.raises(UserError) as caught:
        resumed_config(*arguments)
    return str(caught.value)


def test_a_run_goes_on_with_its_own_configuration(tmp_path):
    config = run_of(tmp_path)
    assert resumed_config(tmp_path, None, []) == config


def test_the_json_it_was_started_with_agrees_whatever_was_chosen_at_the_start(tmp_path):
    config = run_of(tmp_path)
    assert resumed_config(tmp_path, tmp_path / "config.json", []) == config


def test_the_length_and_the_use_of_the_machine_may_change(tmp_path):
    run_of(tmp_path)
    settings = ["algo_params.num_iterations=700", "util_params.torch_threads=3"]
    config = resumed_config(tmp_path, tmp_path / "config.json", settings)
    assert (config.algo_params.num_iterations, config.util_params.torch_threads) == (700, 3)


@pytest.mark.parametrize(
    "setting",
    [
        "algo_params.batch_size=8",
        "seed=123456789012",
        "env_name=sparse-point-robot",
        "util_params.debug=true",
        "n_eval_tasks=1",
    ],
)
def test_nothing_else_may_change(tmp_path, setting):
    run_of(tmp_path)
    assert setting.split("=")[0] in refusal(tmp_path, None, [setting])


def test_another_configuration_is_refused_with_the_keys_in_which_it_differs(tmp_path):
    run_of(tmp_path)
    other = {**DATA, "latent_size": 7, "algo_params": {"batch_size": 32, "num_iterations": 9}}
    (tmp_path / "other.json").write_text(json.dumps(other))
    lines = refusal(tmp_path, tmp_path / "other.json", []).splitlines()
    assert [line.strip() for line in lines[1:]] == [
        "algo_params.num_iterations = 9 (run: 500)",
        "algo_params.batch_size = 32 (run: 256)",
        "latent_size = 7 (run: 5)",
    ]


def test_a_debug_run_agrees_with_the_json_it_was_cut_from(tmp_path):
    config = run_of(tmp_path).cut_for_debug()
    (tmp_path / "variant.json").write_text(
        json.dumps(variant_record(config, config, "name", "cpu"))
    )
    settings = ["algo_params.num_iterations=4"]
    assert (
        resumed_config(tmp_path, tmp_path / "config.json", settings).algo_params.num_iterations == 4
    )


def test_a_folder_without_variant_json_is_no_run(tmp_path):
    assert "there is no variant.json" in refusal(tmp_path, None, [])
    assert "there is no variant.json" in refusal(tmp_path / "absent", None, [])


def test_a_corrupt_variant_json_is_named(tmp_path):
    (tmp_path / "variant.json").write_text('{"env_name": "point-ro')
    assert "variant.json: not valid JSON" in refusal(tmp_path, None, [])
