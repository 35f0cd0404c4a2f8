"""The networks of PEARL, under the names of their weight files."""

from typing import NamedTuple, Self

from torch import nn

from rlkit.torch.context_encoder import ContextEncoder
from rlkit.torch.conv_encoder import ConvEncoder
from rlkit.torch.networks import Mlp
from rlkit.torch.sac.policies import TanhGaussianPolicy
from rlkit.torch.weight_mirror import WeightMirror


class PEARLNetworks(NamedTuple):
    """PEARL's networks; each field has the name of its weight file.

    With image observations, o is the output of obs_encoder.
    """

    qf1: Mlp  # Q(o, a, z)
    qf2: Mlp
    vf: Mlp  # V(o, z)
    target_vf: Mlp  # starts as a copy of V
    policy: TanhGaussianPolicy
    context_encoder: ContextEncoder
    obs_encoder: ConvEncoder | None = None  # for stacks of images

    def named(self) -> dict[str, nn.Module]:
        """The networks that exist, by name."""
        return {name: network for name, network in self._asdict().items() if network is not None}

    def copied_for_acting(self, mirror: WeightMirror) -> Self:
        """Replace the networks that act by copies, which the mirror keeps up to date."""
        return self._replace(
            policy=mirror.copy_of(self.policy),
            context_encoder=mirror.copy_of(self.context_encoder),
            obs_encoder=None if self.obs_encoder is None else mirror.copy_of(self.obs_encoder),
        )
