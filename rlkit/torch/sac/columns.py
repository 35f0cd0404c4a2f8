"""The columns of PEARL's progress.csv, in their order.

The first 41 are those of katerakelly/oyster.
"""

from collections.abc import Iterable

from rlkit.core.meta_evaluation import FURTHER_SUCCESS_RATES
from rlkit.torch.gradient_steps import KINDS

POSTERIOR_LOSSES = ("KL Divergence", "KL Loss")  # only if z has a posterior
LOSSES = (*POSTERIOR_LOSSES, "QF Loss", "VF Loss", "Policy Loss")
DESCRIBED = ("Q Predictions", "V Predictions", "Log Pis", "Policy mu", "Policy log std")
TRAINED = (
    "Z mean train", "Z variance train", *LOSSES,
    *(f"{name} {kind}" for name in DESCRIBED for kind in KINDS),
)  # fmt: skip
COUNTS = (
    "Number of train steps total", "Number of env steps total", "Number of rollouts total",
)  # fmt: skip
COLUMNS = (
    *TRAINED,
    "Z mean eval", "Z variance eval",
    "AverageTrainReturn_all_train_tasks", "AverageReturn_all_train_tasks",
    "AverageReturn_all_test_tasks",
    *COUNTS,
    "Train Time (s)", "(Previous) Eval Time (s)", "Sample Time (s)", "Epoch Time (s)",
    "Total Train Time (s)", "Epoch",
    # Not in oyster
    "AverageReturn_std_test_tasks", "AverageReturn_prior_test_tasks",
    "AverageLength_test_tasks", "AverageSpeed_test_tasks", "SuccessRate_test_tasks",
)  # fmt: skip


def statistic_names(latent_dim: int) -> tuple[str, ...]:
    """Names of a gradient step's statistics except gradient norms; oyster's come first."""
    by_dimension = (f"KL dim {i}" for i in range(latent_dim))
    return (*TRAINED, *by_dimension, "Z variance min", "Z variance at floor")


def columns_of(statistic_names: Iterable[str], *, knows_success: bool) -> tuple[str, ...]:
    """All columns of a PEARL run, including those that its trainer does not report.

    Args:
        statistic_names: names that the gradient steps report.
        knows_success: whether the environment defines success.
    """
    of_training = (name for name in statistic_names if name not in COLUMNS)
    return (*COLUMNS, *of_training, *(FURTHER_SUCCESS_RATES if knows_success else ()))
