"""The parts of a step that may run side by side depend on nothing that happens meanwhile.

Whether such a part runs at once or as late as possible, numbers are equal bit for bit.
"""

import itertools
from contextlib import nullcontext

import pytest
import torch

from benchmarks.branch_checks import LateBranch, branches
from benchmarks.step_operations import as_on_a_gpu
from rlkit.core.algorithm import NoLoop
from rlkit.launchers import pearl
from rlkit.torch.execution import Branch
from tests.torch.sac.test_image_steps import collected as collected_pictures
from tests.torch.sac.test_no_waiting import small_experiment
from tests.torch.sac.test_sac import make_trainer

KINDS = {
    "a posterior": lambda: small_experiment().algorithm,
    "a deterministic z": lambda: small_experiment(use_information_bottleneck=False).algorithm,
    "a recurrent encoder": lambda: small_experiment(encoder="gru").algorithm,
    "several updates": lambda: small_experiment(embedding_mini_batch_size=4).algorithm,
    "pictures": lambda: collected_pictures(use_next_obs_in_context=True),
}


def number_of_branches() -> int:
    made = itertools.count()
    make_trainer(make_branch=lambda: next(made) and None)
    return next(made)


def numbers_of_steps(kind, make_branch):
    """Statistics of five steps, and all tensors of the state after them."""
    with branches(make_branch):
        algorithm = KINDS[kind]()
    if not algorithm.replay_buffer.size(0):
        algorithm.collect_data(0, NoLoop())
    statistics = algorithm.trainer.train(algorithm.replay_buffer, algorithm.encoder_buffer, 5)
    return statistics, tensors_of(algorithm.trainer.state_dict())


def tensors_of(state, name=""):
    """Every tensor of a nested state by its path."""
    if isinstance(state, torch.Tensor):
        return {name: state}
    pairs = enumerate(state) if isinstance(state, list | tuple) else ()
    found = {}
    for key, part in state.items() if isinstance(state, dict) else pairs:
        found |= tensors_of(part, f"{name}.{key}")
    return found


def assert_equal(ours, theirs):
    assert ours[0] == theirs[0]
    assert list(ours[1]) == list(theirs[1]) and len(theirs[1]) > 50
    for name, value in theirs[1].items():
        assert torch.equal(ours[1][name], value), name


@pytest.mark.parametrize("route", ["the CPU's route", "a GPU's route"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_whose_branches_run_late_equals_one_in_line_bit_for_bit(kind, route):
    late = []

    def make_late():
        late.append(LateBranch())
        return late[-1]

    with as_on_a_gpu() if route == "a GPU's route" else nullcontext():
        assert_equal(numbers_of_steps(kind, make_late), numbers_of_steps(kind, Branch))
    assert len(late) == number_of_branches()
    assert not any(hasattr(branch, "_later") for branch in late)  # every result was taken


@pytest.mark.parametrize("number", range(number_of_branches()))
def test_each_branch_may_run_late_alone(number):
    numbers = itertools.count()

    def make_one_late():
        return LateBranch() if next(numbers) == number else Branch()

    assert_equal(
        numbers_of_steps("a posterior", make_one_late), numbers_of_steps("a posterior", Branch)
    )


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [({}, True), ({"branches": False}, False), ({"cuda_graph": False}, False)],
)
def test_a_setting_runs_the_branches_in_line_and_so_does_a_step_that_is_not_captured(
    monkeypatch, settings, wanted
):
    asked = []
    monkeypatch.setattr(pearl, "branches_of", lambda device, wanted: asked.append(wanted) or Branch)
    small_experiment(util_params=settings)
    assert asked == [wanted]
