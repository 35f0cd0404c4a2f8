"""The GPU checks, run on a CPU: verdicts, disabled changes, and all stages."""

import subprocess
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner

from benchmarks import branch_checks, gpu_checks, rollout_checks
from benchmarks.gpu_checks import CONFIG, STAGES, STEP, build, main, train_without
from benchmarks.gpu_operations import PRECISIONS, Check
from benchmarks.step_operations import Operations, as_on_a_gpu
from rlkit.torch.execution import Branch


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
        ("pieces", "_fused_adam_", 3, 5),
        ("epilogues", "_addmm_activation", 24, 0),
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


def test_the_branches_that_are_undone_run_in_line(monkeypatch):
    late = iter("ABCDEFGH")
    monkeypatch.setattr(gpu_checks, "branches_of", lambda device, wanted: lambda: next(late))
    with gpu_checks.without("the encoder's branch"):
        trainer = build("cpu").algorithm.trainer
        assert isinstance(trainer._encoding, Branch)
        assert (trainer._target, trainer._second_q) == ("A", "D")
    with gpu_checks.without("branches"):
        trainer = build("cpu").algorithm.trainer
        assert isinstance(trainer._target, Branch) and isinstance(trainer._encoding, Branch)


def test_weights_of_late_branches_equal_those_in_line_and_a_race_would_be_off(monkeypatch):
    found = list(branch_checks.weight_checks("cpu", 1, 3))
    assert [(check.measured, check.predicted) for check in found] == [(0.0, 0.0)] * 2
    assert Check("weights", "x", 0.0, 0.0).verdict(on_gpu=True) == "holds"
    assert Check("weights", "x", 1e-9, 0.0).verdict(on_gpu=True) == "OFF"

    class TooEarly(branch_checks.LateBranch):
        """Forgets a part, as if the rest did not wait for it."""

        def start(self, function, *inputs):
            inputs = [torch.zeros_like(x) if isinstance(x, torch.Tensor) else x for x in inputs]
            super().start(function, *inputs)

    monkeypatch.setattr(branch_checks, "LateBranch", TooEarly)
    assert all(check.measured > 0 for check in branch_checks.weight_checks("cpu", 1, 3))


def test_a_weight_that_is_no_number_is_an_infinite_difference():
    networks = [{"q": torch.nn.Linear(2, 1)} for _ in range(2)]
    torch.nn.init.constant_(networks[1]["q"].bias, float("nan"))
    ours, theirs = (SimpleNamespace(networks=found) for found in networks)
    assert branch_checks.largest_difference(ours, theirs) == float("inf")
    assert branch_checks.largest_difference(ours, ours) == 0


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


def test_a_tick_is_told_in_parts_that_add_up():
    checks = list(rollout_checks.rollout_checks("cpu", 2, 1))
    took = {check.stage: check.measured for check in checks}
    assert list(took) == [
        f"{part} of a rollout, ms" for part in ("tick", "physics", "acting", "rest")
    ]
    assert all(ms > 0 for ms in took.values())
    assert checks[0].predicted == pytest.approx(0.55 + 2 * 0.0096)
    assert {check.name for check in checks} == {"2 lanes of 2, 1 threads, policy on the cpu"}


def test_calls_of_a_method_are_timed_inside_the_block_also_those_that_fail():
    owner = SimpleNamespace(act=lambda x: 1 / x)
    with rollout_checks.timed(owner, "act") as times:
        assert owner.act(2) == 0.5
        with pytest.raises(ZeroDivisionError):
            owner.act(0)
    owner.act(1)
    assert len(times) == 2 and min(times) >= 0
