"""Steps taken in parts or interrupted report the same as steps taken at once."""

import copy
import io

import pytest
import torch

from rlkit.torch.adam import adam
from rlkit.torch.gradient_steps import GradientSteps
from rlkit.torch.networks import Mlp


class Regression:
    """A toy algorithm: a network learns the sum of its inputs; `seen` keeps each step's values."""

    def __init__(self, **options):
        self.generator = torch.Generator().manual_seed(0)
        self.network = Mlp([8], 3, 1, generator=self.generator)
        self.optimizer = adam([(self.network, 1e-2)])
        self.seen = []
        self.steps = GradientSteps(
            lambda with_statistics: [self.step(with_statistics)],
            networks=[self.network],
            optimizers=[self.optimizer],
            generator=self.generator,
            means=("loss", "error"),
            maxima=("error",),
            **options,
        )

    def step(self, with_statistics):
        x = torch.randn(16, 3, generator=self.generator)
        errors = self.network(x) - x.sum(dim=1, keepdim=True)
        loss = errors.square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        statistics = {"loss": loss, "error": errors.abs().max()}
        self.seen.append({name: value.item() for name, value in statistics.items()})
        return statistics | ({"input": x.mean()} if with_statistics else {})

    def take(self, *parts):
        with self.steps.running():
            for num_steps in parts:
                self.steps.take(num_steps)

    def state_dict(self):
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "steps": self.steps.state_dict(),
        }
        file = io.BytesIO()
        torch.save(state, file)
        file.seek(0)
        return torch.load(file, weights_only=True)

    def load_state_dict(self, state):
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.steps.load_state_dict(state["steps"])


def test_a_report_has_the_first_values_the_means_and_the_maxima_of_all_steps():
    toy = Regression()
    toy.take(5)
    report = toy.steps.fetch()
    assert list(report) == ["loss", "input", "loss (mean)", "error (mean)", "error (max)"]
    losses, errors = ([step[name] for step in toy.seen] for name in ("loss", "error"))
    assert len(losses) == len(set(losses)) == 5
    assert report["loss"] == losses[0]
    assert report["loss (mean)"] == pytest.approx(sum(losses) / 5, rel=1e-6)
    assert report["error (mean)"] == pytest.approx(sum(errors) / 5, rel=1e-6)
    assert report["error (max)"] == max(errors) != errors[-1]


def test_first_values_stay_when_later_steps_write_the_same_tensors_as_a_replay_does():
    toy, loss = Regression(), torch.zeros(())
    steps = GradientSteps(
        lambda with_statistics: [{"loss": loss.add_(1)}],
        networks=[toy.network],
        optimizers=[],
        generator=toy.generator,
        means=("loss",),
    )
    with steps.running():
        steps.take(3)
    assert steps.fetch() == {"loss": 1, "loss (mean)": 2}


def test_the_names_over_steps_are_those_of_a_report_in_its_order():
    toy = Regression()
    toy.take(1)
    names = toy.steps.names_over_steps(("loss", "error"), ("error",))
    assert tuple(toy.steps.fetch())[-3:] == names


def test_a_maximum_below_zero_is_the_maximum():
    toy = Regression()
    steps = GradientSteps(
        lambda with_statistics: [{"x": -torch.rand((), generator=toy.generator) - 1}],
        networks=[toy.network],
        optimizers=[],
        generator=toy.generator,
        means=(),
        maxima=("x",),
    )
    with steps.running():
        steps.take(3)
    assert steps.fetch()["x (max)"] < -1


def test_statistics_are_asked_for_in_the_first_step_after_each_fetch_only():
    toy, asked = Regression(), []
    steps = GradientSteps(
        lambda with_statistics: asked.append(with_statistics) or [toy.step(with_statistics)],
        networks=[toy.network],
        optimizers=[toy.optimizer],
        generator=toy.generator,
        means=("loss",),
    )
    with steps.running():
        for _ in range(2):
            steps.take(2)
            steps.take(1)
            steps.fetch()
    assert asked == [True, False, False] * 2


def test_a_step_of_several_updates_reports_the_first_and_the_mean_and_maximum_over_all():
    toy = Regression()
    values = iter([3.0, 9.0, 1.0, 2.0, 5.0, 4.0])
    steps = GradientSteps(
        lambda with_statistics: [{"x": torch.tensor(next(values))} for _ in range(2)],
        networks=[toy.network],
        optimizers=[],
        generator=toy.generator,
        means=("x",),
        updates_per_step=2,
    )
    with steps.running():
        steps.take(3)
    assert steps.num_taken == 3
    assert steps.fetch() == {"x": 3.0, "x (mean)": 4.0}


