"""Oyster's `default_config`: a view of the defaults as one dictionary.

Their home is the dataclasses that it is made from. What `env_params` shows is what a constructor
gets that names these two.
"""

from rlkit.core.config import to_dict
from rlkit.envs.keywords import OYSTER_DEFAULTS
from rlkit.launchers.pearl_config import PEARLExperiment

default_config = {**to_dict(PEARLExperiment()), "env_params": dict(OYSTER_DEFAULTS)}
