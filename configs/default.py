"""Oyster's `default_config`: a view of the defaults as one dictionary. Their home is the dataclasses it is made from."""

from rlkit.core.config import to_dict
from rlkit.launchers.pearl_config import PEARLExperiment

default_config = to_dict(PEARLExperiment())
