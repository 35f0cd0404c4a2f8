"""A step never waits for the device, and tensors that a captured step refers to do not move."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from rlkit.core.algorithm import NoLoop
from rlkit.launchers.launcher import Experiment
from rlkit.launchers.load_config import parse_config
from rlkit.launchers.pearl import PEARL
from rlkit.torch.sac.config import ENCODERS

WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal")


class FailsOnWaiting(TorchDispatchMode):
    """Fails if an operation would have to wait for a value from a GPU."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func.overloadpacket.__name__ not in WAITING, f"{func} waits for the device"
        return func(*args, **(kwargs or {}))


def small_experiment(device: str = "cpu", util_params=None, **algo_params) -> Experiment:
    counts = {
        "num_initial_steps": 40,
        "num_tasks_sample": 2,
        "num_steps_prior": 40,
        "num_extra_rl_steps_posterior": 40,
    }
    sizes = {
        "meta_batch": 3,
        "batch_size": 8,
        "embedding_batch_size": 8,
        "embedding_mini_batch_size": 8,
        "max_path_length": 20,
    }
    return PEARL().build(
        parse_config(
            {
                "env_name": "sparse-point-robot"
                if algo_params.get("sparse_rewards")
                else "point-robot",
                "n_train_tasks": 4,
                "n_eval_tasks": 2,
                "net_size": 8,
                "env_params": {"n_tasks": 6},
                "algo_params": {**counts, **sizes, "num_train_steps_per_itr": 3, **algo_params},
                "util_params": {"matmul": "default", **(util_params or {})},
                "seed": 0,
            },
            "test",
        ),
        device,
        0,
    )


@pytest.mark.parametrize("sampling", ["transitions", "trajectories"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_step_fetches_nothing_from_the_device(encoder, sampling):
    gradient_rows = 8 if encoder == "mlp" else 15
    options = {
        "encoder": encoder,
        "rl_batch_sampling": sampling,
        "embedding_mini_batch_size": gradient_rows,
    }
    algorithm = small_experiment(**options).algorithm
    algorithm.collect_data(0, NoLoop())
    trainer = algorithm.trainer
    trainer.train_step(
        algorithm.replay_buffer, algorithm.encoder_buffer, with_statistics=True
    )  # Adam makes its state
    with FailsOnWaiting():
        for with_statistics in (True, False):
            trainer.train_step(algorithm.replay_buffer, algorithm.encoder_buffer, with_statistics)


def test_the_check_itself_notices_a_fetch():
    with FailsOnWaiting():
        try:
            torch.ones(2).sum().item()
        except AssertionError as error:
            assert "_local_scalar_dense" in str(error)
        else:
            raise AssertionError("a fetch went unnoticed")


def test_no_persistent_tensor_moves_over_an_iteration():
    algorithm = small_experiment().algorithm
    trainer = algorithm.trainer

    def addresses() -> list[int]:
        rows = [buffer.rows for buffer in algorithm.buffers.values()]
        buffers = [t for r in rows for t in (r.pages.data, r.pages.table, r.sizes)]
        weights = [p for network in trainer.networks.values() for p in network.parameters()]
        optimizers = (trainer.q_optimizer, trainer.policy_optimizer)
        moments = [
            t
            for o in optimizers
            for state in o.state.values()
            for t in state.values()
            if isinstance(t, torch.Tensor)
        ]
        return [t.data_ptr() for t in [*buffers, *weights, *moments]]

    algorithm.collect_data(0, NoLoop())
    algorithm.do_training(0, NoLoop())
    before = addresses()
    algorithm.collect_data(1, NoLoop())
    algorithm.do_training(1, NoLoop())
    assert len(before) > 100
    np.testing.assert_array_equal(addresses(), before)
