"""The published settings of the four environments."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """Settings of one environment in kchua/handful-of-trials, dmbrl/config."""

    task_hor: int
    plan_hor: int
    popsize: int
    num_elites: int
    random_popsize: int
    hidden_sizes: tuple[int, ...]
    weight_decays: tuple[float, ...]
    learning_rate: float = 1e-3


PUBLISHED = {
    "pets-cartpole": Published(200, 25, 400, 40, 2000, (500,) * 3, (1e-4, 2.5e-4, 2.5e-4, 5e-4)),
    "pets-reacher": Published(
        150, 25, 400, 40, 2000, (200,) * 4, (2.5e-4, 5e-4, 5e-4, 5e-4, 7.5e-4), 7.5e-4
    ),
    "pets-pusher": Published(150, 25, 500, 50, 2500, (200,) * 3, (2.5e-4, 5e-4, 5e-4, 7.5e-4)),
    "pets-halfcheetah": Published(
        1000, 30, 500, 50, 2500, (200,) * 4, (2.5e-5, 5e-5, 7.5e-5, 7.5e-5, 1e-4)
    ),
}
