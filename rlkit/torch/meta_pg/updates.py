"""The outer updates of MAML-TRPO, VPG-MAML and ProMP."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rlkit.torch.adam import adam
from rlkit.torch.meta_pg.outer import OuterSettings, OuterTerms, outer_terms
from rlkit.torch.meta_pg.policy import parameters_of
from rlkit.torch.meta_pg.task_data import TaskData
from rlkit.torch.meta_pg.trust_region import TrustRegionSettings, trust_region_step

KL_TOLERANCE = 1.5  # the coefficient is kept while the KL is within this factor of its target


class OuterUpdate(Protocol):
    """Updates the parameters of a policy on the data of an iteration."""

    num_steps: int  # gradient steps of an update

    def update(self, data: Sequence[TaskData], credit: Tensor) -> dict[str, float]:
        """Take the update and return statistics for progress.csv; arguments: see `outer_terms`."""

    def state_dict(self) -> dict[str, Any]:
        """State that the next update depends on."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""


class TrustRegionUpdate:
    """MAML-TRPO: one step inside a trust region.

    Args:
        network: the policy.
        objective: the loss to minimise.
        region: settings of the step.
        hvp_subsample: fraction of the adapted trajectories used in Hessian products.
    """

    num_steps = 1

    def __init__(
        self,
        network: nn.Module,
        objective: OuterSettings,
        region: TrustRegionSettings,
        hvp_subsample: float = 1.0,
    ) -> None:
        self.network, self.objective, self.region = network, objective, region
        self.hvp_subsample = hvp_subsample

    def update(self, data: Sequence[TaskData], credit: Tensor) -> dict[str, float]:
        """Take the step; see `OuterUpdate.update`."""
        theta = parameters_of(self.network)
        terms = outer_terms(self.network, data, credit, self.objective)
        # The inner steps use all their data. Otherwise φ would not be the collecting policy, the KL
        # would not be at its minimum, and its Hessian would not be positive definite.
        part = [*data[:-1], data[-1].first_paths(self.hvp_subsample)]
        fewer = outer_terms(self.network, part, credit, self.objective)
        before: list[OuterTerms] = []

        def objective() -> tuple[Tensor, Tensor]:
            found = terms(theta)
            before.append(OuterTerms(*(value.detach() for value in found)))
            return found.loss, found.kl

        step = trust_region_step(
            objective,
            list(theta.values()),
            self.region,
            None if self.hvp_subsample == 1 else lambda: fewer(theta).kl,
        )
        return {
            "Outer Loss": before[0].loss.item(),
            "Outer Loss after": step.loss,
            "Outer KL": step.kl,
            **_inner_kls(before[-1] if step.accepted else before[0]),
            "Gradient norm": step.slope,
            "Step accepted": float(step.accepted),
            "Backtracks": float(step.backtracks),
            "CG iterations": float(step.solution.iterations),
            "CG residual": step.solution.residual,
        }

    def state_dict(self) -> dict[str, Any]:
        """Empty: a step depends only on its data."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""


class AdamUpdate:
    """ProMP and VPG-MAML: epochs of Adam on all data, with a penalty on the KL before adaptation.

    The loss is L + mean_k η_k KL_k. η_k is fixed or, given a target, doubled if KL_k ends above 1.5
    times the target and halved if it ends below target / 1.5.

    Args:
        network: the policy.
        objective: the loss to minimise.
        num_epochs: gradient steps per iteration.
        learning_rate: Adam's step size.
        kl_coefs: η_k of every inner step; zero for VPG-MAML.
        kl_target: target of every KL_k; None: η is fixed.
    Source: ProMP, algorithm 1.
    """

    def __init__(
        self,
        network: nn.Module,
        objective: OuterSettings,
        *,
        num_epochs: int,
        learning_rate: float,
        kl_coefs: Sequence[float],
        kl_target: float | None = None,
    ) -> None:
        self.network, self.objective, self.num_steps = network, objective, num_epochs
        self.optimizer = adam([(network, learning_rate)])
        self.kl_coefs, self.kl_target = list(kl_coefs), kl_target

    def update(self, data: Sequence[TaskData], credit: Tensor) -> dict[str, float]:
        """Run the epochs; see `OuterUpdate.update`."""
        theta = parameters_of(self.network)
        terms = outer_terms(self.network, data, credit, self.objective)
        coefs = torch.tensor(self.kl_coefs)
        losses, slopes = list[float](), list[float]()
        for _ in range(self.num_steps):
            found = terms(theta)
            loss = found.loss + (coefs.to(found.inner_kls) * found.inner_kls).mean()
            self.optimizer.zero_grad()
            loss.backward()
            slope = torch.stack([p.grad.norm() for p in theta.values() if p.grad is not None])
            self.optimizer.step()
            losses.append(found.loss.item())
            slopes.append(slope.norm().item())
        with torch.no_grad():
            found = terms(theta)
        self._adapt_coefs(found.inner_kls.tolist())
        return {
            "Outer Loss": losses[0],
            "Outer Loss after": found.loss.item(),
            "Outer KL": found.kl.item(),
            **_inner_kls(found),
            **{f"KL coefficient {k}": eta for k, eta in enumerate(self.kl_coefs)},
            "Gradient norm": slopes[0],
        }

    def _adapt_coefs(self, kls: Sequence[float]) -> None:
        if self.kl_target is None:
            return
        for k, kl in enumerate(kls):
            if kl > KL_TOLERANCE * self.kl_target:
                self.kl_coefs[k] *= 2
            elif kl < self.kl_target / KL_TOLERANCE:
                self.kl_coefs[k] /= 2

    def state_dict(self) -> dict[str, Any]:
        """Adam's moments and the coefficients."""
        return {"optimizer": self.optimizer.state_dict(), "kl_coefs": list(self.kl_coefs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.kl_coefs = [float(eta) for eta in state["kl_coefs"]]


def _inner_kls(terms: OuterTerms) -> dict[str, float]:
    return {f"Inner KL {k}": kl for k, kl in enumerate(terms.inner_kls.tolist())}
