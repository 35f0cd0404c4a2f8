"""hopper-rand-params: hop forward with unknown body parameters."""

from rand_param_envs import HopperRandParamsEnv
from rlkit.envs.rand_params import RandParamsEnv


class HopperRandParamsWrappedEnv(RandParamsEnv):
    """The hopper of `rand_param_envs` as a task distribution.

    Source: katerakelly/oyster, rlkit/envs/hopper_rand_params_wrapper.py.
    """

    name = "hopper-rand-params"
    random_env_class = HopperRandParamsEnv
    model_file = "hopper.xml"
    obs_dim = 11
    act_dim = 3
    task_dim = 41
