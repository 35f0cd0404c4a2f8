"""Error messages of `sim_policy.py` for unsuitable folders and configurations; episode encoders."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.test_sim_policy import CHEETAH, ROBOT, make_run, run, table


def test_settings_of_config_that_differ_from_the_run_are_named_and_not_used(tmp_path):
    make_run(tmp_path / "run", ROBOT)
    config = tmp_path / "robot.json"
    config.write_text(json.dumps({**ROBOT, "latent_size": 3}))
    result = run(config, tmp_path / "run")
    assert result.exit_code == 0
    assert "latent_size = 3 (run: 2)" in result.output


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "policy.pth").unlink(), "missing weight files policy.pth"),
        (
            lambda folder: (folder / "policy.pth").write_bytes(b"PK\x03\x04 cut off"),
            "damaged, or not a weight file",
        ),
        (lambda folder: (folder / "variant.json").unlink(), "there is no variant.json"),
        (lambda folder: (folder / "tasks.npz").write_bytes(b""), "tasks.npz: damaged"),
        (lambda folder: np.savez(folder / "tasks.npz", tasks=np.zeros((4, 2))), "as tasks"),
    ],
)
def test_damaged_run_folders_are_refused_with_one_message(tmp_path, damage, message):
    make_run(tmp_path / "run", ROBOT)
    damage(tmp_path / "run")
    result = run(tmp_path / "run")
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "run" / "sim_policy.csv").exists()


def test_weights_of_another_environment_are_refused_with_names_and_shapes(tmp_path):
    make_run(tmp_path / "run", ROBOT)
    make_run(tmp_path / "other", CHEETAH)
    (tmp_path / "other" / "policy.pth").replace(tmp_path / "run" / "policy.pth")
    result = run(tmp_path / "run")
    assert result.exit_code == 2
    assert "fc0.weight is [8, 22], expected [8, 4]" in result.output


@pytest.mark.parametrize("encoder", ["gru", "lstm", "attention"])
def test_a_run_with_an_encoder_of_episodes_is_evaluated(tmp_path, encoder):
    make_run(
        tmp_path / "run", {**ROBOT, "algo_params": {**ROBOT["algo_params"], "encoder": encoder}}
    )
    result = run(tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert len(table(tmp_path / "run")) == 4


def test_weights_of_the_recurrent_encoder_of_oyster_are_refused(tmp_path):
    networks = make_run(
        tmp_path / "run", {**ROBOT, "algo_params": {**ROBOT["algo_params"], "recurrent": 1}}
    )
    weights = {
        name.replace("cell.", "lstm."): value
        for name, value in networks["context_encoder"].state_dict().items()
    }
    torch.save(
        {**weights, "hidden": torch.zeros(1, 1, 200)}, tmp_path / "run" / "context_encoder.pth"
    )
    result = run(tmp_path / "run")
    assert result.exit_code == 2
    assert "holds oyster's recurrent encoder (lstm.weight_ih_l0, " in result.output
    assert "hidden), which carries its state from one task to the next" in result.output


def test_a_configuration_of_another_environment_is_refused(tmp_path):
    make_run(tmp_path / "run", ROBOT)
    config = tmp_path / "cheetah.json"
    config.write_text(json.dumps(CHEETAH))
    result = run(config, tmp_path / "run")
    assert result.exit_code == 2
    assert "configuration of cheetah-vel" in result.output
    assert "trained on sparse-point-robot" in result.output


def test_a_missing_folder_is_refused(tmp_path):
    result = run(tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "no such folder" in result.output


def test_a_read_only_run_folder_is_evaluated_and_nothing_is_written(tmp_path, monkeypatch):
    make_run(tmp_path / "run", ROBOT)
    opens = Path.open

    def refusing(path: Path, mode: str = "r", *arguments, **options):
        if mode[0] in "wa" and path.is_relative_to(tmp_path / "run"):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return opens(path, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", refusing)
    result = run(tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "return by trajectory" in result.stdout
    assert "sim_policy.csv: cannot be written (Read-only file system); --output DIR" in (
        result.stderr
    )
    assert not (tmp_path / "run" / "sim_policy.csv").exists()
    assert run(tmp_path / "run", "--output", tmp_path / "elsewhere" / "here").exit_code == 0
    assert len(table(tmp_path / "elsewhere" / "here")) == 4
    assert (tmp_path / "elsewhere" / "here" / "trajectories.png").exists()
    refused = run(tmp_path / "run", "--output", tmp_path / "run")
    assert refused.exit_code == 2
    assert "return by trajectory" in refused.stdout
