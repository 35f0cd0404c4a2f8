"""Oyster's `default_config`: a view of the defaults as one dictionary.

The defaults are defined in the dataclasses that it is built from. `env_params` shows what a
constructor with these two keywords receives.
"""

from rlkit.core.config import to_dict
from rlkit.envs.keywords import OYSTER_DEFAULTS
from rlkit.launchers.pearl_config import PEARLExperiment

default_config = {**to_dict(PEARLExperiment()), "env_params": dict(OYSTER_DEFAULTS)}
