"""PPO over whole trials: minibatches of trials and backpropagation through all their steps."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from rlkit.torch.adam import adam
from rlkit.torch.meta_pg.config import RL2Settings
from rlkit.torch.meta_pg.gaussian import entropy, log_prob, masked_mean
from rlkit.torch.meta_pg.outer import clipped_surrogate
from rlkit.torch.meta_pg.recurrent import RecurrentActorCritic
from rlkit.torch.meta_pg.trials import Trials, trial_advantages
from rlkit.torch.optimizers import Gradients

KL_MARGIN = 1.5  # an update ends where its KL exceeds this multiple of the target


class TrialPPO:
    """Updates RL²'s network on the trials of an iteration.

    Args:
        network: the trained network.
        settings: RL²'s settings.
        generator: draws the minibatches, on the CPU.
    """

    def __init__(
        self, network: RecurrentActorCritic, settings: RL2Settings, generator: torch.Generator
    ) -> None:
        self.network, self.settings, self.generator = network, settings, generator
        self.num_steps = 0  # gradient steps of the last update
        self.optimizer = adam([(network, settings.learning_rate)])
        self.gradients = Gradients({"policy": network}, settings.max_grad_norm)

    def update(self, trials: Trials) -> dict[str, float]:
        """Run all epochs and return statistics averaged over the gradient steps.

        Observations are normalised by the statistics of earlier iterations, as they were when the
        actions were drawn; this iteration's are added at the end.
        """
        network, settings = self.network, self.settings
        with torch.no_grad():
            output, _ = network.advance(trials.inputs, network.initial_hidden(len(trials.inputs)))
            old_log_probs = log_prob(trials.actions, *network.action(output))
            values = network.values(output, trials.inputs) * trials.mask
            advantages = trial_advantages(
                trials,
                values,
                discount=settings.discount,
                gae_lambda=settings.gae_lambda,
                credit=settings.credit,
            ).float()
            returns, kept = advantages + values, trials.mask.bool()
            unexplained = (returns - values)[kept].var() / returns[kept].var().clamp(min=1e-8)
            network.follow_returns(returns[kept])
            targets = (returns - network.value_mean) / network.value_std
            used = advantages[kept]
            advantages = (advantages - used.mean()) / (used.std(unbiased=False) + 1e-8)
        sums: dict[str, float] = defaultdict(float)
        self.num_steps = 0
        for part in self._minibatches(trials):
            losses = self._step(
                trials.select(part), old_log_probs[part], advantages[part], targets[part]
            )
            if losses is None:
                break
            self.num_steps += 1
            for name, value in losses.items():
                sums[name] += value.item()
        network.follow_obs(trials.inputs[kept])
        means = {name: total / self.num_steps for name, total in sums.items()}
        return {**means, "Value explained": 1 - unexplained.item()}

    def _minibatches(self, trials: Trials) -> Iterator[Tensor]:
        """Yield the indices of the trials of every gradient step."""
        for _ in range(self.settings.num_epochs):
            order = torch.randperm(len(trials.inputs), generator=self.generator)
            for part in order.tensor_split(self.settings.num_minibatches):
                yield part.to(trials.inputs.device)

    def _step(
        self, trials: Trials, old_log_probs: Tensor, advantages: Tensor, targets: Tensor
    ) -> dict[str, Tensor] | None:
        """One gradient step; None where the policy has moved too far for one.

        Source: Schulman et al. 2017, equation 9.
        """
        network, settings, mask = self.network, self.settings, trials.mask
        output, _ = network.advance(trials.inputs, network.initial_hidden(len(trials.inputs)))
        mean, log_std = network.action(output)
        log_ratios = log_prob(trials.actions, mean, log_std) - old_log_probs
        kl = masked_mean(log_ratios.exp() - 1 - log_ratios, mask).detach()
        if settings.kl_target is not None and kl > KL_MARGIN * settings.kl_target:
            return None
        policy_loss = clipped_surrogate(log_ratios, advantages, mask, settings.clip)
        values = network.scaled_value(output, trials.inputs)
        value_loss = 0.5 * masked_mean((values - targets).square(), mask)
        loss = (
            policy_loss
            + settings.value_coef * value_loss
            - settings.entropy_coef * entropy(log_std)
        )
        self.optimizer.zero_grad()
        loss.backward()
        norms = self.gradients.clip_()
        self.optimizer.step()
        with torch.no_grad():
            off = (log_ratios.exp() - 1).abs() > settings.clip
            return {
                "Policy Loss": policy_loss.detach(),
                "Value Loss": value_loss.detach(),
                "Approximate KL": kl,
                "Clipped share": masked_mean(off.to(mask), mask),
                **norms,
            }

    def state_dict(self) -> dict[str, Any]:
        """Adam's moments and the generator."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
