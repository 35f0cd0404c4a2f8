"""Training in parts, interrupted and resumed; its statistics; auxiliary learners."""

import io

import pytest
import torch
from torch import nn

from rlkit.core.algorithm import NoLoop
from rlkit.torch.adam import adam
from rlkit.torch.mlp_function import Arithmetic
from rlkit.torch.sac.meta_batch import MetaBatchSampler
from rlkit.torch.sac.networks import PEARLNetworks
from rlkit.torch.sac.sac import PEARLSoftActorCritic
from tests.torch.sac.test_no_waiting import small_experiment


def collected(**algo_params):
    algorithm = small_experiment(**algo_params).algorithm
    algorithm.collect_data(0, NoLoop())
    return algorithm.trainer, (algorithm.replay_buffer, algorithm.encoder_buffer)


def stored(state):
    """A state as it comes back from a file."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def with_auxiliary(trainer, aux):
    """The trainer's networks under a trainer that has an auxiliary learner."""
    networks = PEARLNetworks(**trainer.networks)
    return PEARLSoftActorCritic(
        trainer.agent, networks, trainer.config, trainer.generator, aux_learner=aux
    )


def assert_equal_weights(trainer, other):
    for name, network in trainer.networks.items():
        for p, q in zip(network.parameters(), other.networks[name].parameters(), strict=True):
            assert torch.equal(p, q), name


@pytest.mark.parametrize("options", [{}, {"use_information_bottleneck": False}])
@pytest.mark.parametrize("before", [0, 1, 5])
def test_a_training_resumed_in_its_middle_ends_as_one_that_was_not_interrupted(options, before):
    whole, buffers = collected(**options)
    whole.train(*buffers, 2)  # an earlier iteration, whose state is not left over
    start = stored(whole.state_dict())
    expected = whole.train(*buffers, 9)
    first, second = (collected(**options)[0] for _ in range(2))
    first.load_state_dict(start)
    with first.training(*buffers):
        first.take(before)
    second.load_state_dict(stored(first.state_dict()))
    assert second.steps.num_taken == before
    with second.training(*buffers):
        second.take(4 - before % 4)
        second.take(9 - second.steps.num_taken)
    assert second.fetch() == expected
    assert second.num_train_steps == whole.num_train_steps == 11
    assert_equal_weights(second, whole)
    assert torch.equal(second.generator.get_state(), whole.generator.get_state())


def test_a_state_without_a_training_under_way_loads_whether_or_not_it_says_so():
    trainer, buffers = collected()
    expected_steps = trainer.state_dict()["steps"]
    assert expected_steps == {}
    old = stored({key: value for key, value in trainer.state_dict().items() if key != "steps"})
    expected = trainer.train(*buffers, 3)
    other, _ = collected()
    with other.training(*buffers):
        other.take(2)
    other.load_state_dict(old)
    assert other.train(*buffers, 3) == expected


@pytest.mark.parametrize("bottleneck", [True, False])
def test_a_report_has_the_names_that_the_trainer_announces_in_their_order(bottleneck):
    trainer, buffers = collected(use_information_bottleneck=bottleneck)
    names = list(trainer.train(*buffers, 2))
    of_posterior = {
        "Z mean train",
        "Z variance train",
        "KL Divergence",
        "KL Loss",
        *(f"KL dim {i}" for i in range(trainer.agent.latent_dim)),
        "Z variance min",
        "Z variance at floor",
        "KL Divergence (mean)",
        "KL Loss (mean)",
    }
    missing = set() if bottleneck else of_posterior
    assert names == [name for name in trainer.statistic_names if name not in missing]
    assert len(set(trainer.statistic_names)) == len(trainer.statistic_names)


def test_a_trainer_runs_its_steps_with_the_threads_the_precision_and_the_graph_that_it_is_given():
    trainer, buffers = collected()
    networks = PEARLNetworks(**trainer.networks)
    networks.policy.arithmetic = Arithmetic(precision="tf32")
    trainer = PEARLSoftActorCritic(
        trainer.agent, networks, trainer.config, trainer.generator, num_threads=2, cuda_graph=False
    )
    assert not trainer.steps.cuda_graph
    before = torch.backends.cuda.matmul.fp32_precision
    with trainer.training(*buffers):
        assert {network.num_threads for network in networks if network is not None} == {2}
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    assert torch.backends.cuda.matmul.fp32_precision == before


