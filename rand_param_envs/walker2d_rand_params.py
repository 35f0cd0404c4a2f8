"""The planar walker with randomised dynamics."""

from typing import Any

from rand_param_envs.base import RandomEnv


class Walker2DRandParamsEnv(RandomEnv):
    """Two legs that have to walk forward without falling; 65 factors per task.

    Source: dennisl88/rand_param_envs, walker2d_rand_params.py.
    """

    @staticmethod
    def healthy(outcome: Any) -> Any:
        """Height between 0.8 and 2 m and angle within ±1 rad."""
        height, angle = outcome[..., 2], outcome[..., 3]
        return (height > 0.8) & (height < 2.0) & (abs(angle) < 1.0)
