"""The learned dynamics model of PETS: inputs, targets and training of its networks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rlkit.torch.adam import Adam
from rlkit.torch.ensembles import EnsembleMlp, Route, bootstrap_indices
from rlkit.torch.pets.propagation import PROBABILISTIC, ModelType
from rlkit.torch.pets.regression import Moments, RegressionEnsemble


def _same(obs: Tensor) -> tuple[Tensor, ...]:
    return (obs,)


def _difference(obs: Tensor, next_obs: Tensor) -> Tensor:
    return next_obs - obs


def _sum(obs: Tensor, output: Tensor) -> Tensor:
    return obs + output


@dataclass(frozen=True)
class Transforms:
    """How states become inputs and targets of the networks, along the last axis.

    Attributes:
        preprocess: obs [..., obs_dim] -> network inputs, in parts [..., k] that are concatenated.
        target: (obs, next_obs) -> training targets of the networks.
        postprocess: (obs, output of the networks) -> next_obs, the inverse of `target`.
    """

    preprocess: Callable[[Tensor], tuple[Tensor, ...]] = _same
    target: Callable[[Tensor, Tensor], Tensor] = _difference
    postprocess: Callable[[Tensor, Tensor], Tensor] = _sum


@dataclass(frozen=True)
class TrainingSettings:
    """How the networks are trained.

    Attributes:
        weight_decays: coefficients of ||W||^2 / 2, from the first layer to the output layer.
        learning_rate: Adam's step size.
        batch_size: rows per member and step.
        epochs: passes over the data per call of `Dynamics.train`.
        holdout_ratio: fraction of the rows held out, only for `TrainingResult.holdout_errors`.
        max_logging: maximum number of held-out rows, and of training rows used to measure errors.
    """

    weight_decays: tuple[float, ...]
    learning_rate: float = 1e-3
    batch_size: int = 32
    epochs: int = 5
    holdout_ratio: float = 0.0
    max_logging: int = 5000


class TrainingResult(NamedTuple):
    """Losses and errors of every member, each [num_nets].

    Attributes:
        losses: data term of the loss, averaged over the steps of the last epoch.
        errors: mean squared error of the predicted mean on rows of the member's bootstrap sample.
        holdout_errors: the same on the held-out rows; NaN if there are none.
        num_steps: number of gradient steps, the same for all members.
    """

    losses: Tensor
    errors: Tensor
    holdout_errors: Tensor
    num_steps: int


def make_ensemble(
    model_type: ModelType,
    num_nets: int,
    input_size: int,
    output_size: int,
    hidden_sizes: Sequence[int],
    *,
    generator: torch.Generator | None = None,
    route: Route | None = None,
) -> RegressionEnsemble:
    """Make the networks of model type D, P, DE or PE, with swish and truncated normal weights.

    Args:
        model_type: see `propagation.check_propagation`, which defines the number of networks.
        num_nets: number of members.
        input_size: width of a preprocessed observation plus an action.
        output_size: width of the target.
        hidden_sizes: widths of the hidden layers.
        generator: source of the initial weights.
        route: see `ensembles.usable_route`.
    """
    probabilistic = PROBABILISTIC[model_type]
    width = 2 * output_size if probabilistic else output_size
    networks = EnsembleMlp(
        num_nets, input_size, width, hidden_sizes, generator=generator, route=route
    )
    return RegressionEnsemble(networks, probabilistic=probabilistic)


class Dynamics:
    """A regression ensemble over transitions, trained with warm starts.

    Weights and Adam's moments are kept between calls of `train`; each call draws new bootstrap
    samples and refits the normalizer.

    Args:
        ensemble: the networks, on their device.
        transforms: turn states into inputs and targets.
        settings: settings of the training.
        generator: draws bootstrap samples and mini-batches, on the same device.
        ignore_variance: see `propagation.Model`.
    Source: PETS, section 3; kchua/handful-of-trials, `BNN.train` and `MPC.train`.
    """

    def __init__(
        self,
        ensemble: RegressionEnsemble,
        transforms: Transforms,
        settings: TrainingSettings,
        generator: torch.Generator,
        *,
        ignore_variance: bool = False,
    ) -> None:
        self.ensemble, self.transforms, self.settings = ensemble, transforms, settings
        self.generator, self.ignore_variance = generator, ignore_variance
        self.num_nets = ensemble.networks.num_nets
        groups = ensemble.parameter_groups(settings.weight_decays)
        on_gpu = ensemble.normalizer.mean.is_cuda
        self.optimizer = Adam(groups, lr=settings.learning_rate, fused=True, capturable=on_gpu)

    def predict(self, obs: Tensor, action: Tensor) -> Moments:
        """Outputs of all members; see `propagation.Model`."""
        inputs = self.ensemble.normalizer(self._inputs(obs, action))
        return self.ensemble.moments(inputs.expand(self.num_nets, -1, -1))

    def next_obs(self, obs: Tensor, output: Tensor) -> Tensor:
        """The next state for an output of the networks."""
        return self.transforms.postprocess(obs, output)

    def train(
        self,
        obs: Tensor,
        action: Tensor,
        next_obs: Tensor,
        tick: Callable[[], None] | None = None,
    ) -> TrainingResult:
        """Refit the normalizer, draw bootstrap samples and train for `epochs` on all transitions.

        Args:
            obs, action, next_obs: all transitions, [num_rows, dim], on the networks' device.
            tick: called after every epoch.
        Raises:
            ValueError: there are no rows to train on.
        """
        settings = self.settings
        with torch.no_grad():
            inputs, targets = self._inputs(obs, action), self.transforms.target(obs, next_obs)
        num_held = min(int(len(inputs) * settings.holdout_ratio), settings.max_logging)
        if num_held == len(inputs):
            raise ValueError(f"all {num_held} rows are held out; expected a row to train on")
        held = inputs[:0], targets[:0]
        if num_held:
            order = torch.randperm(
                len(inputs), generator=self.generator, device=self.generator.device
            )
            held = inputs[order[:num_held]], targets[order[:num_held]]
            inputs, targets = inputs[order[num_held:]], targets[order[num_held:]]
        self.ensemble.normalizer.fit(inputs)
        inputs = self.ensemble.normalizer(inputs)

        indices = bootstrap_indices(len(inputs), self.num_nets, self.generator)
        steps: list[Tensor] = []
        num_steps = 0
        for _ in range(settings.epochs):
            steps = [
                self.train_step(inputs[batch], targets[batch])
                for batch in indices.split(settings.batch_size, dim=1)
            ]
            num_steps += len(steps)
            noise = torch.rand(
                indices.shape, generator=self.generator, device=self.generator.device
            )
            indices = indices.gather(1, noise.argsort(dim=1))  # shuffle per member
            if tick is not None:
                tick()

        logged = indices[:, : settings.max_logging]
        own = self._errors(inputs[logged], targets[logged])
        everybody = self.num_nets, -1, -1
        others = self._errors(
            self.ensemble.normalizer(held[0]).expand(everybody), held[1].expand(everybody)
        )
        losses = torch.stack(steps).mean(dim=0) if steps else torch.full_like(own, torch.nan)
        return TrainingResult(losses, own, others, num_steps)

    def train_step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Take one gradient step of all members, each on its own rows.

        Args:
            inputs: normalised, [num_nets, rows, in].
            targets: [num_nets, rows, out].
        Returns:
            The data term of every member's loss before the step, [num_nets]. The optimizer applies
            the weight decay.
        """
        losses = self.ensemble.losses(inputs, targets)
        total = losses.sum() + self.ensemble.bound_penalty()
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        return losses.detach()

    def state_dict(self) -> dict[str, Any]:
        """Weights, normalizer, Adam's moments and the generator's state, but no transitions."""
        return {
            "ensemble": self.ensemble.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
        self.ensemble.load_state_dict(state["ensemble"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])

    def _inputs(self, obs: Tensor, action: Tensor) -> Tensor:
        return torch.cat([*self.transforms.preprocess(obs), action], dim=-1)

    @torch.no_grad()
    def _errors(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error of every member, [num_nets]; NaN without rows."""
        if inputs.shape[1] == 0:
            return inputs.new_full((self.num_nets,), torch.nan)
        mean, _ = self.ensemble.moments(inputs)
        return ((mean - targets) ** 2).mean(dim=(1, 2))
