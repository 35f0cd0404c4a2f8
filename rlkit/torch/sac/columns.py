"""The columns of PEARL's progress.csv, in their order.

The first 41 are those of oyster. Source: katerakelly/oyster.
"""

from rlkit.core.meta_evaluation import FURTHER_SUCCESS_RATES
from rlkit.torch.sac.sac import PEARLSoftActorCritic

TRAINED = (
    "Z mean train", "Z variance train", "KL Divergence", "KL Loss",
    "QF Loss", "VF Loss", "Policy Loss",
    *(
        f"{name} {statistic}"
        for name in ("Q Predictions", "V Predictions", "Log Pis", "Policy mu", "Policy log std")
        for statistic in ("Mean", "Std", "Max", "Min")
    ),
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


def columns_of(trainer: PEARLSoftActorCritic, *, knows_success: bool) -> tuple[str, ...]:
    """All columns of a PEARL run, those that its trainer does not report included.

    Args:
        trainer: reports the statistics of the gradient steps.
        knows_success: whether the environment says what success is.
    """
    of_training = (name for name in trainer.statistic_names if name not in COLUMNS)
    return (*COLUMNS, *of_training, *(FURTHER_SUCCESS_RATES if knows_success else ()))
