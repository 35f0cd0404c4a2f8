"""walker-rand-params: walk forward with unknown body parameters."""

from rand_param_envs import Walker2DRandParamsEnv
from rlkit.envs.rand_params import RandParamsEnv


class WalkerRandParamsWrappedEnv(RandParamsEnv):
    """The planar walker of `rand_param_envs` as a task distribution.

    Source: katerakelly/oyster, rlkit/envs/walker_rand_params_wrapper.py.
    """

    name = "walker-rand-params"
    random_env_class = Walker2DRandParamsEnv
    model_file = "walker2d.xml"  # walker2d_v5.xml has another friction at the right foot
    obs_dim = 17
    act_dim = 6
    task_dim = 65
