"""The meta-gradient step with contexts of whole episodes, and the agent's use of them.

The step is compared with a plain twin.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rlkit.core.names import import_class
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.torch.context_encoder import ContextEncoder
from rlkit.torch.sac.config import ENCODERS, PEARLConfig
from tests.reference.plain_pearl import FIELDS, PlainPEARL
from tests.torch.sac import test_sac


def encoder_class(kind):
    return import_class(kind, ENCODERS, ContextEncoder)


KINDS = [kind for kind in ENCODERS if kind != "mlp"]
OBS, ACT, LATENT, TASKS, HORIZON = test_sac.OBS, test_sac.ACT, test_sac.LATENT, test_sac.TASKS, 6


def make_trainer(config):
    """The small trainer of the other tests, with another encoder."""
    trainer = test_sac.make_trainer(config)
    width = OBS + ACT + 2 + (OBS if config.use_next_obs_in_context else 0)
    options = {"generator": torch.Generator().manual_seed(3), "hidden_sizes": [16] * 3}
    encoder = encoder_class(config.encoder_kind)(
        width, LATENT, use_information_bottleneck=config.use_information_bottleneck, **options
    ).double()
    agent = trainer.agent
    agent.context_encoder, agent.gradient_rows = encoder, config.embedding_mini_batch_size or 0
    networks = trainer_networks(trainer)._replace(context_encoder=encoder)
    return type(trainer)(agent, networks, config, trainer.generator)


def trainer_networks(trainer):
    from rlkit.torch.sac.networks import PEARLNetworks

    return PEARLNetworks(**trainer.networks)


def make_buffer(lengths=(6, 6, 6, 6)):
    rng = np.random.default_rng(0)
    buffer = MultiTaskReplayBuffer(TASKS, OBS, ACT, dtype=torch.float64)
    for task in range(TASKS):
        paths = Paths.empty(len(lengths), HORIZON, OBS, ACT, 1, dtype=np.float64)
        for array in (paths.obs, paths.actions, paths.rewards, paths.sparse_rewards):
            array[:] = rng.standard_normal(array.shape)
        paths.lengths[:] = lengths
        buffer.add_paths([task] * len(lengths), paths)
    return buffer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("gradient_rows", "bottleneck", "lengths"),
    [(0, True, (6, 6, 6)), (4, True, (6, 2, 5)), (0, False, (6, 6))],
)
def test_twenty_steps_equal_the_plain_twin_in_float64(kind, gradient_rows, bottleneck, lengths):
    config = replace(
        test_sac.CONFIG,
        encoder=kind,
        use_next_obs_in_context=gradient_rows > 0,
        use_information_bottleneck=bottleneck,
        embedding_mini_batch_size=gradient_rows,
        max_path_length=HORIZON,
        num_steps_per_eval=3 * HORIZON,
    )
    trainer, buffer, generator = (
        make_trainer(config),
        make_buffer(lengths),
        torch.Generator().manual_seed(1),
    )
    plain = PlainPEARL(trainer.networks, config, LATENT)
    for _ in range(20):
        batch, noise = test_sac.draw(generator, test_sac.ROWS), test_sac.draw_noise(generator)
        episodes = buffer.by_episode.random_episodes(
            range(TASKS), config.context_episodes, HORIZON, generator
        )
        context = trainer.agent.context_of(episodes)
        ours = trainer.take_step(batch, context, noise, with_statistics=True, mask=episodes.mask)
        of_tasks = [rows[mask] for rows, mask in zip(context, episodes.mask, strict=True)]
        theirs = plain.take_step(
            [getattr(batch, name) for name in FIELDS], of_tasks, noise.z, noise.action
        )
        for name, loss in theirs.items():
            assert ours[name].item() == pytest.approx(loss.item(), rel=1e-9, abs=1e-9), name
    for key, value in trainer.context_encoder.state_dict().items():
        torch.testing.assert_close(
            value, plain.context_encoder.fast_weights()[key], rtol=1e-8, atol=1e-8
        )
    for name in ("qf1", "policy", "vf"):
        for key, value in trainer.networks[name].state_dict().items():
            torch.testing.assert_close(
                value, getattr(plain, name).state_dict()[key], rtol=1e-8, atol=1e-8
            )


@pytest.mark.parametrize("kind", KINDS)
def test_beliefs_of_stored_episodes_and_of_trajectories_shown_one_by_one_are_the_same(kind):
    trainer = make_trainer(PEARLConfig(encoder=kind, max_path_length=HORIZON))
    agent, lengths = trainer.agent, (6, 3, 6)
    rng = np.random.default_rng(1)
    paths = Paths.empty(3, HORIZON, OBS, ACT, 1, dtype=np.float64)
    for array in (paths.obs, paths.actions, paths.rewards):
        array[:] = rng.standard_normal(array.shape)
    paths.lengths[:] = lengths
    buffer = MultiTaskReplayBuffer(1, OBS, ACT, dtype=torch.float64)
    buffer.add_paths([0] * 3, paths)
    stored = agent.context_of(buffer.by_episode.newest_episodes(0, 100))
    assert stored[0, :, -1].tolist() == [1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0]
    agent.reset_belief(2)
    agent.infer_posterior([stored[0], stored[0, :9]])
    together = agent.z_means.clone()
    agent.infer_posterior([stored[0], stored[0, :9]])  # begins from nothing again
    torch.testing.assert_close(agent.z_means, together, rtol=0, atol=0)
    agent.reset_belief(2)
    for n in range(3):
        shown = paths.select([n, n])
        agent.adapt(shown.emptied(where=np.array([False, n == 2])))
    torch.testing.assert_close(agent.z_means, together, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(together[0], together[1])
