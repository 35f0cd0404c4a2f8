"""The hopper with randomised dynamics."""

from typing import Any

from rand_param_envs.base import RandomEnv


class HopperRandParamsEnv(RandomEnv):
    """One leg that has to hop forward without falling; 41 factors a task.

    Source: dennisl88/rand_param_envs, hopper_rand_params.py.
    """

    @staticmethod
    def healthy(outcome: Any) -> Any:
        """Height above 0.7 m, angle within ±0.2 rad, and all numbers of the state but x and height
        within ±100.
        """
        height, angle, rest = outcome[..., 2], outcome[..., 3], outcome[..., 4]
        return (height > 0.7) & (abs(angle) < 0.2) & (rest < 100)