class BatchMean:
    """An auxiliary learner of one number: the mean reward of its rows."""

    def __init__(self):
        self.network = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.network.weight)
        self.networks = {"mean": self.network}
        self.optimizers = [adam([(self.network, 0.1)])]
        self.seen = []

    def train_step(self, batch, task_ids, with_statistics):
        self.seen.append((batch, task_ids, with_statistics))
        loss = (self.network.weight - batch.rewards.mean()).square().sum()
        self.optimizers[0].zero_grad()
        loss.backward()
        self.optimizers[0].step()
        return {"Aux Loss": loss.detach()}


def test_an_auxiliary_learner_uses_the_rl_rows_of_each_step_and_its_statistics_are_reported():
    trainer, buffers = collected()
    alone, _ = collected()
    aux = BatchMean()
    trainer = with_auxiliary(trainer, aux)
    steps = []
    take_step = trainer.take_step
    trainer.take_step = lambda *args: steps.append(args[0]) or take_step(*args)
    report = trainer.train(*buffers, 3)
    assert [with_statistics for _, _, with_statistics in aux.seen] == [True, False, False]
    for batch, (rows, task_ids, _) in zip(steps, aux.seen, strict=True):
        assert rows is batch
        assert task_ids.shape == (trainer.config.meta_batch,)
    mean = aux.seen[0][0].rewards.mean().item()
    assert report.pop("Aux Loss") == pytest.approx(mean**2, rel=1e-6)
    assert report == alone.train(*buffers, 3)  # it changes nothing else
    assert_equal_weights(trainer, alone)


def test_undoing_steps_undoes_those_of_an_auxiliary_learner():
    trainer, buffers = collected()
    aux = BatchMean()
    trainer = with_auxiliary(trainer, aux)
    with trainer.training(*buffers), trainer.steps._undone():
        trainer.take(2)
        assert aux.network.weight.abs().item() > 0
    assert aux.network.weight.item() == 0


def test_the_tasks_of_a_meta_batch_are_those_of_its_rows_and_noise_is_standard_normal():
    sizes = {"meta_batch": 50, "batch_size": 40, "embedding_batch_size": 30}
    trainer, buffers = collected(**sizes, embedding_mini_batch_size=0)
    sampler = MetaBatchSampler(
        *buffers, trainer.config, trainer.agent.latent_dim, trainer.generator
    )
    drawn = sampler.draw()
    assert drawn.mask is None
    assert set(drawn.task_ids.tolist()) == set(range(buffers[0].num_tasks))
    for buffer, rows in zip(buffers, (drawn.batch, drawn.context_rows), strict=True):
        width = buffer.obs_dim + buffer.act_dim
        own = [{row[:width].numpy().tobytes() for row in buffer.rows_of(t)} for t in range(4)]
        for task_id, obs, actions in zip(drawn.task_ids, rows.obs, rows.actions, strict=True):
            found = torch.cat([obs, actions], dim=-1)
            assert {row.numpy().tobytes() for row in found} <= own[task_id]
    assert drawn.noise.z.shape == (50, trainer.agent.latent_dim)
    assert drawn.noise.action.shape == drawn.batch.actions.shape
    for noise in drawn.noise:
        assert abs(noise.mean()) < 0.2 and abs(noise.std() - 1) < 0.1


def test_the_padding_of_drawn_episodes_does_not_count():
    trainer, buffers = collected(encoder="gru")
    steps, take_step = [], trainer.take_step
    trainer.take_step = lambda *args: steps.append(args) or take_step(*args)
    trainer.train_step(*buffers, with_statistics=False)
    (_, context, _, _, mask), horizon = steps[0], trainer.config.max_path_length
    assert mask.shape == context.shape[:2] and not mask.all()
    for rows, counts in zip(context, mask, strict=True):
        assert counts.sum() % horizon == 0  # whole episodes
        assert rows[counts, -1].sum() == counts.sum() // horizon  # each begins with a flag
        assert (rows[~counts] == rows[counts][-1]).all()  # padding repeats the last row


def test_equal_generators_draw_equal_meta_batches_and_no_two_draws_are_equal():
    trainer, buffers = collected(encoder="gru")
    first, second, third = (
        MetaBatchSampler(*buffers, trainer.config, 5, torch.Generator().manual_seed(seed)).draw()
        for seed in (0, 0, 1)
    )
    assert first.mask is not None
    for ours, theirs, others in zip(first.batch, second.batch, third.batch, strict=True):
        assert torch.equal(ours, theirs)
        assert ours.std() == 0 or not torch.equal(ours, others)
    assert torch.equal(first.noise.action, second.noise.action)
    assert not torch.equal(first.noise.action, third.noise.action)
