"""The GPU checks, run on a CPU: verdicts, disabled changes, and all stages."""

import subprocess

import pytest
import torch
from click.testing import CliRunner

from benchmarks import gpu_checks
from benchmarks.gpu_checks import CONFIG, STAGES, STEP, build, main, train_without
from benchmarks.gpu_operations import PRECISIONS, Check
from benchmarks.step_operations import Operations, as_on_a_gpu


@pytest.mark.parametrize(
    ("measured", "predicted", "on_gpu", "verdict"),
    [
        (1.97, 1.8, True, "holds"),
        (1.99, 1.8, True, "OFF"),
        (0.9, 1.8, True, "holds"),
        (9.0, None, True, "-"),
        (9.0, 1.8, False, "-"),
    ],
)
def test_a_measurement_holds_up_to_a_tenth_above_its_prediction(
    measured, predicted, on_gpu, verdict
):
    assert Check("step", "x", measured, predicted).verdict(on_gpu) == verdict


@pytest.mark.parametrize(
    ("undone", "operation", "with_it", "without_it"),
    [
        ("pieces", "_fused_adam_", 2, 5),
        ("epilogues", "_addmm_activation", 6, 0),
    ],
)
def test_what_is_undone_is_not_launched(undone, operation, with_it, without_it):
    found = []
    for changes in ([], [undone]):
        with as_on_a_gpu(), gpu_checks.without(*changes):
            experiment = build("cpu")
            train_without(changes, experiment, 1)
            algorithm = experiment.algorithm
            with algorithm.trainer.training(*algorithm.buffers.values()):
                algorithm.trainer.take(1)
                with Operations() as operations:
                    algorithm.trainer.take(1)
        found.append(operations.counts[operation])
    assert found == [with_it, without_it]


def test_whole_weight_gradients_are_not_cut():
    grad, h = torch.ones(640, 3), torch.ones(640, 2)
    for changes, products in (([], "bmm"), (["parts"], "mm")):
        with gpu_checks.without(*changes), Operations() as operations:
            gpu_checks.GpuRoute().outer(grad, h, torch.float32)
        assert products in operations.counts


def test_a_stage_tries_every_kind_of_step_without_a_gpu_and_keeps_nothing(monkeypatch):
    monkeypatch.setattr(gpu_checks, "write_result", lambda *given, **options: pytest.fail("kept"))
    done = CliRunner().invoke(main, ["step", "--device", "cpu"], catch_exceptions=False)
    lines = done.output.splitlines()
    assert len(lines) == len(STEP) * len(PRECISIONS)
    assert all(name in done.output for name in STEP)
    assert all(line.endswith(": -") for line in lines)
    assert CONFIG.endswith("cheetah-vel.json") and set(STAGES) <= set(stages_of_the_script())


def stages_of_the_script() -> list[str]:
    refused = subprocess.run(
        ["bash", "benchmarks/gpu.sh", "--dry-run", "nothing"], capture_output=True, text=True
    )
    assert refused.returncode == 2
    return refused.stderr.partition("expected ")[2].replace(" or ", ", ").strip().split(", ")
