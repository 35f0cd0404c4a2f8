"""What PEARL trains: the networks together, under the names of their weight files."""

from typing import NamedTuple

from torch import nn

from rlkit.torch.conv_encoder import ConvEncoder
from rlkit.torch.encoders import ContextEncoder
from rlkit.torch.networks import Mlp
from rlkit.torch.sac.policies import TanhGaussianPolicy


class PEARLNetworks(NamedTuple):
    """The networks; a field's name is that of its weight file. Of pictures o is what obs_encoder makes of them."""

    qf1: Mlp  # Q(o, a, z)
    qf2: Mlp
    vf: Mlp  # V(o, z)
    target_vf: Mlp  # starts as a copy of V
    policy: TanhGaussianPolicy
    context_encoder: ContextEncoder
    obs_encoder: ConvEncoder | None = None  # of stacks of pictures

    def named(self) -> dict[str, nn.Module]:
        """Those that there are, by name."""
        return {name: network for name, network in self._asdict().items() if network is not None}
