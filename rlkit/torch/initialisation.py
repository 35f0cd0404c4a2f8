"""Initial weights of hidden layers, as oyster draws them."""

import torch
from torch import Tensor, nn


class Linear(nn.Linear):
    """A linear layer that leaves its weights uninitialised.

    `nn.utils.skip_init` does the same, but takes half a second to import.
    """

    def reset_parameters(self) -> None:
        """Do nothing: the weights are filled later."""


def fanout_init_(weight: Tensor, generator: torch.Generator | None) -> None:
    """Fill a hidden weight with U(+-1/sqrt(k)), k being the layer's output width, as in oyster."""
    bound = 1.0 / weight.shape[0] ** 0.5
    nn.init.uniform_(weight, -bound, bound, generator=generator)


def fanin_init_(weight: Tensor, generator: torch.Generator | None) -> None:
    """The same with k the layer's input width, as oyster's "fan-in" was meant to be."""
    bound = 1.0 / weight.shape[1] ** 0.5
    nn.init.uniform_(weight, -bound, bound, generator=generator)


HIDDEN_INITS = {"fanout": fanout_init_, "fanin": fanin_init_}