def test_steps_in_parts_are_those_taken_at_once():
    whole, parts = Regression(), Regression()
    whole.take(7), parts.take(1, 0, 4, 2)
    assert parts.seen == whole.seen
    assert parts.steps.num_taken == 7
    assert parts.steps.fetch() == whole.steps.fetch()


@pytest.mark.parametrize("before", [0, 1, 4])
def test_a_state_between_two_parts_ends_with_the_same_numbers_bit_for_bit(before):
    whole, first, second = Regression(), Regression(), Regression()
    whole.take(7), first.take(before)
    second.take(3)  # of another training, which the state replaces
    second.load_state_dict(first.state_dict())
    assert second.steps.num_taken == before
    second.take(7 - before)
    assert second.steps.fetch() == whole.steps.fetch()
    assert second.seen[3:] == whole.seen[before:]


def test_a_state_does_not_change_with_later_steps():
    toy = Regression()
    toy.take(2)
    state = toy.steps.state_dict()
    before = copy.deepcopy(state)
    toy.take(2)
    assert str(state) == str(before)


def test_without_steps_the_state_is_empty_and_there_is_nothing_to_fetch():
    toy = Regression()
    assert toy.steps.state_dict() == {}
    with pytest.raises(ValueError, match="no gradient step was taken"):
        toy.steps.fetch()
    toy.take(2)
    toy.steps.fetch()
    assert toy.steps.state_dict() == {}
    toy.take(2)
    toy.steps.load_state_dict({})
    with pytest.raises(ValueError, match="no gradient step was taken"):
        toy.steps.fetch()


def test_each_fetch_reports_on_the_steps_since_the_one_before():
    toy = Regression()
    toy.take(3)
    toy.steps.fetch()
    toy.take(2)
    report, (first, second) = toy.steps.fetch(), toy.seen[3:]
    assert report["loss"] == first["loss"]
    assert report["loss (mean)"] == pytest.approx((first["loss"] + second["loss"]) / 2, rel=1e-6)
    assert report["error (max)"] == max(first["error"], second["error"])


def test_steps_outside_running_are_refused():
    toy = Regression()
    with pytest.raises(RuntimeError, match="inside `with steps.running"):
        toy.steps.take(1)
    toy.take(1)
    with pytest.raises(RuntimeError, match="inside `with steps.running"):
        toy.steps.take(1)


def test_threads_share_the_products_of_the_networks_while_steps_run():
    toy = Regression(num_threads=2)
    with toy.steps.running():
        assert toy.network.num_threads == 2 and toy.network.workers is not None
    assert toy.network.num_threads == 1 and toy.network.workers is None


@pytest.mark.parametrize("tf32", [False, True])
def test_products_are_rounded_to_tf32_while_steps_run_if_asked_for(tf32):
    toy = Regression(tf32=tf32)
    before = torch.backends.cuda.matmul.fp32_precision
    with toy.steps.running():
        assert (torch.backends.cuda.matmul.fp32_precision == "tf32") == tf32
    assert torch.backends.cuda.matmul.fp32_precision == before


def test_a_loss_that_is_not_finite_in_any_step_makes_its_mean_not_finite():
    toy = Regression()
    toy.take(2)
    with torch.no_grad():
        toy.network.last_fc.bias.fill_(torch.nan)
    toy.take(1)
    report = toy.steps.fetch()
    assert report["loss"] == toy.seen[0]["loss"]
    assert all(report[name] != report[name] for name in ("loss (mean)", "error (max)"))


def test_steps_treat_denormal_numbers_as_zero_and_the_rest_of_the_program_does_not():
    toy, small = Regression(num_threads=2), torch.full((4,), 1e-39)
    toy.step = lambda with_statistics: {"loss": small.sum() * 1e3, "error": small.sum() * 1e3}
    toy.take(2)
    assert toy.steps.fetch()["loss (mean)"] == 0.0
    assert (small.sum() * 1e3).item() == pytest.approx(4e-36)
    with pytest.raises(RuntimeError, match="outside"), toy.steps.running():
        raise RuntimeError("outside")
    assert (small.sum() * 1e3).item() == pytest.approx(4e-36)
