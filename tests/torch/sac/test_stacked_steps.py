"""A step with stacked networks (the default on a GPU) equals one without; so do checkpoints."""

import copy

import pytest
import torch

from rlkit.torch.networks import EachMlp
from tests.torch.sac.test_sac import CONTEXT_ROWS, ROWS, draw, draw_noise, make_trainer


def take_steps(trainer, num_steps, seed=1) -> list[dict]:
    generator = torch.Generator().manual_seed(seed)
    return [
        trainer.take_step(
            draw(generator, ROWS),
            trainer.agent.context_of(draw(generator, CONTEXT_ROWS)),
            draw_noise(generator),
            True,
        )
        for _ in range(num_steps)
    ]


def tensors_of(state, name="") -> dict[str, torch.Tensor]:
    """Every tensor of a nested state by its path."""
    if isinstance(state, torch.Tensor):
        return {name: state}
    items = (
        state.items()
        if isinstance(state, dict)
        else enumerate(state)
        if isinstance(state, list | tuple)
        else ()
    )
    return {
        key: value for k, part in items for key, value in tensors_of(part, f"{name}.{k}").items()
    }


def assert_equal_states(ours, theirs):
    ours, theirs = tensors_of(ours.state_dict()), tensors_of(theirs.state_dict())
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-10, atol=1e-10, msg=name)


def test_losses_weights_gradients_and_moments_of_twenty_steps_are_equal_in_float64():
    plain, stacked = make_trainer(stacked=False), make_trainer(stacked=True)
    for theirs, ours in zip(take_steps(plain, 20), take_steps(stacked, 20), strict=True):
        assert list(ours) == list(theirs)
        for name, value in theirs.items():
            torch.testing.assert_close(ours[name], value, rtol=1e-10, atol=1e-10, msg=name)
    assert_equal_states(stacked, plain)
    for name, network in plain.networks.items():
        for p, q in zip(network.parameters(), stacked.networks[name].parameters(), strict=True):
            assert (p.grad is None) == (q.grad is None)
            if p.grad is not None:
                torch.testing.assert_close(q.grad, p.grad, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("writer", [False, True])
def test_a_checkpoint_of_one_kind_goes_on_as_the_other(writer):
    first, second = make_trainer(stacked=writer), make_trainer(stacked=not writer)
    take_steps(first, 3)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert_equal_states(second, first)
    for trainer in (first, second):
        take_steps(trainer, 3, seed=2)
    assert_equal_states(second, first)


def test_a_loaded_state_leaves_the_parameters_in_their_stacks():
    trainer = make_trainer(stacked=True)
    before = [p.data_ptr() for network in trainer.networks.values() for p in network.parameters()]
    trainer.load_state_dict(copy.deepcopy(make_trainer(stacked=False).state_dict()))
    take_steps(trainer, 1)
    assert [
        p.data_ptr() for network in trainer.networks.values() for p in network.parameters()
    ] == before


def test_on_a_cpu_networks_are_not_stacked_unless_asked():
    trainer = make_trainer()
    assert type(trainer.q_networks) is type(trainer.policy_and_v) is EachMlp
