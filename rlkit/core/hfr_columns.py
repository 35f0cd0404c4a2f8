"""PEARL's loop with the columns that HFR's log has besides: its names for PEARL's, success rates, the cost of relabeling."""

import math
import time
from typing import Any

from rlkit.core.eval_util import Adaptation, success_shares
from rlkit.core.meta_rl_algorithm import MetaRLAlgorithm

SUCCESS = {"train": ("Train Final Success", "Train Total Success", "Train Any Success"),
           "test": ("Test Final Success", "Test Total Success", "Success Rate")}  # fmt: skip


class HFRColumns(MetaRLAlgorithm):
    """Learns as `MetaRLAlgorithm` does; tells more: the columns of docs/hfr.md."""

    _training_seconds = math.nan

    def do_training(self, iteration: int) -> dict[str, float]:
        """As PEARL's, timed."""
        started = time.perf_counter()
        statistics = super().do_training(iteration)
        self._training_seconds = time.perf_counter() - started
        return statistics

    def evaluate(self, iteration: int) -> dict[str, float]:
        """As PEARL's."""
        self._evaluated = super().evaluate(iteration)
        return self._evaluated

    def diagnostics(self) -> dict[str, float]:
        """PEARL's columns, then HFR's. Without an evaluation the evaluated ones are absent, as PEARL's are."""
        columns = super().diagnostics()
        adaptations: dict[str, Adaptation] = self.evaluation.adaptations
        evaluated: dict[str, Any] = {}
        if adaptations:
            evaluated["Average Return"] = self._evaluated["AverageReturn_all_test_tasks"]
        if adaptations and self.config.log_success_rate:
            for split, names in SUCCESS.items():
                shares = success_shares(self.env, adaptations[split], self.config.num_exp_traj_eval)
                evaluated |= dict(zip(names, shares, strict=True))
        of_relabeling = {name: columns.pop(name) for name in self._relabeling}
        of_batch = {
            name: columns.pop(name) for name in list(columns) if name.startswith(("RF ", "Reward "))
        }
        if "Relabeling Time (s)" in of_relabeling:
            share = of_relabeling["Relabeling Time (s)"] / self._training_seconds
            of_relabeling["Relabeling share of training time"] = share
        return {
            **columns,
            **of_batch,
            **evaluated,
            "Timesteps": self.num_env_steps,
            **of_relabeling,
        }
