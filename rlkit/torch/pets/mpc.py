"""Model-predictive control: plan, execute the first actions, warm-start the next plan."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlkit.torch.pets.noise import LaneNoise
from rlkit.torch.pets.objective import ModelCosts
from rlkit.torch.pets.planners import Planner


class MPC:
    """A policy that plans its actions, in the units of `low` and `high`.

    A lane's random numbers come from its trajectory's generator (see `LaneNoise`), so the number of
    lanes affects a trajectory only through rounding.

    Attributes:
        means: warm start of the next plan, [num_lanes, plan_hor, act_dim].
        queue: planned actions not yet executed, [num_lanes, at most per, act_dim].
        predictions: predicted states of every plan of these trajectories, if kept; each
            [num_lanes, plan_hor + 1, num_particles, obs_dim].
    Source: PETS, algorithm 1; kchua/handful-of-trials, `dmbrl/controllers/MPC.py`.
    """

    def __init__(
        self,
        costs: ModelCosts,
        planner: Planner,
        low: Tensor,
        high: Tensor,
        plan_hor: int,
        per: int = 1,
        *,
        keep_predictions: bool = False,
    ) -> None:
        """Store the arguments.

        Args:
            costs: cost of action sequences under the model.
            planner: searches for a sequence of low cost.
            low, high: bounds of an action, [act_dim], on the planner's device.
            plan_hor: actions in a plan.
            per: actions executed before the next plan.
            keep_predictions: propagate particles along every plan once more, for `predictions`.
                The plans do not change, since each has its own random numbers.
        Raises:
            ValueError: `plan_hor` is below 1, or `per` is not in 1 ... plan_hor.
        """
        if plan_hor < 1:
            raise ValueError(f"plan_hor is {plan_hor}; expected at least 1")
        if not 1 <= per <= plan_hor:
            raise ValueError(f"per is {per}; expected 1 to plan_hor, which is {plan_hor}")
        self.costs, self.planner, self.plan_hor, self.per = costs, planner, plan_hor, per
        self.low, self.high, self.keep_predictions = low, high, keep_predictions
        self.predictions: list[Tensor] = []
        self.generators: list[np.random.Generator] = []
        self.means = low.new_empty(0, plan_hor, len(low))
        self.queue = low.new_empty(0, 0, len(low))

    def start_trajectories(self, generators: Sequence[np.random.Generator]) -> None:
        """Start trajectories, one lane per generator, with plans initialised at the middle of the
        box; queued actions are dropped.

        The reference keeps them, so with per > 1 the next trial starts with actions planned at the
        end of the previous one.
        """
        self.generators = list(generators)
        middle = (self.low + self.high) / 2
        self.means = middle.expand(len(self.generators), self.plan_hor, -1).clone()
        self.queue = middle.new_empty(len(self.generators), 0, len(middle))
        self.predictions = []

    def get_actions(self, obs: np.ndarray, noise: np.ndarray | None = None) -> np.ndarray:
        """Map obs [num_lanes, obs_dim] to actions [num_lanes, act_dim]; `noise` is not used."""
        if self.queue.shape[1] == 0:
            plan = self.plan(torch.as_tensor(obs, dtype=self.low.dtype, device=self.low.device))
            self.queue = plan[:, : self.per]
            # The rest of the plan initialises the next one. It is padded with zeros, the middle of
            # a symmetric box.
            rest = plan[:, self.per :]
            self.means = torch.cat([rest, torch.zeros_like(self.queue)], dim=1)
        action, self.queue = self.queue[:, 0], self.queue[:, 1:]
        return action.cpu().numpy()

    @torch.no_grad()
    def plan(self, obs: Tensor) -> Tensor:
        """Plan from obs [num_lanes, obs_dim]: action sequences [num_lanes, plan_hor, act_dim]."""
        noise = LaneNoise(self.generators, obs.device, obs.dtype)
        plan = self.planner.plan(self.costs.objective(obs, noise), self.means, noise)
        if self.keep_predictions:
            self.predictions.append(self.costs.trajectories(obs, plan, noise).cpu())
        return plan

    def skip_plans(self, count: int) -> None:
        """Advance new generators as far as `count` plans would."""
        for _ in range(count):
            LaneNoise(self.generators)

    def state_dict(self) -> dict[str, Any]:
        """Warm start, queue and predictions; with the generators, enough to resume a trial."""
        return {"means": self.means, "queue": self.queue, "predictions": self.predictions}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume trajectories; call `start_trajectories` with their generators first."""
        self.means, self.queue = (
            state[name].to(self.low.device, self.low.dtype) for name in ("means", "queue")
        )
        self.predictions = list(state["predictions"])
