"""PEARL's loop with the columns that HFR's log has besides: its names for PEARL's, success rates, the cost of relabeling."""

from rlkit.core.eval_util import success_shares
from rlkit.core.loop import Loop
from rlkit.core.meta_rl_algorithm import MetaRLAlgorithm

SUCCESS = {"train": ("Train Final Success", "Train Total Success", "Train Any Success"),
           "test": ("Test Final Success", "Test Total Success", "Success Rate")}  # fmt: skip


class HFRColumns(MetaRLAlgorithm):
    """Learns as `MetaRLAlgorithm` does; tells more: the columns of docs/hfr.md."""

    def collect_data(self, iteration: int, loop: Loop) -> dict[str, float]:
        """As PEARL's, with the environment steps under HFR's name."""
        collected = super().collect_data(iteration, loop)
        counts = (
            "Number of train steps total",
            "Number of env steps total",
            "Number of rollouts total",
        )
        steps = {name: collected.pop(name) for name in counts}
        return {**steps, "Timesteps": self.num_env_steps, **collected}

    def evaluate(self, iteration: int, loop: Loop) -> dict[str, float]:
        """As PEARL's, then HFR's columns."""
        evaluated = super().evaluate(iteration, loop)
        evaluated["Average Return"] = evaluated["AverageReturn_all_test_tasks"]
        if self.config.log_success_rate:
            for split, names in SUCCESS.items():
                adaptation = self.evaluation.adaptations[split]
                shares = success_shares(self.env, adaptation, self.config.num_exp_traj_eval)
                evaluated |= dict(zip(names, shares, strict=True))
        return evaluated
