"""Capturing a step must change no number. What needs a GPU skips itself."""

import pytest
import torch

from rlkit.core.loop import NoLoop
from rlkit.torch.cuda_graph import Captured, rolled_back
from tests.torch.sac.test_no_waiting import small_experiment

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_a_warm_up_changes_no_number():
    algorithm = small_experiment().algorithm
    algorithm.collect_data(0, NoLoop())
    trainer, buffers = algorithm.trainer, (algorithm.replay_buffer, algorithm.encoder_buffer)
    tensors = [
        trainer.sums,
        trainer.maxima,
        *(p for network in trainer.networks.values() for p in network.parameters()),
    ]
    optimizers = (trainer.q_optimizer, trainer.policy_optimizer)
    others = small_experiment().algorithm
    others.collect_data(0, NoLoop())
    for _ in range(2):  # before any step, when Adam has no moments yet, and after some
        with rolled_back(tensors, optimizers, trainer.generator):
            trainer.train_step(*buffers, with_statistics=True)
        ours = trainer.train(*buffers, num_steps=3)
        assert ours == others.trainer.train(
            others.replay_buffer, others.encoder_buffer, num_steps=3
        )
    for network, other in zip(
        trainer.networks.values(), others.trainer.networks.values(), strict=True
    ):
        assert all(
            torch.equal(p, q) for p, q in zip(network.parameters(), other.parameters(), strict=True)
        )


@needs_gpu
def test_what_has_moved_is_captured_anew():
    x = [torch.ones(3, device="cuda")]
    generator = torch.Generator("cuda").manual_seed(0)
    captured = Captured(
        lambda: 2 * x[0], lambda: x[0].data_ptr(), lambda: rolled_back([], [], generator), generator
    )
    assert captured().sum().item() == 6
    x[0] = torch.full((3,), 2.0, device="cuda")
    assert captured().sum().item() == 12


@needs_gpu
def test_captured_and_eager_steps_agree_and_draw_the_same_numbers():
    trainers = []
    for cuda_graph in (True, False):
        algorithm = small_experiment(device="cuda").algorithm
        algorithm.trainer.cuda_graph = cuda_graph
        algorithm.collect_data(0, NoLoop())
        algorithm.trainer.train(algorithm.replay_buffer, algorithm.encoder_buffer, num_steps=20)
        trainers.append(algorithm.trainer)
    captured, eager = trainers
    assert torch.equal(captured.generator.get_state(), eager.generator.get_state())
    for network, other in zip(captured.networks.values(), eager.networks.values(), strict=True):
        for p, q in zip(network.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)


@needs_gpu
def test_an_iteration_of_training_waits_for_the_device_once_at_its_end():
    algorithm = small_experiment(device="cuda").algorithm
    algorithm.collect_data(0, NoLoop())
    trainer, buffers = algorithm.trainer, (algorithm.replay_buffer, algorithm.encoder_buffer)
    trainer.train(*buffers, num_steps=2)  # captures
    torch.cuda.set_sync_debug_mode("error")
    try:
        first, later = trainer._steps(*buffers)
        first()
        for _ in range(5):
            later()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@needs_gpu
def test_a_state_of_the_gpu_goes_on_on_a_cpu():
    algorithm, on_cpu = small_experiment(device="cuda").algorithm, small_experiment().algorithm
    algorithm.collect_data(0, NoLoop())
    algorithm.trainer.train(algorithm.replay_buffer, algorithm.encoder_buffer, num_steps=5)
    assert algorithm.trainer.q_networks.stacked and not on_cpu.trainer.q_networks.stacked
    for name, network in on_cpu.trainer.networks.items():
        network.load_state_dict(algorithm.trainer.networks[name].state_dict())
        for p, q in zip(
            network.parameters(), algorithm.trainer.networks[name].parameters(), strict=True
        ):
            assert torch.equal(p, q.cpu())
